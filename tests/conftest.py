"""What all tests share. The fixtures are in ``tests/fixtures``, one file a theme."""

from __future__ import annotations

from hypothesis import settings

from tests.fixtures.properties import EVER_NEW

# A busy machine may take a second for what takes a millisecond: that is no failure. Whether a change can be released is
# not left to chance: properties are tried with the same examples each time, and with ever new ones by `make chaos`.
settings.register_profile("ours", deadline=None, derandomize=not EVER_NEW)
settings.load_profile("ours")

pytest_plugins = [
    "tests.fixtures.surroundings",
    "tests.fixtures.engine",
    "tests.fixtures.postgres",
    "tests.fixtures.ledgers",
    "tests.fixtures.scheduling",
    "tests.fixtures.stories",
    "tests.fixtures.prefect",
    "tests.fixtures.compose_shop",
    "tests.fixtures.up",
    "tests.fixtures.ssh",
    "tests.fixtures.kubernetes",
]
