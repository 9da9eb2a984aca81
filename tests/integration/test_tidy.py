"""What nobody needs any more is removed when a release is proven; what runs, serves, or may be gone back to, never is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runwright.artifacts import Note, note_file
from runwright.ledger import open_ledger
from runwright.ledger.states import ReleaseState
from runwright.platforms.host.leftovers import built, checked_out, written
from runwright.platforms.host.slots import Slot
from runwright.platforms.shape import Kept
from runwright.release.tidy import KEPT_RELEASES, needed, tidy
from runwright.release.work import Work, at_work
from runwright.runbook.model import Runbook
from runwright.runbook.snapshot import to_json
from runwright.site import Folders
from runwright.versions import Artifact, Version
from tasks.lease import holding
from tasks.run import RUN

PROVEN = (ReleaseState.PLANNED, ReleaseState.APPROVED, ReleaseState.SWITCHING, ReleaseState.VERIFYING,
          ReleaseState.WATCHING, ReleaseState.PROVEN)  # fmt: skip


def commit(number: int) -> str:
    return f"{number:040x}"


class Shop:
    """A system with two environments on this machine, and what its releases leave here."""

    def __init__(self, tmp_path: Path) -> None:
        self.run = {name: tmp_path / f"run-{name}" for name in ("local", "other")}
        places = {
            name: {
                "tier": "development",
                "target": {"platform": "host", "directory": str(root), "process": {"command": ["{python}"]}},
                "router": {"kind": "caddy"},
            }
            for name, root in self.run.items()
        }
        book = {"system": "shop", "source": {"repo": str(tmp_path)}, "components": {"web": {}}, "environments": places}
        self.runbook = to_json(Runbook.model_validate(book))

    def folder(self, number: int) -> Path:
        return Folders.of("shop", "local", "").artifacts / "web" / commit(number)

    def release(self, number: int, *states: ReleaseState, environment: str = "local", previous: str = "") -> str:
        """Let a release of a commit happen, with all that it leaves: a built folder, a log, a worktree that was forgotten."""
        with open_ledger() as ledger:
            given = {"procedure": "deploy", "run_id": f"run-{environment}-{number}", "deployer": "ada"}
            release = ledger.releases.open(
                "shop", environment, f"v{number}", runbook=self.runbook, parameters={}, **given
            )
            artifact = Artifact("web", str(self.folder(number)), f"{number:08x}" * 5)
            version = Version("shop", environment, f"v{number}", commit(number), (artifact,))
            ledger.releases.record(release.id, version=version, **({"previous_id": previous} if previous else {}))
            for state in states:
                ledger.releases.advance(release.id, state, "so it went")
        self.folder(number).mkdir(parents=True, exist_ok=True)
        (self.folder(number) / "app.py").write_text("print()")
        note_file(self.folder(number)).write_bytes(Note("web", commit(number), artifact.identity).content())
        for made in (self.log(release.id, environment), self.tree(release.id, environment) / "tree" / "app.py"):
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text("made")
        return release.id

    def log(self, release_id: str, environment: str = "local") -> Path:
        return self.run[environment] / "logs" / "blue" / f"{release_id}-1.log"

    def tree(self, release_id: str, environment: str = "local") -> Path:
        return Folders.of("shop", environment, release_id).tree.parent

    def in_slot(self, number: int, release_id: str, slot: str, environment: str) -> None:
        pid_file = self.run[environment] / "slots" / slot / f"{release_id}-1.pid"
        version = Version("shop", environment, f"v{number}", commit(number)).as_json()
        written = Slot(slot, 4001, "web", "x", release_id, 1, "", str(pid_file), str(self.log(release_id)), version)
        pid_file.parent.mkdir(parents=True)
        (self.run[environment] / "slots" / f"{slot}.json").write_bytes(written.content())


@pytest.fixture
def shop(tmp_path: Path, runwright_home: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def twelve(shop: Shop) -> Iterator[tuple[Shop, list[str], Work]]:
    """Twelve proven releases, each the way back of the next; the newest is at work, under its lease."""
    ids: list[str] = []
    for number in range(1, 13):
        ids.append(shop.release(number, *PROVEN, previous=ids[-1] if ids else ""))
    with holding(ids[-1], "deploy"), at_work(ids[-1], RUN) as work:
        yield shop, ids, work


def test_the_newest_stay_and_the_rest_goes(twelve: tuple[Shop, list[str], Work]) -> None:
    """Given twelve releases, what serves, its way back and the newest few keep everything; the others keep nothing; the
    journal tells what was removed, and a second time nothing is."""
    shop, ids, work = twelve
    half_built = shop.folder(2).with_name(f".{commit(77)}.partial")
    half_built.mkdir()
    ours = shop.folder(2).with_name("a-note-of-mine.txt")
    ours.write_text("keep")
    theirs = shop.run["local"] / "logs" / "blue" / "access-1.log"
    theirs.write_text("keep")
    tidy(work)
    kept = {number for number in range(1, 13) if shop.folder(number).exists()}
    # the way back of the oldest that is kept stays with it
    assert kept == set(range(12 - KEPT_RELEASES, 13))
    assert {n for n in range(1, 13) if note_file(shop.folder(n)).exists()} == kept
    assert {n for n in range(1, 13) if shop.log(ids[n - 1]).exists()} == kept
    assert {n for n in range(1, 13) if shop.tree(ids[n - 1]).exists()} == kept
    assert not half_built.exists() and ours.read_text() == theirs.read_text() == "keep"
    (entry,) = [e for e in work.ledger.journal(work.id).entries() if e.key.startswith("tidy/")]
    assert (entry.state, entry.says.startswith("remove ")) == ("done", True)
    tidy(work)
    assert len([e for e in work.ledger.journal(work.id).entries() if e.key.startswith("tidy/")]) == 1


def test_what_runs_serves_or_has_not_ended_stays_wherever_it_is(twelve: tuple[Shop, list[str], Work]) -> None:
    """Given old commits that another environment serves, that a release is being prepared for, that froze, or that sit in
    a slot although nobody remembers why, none of them is touched."""
    shop, ids, work = twelve
    shop.release(1, *PROVEN, environment="other")
    preparing = shop.release(50)
    for number in range(60, 60 + KEPT_RELEASES):
        shop.release(number, ReleaseState.ABANDONED)
    shop.in_slot(3, ids[2], "green", "local")
    shop.in_slot(4, ids[3], "blue", "other")
    gone = {path.name for path in work.platform.leftovers(needed(work))}
    for number in (1, 3, 4, 50):
        assert commit(number) not in gone and f"{commit(number)}.json" not in gone, number
    assert preparing not in gone and f"{ids[2]}-1.log" not in gone
    assert {commit(12), commit(11)}.isdisjoint(gone), "what serves and its way back, however many came after"
    assert {commit(2), commit(5), commit(6)} <= gone


def test_without_the_lease_nothing_is_removed(shop: Shop) -> None:
    """A step that only looks, or that closes a release that was over before, leaves everything."""
    ids = [shop.release(number, *PROVEN) for number in range(1, 10)]
    with at_work(ids[-1], RUN) as work:
        tidy(work)
    assert all(shop.folder(number).exists() for number in range(1, 10))


def test_a_slot_that_is_not_understood_stops_it_and_fails_nothing(twelve: tuple[Shop, list[str], Work]) -> None:
    """Nobody knows what runs there: then everything stays, and the release is proven all the same."""
    shop, _, work = twelve
    (shop.run["other"] / "slots").mkdir(parents=True)
    (shop.run["other"] / "slots" / "blue.json").write_text(json.dumps({"half": "a file"}))
    tidy(work)
    assert all(shop.folder(number).exists() for number in range(1, 13))


def test_where_nothing_was_ever_left_nothing_is_found(tmp_path: Path) -> None:
    """Folders that are not there are no error."""
    nothing = Kept(frozenset(), frozenset())
    assert built(tmp_path / "a", nothing) + written(tmp_path / "b", ("blue",), nothing) == []
    assert checked_out(tmp_path / "c", nothing) == []
