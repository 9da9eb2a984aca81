"""A PostgreSQL database."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from runwright.runbook.base import Port, ServiceName, Template, Text, Words, example
from runwright.runbook.databases.shape import Database

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
