"""What a process does not need, it does not import: a release's process, the copier, a check."""

from __future__ import annotations

import subprocess
import sys

import pytest

DRIVERS = (
    "runwright.platforms.host.driver",
    "runwright.platforms.compose.driver",
    "runwright.routers.caddy.driver",
    "runwright.databases.postgres",
)
HEAVY = ("sqlglot", "alembic", "matplotlib", "numpy", "docker", "psycopg", "requests", "typer", "jinja2", "boto3")
PREFECTS = ("prefect", "httpx", "sqlalchemy", "rich", "multiprocessing")


@pytest.mark.parametrize(
    ("begins", "without"),
    [
        pytest.param("import flows.deploy, flows.rollback", (*HEAVY, *DRIVERS), id="a release"),
        pytest.param(
            "import runwright.databases.sqlite_copy",
            (*HEAVY, *PREFECTS, "pydantic", "runwright.runbook.model"),
            id="the copier of SQLite files",
        ),
        pytest.param(
            "from typer.testing import CliRunner; from deployments.cli.main import app; "
            "done = CliRunner().invoke(app, ['check', 'examples/shop.yaml']); assert done.exit_code == 0, done.output",
            (*(set(HEAVY) - {"typer"}), "prefect", "httpx", "sqlalchemy"),
            id="a check",
        ),
    ],
)
def test_what_is_not_used_is_not_imported(begins: str, without: tuple[str, ...]) -> None:
    """Each release starts a process or more: what it imports is paid each time, in time and in memory."""
    told = f"{begins}\nimport sys; print(*(name for name in {sorted(without)} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
