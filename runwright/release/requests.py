"""How many requests each version gets, over time: what sends users is asked while a release is under way, and it is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from runwright.engine.performer import Performer
from runwright.engine.planning import Planner
from runwright.errors import RunwrightError
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.records import Measurement
from runwright.ledger.release import Release
from runwright.ledger.states import ReleaseState
from runwright.release import drivers
from runwright.release.work import Work
from runwright.reports.requests import Look, Phase, Requests
from runwright.runbook.snapshot import from_json
from runwright.site import Folders, Site
from runwright.traffic import Counted

EVERY_SECONDS, LATER_SECONDS = 2.0, 10.0
"""How often it is asked: while most happens, and after `OFTEN_SECONDS`. Thirty minutes of a watch are some three hundred rows."""
OFTEN_SECONDS = 300.0
RULE = "requests:"
"""What the name of the measurement begins with; the slot follows. Its value: requests; in `requests`: failed ones of them."""

PHASES = {
    ReleaseState.MIGRATING: "migrate",
    ReleaseState.STAGING: "stage",
    ReleaseState.SWITCHING: "switch",
    ReleaseState.WATCHING: "watch",
    ReleaseState.FAILING: "breach",
    ReleaseState.ROLLING_BACK: "back",
    ReleaseState.ROLLED_BACK: "is back",
    ReleaseState.FROZEN: "frozen",
    ReleaseState.PROVEN: "proven",
}


@contextmanager
def counted(release_id: str) -> Iterator[None]:
    """Keep what is counted meanwhile, in a thread of its own. That it cannot be asked, or kept, is nobody's business."""
    over = threading.Event()
    counting = threading.Thread(target=_count, args=(release_id, over), daemon=True, name="runwright-requests")
    counting.start()
    try:
        yield
    finally:
        over.set()
        counting.join(EVERY_SECONDS)


def _count(release_id: str, over: threading.Event) -> None:
    try:
        with open_ledger() as ledger:
            release = ledger.releases.get(release_id)
            site = _site(release)
            if drivers.router(site) is None:
                return
            began = time.monotonic()
            while True:
                _keep(ledger, release_id, site)
                pause = EVERY_SECONDS if time.monotonic() - began < OFTEN_SECONDS else LATER_SECONDS
                if over.wait(pause):
                    _keep(ledger, release_id, site)  # how it was at the end
                    return
    except RunwrightError:
        return


def _site(release: Release) -> Site:
    folders = Folders.of(release.system, release.environment, release.id)
    return Site(from_json(release.runbook), release.environment, folders, {})


def _keep(ledger: Ledger, release_id: str, site: Site) -> None:
    """Keep what was counted by now. A router that does not run yet, or is started anew, is asked again the next time."""
    try:
        do = Planner(Performer())  # it only reads, and the secrets of the release are not needed for it
        found: Mapping[str, Counted] = drivers.cutover(site, drivers.platform(site)).counted(do)
        at = datetime.now(UTC)
        rows = [Measurement(f"{RULE}{slot}", at, "ok", one.requests, one.errors, "") for slot, one in found.items()]
        ledger.records.add_measurements(release_id, rows)
    except (RunwrightError, OSError):
        return


def requests(work: Work) -> Requests | None:
    """Return what was kept of a release, as it is shown; None if nothing was."""
    looks: dict[str, list[Look]] = {}
    for one in work.ledger.records.measurements(work.id):
        if one.rule.startswith(RULE) and one.value is not None:
            looks.setdefault(one.rule.removeprefix(RULE), []).append(Look(one.at, one.value, one.requests or 0.0))
    if not any(look.requests for series in looks.values() for look in series):
        return None
    mine, release = str(work.fact("slot") or ""), work.release
    before = work.ledger.releases.get(release.previous_id).ref if release.previous_id else ""
    return Requests(
        new=(release.ref, looks.pop(mine, [])),
        old=(before or "the version before", [look for series in looks.values() for look in series]),
        phases=phases(work),
    )


def phases(work: Work) -> list[Phase]:
    """Return when what began, in order: as the ledger knows it, and the shares of a canary each."""
    found = [
        Phase(step.at, PHASES[step.after])
        for step in work.ledger.releases.transitions(work.id)
        if step.after in PHASES and step.after != step.before
    ]
    if rungs := work.fact("rungs"):
        # a share begins when the one before it has passed
        begins = [work.fact("switch_began_at"), *(rung["at"] for rung in rungs)]
        shares = [*(f"{rung['share']} %" for rung in rungs), "100 %" if work.fact("switched_at") else ""]
        found = [phase for phase in found if phase.name != "switch"]
        found += [
            Phase(datetime.fromisoformat(at), name) for at, name in zip(begins, shares, strict=True) if at and name
        ]
    if switched := work.fact("switched_at"):
        found.append(Phase(datetime.fromisoformat(switched), "verify"))
    return sorted(found, key=lambda phase: phase.at)
