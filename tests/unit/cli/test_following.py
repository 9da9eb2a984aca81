"""Following a run: a real ledger, and a Prefect that answers what the test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployments.cli.following import NO_WORKER_SECONDS, Event, Follower, follow, watch_progress, watch_words
from deployments.cli.outcomes import SETTLE_SECONDS, Outcome, RunState
from runwright.errors import RunwrightError
from runwright.ledger import Ledger, Release
from runwright.ledger.states import ReleaseState
from tests.fixtures.surroundings import FakeClock
from tests.unit.cli.conftest import Opened

RUNNING = RunState("RUNNING", "Running")
FAILED = RunState("FAILED", "Failed", "Flow run encountered an exception: VerificationError: /readyz answered 503")


class Prefect:
    """Answers with ``state``, or raises it; ``online`` is whether there is a worker."""

    def __init__(self, state: RunState | RunwrightError, online: bool = True) -> None:
        self.state, self.online = state, online

    def read(self, run_id: str) -> RunState:
        if isinstance(self.state, RunwrightError):
            raise self.state
        return self.state

    def workers(self) -> bool:
        return self.online


class Seconds:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def texts(events: list[Event], kind: str) -> list[str]:
    return [event.text for event in events if event.kind == kind]


def test_what_the_release_does_is_told_once_and_in_order(ledger: Ledger, opened: Opened, seconds: Seconds) -> None:
    """States, changes and notes come as events; what was told is not told again."""
    follower = Follower(ledger, Prefect(RUNNING), "run-1", "deploy", clock=seconds)
    assert [e.kind for e in follower.step()] == ["run"]
    release = opened("v1", to=ReleaseState.PLANNED)
    first = follower.step()
    assert texts(first, "release") == [f"release {release.id}"]
    assert texts(first, "state") == ["preparing: ada asked for v1", "planned: it came to planned"]
    journal = ledger.journal(release.id)
    entry = journal.intend("deploy/start", "start web", None, repeatable=True, safe_point=False)
    assert texts(follower.step(), "begun") == ["start web"]
    journal.fail(entry, "it exited with 1")
    assert texts(follower.step(), "failed") == ["start web: failed: it exited with 1"]
    assert follower.step() == []
    assert follower.ended is None


def test_a_change_that_is_over_at_first_sight_is_told_with_its_time(
    ledger: Ledger, opened: Opened, seconds: Seconds
) -> None:
    """Nobody needs to read that something began and then that it ended, in the same second."""
    release = opened("v1")
    journal = ledger.journal(release.id)
    journal.settle(journal.intend("prepare/x", "build web", None, repeatable=True, safe_point=False), {"id": 1})
    events = Follower(ledger, Prefect(RUNNING), "run-1", "deploy", clock=seconds).step()
    assert texts(events, "done") == ["build web (0s)"]
    assert texts(events, "begun") == []


def test_what_happened_between_two_looks_is_told_in_its_order(
    ledger: Ledger, opened: Opened, seconds: Seconds, clock: FakeClock
) -> None:
    """States and changes are kept apart, and belong together."""
    release = opened("v1", to=ReleaseState.STAGING)
    clock.advance(1)
    journal = ledger.journal(release.id)
    entry = journal.intend("deploy/start", "start web", None, repeatable=True, safe_point=False)
    clock.advance(1)
    journal.settle(entry)
    clock.advance(1)
    ledger.releases.advance(release.id, ReleaseState.SWITCHING, "traffic goes to it")
    events = Follower(ledger, Prefect(RUNNING), "run-1", "deploy", clock=seconds).step()
    assert [e.text for e in events[-3:]] == [
        "staging: it came to staging", "start web (1s)", "switching: traffic goes to it",
    ]  # fmt: skip


def test_a_run_that_failed_is_followed_until_its_release_has_ended(
    ledger: Ledger, opened: Opened, seconds: Seconds
) -> None:
    """The rollback is another run, which an automation starts a moment later."""
    release = opened("v1", to=ReleaseState.FAILING)
    prefect = Prefect(FAILED)
    follower = Follower(ledger, prefect, "run-1", "deploy", clock=seconds)
    assert "503" in texts(follower.step(), "run")[0]
    assert follower.ended is None
    ledger.releases.advance(release.id, ReleaseState.ROLLING_BACK, "v0 is the way back")
    follower.step()
    ledger.releases.advance(release.id, ReleaseState.ROLLED_BACK, "v0 serves")
    follower.step()
    assert follower.ended is Outcome.TAKEN_BACK


def test_what_the_release_tells_is_not_told_again_by_its_run(ledger: Ledger, opened: Opened, seconds: Seconds) -> None:
    """The message of a run that was refused is the reason of its release, with more words; programs get it all."""
    what = "1 of 2 gates stop the release:\n  ci: tests failed."
    message = f"Flow run encountered an exception: RefusedError: {what}\nNothing was changed.\nSee to each of them."
    refused = RunState("FAILED", "Failed", message)
    release = opened("v1")
    ledger.releases.set_fact(release.id, "error", {"kind": "RefusedError", "what": what, "state": "", "next": ""})
    follower = Follower(ledger, Prefect(refused), "run-1", "deploy", clock=seconds)
    assert "1 of 2 gates" in texts(follower.step(), "run")[0]
    ledger.releases.advance(release.id, ReleaseState.ABANDONED, "nothing was changed: 1 of 2 gates stop the release: x")
    follower = Follower(ledger, Prefect(refused), "run-1", "deploy", clock=seconds)
    event = next(e for e in follower.step() if e.kind == "run")
    assert (event.text, event.data["message"]) == ("the run is failed", message)


def test_a_run_without_a_release_is_explained_at_the_end(ledger: Ledger, seconds: Seconds) -> None:
    """All that is known of it is its message, which is printed then."""
    follower = Follower(ledger, Prefect(FAILED), "run-1", "deploy", clock=seconds)
    assert texts(follower.step(), "run") == ["the run is failed"]
    assert follower.ended is Outcome.NOT_BEGUN


def test_following_ends_when_nothing_happens_for_too_long(ledger: Ledger, opened: Opened, seconds: Seconds) -> None:
    """A rollback that never starts is not waited for without end."""
    opened("v1", to=ReleaseState.SWITCHING)
    follower = Follower(ledger, Prefect(FAILED), "run-1", "deploy", clock=seconds)
    follower.step()
    seconds.now += SETTLE_SECONDS - 1
    follower.step()
    assert follower.ended is None
    seconds.now += 2
    follower.step()
    assert follower.ended is Outcome.UNSETTLED


def test_a_procedure_that_holds_the_environment_is_no_silence(ledger: Ledger, opened: Opened, seconds: Seconds) -> None:
    """A long way back is waited for as long as its process renews the lease."""
    release = opened("v1", to=ReleaseState.ROLLING_BACK)
    lease = ledger.leases.take(
        "shop", "production", holder="x", run_id="r2", procedure="rollback", release_id=release.id
    )
    follower = Follower(ledger, Prefect(FAILED), "run-1", "deploy", clock=seconds)
    follower.step()
    for _ in range(5):
        seconds.now += SETTLE_SECONDS - 1
        follower.step()
    assert follower.ended is None
    ledger.leases.release(lease)
    seconds.now += SETTLE_SECONDS + 1
    follower.step()
    assert follower.ended is Outcome.UNSETTLED


def test_a_run_that_nobody_takes_is_remarked_on_once(ledger: Ledger, seconds: Seconds) -> None:
    """Without a worker nothing happens, and a person should not have to guess it."""
    follower = Follower(ledger, Prefect(RunState("SCHEDULED", "Late"), online=False), "run-1", "deploy", clock=seconds)
    assert texts(follower.step(), "warning") == []
    seconds.now += NO_WORKER_SECONDS
    assert ["No worker is online" in t for t in texts(follower.step(), "warning")] == [True]
    assert texts(follower.step(), "warning") == []


def test_a_full_disk_is_remarked_on_once_each_time(ledger: Ledger, opened: Opened, seconds: Seconds) -> None:
    """A run that cannot write to the ledger has nowhere else to say so."""
    full = ["The disk is full."]
    follower = Follower(ledger, Prefect(RunState("RUNNING")), "run-1", "deploy", clock=seconds, full=lambda: full[0])
    said = [texts(follower.step(), "warning") for _ in range(2)]
    full[0] = ""
    said.append(texts(follower.step(), "warning"))
    full[0] = "It is full again."
    said.append(texts(follower.step(), "warning"))
    assert [len(some) for some in said] == [1, 0, 0, 1]
    assert said[0] == ["The disk is full. Make room: until then nothing goes on."]


def test_a_prefect_that_is_away_does_not_end_the_following(ledger: Ledger, opened: Opened, seconds: Seconds) -> None:
    """The ledger goes on telling; the absence is told once, and again after Prefect was there."""
    release = opened("v1", to=ReleaseState.WATCHING)
    prefect = Prefect(RunwrightError("Prefect cannot be reached."))
    follower = Follower(ledger, prefect, "run-1", "deploy", clock=seconds)
    assert len(texts(follower.step(), "warning")) == 1
    assert texts(follower.step(), "warning") == []
    prefect.state = RUNNING
    follower.step()
    prefect.state = RunwrightError("Prefect cannot be reached.")
    assert len(texts(follower.step(), "warning")) == 1
    ledger.releases.advance(release.id, ReleaseState.PROVEN, "watched to the end")
    follower.step()
    assert follower.ended is Outcome.PROVEN


def test_of_a_release_that_is_taken_up_again_only_what_comes_is_told(
    ledger: Ledger, opened: Opened, seconds: Seconds
) -> None:
    """Its old journal would bury what happens now."""
    release = opened("v1", to=ReleaseState.WATCHING)
    follower = Follower(ledger, Prefect(RUNNING), "run-1", "deploy", release, clock=seconds)
    follower.skip_past()
    assert [e.kind for e in follower.step()] == ["run"]
    ledger.releases.advance(release.id, ReleaseState.PROVEN, "watched to the end")
    assert texts(follower.step(), "state") == ["proven: watched to the end"]


WATCH = {
    "started_at": "2026-11-21T07:05:12+00:00",
    "watching": {
        "progress": {"duration_seconds": 1800.0, "every_seconds": 30.0, "watched_seconds": 90.0, "held_seconds": 0.0},
        "rules": {
            "errors": {"state": "breach", "reason": "error ratio 7.1 % > 5 %"},
            "ok": {"state": "pass", "reason": ""},
        },
        "probes": {},
    },
}


def test_the_watch_is_told_when_it_moves(ledger: Ledger, opened: Opened, seconds: Seconds) -> None:
    """Its progress, and the rules that are breached or blind."""
    release = opened("v1", to=ReleaseState.WATCHING)
    ledger.releases.set_fact(release.id, "watch", WATCH)
    follower = Follower(ledger, Prefect(RUNNING), "run-1", "deploy", clock=seconds)
    assert texts(follower.step(), "watch") == ["watched 1m30s of 30m; errors: error ratio 7.1 % > 5 %"]
    assert texts(follower.step(), "watch") == []


@pytest.mark.parametrize(
    "fact", [None, {}, [], "x", {"watching": None}, {"watching": {"progress": {}}}, {"watching": 3}]
)
def test_a_watch_that_cannot_be_read_is_no_progress(fact: Any) -> None:
    """Another version may have written it; following must not fail for it."""
    assert watch_progress(fact) is None


def test_time_that_was_held_is_told() -> None:
    """Time without evidence does not count as watched."""
    assert watch_words({"watched_seconds": 10, "held_seconds": 60, "duration_seconds": 120, "rules": {}}).endswith(
        "held 1m"
    )


def test_follow_shows_everything_and_returns_how_it_ended(ledger: Ledger, opened: Opened, seconds: Seconds) -> None:
    """Between two looks it waits."""
    release: Release = opened("v1", to=ReleaseState.WATCHING)
    prefect = Prefect(RUNNING)
    shown: list[Event] = []
    waits: list[Callable[[], Any]] = [
        lambda: ledger.releases.advance(release.id, ReleaseState.PROVEN, "watched to the end"),
        lambda: setattr(prefect, "state", RunState("COMPLETED", "Completed")),
    ]

    def sleep(_: float) -> None:
        waits.pop(0)()

    follower = Follower(ledger, prefect, "run-1", "deploy", clock=seconds)
    assert follow(follower, shown.append, sleep) is Outcome.PROVEN
    assert texts(shown, "run") == ["the run is running", "the run is completed"]
    assert waits == []
