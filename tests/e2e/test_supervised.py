"""What dies without an event is found: by the automations of the supervisor, and by what the supervisor does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from prefect.automations import Automation
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events import Event
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import RelatedResource, Resource
from prefect.states import Completed, Running, Suspended

import tasks.supervise as supervise_module
from deployments.specs import HEARTBEAT_SECONDS, ROLL_BACK, SILENT, TAG
from runwright.ledger.states import ReleaseState
from runwright.policy import supervision
from runwright.runbook.loader import load
from runwright.runbook.snapshot import to_json
from tasks.supervise import last_heartbeat, supervise
from tests.chaos.choice import SLOW
from tests.e2e.place import Place
from tests.fixtures.prefect import ROOT

WITHIN = 10.0
"""Seconds that Prefect waits for a heartbeat here."""


@pytest.fixture(scope="module")
def supervised(place: Place) -> Place:
    """A place whose supervisor is started by its automations alone, and soon."""
    place.register(within=WITHIN)
    return place


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A supervisor in this process that need not wait for minutes."""
    monkeypatch.setattr(supervision, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(supervision, "OVERDUE_SECONDS", 2.0)
    monkeypatch.setattr(supervision, "GRACE_SECONDS", 2.0)
    monkeypatch.setattr(supervise_module, "CONFIRM_SECONDS", 1.0)
    yield


def supervisor_runs(place: Place, because: str) -> list[FlowRun]:
    """Return the supervisor's runs that were started because of something."""
    runs = place.client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["supervise"])))
    return [run for run in runs if because in run.parameters.get("because", "")]


def told(place: Place, *events: Event) -> None:
    """Tell the server of events, as a run does."""
    place.client.request("POST", "/events", json=[event.model_dump(mode="json") for event in events])


def executed(place: Place, run_id: str, faults: str) -> int:
    """Execute a run in a process that no worker knows of, and return its exit code: nobody tells of its death."""
    surroundings = {**os.environ, **place.surroundings, "PREFECT__FLOW_RUN_ID": run_id, "RUNWRIGHT_FAULTS": faults}
    done = subprocess.run(
        [sys.executable, "-m", "prefect.engine"],
        env={**surroundings, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS)},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # a log of its own: what it had started outlives it, and would keep a pipe open
        stderr=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    return done.returncode


def test_a_run_that_falls_silent_starts_the_supervisor(supervised: Place) -> None:
    """Prefect waits for the next heartbeat in vain, and runs the supervisor."""
    tag = RelatedResource.model_validate({"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"})
    last = Event(
        occurred=datetime.now(UTC),
        event="prefect.flow-run.heartbeat",
        resource=Resource.model_validate({"prefect.resource.id": f"prefect.flow-run.{uuid4()}"}),
        related=[tag],
    )
    told(supervised, last)

    def in_time(run: FlowRun) -> bool:
        """Runs of earlier tests may fall silent meanwhile: what was started for them is not what is waited for."""
        return run.created is not None and (run.created - last.occurred).total_seconds() > WITHIN - 1

    runs = supervised.until(lambda: [r for r in supervisor_runs(supervised, "silent") if in_time(r)], "the supervisor")
    state = supervised.ended(str(runs[0].id))
    assert state.is_completed(), state.message


def test_an_automation_that_fails_starts_the_supervisor_with_the_reason(supervised: Place) -> None:
    """An automation of ours whose action cannot be done is not passed over: what it is for is looked after."""
    deployment = supervised.client.read_deployment_by_name(f"rollback/{supervised.name}")
    broken = Automation(
        name=f"{ROLL_BACK} something",
        trigger=EventTrigger(
            expect={"runwright.test.break"},
            posture=Posture.Reactive,
            threshold=1,
            within=0,  # type: ignore[arg-type]
        ),
        actions=[
            RunDeployment(deployment_id=deployment.id, parameters={"system": "{{ event.payload.nothing.at_all }}"})
        ],
    ).create()
    resource = Resource.model_validate({"prefect.resource.id": "runwright.test"})

    def heard() -> list[FlowRun]:
        """Tell it again as long as the server does not know the new automation yet."""
        told(supervised, Event(occurred=datetime.now(UTC), event="runwright.test.break", resource=resource))
        time.sleep(2)
        return supervisor_runs(supervised, "failed")

    with supervised.held():  # that it runs is told above
        try:
            found = supervised.until(heard, "the supervisor")
        finally:
            broken.delete()
    because = found[0].parameters["because"]
    assert f"{ROLL_BACK} something" in because
    assert "Unable to create flow run" in because


def test_the_names_of_the_automations_are_the_ones_that_are_looked_after(supervised: Place) -> None:
    """The automation that hears of failures goes by names: each of ours but itself is among them."""
    ours = [a.name for a in supervised.client.read_automations() if TAG in a.name or supervised.system in a.name]
    heard = [name for name in ours if name.startswith(f"{ROLL_BACK} ") or name == SILENT]
    assert sorted(set(ours) - set(heard)) == [f"{TAG}: an automation failed"]


@pytest.mark.usefixtures("quick")
def test_a_run_that_died_with_its_machine_is_found_and_put_back_and_so_is_its_rollback(supervised: Place) -> None:
    """The deploy and its worker are gone after the switch; so is the first rollback. Each is found; the old one serves."""
    supervised.serving("v1.1.0")
    run = supervised.pending("deploy", version="v1.6.0", watch_minutes=0.1)
    assert executed(supervised, run, "kill@after:deploy/switch/put") == -9
    assert supervised.version() == "v1.6.0"
    assert (state := supervised.run(run).state) is not None and state.is_running(), "nobody knows of it"

    said = supervised.until(lambda: run in (text := supervise.fn()) and text, "the supervisor's verdict")
    assert f"{run} (deploy) is dead" in said
    assert supervised.ended(run).is_crashed()
    supervised.rolled_back(run)
    assert supervised.state_of(run) == "rolled_back"
    assert supervised.version() == "v1.1.0"
    supervised.until(lambda: "All is well" in supervise.fn(), "the supervisor to find nothing")


