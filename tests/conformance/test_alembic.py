"""Alembic is held to what every migrator must do."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Command, Do, Output
from runwright.migrators.alembic import Alembic
from runwright.migrators.shape import Job
from runwright.testing.conformance import MigratorCase, MigratorConformance

SHOP = Path(__file__).parent.parent / "data" / "migrations" / "shop"


class TestAlembic(MigratorConformance):
    @pytest.fixture
    def case(self, tmp_path: Path) -> MigratorCase:
        """The shop's migrations, and a SQLite file that is not there yet."""
        folder, file = tmp_path / "app", tmp_path / "shop.db"
        shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns("__pycache__"))

        def asked(query: str) -> list[Any]:
            if not file.exists():
                return []
            with closing(sqlite3.connect(file)) as connection:
                return list(connection.execute(query))

        def tables() -> list[Any]:
            return asked("SELECT name, sql FROM sqlite_master ORDER BY name")

        def revisions() -> tuple[str, ...]:
            there = "alembic_version" in dict(tables())
            return tuple(row[0] for row in asked("SELECT version_num FROM alembic_version")) if there else ()

        def job(do: Do) -> Job:
            def run(argv: tuple[str, ...], *, key: str | None, says: str, deadline_seconds: float) -> bytes:
                env = {"DATABASE_URL": f"sqlite:///{file}"}
                again: dict[str, Any] = {"repeatable": key is None, "safe_point": key is not None}
                how = Command(
                    argv=argv, env=env, cwd=folder, key=key, says=says, deadline_seconds=deadline_seconds,
                    parse=printed if key is None else nothing, **again,
                )  # fmt: skip
                return do(how) or b""

            return run

        return MigratorCase(lambda: Alembic(directory="backend", python=sys.executable), job, revisions, tables)


def printed(output: Output) -> bytes | None:
    return output.stdout


def nothing(_: Output) -> bytes | None:
    return None
