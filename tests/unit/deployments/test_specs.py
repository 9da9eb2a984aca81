"""What Prefect is told of a runbook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from prefect.events import DeploymentEventTrigger
from prefect.utilities.callables import parameter_schema

from deployments.apply import flow_of
from deployments.specs import ROLLBACK_EVENTS, Spec, rollback_trigger, specs_of, supervise_spec
from runwright.policy.supervision import SUPERVISOR_TAG, TAG
from runwright.runbook.finding import SHIPPED
from runwright.runbook.loader import load
from runwright.runbook.snapshot import from_json, to_json

if TYPE_CHECKING:  # it takes half a second, of each test process
    from prefect.server.events.schemas.automations import EventTrigger
    from prefect.server.events.schemas.events import ReceivedEvent

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "shop.yaml"
RUNBOOKS = [*sorted(SHIPPED.glob("*.yaml")), EXAMPLE]
ALL = [spec for path in RUNBOOKS for spec in specs_of(load(path).runbook)]


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_every_environment_can_be_released_put_back_and_watched(path: Path) -> None:
    """Three deployments for each environment, and a backup where there is something to back up."""
    book = load(path).runbook
    names = {spec.full_name for spec in specs_of(book)}
    for environment, place in book.environments.items():
        name = f"{book.system}-{environment}"
        assert {f"{flow}/{name}" for flow in ("deploy", "rollback", "watch")} <= names
        assert (f"backup/{name}" in names) == (book.backup is not None and place.database is not None)
        assert (f"retire/{name}" in names) == (place.router is not None)
        assert (f"canary/{name}" in names) == place.target.climbs


def test_names_are_unique() -> None:
    """Two deployments of one name would overwrite each other."""
    names = [spec.full_name for spec in ALL]
    assert len(names) == len(set(names))


def test_one_runbook_gives_the_same_deployments_each_time() -> None:
    """They are pure values: prefect.yaml and `runwright up` cannot differ."""
    assert specs_of(load(EXAMPLE).runbook) == specs_of(load(EXAMPLE).runbook)


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.full_name)
def test_every_entrypoint_is_a_flow_that_takes_its_parameters(spec: Spec) -> None:
    """Prefect registers an entrypoint that cannot be imported, and accepts parameters that the flow does not know."""
    found = flow_of(spec)
    assert found.name == spec.flow
    known = set(parameter_schema(found).properties)
    passed_on = {name for trigger in spec.triggers for name in trigger["parameters"]}
    assert set(spec.parameters) | passed_on <= known


def test_only_rollbacks_are_fired_by_themselves() -> None:
    """Nothing else that is registered begins because a run has ended."""
    assert {spec.flow for spec in ALL if spec.triggers} == {"rollback"}
    assert all(len(spec.triggers) == 1 for spec in ALL if spec.flow == "rollback")


def trigger_of(spec: Spec) -> dict[str, Any]:
    return spec.triggers[0]


@pytest.mark.parametrize("spec", [s for s in ALL if s.flow == "rollback"], ids=lambda spec: spec.full_name)
def test_a_rollback_is_fired_by_its_own_deploy_and_never_by_a_rollback(spec: Spec) -> None:
    """The flow and the deployment are both matched; the rollback has the same deployment name and another flow."""
    trigger = trigger_of(spec)
    assert set(trigger["expect"]) == set(ROLLBACK_EVENTS)
    assert "prefect.flow-run.Completed" not in trigger["expect"]
    related = [(m["prefect.resource.role"], m["prefect.resource.name"]) for m in trigger["match_related"]]
    assert related == [("flow", ["deploy", "drill"]), ("deployment", spec.name)]
    assert trigger["for_each"] == ["prefect.resource.id"], "each failed run fires one of its own"
    assert DeploymentEventTrigger.model_validate(trigger).posture.value == "Reactive"


@pytest.mark.parametrize(
    ("event", "flow", "deployment", "heard"),
    [
        ("Failed", "deploy", "shop-local", True),
        ("Crashed", "drill", "shop-local", True),
        ("TimedOut", "deploy", "shop-local", True),
        ("Cancelled", "deploy", "shop-local", True),
        ("Completed", "deploy", "shop-local", False),
        ("Failed", "rollback", "shop-local", False),
        ("Failed", "backup", "shop-local", False),
        ("Failed", "deploy", "shop-compose", False),
        ("Failed", "deploy", "shop-local-2", False),
    ],
)
def test_prefect_hears_the_bad_end_of_a_deploy_or_a_drill_and_nothing_else(
    event: str, flow: str, deployment: str, heard: bool
) -> None:
    """By Prefect's own judgement of the trigger that is registered."""
    trigger = heard_by(rollback_trigger("shop-local"))
    said = ended(event, ("flow", flow), ("deployment", deployment))
    assert (trigger.covers(said) and trigger.expects(said.event)) is heard


@pytest.mark.parametrize(("tag", "heard"), [(TAG, True), (SUPERVISOR_TAG, False), ("somebody-elses", False)])
def test_prefect_waits_for_the_heartbeats_of_our_runs_alone(tag: str, heard: bool) -> None:
    """Not of the supervisor's own: it would set itself off; nor of runs that have nothing to do with us."""
    trigger = heard_by(supervise_spec().triggers[0])
    beat = ended("heartbeat", ("tag", tag))
    beat.related[0].root["prefect.resource.id"] = f"prefect.tag.{tag}"
    assert (trigger.covers(beat) and trigger.starts_after(beat.event)) is heard


def heard_by(trigger: dict[str, Any]) -> EventTrigger:
    """The trigger as Prefect's server judges it."""
    from prefect.server.events.schemas.automations import EventTrigger

    return EventTrigger.model_validate({k: v for k, v in trigger.items() if k in EventTrigger.model_fields})


def ended(event: str, *related: tuple[str, str]) -> ReceivedEvent:
    """An event of a flow run."""
    from prefect.server.events.schemas.events import ReceivedEvent

    return ReceivedEvent.model_validate(
        {
            "id": str(uuid4()),
            "occurred": "2026-11-21T07:05:12Z",
            "event": f"prefect.flow-run.{event}",
            "resource": {"prefect.resource.id": f"prefect.flow-run.{uuid4()}"},
            "related": [
                {
                    "prefect.resource.id": f"prefect.{role}.{uuid4()}",
                    "prefect.resource.role": role,
                    "prefect.resource.name": name,
                }
                for role, name in related
            ],
        }
    )


def test_drills_are_registered_but_never_of_production() -> None:
    """And scheduled only where the runbook says so."""
    book = load(EXAMPLE).runbook
    production = {name for name, place in book.environments.items() if place.tier == "production"}
    data = to_json(book) | {
        "drill": {"environments": ["local"]},
        "schedules": {"drill": "0 4 1 * *", "timezone": "UTC"},
    }
    drills = {s.parameters["environment"]: s for s in specs_of(from_json(data)) if s.flow == "drill"}
    assert drills.keys() == book.environments.keys() - production
    assert [s["cron"] for s in drills["local"].schedules] == ["0 4 1 * *"]
    assert all(not spec.schedules for name, spec in drills.items() if name != "local")
    assert all(s.flow != "drill" or "production" not in s.tags for s in ALL)


def test_ids_are_passed_on_as_text() -> None:
    """An id by itself is no JSON value: its template fails, and the rollback is never started, without a word."""
    spec = next(spec for spec in ALL if spec.flow == "rollback")
    assert "| string" in trigger_of(spec)["parameters"]["failed_run_id"]
