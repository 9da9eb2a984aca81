"""Tell people: a release that ended, one that waits for a person, a rule that pages. A failure of it fails nothing else."""

from __future__ import annotations

from runwright import registry
from runwright.engine.visible import visible
from runwright.errors import CancelledError, FencedError, LedgerError, RunwrightError
from runwright.ledger.states import ReleaseState
from runwright.release.work import Work
from runwright.runbook.packaged import Packaged, settings_of


def notify(work: Work, text: str) -> bool:
    """Send ``text`` in each way that the runbook names; return whether anybody was told."""
    told = visible(work.performer.clean(f"Drill: {text}" if work.release.is_drill else text), lines=True)
    sent = [_sent(work, way, told) for way in registry.NOTIFIERS]
    sent += [_sent_by_package(work, said, told) for said in work.runbook.notify.packages]
    return any(sent)


def _sent(work: Work, way: str, text: str) -> bool:
    name = getattr(work.runbook.notify, way)
    if name is None:
        return False
    secret = work.secrets.get(name)
    if not secret:
        work.say(f"Nobody was told: the block has no secret {name!r} (`runwright secrets set`).", level="warning")
        return False
    try:
        registry.notifier(way)(work.do, secret, text)
    except RunwrightError as error:
        work.say(f"Nobody was told: {work.performer.clean(error.what)}", level="warning")
        return False
    return True


def _sent_by_package(work: Work, said: Packaged, text: str) -> bool:
    room = registry.OTHER_NOTIFIERS
    try:
        room.call(said.kind, work.do, settings_of(room, said), work.secrets, text)
    except (CancelledError, FencedError, LedgerError):
        raise
    except RunwrightError as error:
        work.say(f"Nobody was told by {said.kind}: {work.performer.clean(error.what)}", level="warning")
        return False
    return True


def ended(work: Work) -> str:
    """Return what people are told when a release has ended, or waits for them."""
    release = work.release
    where = f"{release.system}/{release.environment}"
    decision = work.fact("decision") or {}
    if release.is_drill and release.state is ReleaseState.ROLLED_BACK:
        drill = work.ledger.drills.of_release(release.id)
        return f"{where}: {drill or f'put back before anything was broken; {release.because}'}."
    words = {
        "proven": f"{release.ref} is released to {where}: {release.because}.",
        "rolled_back": f"{release.ref} was taken back from {where}: {release.because}",
        "abandoned": f"{release.ref} was not released to {where}: {release.because}",
        "frozen": f"{where} waits for a person. {release.because} {decision.get('next', '')}",
    }
    return words.get(release.state.value, f"{release.ref} to {where} is {release.state.value}: {release.because}")
