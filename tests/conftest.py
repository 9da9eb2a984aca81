"""What all tests share. The fixtures are in ``tests/fixtures``, one file a theme."""

from __future__ import annotations

pytest_plugins = [
    "tests.fixtures.surroundings",
    "tests.fixtures.engine",
    "tests.fixtures.postgres",
    "tests.fixtures.ledgers",
    "tests.fixtures.prefect",
]
