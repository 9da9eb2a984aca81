"""Open a release, or take up one that is there: before anything else is done."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runwright.errors import InputError, LeaseHeldError, LedgerError, NotBuiltError, RefusedError, RunwrightError
from runwright.ledger import Ledger, Patience, open_ledger
from runwright.ledger.release import Release
from runwright.ledger.states import ENDED, ReleaseState
from runwright.ledger.way_back import checked_target, to_take_back
from runwright.policy.drilling import checked_way, refuse_production, whose_turn
from runwright.policy.levels import Level
from runwright.policy.support import unsupported
from runwright.release import partial
from runwright.release.redacting import written
from runwright.release.run import Run
from runwright.runbook.drill import Break, Drills
from runwright.runbook.loader import load_system
from runwright.runbook.model import PRODUCTION_WATCH_SECONDS, Runbook
from runwright.runbook.snapshot import from_json, to_json
from runwright.versions import checked_ref

BECAUSE = 400
"""How much of an error is kept as the reason of an end: its first line alone may be "3 of 9 gates stop the release:"."""

UNTOUCHED = frozenset({ReleaseState.PREPARING, ReleaseState.PLANNED, ReleaseState.APPROVED})
"""In these states nothing has been changed yet."""


@contextmanager
def released(
    run: Run,
    system: str,
    environment: str,
    version: str,
    deployer: str,
    attestations: dict[str, str],
    watch_minutes: float | None,
    adopt: bool = False,
    components: list[str] | None = None,
) -> Iterator[str]:
    """Open a release for this run and give its id; abandon it if its preparation fails.

    components: what is released; None, or none: everything. Raise InputError, RunbookError, NotBuiltError or RefusedError before anything is done.
    """
    with _ledger(run) as ledger:
        checked_ref(version)
        runbook = checked(system, environment, watch_minutes)
        chosen = _chosen(ledger, runbook, environment, components, adopt)
        clean = written(runbook, environment, run)
        stated = {gate: clean(name) if isinstance(name, str) else name for gate, name in attestations.items()}
        parameters = {"attestations": stated, "watch_minutes": watch_minutes, "adopt": adopt, **chosen}
        with _opened(run, ledger, runbook, environment, version, "deploy", parameters, clean(deployer)) as release_id:
            yield release_id


def _chosen(
    ledger: Ledger, runbook: Runbook, environment: str, components: list[str] | None, adopt: bool
) -> dict[str, list[str]]:
    """Return the parameter that says which components are released. Raise InputError or RefusedError if they cannot be."""
    chosen = partial.chosen(runbook, components)
    if chosen and adopt:
        raise InputError(
            "`adopt` takes what runs now, and what is left out of a release stays what is recorded: both cannot be.",
            next="Release all components with `adopt`, then some of them.",
        )
    partial.require_recorded(ledger, runbook, environment, chosen)
    return {partial.COMPONENTS: chosen} if chosen else {}


@contextmanager
def drilled(
    run: Run, system: str, environment: str, by: str, watch_minutes: float | None, deployer: str
) -> Iterator[str]:
    """Open a release of the version that is live, which is going to be broken, and give its id.

    by: how; "": in the way that was not tried for longest. Raise InputError, RunbookError, NotBuiltError or RefusedError
    before anything is done.
    """
    with _ledger(run) as ledger:
        runbook = checked(system, environment, watch_minutes)
        live, way = may_be_drilled(ledger, runbook, environment, by)
        wanted = runbook.drill or Drills()
        if watch_minutes is None:
            watch_minutes = (runbook.watch_seconds(environment) if wanted.watch is None else wanted.watch) / 60
        if not watch_minutes:
            raise RefusedError(
                f"{system}/{environment} is not watched, so nothing could notice what a drill breaks.",
                state="Nothing was done.",
                next="Give watch_minutes, or a `watch` in the runbook's `drill` section.",
            )
        parameters = {"drill": way, "of": live.id, "watch_minutes": watch_minutes}
        who = written(runbook, environment, run)(deployer)
        with _opened(run, ledger, runbook, environment, live.ref, "drill", parameters, who) as release_id:
            yield release_id


def may_be_drilled(ledger: Ledger, runbook: Runbook, environment: str, by: str) -> tuple[Release, Break]:
    """Return the release that is drilled, and how it is broken. Raise InputError or RefusedError if it may not be."""
    refuse_production(runbook, environment)
    asked = checked_way(by) if by else None
    where, live = f"{runbook.system}/{environment}", ledger.releases.live(runbook.system, environment)
    if live is None or live.adopted or not live.commit:
        raise RefusedError(
            f"What serves in {where} was not released by Runwright, so it cannot be released again."
            if live
            else f"Nothing was released to {where} yet: there is nothing to drill.",
            state="Nothing was done.",
            next=f"Deploy a version first: `runwright deploy {where} VERSION`.",
        )
    allowed = (runbook.drill or Drills()).by
    return live, asked or whose_turn(allowed, ledger.drills.find(runbook.system, environment))


@contextmanager
def _ledger(run: Run) -> Iterator[Ledger]:
    ledger = open_ledger(patience=Patience(run.say))
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def _opened(
    run: Run,
    ledger: Ledger,
    runbook: Runbook,
    environment: str,
    version: str,
    procedure: str,
    parameters: dict[str, Any],
    deployer: str,
) -> Iterator[str]:
    """Open the release of this run, or take it up again; abandon it if it fails before anything was changed."""
    _nobody_else(ledger, runbook.system, environment, run.id)
    release = ledger.releases.open(
        runbook.system,
        environment,
        version,
        procedure=procedure,
        run_id=run.id,
        runbook=to_json(runbook),
        parameters=parameters,
        deployer=deployer or getpass.getuser(),
    )
    _not_over(release)
    where = f"{runbook.system}/{environment}"
    run.say(f"{procedure.capitalize()} {release.id}: {version} to {where}, asked for by {release.deployer}.")
    try:
        yield release.id
    except LedgerError:
        raise  # it was waited for already; the rollback closes the release when it is back
    except RunwrightError as error:
        _abandon_if_untouched(ledger, release.id, error)
        raise


def checked(system: str, environment: str, watch_minutes: float | None) -> Runbook:
    """Return the runbook, if anything can be released there at all. Raise InputError or NotBuiltError if not."""
    runbook = load_system(system).runbook
    place = runbook.environments.get(environment)
    if place is None:
        raise InputError(
            f"{system} has no environment {environment!r}.", next=f"It has {', '.join(sorted(runbook.environments))}."
        )
    if sentence := unsupported(runbook, environment):
        raise NotBuiltError(sentence)
    if watch_minutes is not None and watch_minutes < 0:
        raise InputError("watch_minutes cannot be negative.", next="Leave it out to watch as long as the runbook says.")
    if watch_minutes is not None and place.tier == "production" and watch_minutes * 60 < PRODUCTION_WATCH_SECONDS:
        raise InputError(
            f"Production is watched for thirty minutes or more; {watch_minutes:g} is less.",
            next="Leave watch_minutes out, or give 30 or more.",
        )
    return runbook


def _nobody_else(ledger: Ledger, system: str, environment: str, run_id: str) -> None:
    """Refuse at once what the lease would refuse after the build. A retry of a run meets its own, expired lease."""
    holder = ledger.leases.holder(system, environment)
    if holder is not None and holder.run_id != run_id:
        raise LeaseHeldError(
            f"{system}/{environment} is held by {holder.holder} since {holder.taken_at:%H:%M:%S} UTC.",
            next="Wait until it has ended, or stop it; `runwright status` shows how far it is.",
        )
    at_work = frozenset(ReleaseState) - ENDED - UNTOUCHED - {ReleaseState.FROZEN}
    unfinished = ledger.releases.find(system, environment, states=at_work)
    own = ledger.releases.of_run(run_id)
    for other in unfinished:
        if own is None or other.id != own.id:
            raise RefusedError(
                f"The release {other.id} ({other.ref}) has not come to an end: it is {other.state.value}.",
                state="Nothing was done.",
                next="Its rollback may be about to start: `runwright status` shows it. "
                f"To start it by hand: `runwright rollback {system}/{environment} --yes`.",
            )


def _not_over(release: Release) -> None:
    if release.state in ENDED or release.state in (
        ReleaseState.FAILING,
        ReleaseState.ROLLING_BACK,
        ReleaseState.FROZEN,
    ):
        raise RefusedError(
            f"The release {release.id} of this run is {release.state.value} ({release.because}); it cannot go on.",
            state="Nothing was done.",
            next="Start a new deploy.",
        )


def _abandon_if_untouched(ledger: Ledger, release_id: str, error: RunwrightError) -> None:
    release = ledger.releases.get(release_id)
    # who follows the run from elsewhere learns from this what kind of end it was
    kept = {"kind": type(error).__name__, "what": error.what, "state": error.state, "next": error.next}
    ledger.releases.set_fact(release_id, "error", kept)
    if release.state in UNTOUCHED:
        first, *rest = [line.strip() for line in error.what.splitlines() if line.strip()] or [""]
        told = " ".join([first, "; ".join(line.rstrip(".") for line in rest)]).strip()
        ledger.releases.advance(release_id, ReleaseState.ABANDONED, f"nothing was changed: {told[:BECAUSE]}")


def taken_up(
    run: Run,
    system: str,
    environment: str,
    procedure: str,
    *,
    release_id: str | None,
    asked: dict[str, Any] | None = None,
) -> str | None:
    """Find the release that a procedure is about, note this run as one that works on it, and return its id.

    asked: what is asked of a rollback: failed_run_id, to, reason, deployer, accept_level.
    Return None if the failed run never came to have a release: then nothing was changed.
    Raise InputError if a release is named that is not one of this environment or cannot be gone back to, or a level
    that there is not.
    """
    asked = asked or {}
    accepted = asked.get("accept_level")
    if accepted is not None and accepted not in Level.__members__:
        raise InputError(f"There is no level {accepted!r}.", next=f"There are {', '.join(Level.__members__)}.")
    ledger = open_ledger(patience=Patience(run.say))
    try:
        release = _found(ledger, system, environment, asked.get("failed_run_id"), release_id)
        if release is None:
            return None
        if (release.system, release.environment) != (system, environment):
            raise InputError(
                f"{release.id} is a release of {release.system}/{release.environment}, not of {system}/{environment}.",
                next="`runwright history` lists the releases.",
            )
        if asked.get("to"):
            checked_target(ledger, release, str(asked["to"]))
        ledger.releases.attach(release.id, run.id, procedure)
        clean = written(from_json(release.runbook), environment, run)
        asked |= {name: clean(str(asked.get(name) or "")) for name in ("reason", "deployer")}
        run.say(f"{procedure} of {release.id}, asked for by {asked.get('deployer') or getpass.getuser()}.")
        if procedure == "rollback":
            _ask(ledger, release, asked)
        return release.id
    finally:
        ledger.close()


def _ask(ledger: Ledger, release: Release, asked: dict[str, Any]) -> None:
    """Keep what is asked. What a person asks goes before what an automation does: it may know where to, and at what cost."""
    earlier = ledger.releases.fact(release.id, "asked")
    by_a_person = earlier is not None and not earlier.get("failed_run_id")
    if asked.get("failed_run_id") and by_a_person and not release.ended:
        return
    kept = {name: asked.get(name) for name in ("failed_run_id", "to", "deployer", "accept_level")}
    ledger.releases.set_fact(release.id, "asked", kept | {"reason": str(asked.get("reason") or "")[:500]})


def _found(
    ledger: Ledger, system: str, environment: str, failed_run_id: str | None, release_id: str | None
) -> Release | None:
    if release_id:
        return ledger.releases.get(release_id)
    if failed_run_id:
        return ledger.releases.of_run(failed_run_id)
    return to_take_back(ledger, system, environment)
