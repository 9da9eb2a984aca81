"""Register deployments, their schedules and their automations with a Prefect server. Twice is the same as once."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.events import DeploymentEventTrigger
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectAlreadyExists
from prefect.utilities.callables import parameter_schema

from blocks.environment import RunwrightEnvironment
from deployments.specs import HEARTBEAT_SECONDS, ROLL_BACK, WORK_POOL, Spec, supervise_spec
from runwright.policy.supervision import TAG

ROOT = Path(__file__).resolve().parent.parent


def register(
    specs: Iterable[Spec], environment: dict[str, str] | None = None, supervisor: Spec | None = None
) -> list[str]:
    """Register ``specs``, the supervisor and what they need, and return their full names.

    ``environment`` is given to every run (where the ledger is, for example). Needs a Prefect API.
    """
    with get_client(sync_client=True) as client:
        RunwrightEnvironment.register_type_and_schema(client=None)
        _work_pool(client)
        every = [*specs, supervisor or supervise_spec()]
        return [_deployment(client, spec, environment or {}) for spec in every]


def flow_of(spec: Spec) -> Flow[Any, Any]:
    """Return the flow that a spec's entrypoint names. A flow that cannot be imported is an error here, not in the run."""
    path, _, name = spec.entrypoint.partition(":")
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    found = getattr(module, name)
    if not isinstance(found, Flow):
        raise TypeError(f"{spec.entrypoint} is no flow")
    return found


def _work_pool(client: SyncPrefectClient) -> None:
    try:
        client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process"))
    except ObjectAlreadyExists:
        return


def _deployment(client: SyncPrefectClient, spec: Spec, environment: dict[str, str]) -> str:
    found = flow_of(spec)
    deployment_id = client.create_deployment(
        flow_id=client.create_flow(found),
        name=spec.name,
        description=spec.description,
        parameters=spec.parameters,
        tags=spec.tags,
        entrypoint=spec.entrypoint,
        work_pool_name=WORK_POOL,
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
        parameter_openapi_schema=parameter_schema(found).model_dump_for_openapi(),
        enforce_parameter_schema=True,
        schedules=[
            DeploymentScheduleCreate(
                schedule=CronSchedule(cron=s["cron"], timezone=s["timezone"]), slug=s["slug"], active=True
            )
            for s in spec.schedules
        ],
        job_variables={"env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS), **environment}},
    )
    _automations(client, deployment_id, spec)
    return spec.full_name


def _automations(client: SyncPrefectClient, deployment_id: UUID, spec: Spec) -> None:
    """Let the deployment own the automations of its spec, each once.

    Those that are right already are left alone: Prefect keeps with each what it has heard, such as the last heartbeat of a
    run that has died since. One that is made anew would wait for the next in vain.
    """
    owner = f"prefect.deployment.{deployment_id}"
    wanted = []
    for description in spec.triggers:
        trigger = DeploymentEventTrigger.model_validate(description)
        trigger.set_deployment_id(deployment_id)
        wanted.append(trigger.as_automation())
    # whose they are is not told, and others may start the deployment as well
    related = client.read_resource_related_automations(owner)
    _forget_lost(client, {one.name for one in wanted}, {one.id for one in related})
    there = [one for one in related if one.name.startswith((f"{ROLL_BACK} ", f"{TAG}: "))]
    if sorted(map(_content, there)) == sorted(map(_content, wanted)):
        return
    client.delete_resource_owned_automations(owner)
    for automation in wanted:
        client.create_automation(automation)


def _forget_lost(client: SyncPrefectClient, names: set[str], related: set[UUID]) -> None:
    """Delete the automations ``names`` of a deployment of this name that was deleted: Prefect keeps them, each for nothing."""
    for name in sorted(names):
        for lost in client.read_automations_by_name(name):
            if lost.id not in related:
                client.delete_automation(lost.id)


def _content(automation: AutomationCore) -> str:
    """Return what an automation does, to be compared: without the ids and the owner that it was given, sets in one order."""

    def plain(data: Any) -> Any:
        if isinstance(data, dict):
            return {key: plain(value) for key, value in sorted(data.items()) if key != "id"}
        return sorted(map(plain, data), key=str) if isinstance(data, list) else data

    told = automation.model_dump(mode="json", include=set(AutomationCore.model_fields) - {"owner_resource"})
    return json.dumps(plain(told))
