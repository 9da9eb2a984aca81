"""What migrates a database, and how it is recognised in a command: one line for each tool."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from runwright.policy.levels import Level

_WORDS = "( [^;&|]*)?"
"""Options and arguments between a program and what it is told to do."""


@dataclass(frozen=True)
class Found:
    """Something that migrates. tool: a key of ``TOOLS``. where: "docker/start.sh line 4", or "its command". says: the text."""

    tool: str
    where: str
    says: str

    @property
    def level(self) -> Level:
        """What it can do to the version before: what only makes tables that are missing is known, all else is not."""
        return Level.L1 if self.tool == ONLY_ADDS else Level.L3

    def __str__(self) -> str:
        return f"{self.where}: {self.says}"


ONLY_ADDS = "create_all"
UNKNOWN = "unknown"

TOOLS = {
    "alembic": f"alembic{_WORDS} upgrade|flask{_WORDS} db{_WORDS} upgrade",
    "django": f"(manage[.]py|django-admin|-m django){_WORDS} (migrate|syncdb)",
    "prisma": f"prisma{_WORDS} (migrate +(deploy|dev|reset)|db +push)",
    "rails": f"(rails|rake){_WORDS} db:(migrate|prepare|setup|reset|schema:load)",
    "flyway": f"flyway{_WORDS} migrate|flyway:migrate|flywayMigrate",
    "liquibase": f"liquibase{_WORDS} (update|migrate)|liquibase:update",
    "knex": f"knex{_WORDS} migrate:(latest|up)",
    "sequelize": f"sequelize(-cli)?{_WORDS} db:migrate",
    "typeorm": f"typeorm[^ ]*{_WORDS} (migration:run|schema:sync)",
    "drizzle": f"drizzle-kit{_WORDS} (migrate|push)",
    "mikro-orm": f"mikro-orm{_WORDS} (migration:up|schema:update)",
    "node-pg-migrate": f"node-pg-migrate{_WORDS} up",
    "db-migrate": f"db-migrate{_WORDS} up",
    "goose": f"goose{_WORDS} up",
    "golang-migrate": f"migrate{_WORDS} -{{1,2}}(path|source|database){_WORDS} (up|goto)",
    "dbmate": f"dbmate{_WORDS} (up|migrate)",
    "atlas": f"atlas{_WORDS} (migrate|schema) +apply",
    "sqlx": f"sqlx{_WORDS} (migrate +run|database +(setup|reset))",
    "diesel": f"diesel{_WORDS} (migration +run|setup|database +(setup|reset))",
    "laravel": f"artisan{_WORDS} migrate",
    "doctrine": "doctrine:(migrations:migrate|schema:update)",
    "phinx": f"phinx{_WORDS} migrate",
    "ecto": f"ecto[.](migrate|setup)|eval{_WORDS} [^ ]*[Mm]igrat[a-z_]*",
    "entity-framework": f"dotnet{_WORDS} ef{_WORDS} database +update",
    "aerich": f"aerich{_WORDS} upgrade",
    "yoyo": f"yoyo{_WORDS} (apply|reapply)",
    "piccolo": f"piccolo{_WORDS} migrations +forwards",
    "sqitch": f"sqitch{_WORDS} deploy",
    "hasura": f"hasura{_WORDS} migrate +apply",
    "sql": f"(psql|mysql|mariadb|sqlite3){_WORDS} (-f|--file|<)",
}
"""The pattern of a command, for each tool, as both ``git grep -E`` and Python read it."""

_ENDS = "([^A-Za-z0-9_:.-]|$)"
_PATTERNS = {tool: re.compile(f"(^|[ /])({pattern}){_ENDS}") for tool, pattern in TOOLS.items()}
GREP = "|".join(TOOLS.values())
"""All of them at once, for ``git grep -E``."""

_NAMED = re.compile(r"(?<![A-Za-z])migrat(e|or|ions?|ing)(?![A-Za-z])", re.IGNORECASE)
_SAYS = frozenset({"echo", "printf", "log", "info", "test", "[", "[[", "export", "set", "unset", "cd", "mkdir", "cp", "rm",
                   "chmod", "chown", "ls", "cat", "grep", "find", "return", "local", "readonly", "declare"})  # fmt: skip


def tool_of(words: Iterable[str]) -> str:
    """Return the tool that a command of ``words`` migrates with; UNKNOWN if what it runs is called so, "" if it is none."""
    given = list(words)
    if not given or given[0] in _SAYS:
        return ""
    text = " ".join(given)
    for tool, pattern in _PATTERNS.items():
        if pattern.search(text):
            return tool
    # a program, a script or a task of that name: what is run, and not what is said about it
    run = [word for word in given if not word.startswith(("-", "$")) and "=" not in word][:4]
    return UNKNOWN if any(_NAMED.search(word.rpartition("/")[2]) for word in run if not word.endswith("/")) else ""
