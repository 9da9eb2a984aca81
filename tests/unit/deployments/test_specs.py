"""What Prefect is told of a runbook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect.events import DeploymentEventTrigger
from prefect.utilities.callables import parameter_schema

from deployments.apply import flow_of
from deployments.specs import ROLLBACK_EVENTS, Spec, specs_of
from runwright.runbook.loader import SHIPPED, load

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
    assert related == [("flow", "deploy"), ("deployment", spec.name)]
    assert trigger["for_each"] == ["prefect.resource.id"], "each failed run fires one of its own"
    assert DeploymentEventTrigger.model_validate(trigger).posture.value == "Reactive"


def test_ids_are_passed_on_as_text() -> None:
    """An id by itself is no JSON value: its template fails, and the rollback is never started, without a word."""
    spec = next(spec for spec in ALL if spec.flow == "rollback")
    assert "| string" in trigger_of(spec)["parameters"]["failed_run_id"]
