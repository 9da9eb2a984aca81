"""What the code and the build files of other languages say about migrating at the start: a pattern for each habit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from runwright.policy.starts.tools import ONLY_ADDS

_JVM = (".xml", ".gradle", ".kts", ".toml")


@dataclass(frozen=True)
class Habit:
    """A way to migrate from within. endings: of the files that it is written in. pattern: as ``git grep -E`` reads it."""

    tool: str
    endings: tuple[str, ...]
    pattern: str


_SCRIPTS = (".js", ".cjs", ".mjs", ".ts", ".mts", ".cts", ".json")
HABITS = (
    Habit("typeorm", _SCRIPTS, 'migrationsRun"?: *true|synchronize"?: *true|[.]runMigrations[(]'),
    Habit("knex", _SCRIPTS, "[.]migrate[.](latest|up)[(]"),
    Habit("sequelize", _SCRIPTS, "sequelize[.]sync[(]|umzug[.]up[(]"),
    Habit("drizzle", _SCRIPTS, "drizzle-orm/[a-z-]+/migrator"),
    Habit("mikro-orm", _SCRIPTS, "getMigrator[(][)][.]up[(]"),
    Habit("goose", (".go",), "goose[.](Up|UpContext|UpTo)[(]"),
    Habit("golang-migrate", (".go",), "golang-migrate/migrate"),
    Habit("gorm", (".go",), "[.]AutoMigrate[(]"),
    Habit("sqlx", (".rs",), "sqlx::migrate!|migrate!?[(].*[)][.]run[(]"),
    Habit("diesel", (".rs",), "run_pending_migrations[(]"),
    Habit("sea-orm", (".rs",), "Migrator::up[(]"),
    Habit(
        "flyway",
        (*_JVM, ".java", ".kt"),
        "flyway-core|flyway-database|starter-flyway|quarkus-flyway|[Ff]lyway[.]migrate[(]",
    ),
    Habit("liquibase", (*_JVM,), "liquibase-core|starter-liquibase|quarkus-liquibase"),
    Habit(
        "hibernate",
        (".properties", ".yml", ".yaml"),
        "ddl-auto[=:] *(update|create|create-drop)|hbm2ddl[.]auto[=:] *(update|create)",
    ),
    Habit("entity-framework", (".cs",), "[.]Migrate(Async)?[(][)]"),
    Habit(ONLY_ADDS, (".cs",), "[.]EnsureCreated(Async)?[(][)]"),
    Habit("ecto", (".ex", ".exs"), "Ecto[.]Migrator[.](run|with_repo)|Ecto[.]Migrator,"),
)
GREP = "|".join(habit.pattern for habit in HABITS)
SWITCHED_OFF = {
    "flyway": re.compile(r"flyway(\.|:\s*(\n\s+\S.*)*\n\s+)enabled\s*[=:]\s*false"),
    "liquibase": re.compile(r"liquibase(\.|:\s*(\n\s+\S.*)*\n\s+)enabled\s*[=:]\s*false"),
}
"""In a configuration of Spring: then what is on the classpath does nothing at the start."""

_REMARK = re.compile(r"\s*(//|#|\*|<!--|--|/\*)")
_ELSEWHERE = re.compile(
    r"(^|/)(tests?|__tests__|spec|specs|e2e|node_modules|vendor|third_party|examples?|docs?|migrations?|dist|build|target)/"
    r"|(_test\.go|[.-](test|spec)\.[cm]?[jt]s|Test\.(java|kt)|\.lock|lock\.json)$"
)
_COMPILED = {habit: re.compile(habit.pattern) for habit in HABITS}


def habits_in(name: str, text: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line, tool, text) of what the file ``name`` does or brings along. What only tests it, or a remark, says nothing."""
    if _ELSEWHERE.search(name):
        return
    ending = PurePosixPath(name).suffix
    for number, line in enumerate(text.splitlines(), 1):
        if _REMARK.match(line):
            continue
        for habit, pattern in _COMPILED.items():
            if ending in habit.endings and pattern.search(line):
                yield number, habit.tool, line.strip()[:120]
