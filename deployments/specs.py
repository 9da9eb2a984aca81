"""The deployments that Prefect is told of: one for each system, environment and procedure. Pure values.

``prefect.yaml`` is written from these, and ``runwright up`` registers these: one description, two ways in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runwright.policy.supervision import SILENT_SECONDS, SUPERVISOR_TAG, TAG
from runwright.runbook.model import Runbook

WORK_POOL = "runwright"
ROLL_BACK = "roll back"
SILENT = f"{TAG}: a run fell silent"
FAILED_ONCE_SECONDS = 120
SUPERVISE_CRON = "*/2 * * * *"
END_EVENTS = tuple(
    f"prefect.flow-run.{state}"
    for state in ("Completed", "Failed", "Cancelled", "Crashed", "TimedOut", "Suspended", "Paused", "AwaitingRetry")
)
"""After one of these a run has no reason to say any more that it lives."""
ROLLBACK_EVENTS = (
    "prefect.flow-run.Failed",
    "prefect.flow-run.Crashed",
    "prefect.flow-run.TimedOut",
    "prefect.flow-run.Cancelled",
)
HEARTBEAT_SECONDS = 30
"""How often a run says that it lives: Prefect's minimum, and the same everywhere (a worker that beats more slowly than
the automation expects has its healthy runs declared dead)."""


@dataclass(frozen=True)
class Spec:
    """One deployment, in the words of prefect.yaml."""

    flow: str
    name: str
    entrypoint: str
    description: str
    parameters: dict[str, Any]
    tags: list[str]
    schedules: list[dict[str, Any]] = field(default_factory=list)
    triggers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        """How Prefect names it: ``deploy/shop-production``."""
        return f"{self.flow}/{self.name}"


def supervise_spec(within: float = SILENT_SECONDS) -> Spec:
    """Return the deployment that looks for what died without an event: one for all systems of a ledger.

    ``within``: after how many seconds without a heartbeat of a run it is started.
    """
    trigger = {"type": "event", "enabled": True, "threshold": 1}
    ours = {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
    return Spec(
        "supervise",
        TAG,
        "flows/supervise.py:supervise",
        "Find runs and releases that died without anybody noticing.",
        {},
        [SUPERVISOR_TAG],
        schedules=[{"cron": SUPERVISE_CRON, "timezone": "UTC", "slug": "supervise"}],
        triggers=[
            {
                **trigger,
                "name": SILENT,
                "description": "Runs the supervisor when nothing was heard of a run for three of its heartbeats.",
                "posture": "Proactive",
                "after": ["prefect.flow-run.heartbeat"],
                "expect": ["prefect.flow-run.heartbeat", *END_EVENTS],
                "match": {"prefect.resource.id": "prefect.flow-run.*"},
                "match_related": ours,
                "for_each": ["prefect.resource.id"],
                "within": within,
                "parameters": {"because": "A run fell silent."},
            },
            {
                **trigger,
                "name": f"{TAG}: an automation failed",
                "description": "Runs the supervisor when an automation could not do what it is for: it does it instead.",
                "posture": "Reactive",
                "expect": ["prefect.automation.action.failed"],
                # by their names, so that it cannot set itself off
                "match": {"prefect.resource.name": [f"{ROLL_BACK} *", SILENT]},
                # one run looks at everything: on a busy server many fail at once, and a run for each would make it busier
                "for_each": [],
                "within": FAILED_ONCE_SECONDS,
                "parameters": {
                    "because": "The automation {{ event.resource.name | default('', true) }} failed: "
                    "{{ event.payload.reason | default('no reason is known', true) | truncate(400) }}"
                },
            },
        ],
    )


def specs_of(runbook: Runbook) -> list[Spec]:
    """Return the deployments of one runbook, in a stable order."""
    found = []
    for environment, place in runbook.environments.items():
        name = f"{runbook.system}-{environment}"
        parameters = {"system": runbook.system, "environment": environment}
        tags = list(dict.fromkeys([TAG, runbook.system, environment, place.tier]))

        def spec(flow: str, description: str, **more: Any) -> Spec:
            return Spec(
                flow, name, f"flows/{flow}.py:{flow}", description, dict(parameters), list(tags), **more  # noqa: B023
            )  # fmt: skip

        def timed(cron: str | None, slug: str) -> list[dict[str, Any]]:
            return [{"cron": cron, "timezone": runbook.schedules.timezone, "slug": slug}] if cron else []

        found.append(spec("deploy", f"Release a version of {runbook.system} to {environment}."))
        found.append(
            spec("rollback", f"Put {runbook.system} back in {environment}.", triggers=[rollback_trigger(name)])
        )
        if place.tier != "production":
            cron = runbook.schedules.drill if environment in runbook.drilled() else None
            found.append(
                spec(
                    "drill",
                    f"Break {runbook.system} in {environment} and see it come back.",
                    schedules=timed(cron, "drill"),
                )
            )
        found.append(spec("watch", f"Go on watching the newest release of {runbook.system} in {environment}."))
        if place.target.climbs:
            found.append(spec("canary", f"Set the share of a canary of {runbook.system} in {environment} by hand."))
        if place.router is not None:
            found.append(spec("retire", f"End what the newest release of {runbook.system} replaced in {environment}."))
        if runbook.backup is not None and place.database is not None:
            schedules = timed(runbook.schedules.backup, "backup")
            found.append(
                spec("backup", f"Back up the database of {runbook.system} in {environment}.", schedules=schedules)
            )
    return found


def rollback_trigger(name: str) -> dict[str, Any]:
    """Return the trigger that starts the rollback of deployment ``name`` when its deploy ends badly.

    The flow and the deployment are both matched: the rollback of the same name must not fire itself.
    """
    return {
        "type": "event",
        "name": f"{ROLL_BACK} {name}",
        "description": "Runs the rollback when a deploy or drill run ends Failed, Crashed, TimedOut or Cancelled.",
        "enabled": True,
        "posture": "Reactive",
        "expect": list(ROLLBACK_EVENTS),
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "match_related": [
            {"prefect.resource.role": "flow", "prefect.resource.name": ["deploy", "drill"]},
            {"prefect.resource.role": "deployment", "prefect.resource.name": name},
        ],
        "for_each": ["prefect.resource.id"],
        "threshold": 1,
        "within": 0,
        "parameters": {
            # "| string": an id is no JSON value, and a template that cannot be rendered fails without a word
            "failed_run_id": "{{ flow_run.id | string }}",
            "reason": "{{ flow_run.state.name }}: {{ flow_run.state.message | default('', true) | truncate(400) }}",
            "deployer": "the automation",
        },
    }
