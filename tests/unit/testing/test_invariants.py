"""The checker sees each broken promise, names it in a sentence, and says nothing where all are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import runwright.testing.invariants as invariants
from runwright.ledger import Ledger, Release, open_ledger
from runwright.ledger.states import ReleaseState
from runwright.ledger.tables import journal
from runwright.routers.caddy.configuration import configuration
from runwright.runbook.loader import load
from runwright.runbook.snapshot import to_json
from runwright.testing.invariants import violations
from runwright.testing.truth import Running, Truth
from runwright.versions import Artifact, Version
from tests.fixtures.surroundings import FakeClock

RUNBOOK = Path(__file__).resolve().parents[3] / "examples" / "shop.yaml"
OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40
S = ReleaseState


class Small:
    """A ledger with v1 proven and v2 on its way, and a target that is as the tests say."""

    def __init__(self, ledger: Ledger, clock: FakeClock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.runbook = to_json(load(RUNBOOK).runbook)
        self.truth = Truth(
            "http://127.0.0.1:1", 200, OLD, "blue", OLD, (Running("process 1", "application", "blue", OLD),), ("r1",)
        )
        self.old = self.release("v1", OLD)
        self.plan(self.old, [], ["r1"])
        self.walk(self.old, S.PLANNED, S.APPROVED, S.SWITCHING, S.VERIFYING, S.WATCHING, S.PROVEN)

    def release(self, ref: str, commit: str) -> Release:
        found = self.ledger.releases.open(
            "shop", "local", ref, procedure="deploy", run_id=f"run {ref}", runbook=self.runbook, parameters={}, deployer="x"
        )  # fmt: skip
        version = Version("shop", "local", ref, commit, (Artifact("web", f"/a/{ref}", f"tree {ref}"),))
        previous = self.old.id if ref != "v1" else None
        return self.ledger.releases.record(found.id, version=version, previous_id=previous)

    def plan(self, release: Release, current: list[str], heads: list[str], level: str = "L1") -> None:
        pending = [{"level": level}] if current != heads else []
        self.fact(release, "migrations", {"heads": heads, "current": current, "pending": pending})

    def fact(self, release: Release, name: str, value: Any) -> None:
        self.ledger.releases.set_fact(release.id, name, value)

    def walk(self, release: Release, *states: ReleaseState) -> None:
        for state in states:
            self.ledger.releases.advance(release.id, state, f"it is {state}")

    def taken_back(self) -> Release:
        """Release v2, and take it back."""
        new = self.release("v2", NEW)
        self.plan(new, ["r1"], ["r2"])
        self.walk(new, S.PLANNED, S.APPROVED, S.SWITCHING, S.FAILING, S.ROLLING_BACK, S.ROLLED_BACK)
        return new

    def look(self, **changes: Any) -> None:
        self.truth = replace(self.truth, **changes)

    def found(self, **more: Any) -> list[str]:
        return violations(self.ledger, "shop", "local", **more)


@pytest.fixture
def small(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Any:
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock) as ledger:
        made = Small(ledger, clock)
        monkeypatch.setattr(invariants, "look", lambda *_: made.truth)
        yield made


def test_all_is_well(small: Small) -> None:
    """Given a proven version that serves, at its revision, there is nothing to say; nor where nothing was released."""
    assert small.found() == []
    assert violations(small.ledger, "shop", "elsewhere") == []


def test_the_old_version_serves_after_a_release_was_taken_back(small: Small) -> None:
    """Given an additive migration that stayed, the old version serves on a database that is ahead of it: that is kept."""
    small.taken_back()
    small.look(revisions=("r2",))
    assert small.found() == []


def proven_too(small: Small) -> None:
    new = small.release("v2", NEW)
    small.walk(new, S.PLANNED, S.APPROVED, S.SWITCHING, S.VERIFYING, S.WATCHING, S.PROVEN)


def level_three(small: Small) -> None:
    small.plan(small.taken_back(), ["r1"], ["r2"], level="L3")
    small.look(revisions=("r2",))


TARGETS: dict[str, tuple[Any, str]] = {
    "nobody answers": (lambda s: s.look(status=None, says="", behind=""), "Nothing answers at the front door"),
    "it answers that it cannot": (lambda s: s.look(status=503), "answers 503"),
    "a version that nobody knows serves": (lambda s: s.look(says=OTHER, behind=OTHER), "never verified: no release has it"),
    "a version that was taken back serves": (lambda s: (s.taken_back(), s.look(says=NEW, behind=NEW)), "never verified: shop-local"),
    "the router would come back with another": (lambda s: s.look(written="green", behind=""), "would come back with green, where nothing runs"),
    "the database is behind": (lambda s: s.look(revisions=("r0",)), "expects r1"),
    "the database is empty": (lambda s: s.look(revisions=()), "at no revision"),
    "the database is ahead by a migration that destroys": (level_three, "no additive migrations lead from there to here"),
    "the ledger names another version": (proven_too, "is live, and users reach commit aaaaaaaa"),
    "a job was left behind": (lambda s: s.look(running=(*s.truth.running, Running("process 2", mark=f"{s.old.id}/deploy/migrate", job=True))), "process 2 still runs: it belongs to deploy/migrate"),
    "the new version was left running": (lambda s: (s.taken_back(), s.look(running=(*s.truth.running, Running("process 2", "application", "green", NEW)))), "process 2 in green still runs commit bbbbbbbb"),
    "a colour was started twice": (lambda s: s.look(running=(*s.truth.running, Running("process 2", "application", "blue", OLD, session=2))), "started 2 times in blue"),
    "a container runs another image": (lambda s: s.look(running=(Running("container web", "web", identity="sha256:1"),)), "container web runs sha256:1, which is of no version"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "sentence"), TARGETS.values(), ids=list(TARGETS))
def test_what_is_wrong_with_the_target_is_said(small: Small, change: Any, sentence: str) -> None:
    """Given a target that is not as it was promised, the checker says what is wrong with it."""
    change(small)
    assert any(sentence in one for one in small.found()), small.found()


@pytest.mark.parametrize("state", [S.PREPARING, S.APPROVED, S.SWITCHING, S.FAILING, S.ROLLING_BACK])
def test_a_release_that_nobody_works_on_is_said(small: Small, state: ReleaseState) -> None:
    """Given a release in a state in which somebody must act, and nobody who holds the environment, that is said."""
    new = small.release("v2", NEW)
    way = [S.PLANNED, S.APPROVED, S.SWITCHING, S.FAILING, S.ROLLING_BACK]
    small.walk(new, *way[: way.index(state) + 1] if state in way else ())
    assert any(f"{new.id} is {state}, and nobody works on it" in one for one in small.found())
    assert not any("nobody works on it" in one for one in small.found(working=[new.id]))


def test_a_release_in_work_is_not_judged_yet(small: Small) -> None:
    """Given a live lease, what is half-way is nobody's fault; when the lease has expired, it is."""
    new = small.release("v2", NEW)
    small.walk(new, S.PLANNED, S.APPROVED, S.SWITCHING)
    small.ledger.leases.take("shop", "local", holder="x", run_id="r", procedure="deploy", release_id=new.id)
    small.look(says=NEW, behind=NEW)
    assert small.found() == []
    small.clock.advance(60)
    assert len(small.found()) >= 2


