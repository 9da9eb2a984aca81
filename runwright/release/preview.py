"""A plan without a release: what would happen, before anybody decides that it shall."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import asdict
from typing import Any

from runwright.engine.actions import Process
from runwright.engine.effects.processes import alive, this_process
from runwright.errors import RunwrightError
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.release import Release
from runwright.ledger.states import ReleaseState
from runwright.release import partial
from runwright.release.begin import checked
from runwright.release.build import build as build_all
from runwright.release.check import asked
from runwright.release.plan import make_plan
from runwright.release.resolve import resolve
from runwright.release.run import Run
from runwright.release.work import Work, at_work
from runwright.runbook.snapshot import to_json
from runwright.versions import checked_ref

_PLANNER = "planner"
"""The fact of a plan: the process that makes it. No orchestrator knows of it, and it holds no environment."""
_ELSEWHERE_SECONDS = 86400.0
"""A plan that another machine makes is believed to be made for so long: its process cannot be asked from here."""


def is_planning(ledger: Ledger, release: Release, quiet_seconds: float) -> bool:
    """Return whether ``release`` is a plan that somebody makes just now: a build in it may be silent for an hour."""
    planner = ledger.releases.fact(release.id, _PLANNER)
    if planner is None:
        return False
    process = Process(**planner)
    return alive(process) if process.host == socket.gethostname() else quiet_seconds < _ELSEWHERE_SECONDS


def plan_only(
    run: Run, system: str, environment: str, version: str, *, build: bool = False, components: list[str] | None = None
) -> dict[str, Any]:
    """Return the plan for a version as plain JSON; nothing that users touch is changed, and nothing is released.

    Without ``build`` a version that was not built yet has a provisional plan: its migrations are not known, and what
    depends on them is left out. Keys: provisional, commit, artifacts, gates, migrations, level, previous, steps
    ([key, sentence, exact command]), depends, hash, left_out. components: what would be released; none: everything.
    """
    ledger = open_ledger()
    try:
        checked_ref(version)
        runbook = checked(system, environment, None)
        chosen = partial.chosen(runbook, components)
        partial.require_recorded(ledger, runbook, environment, chosen)
        release = ledger.releases.open(
            system, environment, version, procedure="plan", run_id=f"plan-{uuid.uuid4()}", runbook=to_json(runbook),
            parameters={"attestations": {}, partial.COMPONENTS: chosen}, deployer="",
        )  # fmt: skip
        ledger.releases.set_fact(release.id, _PLANNER, asdict(this_process(os.getpid())))
        try:
            with at_work(release.id, run) as work:
                return _planned(work, build)
        finally:
            ledger.releases.advance(release.id, ReleaseState.ABANDONED, "a plan, no release")
    finally:
        ledger.close()


def _planned(work: Work, build: bool) -> dict[str, Any]:
    resolve(work)
    rows = [(r.id, r.state.value, r.reason) for r in asked(work).results]
    work.write_down("checklist", rows)
    found: dict[str, Any] = {"provisional": True, "commit": work.version.commit, "gates": rows, "artifacts": {}}
    found |= {"migrations": None, "level": None, "previous": None, "steps": [], "hash": None}
    found["depends"] = "From here on it depends on what is built: add --build to build it and see the whole plan."
    if not build:
        return found
    try:
        build_all(work)
        return {**make_plan(work), "provisional": False}
    except RunwrightError as error:
        raise type(error)(work.performer.clean(error.what), state=error.state, next=error.next) from None