@SLOW
@pytest.mark.usefixtures("quick")
def test_a_rollback_that_died_is_started_again_with_what_a_person_had_asked(supervised: Place) -> None:
    """A person's rollback of a proven release died with its machine: nothing fires for it, and it ends well all the same."""
    supervised.serving("v1.1.0")
    supervised.serving("v1.6.0")
    run = supervised.pending("rollback", reason="we do not like it")
    assert executed(supervised, run, "kill@before:back*/switch/put") == -9
    release = supervised.release_of(run)

    said = supervised.until(lambda: release.id in (text := supervise.fn()) and text, "the supervisor's verdict")
    assert "its rollback was started" in said
    again = UUID(said.rpartition("(run ")[2].partition(")")[0])
    assert supervised.ended(str(again)).is_completed()
    assert supervised.run(str(again)).parameters["reason"] == "we do not like it"
    assert supervised.state_of(run) == "rolled_back"
    assert supervised.version() == "v1.1.0"
    assert supervised.ended(run).is_crashed()
    supervised.until(lambda: "All is well" in supervise.fn(), "the supervisor to find nothing")


@pytest.mark.usefixtures("quick")
def test_what_is_found_dead_ends_as_it_was(supervised: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that only says it runs is crashed; one that was being cancelled is cancelled; one that is heard of lives.

    One that waits for a person fails once their time is over: the server's own service for that is off here.
    """
    running, cancelling, living, late, waiting = (supervised.pending("deploy", version="v1.0.0") for _ in range(5))
    for run in (running, living):
        supervised.client.set_flow_run_state(UUID(run), Running(), force=True)
    supervised.client.set_flow_run_state(UUID(cancelling), State(type=StateType.CANCELLING), force=True)
    for run, seconds in ((late, 0), (waiting, 3600)):
        supervised.client.set_flow_run_state(UUID(run), Suspended(timeout_seconds=seconds), force=True)
    time.sleep(supervision.SILENT_SECONDS + 0.5)
    beat = Event(
        occurred=datetime.now(UTC),
        event="prefect.flow-run.heartbeat",
        resource=Resource.model_validate({"prefect.resource.id": f"prefect.flow-run.{living}"}),
    )

    def heard_of(_: float) -> None:
        """A busy server takes its time to note an event."""
        told(supervised, beat)
        supervised.until(lambda: last_heartbeat(supervised.client, UUID(living)), "the heartbeat")

    monkeypatch.setattr(supervise_module, "time", SimpleNamespace(sleep=heard_of))
    with supervised.held():  # that a rollback finds nothing to do for such a run is told where its automation is
        said = supervise.fn()
        for run in (running, cancelling, late):
            supervised.fired_for(run)
    for run, dead in ((running, True), (cancelling, True), (late, True), (living, False), (waiting, False)):
        assert (run in said) is dead, said
    assert supervised.ended(running).is_crashed()
    assert supervised.ended(cancelling).is_cancelled()
    assert supervised.ended(late).is_failed()
    for run, kind in ((living, StateType.RUNNING), (waiting, StateType.PAUSED)):
        state = supervised.run(run).state
        assert state is not None and state.type is kind
        supervised.client.set_flow_run_state(UUID(run), Completed(), force=True)


@SLOW
def test_a_run_that_a_person_suspends_goes_on_with_what_it_does(supervised: Place) -> None:
    """Nothing of a release stops half-way because of a button: it is watched to its end, and holds its environment."""
    supervised.serving("v1.0.0")
    run = supervised.start("v1.1.0", 0.3)
    supervised.until(lambda: supervised.watched(run), "the watch")
    supervised.client.set_flow_run_state(UUID(run), Suspended(timeout_seconds=3600), force=True)
    holder = supervised.ledger.leases.holder(supervised.system, "local")
    assert holder is not None and holder.run_id == run
    supervised.until(lambda: supervised.state_of(run) == "proven", "the end of the watch")
    assert supervised.version() == "v1.1.0"


@pytest.mark.usefixtures("quick")
def test_what_cannot_be_looked_after_hides_nothing_else(supervised: Place) -> None:
    """One release's deployment is gone: that is told, each time, and a backup that died beside it is closed all the same."""
    book = to_json(load(supervised.runbook_file).runbook)
    opened = {
        name: supervised.ledger.releases.open(
            system, "local", "v1", procedure=procedure, run_id=str(uuid4()), runbook=book, parameters={}, deployer="e2e"
        )
        for name, system, procedure in (("backup", supervised.system, "backup"), ("ghost", "gone", "deploy"))
    }
    time.sleep(supervision.GRACE_SECONDS + 0.5)
    for _ in range(2):
        assert f"{opened['ghost'].id} cannot be looked after" in supervise.fn()
    assert supervised.ledger.releases.fact(opened["ghost"].id, "supervised") is None, "nothing was started"

    def closed() -> bool:
        """A rollback of an earlier story may still run in the environment; then it is left for the next time."""
        supervise.fn()
        return supervised.ledger.releases.get(opened["backup"].id).state is ReleaseState.ABANDONED

    assert supervised.until(closed, "the end of the backup's record")
    supervised.ledger.releases.advance(opened["ghost"].id, ReleaseState.ABANDONED, "the test is over")
