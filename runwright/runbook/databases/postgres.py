"""A PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from runwright.runbook.base import Port, ServiceName, Template, Text, Words, example
from runwright.runbook.databases.shape import Database
from runwright.runbook.document import Mistake
from runwright.runbook.words import Path

if TYPE_CHECKING:
    from runwright.runbook.environment import Environment

Identifier = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$-]{0,62}$"), Words("a name as PostgreSQL allows it", "a name")
]


class PostgresDatabase(Database):
    """A PostgreSQL database: a service of the Compose project, or a server that is reached over the network."""

    title: ClassVar[str] = "PostgreSQL, also a managed one, by its host"

    kind: Literal["postgres"]
    name: Identifier = example("shop", "The database's name.")
    user: Identifier = example("shop", "The user that owns it.")
    service: ServiceName | None = example(
        "db", "The Compose service that it runs in; then pg_dump and psql run inside of that container.", None
    )
    host: Text | None = example(
        "db.internal", "The server's name, if it is no service of the project.", None, apart=True
    )
    port: Port = example(5432, "The server's port.", 5432)
    password: Template | None = example(
        "${secret.database_password}", "The password; not needed where the container's own user is trusted.", None
    )

    @property
    def in_server(self) -> str:
        """Return its name."""
        return self.name

    def mistakes(self, place: Environment, path: Path) -> Iterator[Mistake]:
        """Yield what is missing to reach it, or cannot be where the environment runs."""
        if (self.service is None) == (self.host is None):
            given = "both are given" if self.service else "neither is given"
            what = f"a PostgreSQL database needs `service` (a service of the Compose project) or `host` (a server); {given}."
            yield Mistake(path, what, ("service: db",))
        elif self.service and not place.target.enters:
            what = f"`service` is for Compose; on the {place.target.platform} platform give the server's `host`."
            yield Mistake((*path, "service"), what)
