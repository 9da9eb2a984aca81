"""Find what died without an event: runs that only seem to live, releases that nobody works on, and what serves users."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.states import Cancelled, Crashed, Failed

from runwright.errors import RunwrightError
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.release import Release
from runwright.ledger.states import ENDED, ReleaseState
from runwright.policy.supervision import STARTED_AGAIN, SUPERVISOR_TAG, TAG, Life, Seen, Step, answer, life
from runwright.release.notify import ended as told
from runwright.release.notify import notify
from runwright.release.preview import is_planning
from runwright.release.start_again import start_again
from runwright.release.work import at_work
from tasks.run import RUN

WORKS_ON_RELEASES = frozenset({"deploy", "drill", "rollback", "watch"})
"""A backup or a retirement that runs, or waits, brings no release to its end."""
FIRES = frozenset({"deploy", "drill"})
"""The procedures whose bad end fires a rollback."""
ENDS = {"CANCELLING": Cancelled, "PAUSED": Failed}
"""How a run that is dead ends, if not crashed. A cancel stays a cancel: it says that somebody did not want the release. A
pause that nobody ended fails, as Prefect itself has it."""
PAGE = 200
CONFIRM_SECONDS = 35.0
"""How long a run that seems dead is given to be heard of: more than the time between two heartbeats."""
_OPEN = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]
_UNFINISHED = frozenset(ReleaseState) - ENDED - {ReleaseState.FROZEN}


@dataclass(frozen=True)
class Open:
    """A run of ours that has not ended, and the environment that it is about ("" if it is about none)."""

    seen: Seen
    system: str
    environment: str


@task(name="supervise", cache_policy=NO_CACHE, persist_result=False)
def supervise(because: str = "") -> str:
    """Declare dead runs crashed, start the way back of releases that nobody works on, and what died on a host again.

    Return what was done.
    """
    say = RUN.say
    if because:
        say(because)
    ledger = open_ledger()
    done: list[str] = []
    try:
        with get_client(sync_client=True) as client:
            now = datetime.now(UTC)
            found = open_runs(client, now)
            done += declare_dead(client, ledger, found)
            for release in ledger.releases.find(limit=None, states=_UNFINISHED):
                try:
                    done += look_after(client, ledger, release, found, now)
                # what is wrong with one environment (its deployment is gone, its secrets) must not hide another
                except (RunwrightError, PrefectException, httpx.HTTPError) as error:
                    done.append(f"{release.id} cannot be looked after: {error}".splitlines()[0])
            done += stand_up(ledger)
    finally:
        ledger.close()
    for text in done:
        say(text, level="warning")
    return "; ".join(done) or "All is well: every run lives, and every release has come to its end or is worked on."


def stand_up(ledger: Ledger) -> list[str]:
    """Start again what died outside of a release, wherever one serves; return a sentence for each."""
    told, live = [], ledger.releases.all_live()
    kept = ledger.releases.facts_of((release.id for release in live.values()), STARTED_AGAIN)
    for (system, environment), release in live.items():
        try:
            told += start_again(RUN, ledger, release, kept.get(release.id))
        except RunwrightError as error:  # one place must not hide another
            told.append(f"{system}/{environment} cannot be looked at: {error}".splitlines()[0])
    return told


def open_runs(client: SyncPrefectClient, now: datetime) -> list[Open]:
    """Return all runs of ours that have not ended, without those that are scheduled for later."""
    wanted = FlowRunFilter(
        tags=FlowRunFilterTags(any_=[TAG, SUPERVISOR_TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_OPEN)),
    )
    runs: list[FlowRun] = []
    while page := client.read_flow_runs(flow_run_filter=wanted, limit=PAGE, offset=len(runs)):
        runs += page
    due = [run for run in runs if not (run.state and run.state.is_scheduled() and _start_of(run) > now)]
    procedures = {flow_id: client.read_flow(flow_id).name for flow_id in {run.flow_id for run in due}}
    return [_open(client, run, procedures[run.flow_id], now) for run in due]


def _start_of(run: FlowRun) -> datetime:
    """Return when a scheduled run is to start."""
    assert run.state is not None
    return run.state.state_details.scheduled_time or run.state.timestamp


def _open(client: SyncPrefectClient, run: FlowRun, procedure: str, now: datetime) -> Open:
    assert run.state is not None
    since = (now - run.state.timestamp).total_seconds()
    heard = last_heartbeat(client, run.id) if run.state.is_running() or run.state.is_cancelling() else None
    silent = since if heard is None else min(since, (now - heard).total_seconds())
    until = run.state.state_details.pause_timeout
    overdue = max(0.0, (now - until).total_seconds()) if until else 0.0
    seen = Seen(str(run.id), procedure, str(run.state.type.value), since, silent, overdue)
    about = run.parameters
    return Open(seen, str(about.get("system", "")), str(about.get("environment", "")))


def last_heartbeat(client: SyncPrefectClient, run_id: UUID) -> datetime | None:
    """Return when a run last said that it lives, or None if it never did."""
    wanted = {
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{run_id}"]},
        "order": "DESC",
    }
    answered = client.request("POST", "/events/filter", json={"filter": wanted, "limit": 1})
    events: list[dict[str, Any]] = answered.json()["events"]
    return datetime.fromisoformat(events[0]["occurred"]) if events else None


def declare_dead(client: SyncPrefectClient, ledger: Ledger, found: list[Open]) -> list[str]:
    """Bring runs that are dead to an end, which fires the rollback of a deploy; return a sentence for each.

    A run that holds its environment lives whatever Prefect heard of it: it renews the lease every five seconds. Nor
    does a clock alone decide, or a server that was away: a run has the time of another heartbeat to be heard of.
    """
    dead: dict[str, str] = {}
    for run in found:
        state, why = life(run.seen)
        if state is Life.DEAD and not _holds(ledger, run):
            dead[run.seen.id] = why
    if not dead:
        return []
    before = {i: (client.read_flow_run(UUID(i)).state_id, last_heartbeat(client, UUID(i))) for i in dead}
    time.sleep(CONFIRM_SECONDS)
    told = []
    for run in found:
        if run.seen.id not in dead:
            continue
        run_id, why = UUID(run.seen.id), dead[run.seen.id]
        if (client.read_flow_run(run_id).state_id, last_heartbeat(client, run_id)) != before[run.seen.id]:
            continue  # it was heard of, or it moved, while we waited
        end = ENDS.get(run.seen.state, Crashed)
        client.set_flow_run_state(run_id, end(message=f"Found dead: {why}."), force=True)
        told.append(f"The run {run.seen.id} ({run.seen.procedure}) is dead: {why}.")
    return told


def _holds(ledger: Ledger, run: Open) -> bool:
    holder = ledger.leases.holder(run.system, run.environment) if run.system else None
    return holder is not None and holder.run_id == run.seen.id


def look_after(
    client: SyncPrefectClient, ledger: Ledger, release: Release, found: list[Open], now: datetime
) -> list[str]:
    """Start the way back of a release that nobody works on, or ask a person; return what was done."""
    where = (release.system, release.environment)
    works = WORKS_ON_RELEASES | {release.procedure}
    here = tuple(r.seen for r in found if (r.system, r.environment) == where and r.seen.procedure in works)
    worked = ledger.releases.runs(release.id)
    # the end of a deploy fires a rollback, which is given time to come; nothing comes by itself for the others
    abandoned = {r.id for r in here if life(r)[0] is Life.DEAD and r.procedure not in FIRES}
    over = [o for r in worked if r.run_id not in abandoned and (o := _ended_at(client, r.run_id))]
    quiet = (now - max([release.changed_at, *(r.at for r in worked), *over])).total_seconds()
    if is_planning(ledger, release, quiet):
        return []
    tried = ledger.releases.fact(release.id, "supervised") or 0
    held = ledger.leases.holder(release.system, release.environment) is not None
    changed = ledger.journal(release.id).changed(under_lease=True)
    given = answer(held=held, changed=changed, runs=here, quiet_seconds=quiet, tried=tried)
    match given.step:
        case Step.LEAVE:
            return []
        case Step.ASK:
            ledger.releases.advance(release.id, ReleaseState.FROZEN, f"{given.because}.".capitalize())
            with at_work(release.id, RUN) as work:
                notify(work, told(work))
            return [f"{release.id} is frozen: {given.because}; a person must see to it."]
        case Step.PUT_IN_ORDER if not release.deploys:
            because = f"{given.because}: its run ended without a word"
            ledger.releases.advance(release.id, ReleaseState.ABANDONED, because)
            return [f"{release.id} ({release.procedure}) is closed: {because}."]
        case Step.PUT_IN_ORDER:
            run = _start(client, ledger, release, tried + 1)
            ledger.releases.set_fact(release.id, "supervised", tried + 1)
            with at_work(release.id, RUN) as work:
                notify(work, f"{release.id} was left behind ({given.because}); its rollback was started (run {run}).")
            return [f"{release.id}: {given.because}; its rollback was started (run {run})."]


def _ended_at(client: SyncPrefectClient, run_id: str) -> datetime | None:
    try:
        run = client.read_flow_run(UUID(run_id))
    except (ObjectNotFound, ValueError):
        return None  # deleted, or not a run of this server
    return run.end_time or (run.state.timestamp if run.state else None)


def _how_it_ended(client: SyncPrefectClient, run_id: str | None) -> str:
    """Return the name of the state in which a deploy ended: whether it was cancelled or died decides what is right."""
    try:
        state = client.read_flow_run(UUID(run_id or "")).state
    except (ObjectNotFound, ValueError):
        return "Crashed"
    return str(state.name) if state is not None and state.is_final() else "Crashed"


def _start(client: SyncPrefectClient, ledger: Ledger, release: Release, number: int) -> str:
    """Start the rollback of a release, once for each ``number``, however many supervisors ask for it."""
    deployment = client.read_deployment_by_name(f"rollback/{release.system}-{release.environment}")
    # what was asked of a way back that died is asked again: above all by whom, where to, and what a person accepted
    asked = ledger.releases.fact(release.id, "asked") or {
        "failed_run_id": release.run_id,
        "reason": f"{_how_it_ended(client, release.run_id)}: nobody worked on the release any more",
        "deployer": "the supervisor",
    }
    parameters = asked | {"release": release.id}
    run = client.create_flow_run_from_deployment(
        deployment.id, parameters=parameters, idempotency_key=f"supervise {release.id} {number}"
    )
    return str(run.id)
