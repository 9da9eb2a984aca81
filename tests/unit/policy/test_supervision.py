"""What is done about runs and releases that nobody works on: a table of cases."""

from __future__ import annotations

import pytest

from runwright.policy.supervision import (
    GRACE_SECONDS,
    OVERDUE_SECONDS,
    SILENT_SECONDS,
    STUCK_SECONDS,
    TRIES,
    Life,
    Seen,
    Step,
    answer,
    life,
)


def run(
    state: str, *, since: float = 1.0, silent: float = 1.0, procedure: str = "rollback", overdue: float = 0.0
) -> Seen:
    return Seen("a-run", procedure, state, since, silent, overdue)


LIVES = [
    ("runs and says so", run("RUNNING", since=9000, silent=SILENT_SECONDS), Life.LIVES),
    ("runs and fell silent", run("RUNNING", since=9000, silent=SILENT_SECONDS + 1), Life.DEAD),
    ("is being cancelled and fell silent", run("CANCELLING", since=9000, silent=SILENT_SECONDS + 1), Life.DEAD),
    ("was taken a while ago", run("PENDING", since=STUCK_SECONDS, silent=STUCK_SECONDS), Life.LIVES),
    ("was taken and never started", run("PENDING", since=STUCK_SECONDS + 1, silent=STUCK_SECONDS + 1), Life.DEAD),
    ("waits for a worker, for a day", run("SCHEDULED", since=86400, silent=86400), Life.LIVES),
    ("waits for a person, for a day", run("PAUSED", since=86400, silent=86400), Life.LIVES),
    ("waits for a person, who is just late", run("PAUSED", since=900, silent=900, overdue=OVERDUE_SECONDS), Life.LIVES),
    ("waits for a person, and nobody came", run("PAUSED", since=900, silent=900, overdue=OVERDUE_SECONDS + 1), Life.DEAD),
    *((f"has ended {state}", run(state, since=9000, silent=9000), Life.ENDED) for state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "expected"), [c[1:] for c in LIVES], ids=[c[0] for c in LIVES])
def test_a_run_is_dead_only_if_it_should_have_been_heard_of(seen: Seen, expected: Life) -> None:
    """Given a run, it is dead, lives or has ended; and the reason is told."""
    found, why = life(seen)
    assert found is expected
    assert why


def test_the_evidence_holds_the_numbers() -> None:
    """An operator reads how long it was silent."""
    assert "for 250 s" in life(run("RUNNING", silent=250))[1]


LATE = GRACE_SECONDS + 1
DEAD = run("RUNNING", silent=SILENT_SECONDS + 1)
ANSWERS = [
    ("somebody holds the environment", {"held": True, "quiet_seconds": 9000}, Step.LEAVE),
    ("a run works on it", {"runs": (run("RUNNING"),), "quiet_seconds": 9000}, Step.LEAVE),
    ("a rollback waits for a worker", {"runs": (run("SCHEDULED"),), "quiet_seconds": 9000}, Step.LEAVE),
    ("a dead run beside one that lives", {"runs": (DEAD, run("PENDING")), "quiet_seconds": 9000}, Step.LEAVE),
    ("a run waits for a person", {"runs": (run("PAUSED"),), "quiet_seconds": 9000}, Step.LEAVE),
    ("paused in mid-change, and holds it", {"held": True, "changed": True, "runs": (run("PAUSED"),), "quiet_seconds": 9000}, Step.LEAVE),
    ("paused in mid-change, and gone", {"changed": True, "runs": (run("PAUSED"),), "quiet_seconds": 9000}, Step.PUT_IN_ORDER),
    ("changed, and a run works on it", {"changed": True, "runs": (run("RUNNING"),), "quiet_seconds": 9000}, Step.LEAVE),
    ("its run ended just now", {"quiet_seconds": GRACE_SECONDS - 1}, Step.LEAVE),
    ("its run ended, and nothing came", {"quiet_seconds": LATE}, Step.PUT_IN_ORDER),
    ("all its runs are dead", {"runs": (DEAD,), "quiet_seconds": LATE}, Step.PUT_IN_ORDER),
    ("tried all but once", {"quiet_seconds": LATE, "tried": TRIES - 1}, Step.PUT_IN_ORDER),
    ("tried often enough", {"quiet_seconds": LATE, "tried": TRIES}, Step.ASK),
    ("tried often enough, but somebody holds it", {"held": True, "quiet_seconds": LATE, "tried": TRIES}, Step.LEAVE),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), [c[1:] for c in ANSWERS], ids=[c[0] for c in ANSWERS])
def test_a_release_is_put_in_order_only_when_nobody_else_does(given: dict[str, object], expected: Step) -> None:
    """Given what is seen of an unfinished release, it is left, put in order, or handed to a person; with a reason."""
    found = answer(**{"held": False, "changed": False, "runs": (), "tried": 0, **given})  # type: ignore[arg-type]
    assert found.step is expected
    assert found.because