def test_a_frozen_release_is_excused_if_a_person_was_told(small: Small) -> None:
    """Given a release that waits for a person with a reason and a next step, the target may be as it is."""
    new = small.release("v2", NEW)
    small.walk(new, S.PLANNED, S.APPROVED, S.MIGRATING, S.FROZEN)
    small.fact(new, "decision", {"way": "freeze", "because": "half-done", "next": "Look at it."})
    small.look(says="", behind="", status=502, revisions=("r0",))
    assert small.found() == []
    small.fact(new, "decision", {"way": "freeze", "because": "half-done", "next": ""})
    assert small.found() == [f"{new.id} is frozen, and nobody is told what to do next."]


def test_an_old_freeze_excuses_nothing_later(small: Small) -> None:
    """Given a release that was proven after another one froze, the target is judged again."""
    frozen = small.release("v2", NEW)
    small.walk(frozen, S.PLANNED, S.FROZEN)
    later = small.release("v3", OTHER)
    small.walk(later, S.PLANNED, S.APPROVED, S.SWITCHING, S.VERIFYING, S.WATCHING, S.PROVEN)
    assert any("The ledger says" in one for one in small.found())


def changed(small: Small, release: Release, key: str, token: int) -> Any:
    """Begin a change under a token, as a process that does not ask the lease would."""
    row = {"release_id": release.id, "key": key, "attempt": 1, "says": key, "state": "intended", "token": token}
    row |= {"repeatable": True, "safe_point": False, "intent_at": small.clock()}
    with small.ledger.store.engine.begin() as connection:
        connection.execute(journal.insert().values(**row))
    small.clock.advance(1)
    return small.ledger.journal(release.id).find(key)


def test_procedures_that_interleave_are_seen(small: Small) -> None:
    """Given changes under an old token after a newer one, or that ended after it had begun, both are said."""
    new = small.taken_back()
    late = changed(small, new, "deploy/late", 1)
    changed(small, new, "back/first", 2)
    small.ledger.journal(new.id).settle(late)
    changed(small, new, "deploy/again", 1)
    found = small.found()
    assert any("deploy/again was begun under token 1 after a change under token 2" in one for one in found)
    assert any("deploy/late ended under token 1 after token 2" in one for one in found)


def test_the_target_is_really_asked(small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Given no fake, the front door that is written down in the target's folder is asked, and does not answer."""
    from runwright.testing import truth

    monkeypatch.setattr(invariants, "look", truth.look)
    door = tmp_path / "example" / "local" / "caddy"
    door.mkdir(parents=True)
    (door / "caddy.json").write_bytes(configuration("127.0.0.1", 1))
    book = load(RUNBOOK).runbook
    target = book.environments["local"].target.model_copy(update={"directory": str(tmp_path / "example" / "local")})
    place = book.environments["local"].model_copy(update={"target": target})
    small.runbook = to_json(book.model_copy(update={"environments": {"local": place}}))
    proven_too(small)
    assert any("Nothing answers at the front door http://127.0.0.1:1," in one for one in small.found())
