"""Releases of one system, one after the other, in a Python of its own and without Prefect: what the flows do, step by step.

    python -m tests.conformance.releasing SYSTEM ENVIRONMENT VERSION ...

``VERSION:web,worker`` releases only these components, ``VERSION!`` adopts what runs, ``VERSION+GATE`` attests to it. ``back`` in place of a version takes the live release back, ``recover`` the newest one, whose run was killed. After each it prints a line of JSON: the state of the release that
it was about, the plan's changes, the keys of the journal, and the error's first line, "" if there was none.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from runwright.errors import RunwrightError
from runwright.ledger import open_ledger
from runwright.release import (
    back_up,
    begin,
    build,
    check,
    close,
    decide,
    lease,
    look_again,
    migrate,
    plan,
    publish,
    put_back,
    resolve,
    stage,
    switch,
    verify,
    watch,
)
from runwright.release.run import Run
from runwright.release.work import Work, at_work

PREPARATION: tuple[Callable[[Work], Any], ...] = (resolve.resolve, check.check, build.build, plan.plan)
CHANGES: tuple[Callable[[Work], Any], ...] = (
    look_again.look_again, publish.publish, back_up.back_up, migrate.migrate, stage.stage, verify.verify_staged, switch.switch,
    verify.verify_live, watch.watch, close.close,
)  # fmt: skip
WAY_BACK: tuple[Callable[[Work], Any], ...] = (decide.decide_way, put_back.put_back, watch.watch_on, close.close)


class Quiet(Run):
    """A run that nobody looks at, of a system without secrets."""

    def __init__(self) -> None:
        self._id = str(uuid.uuid4())

    @property
    def id(self) -> str:
        return self._id

    @property
    def shows(self) -> bool:
        return False

    def say(self, text: str, level: str = "info") -> None:
        print(text, file=sys.stderr)

    def secrets(self, block: str, tier: str) -> dict[str, str]:
        return {}

    def show(self, key: str, markdown: str, description: str) -> None:
        """Nobody looks."""

    def progress(self, key: str, description: str) -> Callable[[float], None]:
        return lambda percent: None

    def later(self, procedure: str, parameters: dict[str, Any], at: datetime, once: str) -> str:
        return "nothing is scheduled here"


def steps(release_id: str, run: Run, functions: tuple[Callable[[Work], Any], ...]) -> None:
    """Do the steps of a procedure, each as its task does."""
    for function in functions:
        lease.renewed(release_id)
        with at_work(release_id, run) as work:
            function(work)


def deploy(run: Run, system: str, environment: str, version: str) -> None:
    """Release a version, as flows/deploy.py does."""
    version, _, only = version.partition(":")
    components = only.split(",") if only else None
    version, *stated = version.split("+")
    adopt, version = version.endswith("!"), version.rstrip("!")
    said = dict.fromkeys(stated, "somebody")
    opened = begin.released(run, system, environment, version, "somebody", said, None, adopt, components)
    with opened as release_id:
        steps(release_id, run, PREPARATION)
        with put_back.in_hand(release_id, run):
            steps(release_id, run, CHANGES)


def rollback(run: Run, system: str, environment: str) -> None:
    """Take the live release back, because a person asks for it, as flows/rollback.py does."""
    asked = {"reason": "nobody likes it", "deployer": "somebody"}
    release_id = begin.taken_up(run, system, environment, "rollback", release_id=None, asked=asked)
    assert release_id is not None
    with put_back.paged(release_id, run), lease.holding(release_id, "rollback", run, wait=True):
        steps(release_id, run, WAY_BACK)


def recover(run: Run, system: str, environment: str) -> None:
    """Do what the automation has done after a run that crashed: flows/rollback.py with its id."""
    with open_ledger() as ledger:
        newest = ledger.releases.find(system, environment)[0]
    asked = {"failed_run_id": newest.run_id, "reason": "crashed", "deployer": "automation"}
    release_id = begin.taken_up(run, system, environment, "rollback", release_id=None, asked=asked)
    assert release_id is not None
    with put_back.paged(release_id, run), lease.holding(release_id, "rollback", run, wait=True):
        steps(release_id, run, WAY_BACK)


def told(run: Run, error: str) -> dict[str, Any]:
    """Return what the ledger says of the release that ``run`` worked on."""
    with open_ledger() as ledger:
        release = ledger.releases.of_run(run.id)
        if release is None:
            return {"state": "refused", "error": error}
        made = ledger.releases.fact(release.id, "plan") or {"steps": [], "depends": ""}
        return {
            "ref": release.ref,
            "state": str(release.state),
            "planned": [key for key, _, _ in made["steps"]],
            "depends": made["depends"],
            "journal": [entry.key for entry in ledger.journal(release.id).entries()],
            "error": error,
        }


def main(system: str, environment: str, versions: list[str]) -> None:
    """Do what is asked for."""
    for version in versions:
        run, error = Quiet(), ""
        try:
            if version in ("back", "recover"):
                {"back": rollback, "recover": recover}[version](run, system, environment)
            else:
                deploy(run, system, environment, version)
        except RunwrightError as caught:
            error = caught.what.splitlines()[0]
            print(caught, file=sys.stderr)
        print(json.dumps(told(run, error)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
