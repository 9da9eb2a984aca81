"""Put the system back: what was decided, done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from runwright.engine.actions import Do, WriteFile
from runwright.errors import (
    BreachError,
    CancelledError,
    FencedError,
    FrozenError,
    LedgerError,
    RefusedError,
    RunwrightError,
)
from runwright.ledger.states import ENDED, ReleaseState
from runwright.policy.rollback import Cause, Way
from runwright.release import cutover, streams
from runwright.release.decide import aim, decided, schema_moved
from runwright.release.downtime import asking, note_downtime
from runwright.release.lease import held, holding, renewed
from runwright.release.login import logged_in
from runwright.release.notify import ended, notify
from runwright.release.pages import show_breached_watch, show_requests
from runwright.release.requests import counted
from runwright.release.run import Run
from runwright.release.verify import prove, runs_what_was_asked
from runwright.release.work import Work, at_work, watch_rules
from runwright.versions import Version

PRINTED = "printed"
"""The kind of the notes that say where the output of what failed is kept."""


@contextmanager
def in_hand(release_id: str, run: Run, procedure: str = "deploy") -> Iterator[None]:
    """Hold the environment; if what is done meanwhile fails, put the system back before the error goes on its way.

    A cancelled run, and one that lost its lease or its ledger, puts nothing back: the rollback flow does.
    """
    with holding(release_id, procedure, run), counted(release_id):
        try:
            yield
        except (FencedError, LedgerError, FrozenError):
            raise
        except RunwrightError as error:
            renewed(release_id)
            with at_work(release_id, run) as work:
                if work.release.state not in ENDED:
                    after_failure(work, error)
            raise


@contextmanager
def paged(release_id: str, run: Run) -> Iterator[None]:
    """Tell people if the way back itself fails: no event starts another, only the supervisor does, a while later."""
    try:
        yield
    except FrozenError:
        raise  # people were told when it froze
    except RunwrightError as error:
        with at_work(release_id, run) as work:
            notify(work, f"The rollback of {release_id} failed: {error.what} {error.state} {error.next}")
        raise


def after_failure(work: Work, error: RunwrightError) -> None:
    """Decide and act inside the run that failed. What cannot be done here is left to the rollback flow."""
    work.say(f"It failed: {error.what}", level="error")
    # the first line says what happened; what a program printed besides stays in the run's log
    work.write_down("breach", error.what.splitlines()[0])
    if error.printed:
        _keep(work, work.do, f"{prefix(work)}/output", error.printed, "the step that failed", f"{work.id}-step.txt")
    decision = decided(work, Cause.FAILED, {})
    try:
        act(work, decision.way, decision.because)
    except FrozenError as frozen:
        work.say(f"{frozen.what} {frozen.next}", level="error")
    except RunwrightError as second:
        work.say(f"Putting it back failed too: {second.what}; the rollback flow tries again.", level="error")
    show_requests(work)
    if isinstance(error, BreachError):
        show_breached_watch(work, watch_rules(work))


def put_back(work: Work) -> str:
    """Do what was decided; tell people if it took longer than the runbook allows."""
    decision = work.fact("decision")
    aim(work, work.fact("asked") or {})
    began = time.monotonic()
    act(work, Way(decision["way"]), decision["because"], decision["next"])
    took, allowed = time.monotonic() - began, work.runbook.rollback.target
    if took > allowed:
        notify(work, f"The way back of {work.id} took {took:.0f} s; the runbook allows {allowed:.0f} s.")
    return str(decision["way"])


def act(work: Work, way: Way, because: str, next: str = "") -> None:
    """Do what was decided, and bring the release to its end."""
    releases = work.ledger.releases
    match way:
        case Way.NOTHING | Way.WATCH_ON:
            return
        case Way.ABANDON:
            releases.advance(work.id, ReleaseState.ABANDONED, because)
        case Way.FREEZE if work.release.state is ReleaseState.PROVEN:
            raise RefusedError(because, state=f"Nothing was changed: {work.release.ref} serves on.", next=next)
        case Way.FREEZE:
            releases.advance(work.id, ReleaseState.FROZEN, because)
            work.refresh()
            notify(work, ended(work))
            raise FrozenError(f"{work.id} is frozen: {because}", state="Nothing more is changed.", next=next)
        case Way.PUT_BACK | Way.STOP_NEW:
            releases.record(work.id, previous_id=work.release.previous_id)
            if work.release.state not in (ReleaseState.PROVEN, ReleaseState.FROZEN, ReleaseState.ROLLING_BACK):
                releases.advance(work.id, ReleaseState.FAILING, because)
            releases.advance(work.id, ReleaseState.ROLLING_BACK, because)
            previous = work.previous
            if way is Way.PUT_BACK and previous is not None:
                with asking(work, "back"):
                    start_previous(work, work.do, previous)
                note_downtime(work, "back", previous.name)
            else:
                stop_new(work)
            back = f"{previous.name} serves" if way is Way.PUT_BACK and previous else "nothing serves, as before"
            releases.advance(work.id, ReleaseState.ROLLED_BACK, f"{back}; {because}")
            forgive(work)
            work.refresh()
            work.say(f"Put back: {back}.")


def forgive(work: Work) -> None:
    """Let the version be released again if nothing spoke against it: its run was cancelled, died, or a person asked."""
    if not work.fact("breach") and not work.release.is_drill:
        work.ledger.releases.clear_quarantine(work.id, "Runwright", "nothing spoke against the version itself")


def prefix(work: Work) -> str:
    """Return what the keys of this way back begin with: each procedure that tries it has keys of its own."""
    lease = held(work.id)
    return f"back{lease.lease.token if lease else 0}"


def start_previous(work: Work, do: Do, previous: Version) -> None:
    """Make ``previous`` serve again, and prove that it does. Repeated, it changes nothing."""
    key = prefix(work)
    slot = work.cutover.home(do, previous, str(work.fact("slot") or ""))
    work.cutover.at_once(do, previous, slot, key)
    keep_what_it_printed(work, do, key)
    if not work.cutover.warm:
        with logged_in(work):
            previous = work.platform.prepare(do, previous, key)
    work.cutover.back(do, previous, slot, cutover.going(work), key)
    runs_what_was_asked(work, previous, do, slot)
    ahead = schema_moved(work)
    prove(work, work.probing(), key=f"{key}/live", staged=False, schema_ahead=ahead, smoke=False)
    streams.let_end(work, do, [other for other in work.platform.slots if other != slot])
    work.cutover.clear(do, slot, key)


def keep_what_it_printed(work: Work, do: Do, key: str) -> None:
    """Keep the last lines of the version that failed in a file: its containers are removed, and their output with them.

    That it cannot be kept stops nothing: users wait for the old version.
    """
    try:
        if text := work.performer.clean_printed(work.platform.printed(do, work.id)):
            _keep(work, do, f"{key}/printed", text, work.release.ref, f"{work.id}.txt")
    except (CancelledError, FencedError, LedgerError):
        raise
    except RunwrightError as error:
        work.say(f"What the failed version printed could not be kept: {error.what}", level="warning")


def _keep(work: Work, do: Do, key: str, text: str, who: str, name: str) -> None:
    """Keep what ``who`` printed last in a file, unless an earlier way back has; note where it is."""
    path = work.folders.state / "printed" / name
    if path.exists():
        return
    says = f"keep what {who} printed in {path}"
    do(WriteFile(says=says, key=key, path=path, content=text.encode(), mode=0o600))
    work.ledger.records.add_note(work.id, PRINTED, f"What {who} printed last is in {path}.")


def stop_new(work: Work) -> None:
    """Stop the new version, if it was started: nothing ran before it."""
    work.write_down("may-stop-live", True)
    work.cutover.stop(work.do, str(work.fact("slot") or ""), prefix(work))
