"""A fix of the version that serves on a schema that a way back left ahead of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from runwright.errors import RefusedError
from runwright.ledger.states import ReleaseState
from runwright.migrators.shape import Migration, MigrationPlan
from runwright.policy.levels import Level
from runwright.release import ahead, drivers
from runwright.release.plan import read_migrations
from runwright.release.work import Work
from runwright.versions import Version
from tests.unit.release.conftest import Opener

TO_PROVEN = (ReleaseState.PLANNED, ReleaseState.APPROVED, ReleaseState.SWITCHING, ReleaseState.VERIFYING,
             ReleaseState.WATCHING, ReleaseState.PROVEN)  # fmt: skip
TAKEN_BACK = (*TO_PROVEN[:3], ReleaseState.FAILING, ReleaseState.ROLLING_BACK, ReleaseState.ROLLED_BACK)


class Code:
    """A migrator whose version has the revisions ``history``, in that order."""

    def __init__(self, *history: str) -> None:
        self.history = history

    def plan(self, _do: object, _job: object, current: Sequence[str]) -> MigrationPlan:
        """Return what is pending for a database at ``current``."""
        unknown = tuple(r for r in current if r not in self.history)
        after = self.history.index(current[-1]) + 1 if current and not unknown else 0
        pending = () if unknown else self.history[after:]
        steps = tuple(Migration(r, (), "", f"{r}.py", Level.L1, (), ()) for r in pending)
        return MigrationPlan(self.history[-1:], tuple(current), steps, unknown)


@pytest.fixture
def work(opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """The release of a fix; the database is at 0002."""
    (tmp_path / "run").mkdir()
    with sqlite3.connect(tmp_path / "run" / "data.db") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0002')")
    connection.close()
    found = opened(local={"database": {"kind": "sqlite", "path": "data.db"}}, migrate={"tool": "alembic"})
    monkeypatch.setattr(drivers, "job", lambda *_: None)
    return found


def earlier(
    work: Work, ref: str, states: tuple[ReleaseState, ...], before: str, after: str, level: Level = Level.L1
) -> str:
    """Let a release of ``ref`` have gone that way, which found the database at ``before`` and left it at ``after``."""
    releases = work.ledger.releases
    live = releases.live("shop", "local")
    of = releases.open(
        "shop", "local", ref, procedure="deploy", run_id=ref, runbook={}, parameters={}, deployer="ada",
    )  # fmt: skip
    releases.record(
        of.id, version=Version("shop", "local", ref, ref[-1] * 40), previous_id=live.id if live else None,
        level=level.value, schema_before=[before], schema_after=[after],
    )  # fmt: skip
    for state in states:
        releases.advance(of.id, state, "so it went")
    return of.id


def read(work: Work, code: Code, monkeypatch: pytest.MonkeyPatch, at: str = "0002") -> MigrationPlan:
    monkeypatch.setattr(drivers, "migrator", lambda _: code)
    found = read_migrations(work, {"revisions": [at]})
    assert found is not None
    return found


def test_a_fix_with_the_same_migrations_rests_on_what_serves(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """v2 was taken back and left its schema: v1 serves there, so does its fix; nothing is migrated, and the plan says why."""
    earlier(work, "v1", TO_PROVEN, "0001", "0001")
    earlier(work, "v2", TAKEN_BACK, "0001", "0002")
    found = read(work, Code("0001"), monkeypatch)
    assert (found.pending, found.unknown_current, found.ahead, found.level) == ((), (), ("0002",), Level.L0)
    assert found.expected == ("0002",)
    assert MigrationPlan.from_json(found.as_json()) == found
    (said,) = ahead.remark(work)
    assert "v1 serves on 0002 since" in said and "as v2 left it" in said and "same migrations as v1" in said
    assert "Somebody" not in said
    assert ahead.stays_ahead(work)


def test_what_was_adopted_can_be_fixed_as_well(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first release of all found v1 running, was opened before that was written down, and was taken back."""
    releases = work.ledger.releases
    first = releases.open(
        "shop", "local", "v2", procedure="deploy", run_id="v2", runbook={}, parameters={}, deployer="ada"
    )
    old = releases.adopt("shop", "local", Version("shop", "local", "adopted-1", ""), runbook={}, deployer="ada")
    releases.record(first.id, previous_id=old.id, level="L1", schema_before=["0001"], schema_after=["0002"])
    for state in TAKEN_BACK:
        releases.advance(first.id, state, "so it went")
    assert read(work, Code("0001"), monkeypatch).ahead == ("0002",)
    assert "adopted-1 serves on 0002" in ahead.remark(work)[0]


