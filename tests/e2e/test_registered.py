"""What is registered does what it says, on the versions of Prefect's own parts that are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName, FlowFilter, FlowFilterName
from prefect.client.schemas.objects import State, StateType
from prefect.states import Crashed, Failed

from deployments.apply import register
from deployments.prefect_yaml import prefect_yaml
from deployments.server import ROOT
from deployments.specs import Spec, supervise_spec
from tests.e2e.place import Place

MONTHLY = {"cron": "0 3 1 * *", "timezone": "UTC", "slug": "backup"}


@pytest.fixture
def scheduled(place: Place) -> Iterator[Spec]:
    spec = next(replace(s, schedules=[MONTHLY]) for s in place.specs if s.flow == "backup")
    register([spec])
    yield spec
    place.client.delete_deployment(place.client.read_deployment_by_name(spec.full_name).id)


def test_a_cron_schedule_gets_runs(place: Place, scheduled: Spec) -> None:
    """A server that starts and answers may still schedule nothing: with the wrong SQLAlchemy it does not."""

    def runs() -> list[object]:
        return place.client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["backup"])),
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[place.name])),
        )

    for run in place.until(runs, "a scheduled run"):
        at = run.expected_start_time  # type: ignore[attr-defined]
        assert (at.day, at.hour, at.minute) == (1, 3, 0)


def test_registering_twice_is_the_same_as_once(place: Place, client: SyncPrefectClient) -> None:
    """One automation for each rollback: two would start two rollbacks of every failed release.

    And the very same: Prefect forgets with an automation of which runs it waits for the next heartbeat.
    """

    def owned() -> dict[str, list[UUID]]:
        ids = {}
        for spec in [*place.specs, supervise_spec()]:
            found = client.read_deployment_by_name(spec.full_name)
            there = client.read_resource_related_automations(f"prefect.deployment.{found.id}")
            assert len(there) == len(spec.triggers), spec.full_name
            ids[spec.full_name] = sorted(one.id for one in there)
        return ids

    place.register()
    first = owned()
    place.register()
    assert owned() == first
    supervisor = client.read_deployment_by_name(supervise_spec().full_name)
    (other, *_) = client.read_resource_related_automations(f"prefect.deployment.{supervisor.id}")
    client.pause_automation(other.id)
    place.register()
    assert all(
        one.enabled for one in client.read_resource_related_automations(f"prefect.deployment.{supervisor.id}")
    ), "what is wrong with one is put right"
    assert owned() != first


def test_of_a_deployment_that_was_deleted_no_automation_is_left(place: Place, client: SyncPrefectClient) -> None:
    """Prefect keeps it, and somebody who counts would find two."""
    place.register()
    spec = next(s for s in place.specs if s.triggers)
    names = [str(trigger["name"]) for trigger in spec.triggers]
    client.delete_deployment(client.read_deployment_by_name(spec.full_name).id)
    place.register()
    assert [len(client.read_automations_by_name(name)) for name in names] == [1] * len(names)


def registered(client: SyncPrefectClient, spec: Spec) -> dict[str, Any]:
    """Return what Prefect holds of a deployment, as far as it decides what a run does."""
    found = client.read_deployment_by_name(spec.full_name)
    automations = client.read_resource_related_automations(f"prefect.deployment.{found.id}")
    kept = ("entrypoint", "parameters", "tags", "work_pool_name", "enforce_parameter_schema", "description")
    return {
        **{name: getattr(found, name) for name in kept},
        "pull": [
            step["prefect.deployments.steps.set_working_directory"]["directory"] for step in found.pull_steps or []
        ],
        "takes": set((found.parameter_openapi_schema or {})["properties"]),
        "schedules": [schedule.schedule.model_dump(include={"cron", "timezone"}) for schedule in found.schedules],
        "triggers": [a.trigger.model_dump(include={"expect", "match_related", "posture"}) for a in automations],
        "passes on": [a.actions[0].parameters for a in automations],
    }


def test_prefects_own_command_registers_the_same(place: Place, client: SyncPrefectClient, tmp_path: Path) -> None:
    """`prefect deploy --all` with our prefect.yaml and `runwright up` leave the server with the same deployments."""
    register(place.specs)
    every = [*place.specs, supervise_spec()]
    ours = [registered(client, spec) for spec in every]
    for spec in every:
        client.delete_resource_owned_automations(
            f"prefect.deployment.{client.read_deployment_by_name(spec.full_name).id}"
        )
        client.delete_deployment(client.read_deployment_by_name(spec.full_name).id)

    (tmp_path / "prefect.yaml").write_text(prefect_yaml(place.specs))
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", tmp_path / "prefect.yaml"],
        cwd=ROOT, env={**os.environ, "PWD": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert [registered(client, spec) for spec in every] == ours
    place.register()


def test_the_automation_fires_for_each_bad_end_of_a_deploy_and_for_no_end_of_a_rollback(place: Place) -> None:
    """Failed, crashed, timed out, cancelled: one rollback each, told which run it was and why; a drill's too. A failed rollback: none."""
    ends = {
        "Failed": Failed(message="it broke"),
        "Crashed": Crashed(message="it died"),
        "TimedOut": State(type=StateType.FAILED, name="TimedOut", message="it took too long"),
        "Cancelled": State(type=StateType.CANCELLED, name="Cancelled", message="somebody stopped it"),
    }
    runs = {name: place.pending("deploy", version="v1.0.0") for name in ends}
    drill = place.pending("drill", by="errors")
    rollback = place.pending("rollback", failed_run_id="00000000-0000-0000-0000-000000000000")
    with place.held():  # what the rollbacks of such runs do is told by the stories of releases
        place.client.set_flow_run_state(UUID(rollback), Failed(message="it broke"), force=True)
        for name, run in runs.items():
            place.client.set_flow_run_state(UUID(run), ends[name], force=True)
        place.client.set_flow_run_state(UUID(drill), ends["Crashed"], force=True)
        assert place.fired_for(drill).parameters["reason"] == "Crashed: it died"
        for name, run in runs.items():
            assert place.fired_for(run).parameters == {
                "system": place.system,
                "environment": "local",
                "failed_run_id": run,
                "reason": f"{name}: {ends[name].message}",
                "deployer": "the automation",
            }
        assert place.fired_by(rollback) == []


@pytest.mark.story  # tests/unit/release/test_taken_up.py tells it; a rollback with nothing to do is run by the story of a breach
def test_a_rollback_of_a_run_that_changed_nothing_has_nothing_to_do(place: Place) -> None:
    """The run timed out before it had a release."""
    run = place.pending("deploy", version="v1.0.0")
    late = State(type=StateType.FAILED, name="TimedOut", message="it took too long")
    place.client.set_flow_run_state(UUID(run), late, force=True)
    fired = place.rolled_back(run)
    assert fired.state is not None and fired.state.is_completed(), fired.state
