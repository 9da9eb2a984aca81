"""A driver's procedure on trial: performed, planned, and made to die or fail at each of its changes until it comes through."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from runwright.engine.actions import Do
from runwright.engine.executor import Executor, Faults, no_faults
from runwright.engine.performer import Performer
from runwright.engine.planning import DependsError, Planner
from runwright.errors import RunwrightError
from runwright.ledger import Entry, open_ledger
from runwright.testing.direct import Direct
from runwright.testing.faults import AtEveryChange, Fault, Injector

T = TypeVar("T")
Work = Callable[[Do], object]
"""A procedure. It makes its driver itself: it is run again by another process, which has nothing of the first one."""

FIRST, SECOND, THIRD = (f"conformance-2026010{n}-000000-000{n}" for n in (1, 2, 3))
"""Ids of releases, of the form that ids have."""
LIMIT = 200
"""A procedure of so many changes is none; one that makes new changes each time that it is repeated never ends."""
PATIENCE_SECONDS = 180.0


class Trial:
    """One release with a journal of its own, in ``folder``; each run of a procedure is one of its processes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._url = f"sqlite:///{folder / 'ledger.db'}"
        self._struck = folder / "struck"
        self._said = folder / "said"
        with open_ledger(self._url) as ledger:
            who = {"procedure": "deploy", "run_id": "conformance", "deployer": "conformance"}
            self.id = ledger.releases.open("conformance", "test", "v1", **who, runbook={}, parameters={}).id

    def run(self, work: Callable[[Do], T], faults: Faults = no_faults) -> T:
        """Let a process of this release do ``work``: what is settled in its journal is skipped."""
        with open_ledger(self._url) as ledger:
            return work(Executor(ledger.journal(self.id), Performer(), faults=faults))

    def entries(self) -> list[Entry]:
        """Return the journal."""
        with open_ledger(self._url) as ledger:
            return ledger.journal(self.id).entries()

    def killed(self, work: Work, fault: Fault) -> bool:
        """Let a process do ``work`` and meet ``fault``; return whether it was killed by it."""
        return self._forked(work, Injector([fault], self._struck)) == -signal.SIGKILL

    def killed_at_every_change(self, work: Work) -> None:
        """Let processes do ``work`` one after the other, each killed at a place where none was before, until one comes through.

        Killed for real (SIGKILL): before a change, during it, and after it, when its outcome is not journaled yet.
        Fails the test if one of them ends with an error, or if it never comes to an end.
        """
        faults = AtEveryChange("kill", ("before", "during", "unsettled"), self._struck)
        for _ in range(LIMIT):
            code = self._forked(work, faults)
            if code == 0:
                assert faults.struck, "it made no change: nothing was tried"
                return
            if code != -signal.SIGKILL:
                so_far = ", ".join(sorted(faults.struck)) or "nothing"
                pytest.fail(f"repeated after {so_far} had struck, it ended with:\n{self._said.read_text()}")
        pytest.fail(f"killed {LIMIT} times, it has not come to its end: each time it makes changes under new keys")

    def failed_at_every_change(self, work: Work) -> None:
        """Let each change of ``work`` fail: before it is done, and again when it is done and nobody could tell.

        Fails the test if it does not come through once nothing fails any more.
        """
        faults = AtEveryChange("fail", ("before", "unsettled"), self._struck)
        for _ in range(LIMIT):
            struck = faults.struck
            try:
                self.run(work, faults)
            except RunwrightError:
                if faults.struck == struck:
                    raise
            else:
                assert struck, "it made no change, or nobody was told that one had failed"
                return
        pytest.fail(f"failed {LIMIT} times, it has not come to its end: each time it makes changes under new keys")

    def _forked(self, work: Work, faults: Faults) -> int:
        """Do ``work`` in a process of its own; return its exit code, or minus the signal that ended it."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self.run(work, faults)
                code = 0
            except BaseException:  # noqa: BLE001 - it is told by who waits for this process
                self._said.write_text(traceback.format_exc())
            finally:
                os._exit(code)
        until = time.monotonic() + PATIENCE_SECONDS
        while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                pytest.fail(f"it did not end within {PATIENCE_SECONDS:g} s")
            time.sleep(0.01)
        return os.waitstatus_to_exitcode(ended[1])


class Conformance:
    """What the suites of all rooms share."""

    @pytest.fixture
    def trial(self, tmp_path: Path) -> Trial:
        """A release with a journal, for what only a journal shows."""
        return Trial(tmp_path / "trial")


def planned(work: Work) -> tuple[list[str], str]:
    """Return the keys of the changes that ``work`` says it would make, and what the rest depends on, "" if that is all.

    Fails the test if one of them does not say what it is.
    """
    planner, depends = Planner(Performer()), ""
    try:
        work(planner)
    except DependsError as error:
        depends = error.what
    assert all(step.says and step.exact for step in planner.steps), "a change does not say what it is"
    return [step.key for step in planner.steps], depends


def keeps_its_plan(work: Work, outside: Callable[[], object]) -> list[str]:
    """Plan ``work``, then do it: it changes what the plan says, in that order. Return the keys of the changes.

    outside: what can be seen by other means; planning changes nothing of it.
    """
    before = outside()
    plan, depends = planned(work)
    assert outside() == before, "planning it has changed something"
    do = Direct()
    work(do)
    if depends:
        assert do.keys[: len(plan)] == plan, f"planned {plan}, and then: {depends}"
    else:
        assert do.keys == plan
    return do.keys


def changes(work: Work, prefix: str) -> list[str]:
    """Do ``work`` and return the keys of its changes: each begins with ``prefix``, and none is there twice."""
    do = Direct()
    work(do)
    strange = [key for key in do.keys if key != prefix and not key.startswith(f"{prefix}/")]
    assert not strange, (
        f"keys without their prefix {prefix}: a second call with another one would be taken for the first"
    )
    assert len(set(do.keys)) == len(do.keys), "a key for two changes: the journal would skip the second"
    return do.keys


def only_reads(work: Callable[[Do], T], outside: Callable[[], object] = lambda: None) -> T:
    """Do ``work`` and return what it returned: it makes no change, neither by an action nor by the way."""
    before, do = outside(), Direct()
    result = work(do)
    assert do.keys == [], "it was to change nothing"
    assert outside() == before, "it has changed something without an action"
    return result


def changes_nothing(work: Callable[[Do], T], outside: Callable[[], object]) -> T:
    """Do ``work``, whose target is reached already, and return what it returned: ``outside`` shows the same as before."""
    before = outside()
    result = work(Direct())
    assert outside() == before, "done twice, it has changed something the second time"
    return result