def test_the_fix_of_a_fix_rests_on_the_same(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the fix is proven it is what serves ahead of its own code, also after another release was taken back."""
    earlier(work, "v1", TO_PROVEN, "0001", "0001")
    earlier(work, "v2", TAKEN_BACK, "0001", "0002")
    fix = earlier(work, "v1.0.1", TO_PROVEN, "0002", "0002", Level.L0)
    kept = {"knows": ["0001"], "level": "L1", "left_by": ["v2"]}
    work.ledger.releases.set_fact(fix, ahead.FACT, kept)
    assert read(work, Code("0001"), monkeypatch).ahead == ("0002",)
    earlier(work, "v3", TAKEN_BACK, "0002", "0003")
    assert read(work, Code("0001"), monkeypatch, at="0003").ahead == ("0003",)
    assert "as v2 and v3 left it" in ahead.remark(work)[0]


def test_several_that_were_taken_back_are_seen_through(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """What v1 knows is where the first of them found the database."""
    earlier(work, "v1", TO_PROVEN, "0001", "0001")
    earlier(work, "v2", TAKEN_BACK, "0001", "0002")
    earlier(work, "v3", TAKEN_BACK, "0002", "0003")
    earlier(work, "v4", TAKEN_BACK, "0003", "0003", Level.L0)
    assert read(work, Code("0001"), monkeypatch, at="0003").ahead == ("0003",)


@pytest.mark.parametrize("history", [("0001", "0001b"), ("0000",), ("0000", "0000b")])
def test_a_fix_with_other_migrations_is_refused(
    work: Work, monkeypatch: pytest.MonkeyPatch, history: tuple[str, ...]
) -> None:
    """Its own ones cannot be applied where the database is, and one that has fewer has proven nothing."""
    earlier(work, "v1", TO_PROVEN, "0001", "0001")
    earlier(work, "v2", TAKEN_BACK, "0001", "0002")
    with pytest.raises(RefusedError, match="v1 serves there, but its migrations end at 0001") as caught:
        read(work, Code(*history), monkeypatch)
    assert history[-1] in caught.value.what
    assert not ahead.stays_ahead(work)


@pytest.mark.parametrize("states", [(), TO_PROVEN[:3], (*TO_PROVEN[:3], ReleaseState.FAILING, ReleaseState.FROZEN)])
def test_where_nothing_has_proven_that_it_serves_there_a_fix_is_refused(
    work: Work, monkeypatch: pytest.MonkeyPatch, states: tuple[ReleaseState, ...]
) -> None:
    """Somebody migrated by hand, or a release is frozen: that v1 answers there was never verified."""
    earlier(work, "v1", TO_PROVEN, "0001", "0001")
    if states:
        earlier(work, "v2", states, "0001", "0002")
    with pytest.raises(RefusedError, match="the database is ahead of it"):
        read(work, Code("0001"), monkeypatch)


@pytest.mark.parametrize(("names", "allowed"), [({}, False), ({"schema-ahead": "yes"}, False), ({"schema-ahead": "Ada Lovelace"}, True)])  # fmt: skip
def test_where_more_than_additions_were_left_a_person_says_so_by_name(
    work: Work, monkeypatch: pytest.MonkeyPatch, names: dict[str, str], allowed: bool
) -> None:
    """What was taken back above L1 may break what v1's health probes do not touch; who allowed it is kept."""
    earlier(work, "v1", TO_PROVEN, "0001", "0001")
    earlier(work, "v2", TAKEN_BACK, "0001", "0002", Level.L3)
    work.release.parameters["attestations"] = names
    if allowed:
        assert read(work, Code("0001"), monkeypatch).ahead == ("0002",)
        assert "Ada Lovelace states" in ahead.remark(work)[0]
        assert [a.name for a in work.ledger.records.approvals(work.id)] == ["Ada Lovelace"]
    else:
        with pytest.raises(RefusedError, match="of level L3") as caught:
            read(work, Code("0001"), monkeypatch)
        assert "--attest schema-ahead=NAME" in caught.value.next


def test_a_version_that_knows_the_revision_is_an_ordinary_release(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next version goes on from there, and nothing is said of a schema ahead."""
    earlier(work, "v1", TO_PROVEN, "0001", "0001")
    earlier(work, "v2", TAKEN_BACK, "0001", "0002")
    found = read(work, Code("0001", "0002", "0003"), monkeypatch)
    assert ([m.revision for m in found.pending], found.ahead) == (["0003"], ())
    assert ahead.remark(work) == []
