"""Release one version as CI would, follow it to its end, and see what became of it. Imported once Prefect is settled."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName, FlowFilter, FlowFilterName
from prefect.deployments import run_deployment

from deployments.cli.following import Event, Follower, follow
from deployments.cli.prefect_api import Prefect, PrefectRuns
from deployments.specs import WORK_POOL
from examples.demo.client_beside import Beside
from examples.demo.story import PROVEN, Chapter, Seen
from examples.demo.surroundings import Shop
from runwright.ledger import Ledger
from runwright.ledger.release import Release
from runwright.ledger.states import FORWARD

FIRED_SECONDS = 120.0
"""How long it is waited for the rollback run that the automation starts, once the deploy run has failed."""


def name_of(shop: Shop) -> str:
    """Return what the deployments of the shop are called."""
    return f"{shop.system}-{shop.environment}"


def release(
    chapter: Chapter, ledger: Ledger, prefect: Prefect, shop: Shop, beside: Beside, show: Callable[[Event], None]
) -> Seen:
    """Release ``chapter.version``, wait for the end of everything that it sets off, and return what was seen."""
    began = time.monotonic()
    parameters = {"version": chapter.version, "watch_minutes": chapter.watch_minutes, "deployer": "the demo"}
    run = run_deployment(f"deploy/{name_of(shop)}", parameters=parameters, timeout=0)
    follower = Follower(ledger, PrefectRuns(prefect, WORK_POOL), str(run.id), "deploy")

    def shown(event: Event) -> None:
        beside.start_if_there_is_a_door()
        show(event)

    follow(follower, shown)
    ended = follower.run.type if follower.run else ""
    rollbacks = fired(prefect, name_of(shop), str(run.id), wait=ended != "COMPLETED")
    took = time.monotonic() - began
    if follower.release is None:
        return Seen("", "", "there is no release of it in the ledger", ended, rollbacks, [], [], shop.version(),
                    shop.forwarded_to(), took, None, **beside.during())  # fmt: skip
    done = ledger.releases.get(follower.release.id)
    return Seen(
        state=done.state.value,
        reached=reached(ledger, done),
        because=reason(ledger, done),
        run=ended,
        rollbacks=rollbacks,
        procedures=[known.procedure for known in ledger.releases.runs(done.id)],
        late_changes=late_changes(ledger, done),
        front=shop.version(),
        behind=shop.forwarded_to(),
        took=took,
        unsafe=unsafe(ledger, done),
        **beside.during(),
    )


def reached(ledger: Ledger, done: Release) -> str:
    """Return the last state of a release on its way forward, before anything spoke against it."""
    states = [step.after for step in ledger.releases.transitions(done.id)]
    return next((state.value for state in reversed(states) if state in FORWARD and state != PROVEN), "")


def reason(ledger: Ledger, done: Release) -> str:
    """Return the sentence that says why the release ended as it did, with its numbers."""
    return done.because if done.state == PROVEN else str(ledger.releases.fact(done.id, "breach") or done.because)


def unsafe(ledger: Ledger, done: Release) -> float | None:
    """Return the seconds from the verdict against a release until the version before it was seen to serve."""
    at = {step.after.value: step.at for step in ledger.releases.transitions(done.id)}
    if "failing" not in at or "rolled_back" not in at:
        return None
    passed: timedelta = at["rolled_back"] - at["failing"]
    return passed.total_seconds()


def late_changes(ledger: Ledger, done: Release) -> list[str]:
    """Return the keys of what was changed after the release was put back."""
    ends = [step.at for step in ledger.releases.transitions(done.id) if step.after.value == "rolled_back"]
    entries = ledger.journal(done.id).entries()
    return [entry.key for entry in entries if ends and entry.intent_at > ends[0] and entry.key.startswith("back")]


def fired(prefect: Prefect, name: str, run_id: str, *, wait: bool) -> list[str]:
    """Return how the rollback runs that were fired for a run ended; ``wait`` for one, and until all have ended."""
    until = time.monotonic() + FIRED_SECONDS
    while True:
        found = [run for run in _runs(prefect, name, "rollback") if run.parameters.get("failed_run_id") == run_id]
        ended = all(run.state is not None and run.state.is_final() for run in found)
        if (ended and (found or not wait)) or time.monotonic() > until:
            return [run.state.type.value if run.state else "" for run in found]
        time.sleep(0.5)


def remove_unfinished(prefect: Prefect, shop: Shop) -> int:
    """Remove the shop's runs that an earlier demo left unfinished, and return how many: nobody waits for them."""
    left = [
        run
        for run in _runs(prefect, name_of(shop), "deploy", "rollback", "watch", "retire")
        if not (run.state and run.state.is_final())
    ]
    for run in left:
        prefect.client.delete_flow_run(run.id)
    return len(left)


def _runs(prefect: Prefect, name: str, *flows: str) -> list[Any]:
    return prefect.client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=list(flows))),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])),
    )
