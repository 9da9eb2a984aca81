"""Start again what died on a host outside of a release: the front door, or the process that it sends users to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from runwright.engine.actions import Do
from runwright.engine.performer import Performer
from runwright.engine.planning import Planner
from runwright.errors import CancelledError, FencedError, LeaseHeldError, LedgerError, RunwrightError
from runwright.ledger import Ledger
from runwright.ledger.release import Release
from runwright.ledger.states import ENDED, ReleaseState
from runwright.platforms.shape import Platform, ServiceFact
from runwright.policy.supervision import RESTARTS, STARTED_AGAIN, may_start_again
from runwright.release import cutover, drivers
from runwright.release.decide import recover
from runwright.release.lease import holding
from runwright.release.notify import notify
from runwright.release.run import Run
from runwright.release.work import Work, at_work
from runwright.runbook.snapshot import from_json
from runwright.site import Folders, Site

UNFINISHED = frozenset(ReleaseState) - ENDED
KEPT = 3
"""So many of the newest sentences are kept for `status`."""
FRONT = "the front door"


def start_again(run: Run, ledger: Ledger, live: Release, kept: Any = None) -> list[str]:
    """Start again what died of ``live``, which serves; return a sentence for what was done, or could not be.

    Never beside a release: who works on one, or has to, knows what shall run; what waits for a person gets its front door
    back and nothing else. It happens under the lease, in the journal of ``live``. Raise RunwrightError.

    kept: its fact STARTED_AGAIN, {"at": times, "given_up": whether it is left alone, "said": [{"at", "text"}]}.
    """
    kept = {"at": [], "given_up": False, "said": [], **(kept or {})}
    dead = died(live)
    if not dead and kept["given_up"]:
        ledger.releases.set_fact(
            live.id, STARTED_AGAIN, kept | {"at": [], "given_up": False}
        )  # a person has seen to it
    if not dead or kept["given_up"]:
        return []
    unfinished = ledger.releases.find(live.system, live.environment, limit=None, states=UNFINISHED, without=("plan",))
    frozen = bool(unfinished)
    if any(release.state is not ReleaseState.FROZEN for release in unfinished) or (frozen and FRONT not in dead):
        return []
    now = datetime.now(UTC)
    try:
        with holding(live.id, "supervise", run), at_work(live.id, run) as work:
            if may_start_again((now - datetime.fromisoformat(at)).total_seconds() for at in kept["at"]):
                kept |= {"at": [*kept["at"], now.isoformat()]}
                work.write_down(STARTED_AGAIN, kept)
                recover(work)
                text = _started(work, died(live, front_only=frozen), now)
            else:
                kept |= {"given_up": True}
                text = f"{_listed(dead)} died again; after {RESTARTS} starts within the hour it is left alone now"
            return [_told(work, kept, text)] if text else []
    except LeaseHeldError:
        return []  # somebody works here, or was quicker


def died(live: Release, *, front_only: bool = False) -> list[str]:
    """Return what serves no more of what should: the front door, and the version behind it (unless ``front_only``).

    Only what was started on this machine is looked for.
    """
    book = from_json(live.runbook)
    if (place := book.environments[live.environment]).target.host() is not None or place.router is None:
        return []  # what runs on another host, its own Docker or system starts again; where no router is named, the platform does
    folders = Folders.of(live.system, live.environment, live.id)
    site = Site(book, live.environment, folders, {})
    router = drivers.router(site)
    if router is None:
        return []
    do = Planner(Performer())
    facts, where = router.facts(do), drivers.platform(site)
    if facts.written is None or not where.ours_to_start(do, facts.written.slot):
        return []
    dead = [] if facts.running else [FRONT]
    return (
        dead
        if front_only or _in(where, do, facts.written.slot, running=True)
        else [*dead, f"{live.ref} in {facts.written.slot}"]
    )


def _in(where: Platform, do: Do, slot: str, *, running: bool = False) -> ServiceFact | None:
    """Return what runs, or ran last, in ``slot``."""
    there = where.observe(do)
    return next((fact for fact in (there.running if running else there.services) if fact.slot == slot), None)


def _started(work: Work, dead: list[str], found: datetime) -> str:
    """Start again what is ``dead``, and return how that went, "" if nothing is."""
    router = work.router
    target = router.facts(work.do).written if router is not None else None
    if not dead or router is None or target is None:
        return ""
    key = f"again{work.do.token}"
    try:
        if dead != [FRONT]:
            seen = _in(work.platform, work.do, target.slot)
            if seen is None or seen.commit != work.version.commit:
                return f"{_listed(dead)} died, and {target.slot} was not of {work.version.name}: it is left alone"
            work.platform.start(work.do, work.version, target.slot, key, work.id)
        router.ensure(work.do, f"{key}/router")
        if dead != [FRONT]:
            work.cutover.shift(work.do, work.version, target.slot, cutover.going(work), key)
    except (CancelledError, FencedError, LedgerError):
        raise
    except RunwrightError as error:
        return f"{_listed(dead)} died, and could not be started again: {error.what} {error.next}".strip()
    took = (datetime.now(UTC) - found).total_seconds()
    return f"{_listed(dead)} died outside of a release; started again {took:.0f} s after it was seen"


def _told(work: Work, kept: dict[str, Any], text: str) -> str:
    """Keep a sentence for `status` and `show`, tell people, and return it with its place."""
    text = f"{text[0].upper()}{text[1:]}".rstrip(".") + "."
    said = [*kept["said"], {"at": datetime.now(UTC).isoformat(), "text": text}][-KEPT:]
    work.write_down(STARTED_AGAIN, kept | {"said": said})
    work.ledger.records.add_note(work.id, "started again", text)
    told = f"{work.release.system}/{work.release.environment}: {text}"
    notify(work, told)
    return told


def _listed(dead: list[str]) -> str:
    return " and ".join(dead)
