"""SQLite and PostgreSQL are held to what every database must do."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from runwright.databases.postgres import Postgres
from runwright.databases.sqlite import Sqlite
from runwright.runbook.databases.postgres import PostgresDatabase
from runwright.testing.conformance import DatabaseCase, DatabaseConformance
from runwright.testing.conformance.database import SCRATCH
from runwright.testing.direct import Direct
from tests.fixtures.postgres import PostgresServer

SCHEMA = """
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0002_note');
CREATE TABLE customer (name text NOT NULL);
INSERT INTO customer VALUES ('Ada'), ('Grace');
"""
ADD, ALL = "INSERT INTO customer VALUES ('Mary')", "SELECT name FROM customer ORDER BY name"
REVISIONS = ("0002_note",)


class TestSqlite(DatabaseConformance):
    @pytest.fixture
    def case(self, tmp_path: Path) -> DatabaseCase:
        """A file of its own."""
        file = tmp_path / "shop.db"

        def script(path: Path | str, text: str) -> list[tuple[str]]:
            with closing(sqlite3.connect(path)) as connection, connection:
                return list(connection.execute(text))

        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(SCHEMA)
        return DatabaseCase(
            make=lambda: Sqlite(file, sys.executable),
            live="shop",
            contents=lambda: script(file, ALL),
            held=lambda path: script(path, ALL),
            change=lambda: script(file, ADD) and None,
            revisions=REVISIONS,
        )


@pytest.mark.docker
class TestPostgres(DatabaseConformance):
    @pytest.fixture
    def case(self, postgres_server: PostgresServer, postgres_database: str) -> Iterator[DatabaseCase]:
        """A database of its own on a server that is reached over the network."""
        server, name = postgres_server, urlsplit(postgres_database).path[1:]

        def script(database: str, text: str) -> list[tuple[str]]:
            with psycopg.connect(server.url(database), autocommit=True) as connection:
                found = connection.execute(text)
                return list(found) if found.description else []

        script(name, SCHEMA)
        place = PostgresDatabase(kind="postgres", name=name, user=server.user, host=server.host, port=server.port)
        case = DatabaseCase(
            make=lambda: Postgres(place, None, server.password),
            live=name,
            contents=lambda: script(name, ALL),
            held=lambda database: script(database, ALL),
            change=lambda: script(name, ADD) and None,
            revisions=REVISIONS,
        )
        yield case
        case.make().drop_scratch(Direct(), SCRATCH, "end")
