"""Where revisions are kept is asked of the version itself, and every database that it migrates must be where it is meant."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.errors import ObservationError, RefusedError, VerificationError
from runwright.migrators.shape import Place
from runwright.release import drivers, revision_tables
from runwright.release.work import Work
from tests.unit.release.conftest import Opener

DATABASE = {"database": {"kind": "postgres", "host": "127.0.0.1", "port": 1, "name": "app", "user": "app"}}


class Version:
    """A migrator whose env.py answers with places, or cannot be asked."""

    def __init__(self, *places: Place) -> None:
        self.places = places

    def locate(self, _do: object, _job: object) -> tuple[Place, ...]:
        """Return the places."""
        if not self.places:
            raise ObservationError("env.py cannot be run.")
        return self.places


def at(database: str, *revisions: str, schema: str | None = "own") -> Place:
    return Place(database, schema, "revisions", revisions)


@pytest.fixture
def ask(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that opens a release whose env.py answers so."""

    def opened_with(*places: Place) -> Work:
        monkeypatch.setattr(drivers, "job", lambda *_: None)
        monkeypatch.setattr(drivers, "migrator", lambda _: Version(*places))
        return opened(local=DATABASE, migrate={"tool": "alembic"})

    return opened_with


def test_the_tables_of_the_runbooks_database_are_remembered(ask: Any) -> None:
    """For every step of this release, and for the next ones until they have asked."""
    work = ask(at("app", "a1"), at("audit", "a1"))
    revision_tables.before_plan(work)
    assert work.revision_tables() == [("own", "revisions")]


def test_a_version_that_does_not_tell_keeps_what_was_known(ask: Any) -> None:
    """Its env.py may write before it migrates; revisions are then looked for where they were."""
    work = ask()
    revision_tables.before_plan(work)
    assert work.revision_tables() == []


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ((at("app", "a1"), at("audit", "a2")), "different revisions: app at a1; audit at a2"),
        ((at("audit", "a1"),), "migrates audit, and the runbook names the database app"),
    ],
)
def test_databases_that_cannot_be_planned_for_are_refused(ask: Any, places: tuple[Place, ...], said: str) -> None:
    """One that is ahead of the other, and one that nobody would have backed up."""
    with pytest.raises(RefusedError, match=said):
        revision_tables.before_plan(ask(*places))


def test_every_database_has_to_arrive(ask: Any) -> None:
    """After the migration the others are asked as well: the runbook's own is not all."""
    work = ask(at("app", "a2"), at("audit", "a2"))
    revision_tables.before_plan(work)
    revision_tables.after_migration(work, ("a2",))
    with pytest.raises(VerificationError, match="app at a2; audit at a2"):
        revision_tables.after_migration(work, ("a3",))
