"""A place to release the shop to: its own ledger and folders, registered with the run's Prefect server."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Pending

from deployments.apply import register
from deployments.server import environment
from deployments.specs import WORK_POOL, specs_of, supervise_spec
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.release import Release
from runwright.platforms.host import SLOTS, Host
from runwright.policy.supervision import SILENT_SECONDS
from runwright.routers.caddy.driver import CaddyRouter
from runwright.runbook.loader import load
from runwright.runbook.platforms.host import HostTarget
from runwright.testing.direct import Direct
from tests.chaos.procedures import CLOCK_VARIABLE, PATIENCE_VARIABLE, TTL_VARIABLE, Order
from tests.chaos.started import started
from tests.fixtures.example import patient_example

T = TypeVar("T")
PATIENCE_SECONDS = 240.0
"""A run starts in seven seconds on an idle machine; this one may not be idle."""
SHORT_MINUTES = 0.03
"""A watch for the releases that a test needs before it can begin."""
IN_REAL_TIME = {TTL_VARIABLE: "30", PATIENCE_VARIABLE: "120"}
"""What such a release goes by, in seconds: nothing is to strike it."""


class Place:
    """One environment of a shop of its own. Needs RUNWRIGHT_HOME and RUNWRIGHT_SYSTEMS to be set to its folders."""

    def __init__(self, client: SyncPrefectClient, folder: Path, system: str, repository: Path) -> None:
        self.client, self.folder, self.system = client, folder, system
        text = patient_example()
        text = text.replace("system: shop\n", f"system: {system}\n").replace(
            "../.runwright/example/shop", str(repository)
        )
        self.runbook_file = folder / "systems" / f"{system}.yaml"
        self.runbook_file.parent.mkdir(parents=True)
        self.runbook_file.write_text(text)
        book = load(self.runbook_file).runbook
        place = book.environments["local"]
        assert isinstance(place.target, HostTarget) and place.target.directory and place.router
        root = Path(place.target.directory)
        self.do = Direct()
        self.host = Host(place.target, root, {}, sys.executable)
        self.router = CaddyRouter(place.router, root / "caddy", sys.executable)
        self.specs = [spec for spec in specs_of(book) if spec.name == self.name]
        self.surroundings = environment()
        self.clock = folder / "clock"
        self.clock.write_text("0")
        self.register()
        self.ledger: Ledger = open_ledger()

    def register(self, within: float = SILENT_SECONDS) -> None:
        """Register its deployments, and a supervisor without a schedule: its runs would disturb the stories told here."""
        supervisor = replace(supervise_spec(within), schedules=[])
        register(self.specs, environment=self.surroundings, supervisor=supervisor)

    @property
    def name(self) -> str:
        """The name of its deployments."""
        return f"{self.system}-local"

    # --------------------------------------------------------------------------------------------------------- runs

    def start(self, version: str, minutes: float = 0.1, *, faults: str = "") -> str:
        """Start a deploy run as CI does, and return its id."""
        deployment = self.client.read_deployment_by_name(f"deploy/{self.name}")
        variables = {"env": {**deployment.job_variables["env"], "RUNWRIGHT_FAULTS": faults}} if faults else None
        parameters = {"version": version, "watch_minutes": minutes, "deployer": "e2e"}
        run = self.client.create_flow_run_from_deployment(deployment.id, parameters=parameters, job_variables=variables)
        return str(run.id)

    def pending(self, flow: str, **parameters: object) -> str:
        """Create a run as if a worker had taken it, and return its id: none takes it."""
        deployment = self.client.read_deployment_by_name(f"{flow}/{self.name}")
        run = self.client.create_flow_run_from_deployment(
            deployment.id, parameters={"deployer": "e2e", **parameters}, state=Pending()
        )
        return str(run.id)

    def run(self, run_id: str) -> FlowRun:
        """Return a run as Prefect knows it now."""
        return self.client.read_flow_run(UUID(run_id))

    def ended(self, run_id: str) -> State[Any]:
        """Wait until a run has ended and return its state."""
        run = self.until(
            lambda: (r := self.run(run_id)).state and r.state.is_final() and r, f"the end of run {run_id}", every=0.5
        )  # it takes seconds, in which the server has better to do
        assert run.state is not None
        return run.state

    def fired_by(self, run_id: str) -> list[FlowRun]:
        """Return the rollback runs that were fired for a run, whatever became of them so far."""
        runs = self.client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["rollback"])),
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[self.name])),
        )
        return [run for run in runs if run.parameters.get("failed_run_id") == run_id]

    def fired_for(self, run_id: str) -> FlowRun:
        """Wait until a rollback was fired for a run, and return its run, whatever became of it so far."""
        return self.until(lambda: self.fired_by(run_id), f"a rollback of run {run_id}")[0]

    def rolled_back(self, run_id: str) -> FlowRun:
        """Wait until the rollback that was fired for a run has ended, and return its run.

        Prefect fires at least once: on a busy machine with SQLite there may be more, and they must have changed nothing.
        """

        def finished() -> list[FlowRun] | None:
            found = self.fired_by(run_id)
            return found if found and all(r.state and r.state.is_final() for r in found) else None

        found = self.until(finished, f"the rollback of run {run_id}", every=0.5)
        release = self.ledger.releases.of_run(run_id)
        keys = [e.key for e in self.ledger.journal(release.id).entries()] if release else []
        ways = {key.partition("/")[0] for key in keys if key.startswith("back")}
        assert len(ways) <= 1, f"the system was put back more than once: {ways}"
        return min(found, key=lambda run: run.created or run.expected_start_time)  # type: ignore[arg-type,return-value]

    def cancel(self, run_id: str) -> None:
        """Ask for a run to be cancelled, as the UI does."""
        self.client.set_flow_run_state(UUID(run_id), State(type=StateType.CANCELLING))

    def kill(self, run_id: str) -> None:
        """End the process of a run as a machine that runs out of memory does: SIGKILL, no last words."""
        found = False
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdigit() and f"PREFECT__FLOW_RUN_ID={run_id}".encode() in (
                    folder / "environ"
                ).read_bytes().split(b"\0"):
                    os.kill(int(folder.name), signal.SIGKILL)
                    found = True
        assert found, f"no process of run {run_id}"

    # ----------------------------------------------------------------------------------------------------- what is so

    def release_of(self, run_id: str) -> Release:
        """Wait until a run has a release, and return it."""
        return self.until(lambda: self.ledger.releases.of_run(run_id), f"a release of run {run_id}")

    def state_of(self, run_id: str) -> str:
        """Return the state of the release of a run; "" if it has none."""
        found = self.ledger.releases.of_run(run_id)
        return found.state.value if found else ""

    def watched(self, run_id: str) -> bool:
        """Return whether the watch of a run's release has taken its first samples."""
        found = self.ledger.releases.of_run(run_id)
        return found is not None and self.ledger.releases.fact(found.id, "watch") is not None

    def front(self) -> str:
        """Return the address of the front door."""
        return self.router.facts(self.do).front

    def version(self) -> str:
        """Return the version that answers at the front door, as it says itself."""
        return f"v{httpx.get(f'{self.front()}/healthz', timeout=10, trust_env=False).json()['version']}"

    def changes_by(self, run_id: str) -> list[str]:
        """Return the keys of what was changed after ``run_id`` began to work on its release."""
        release = self.release_of(run_id)
        began = next(run.at for run in self.ledger.releases.runs(release.id) if run.run_id == run_id)
        return [entry.key for entry in self.ledger.journal(release.id).entries() if entry.intent_at >= began]

    def live(self) -> str:
        """Return the version that should serve; "" if none was released yet."""
        found = self.ledger.releases.live(self.system, "local")
        return found.ref if found else ""

    def serving(self, version: str) -> Place:
        """Return this place once ``version`` is proven here.

        It is the deploy's own function in a process that is forked: a fourth of what a run of Prefect's takes. For what
        is to be seen of Prefect there is `start`.
        """
        if self.live() != version:
            parameters = {"system": self.system, "environment": "local", "version": version, "deployer": "e2e"}
            done = started(
                Order(
                    flow="deploy",
                    run_id=str(uuid4()),
                    parameters={**parameters, "watch_minutes": SHORT_MINUTES},
                    environment={**self.surroundings, **IN_REAL_TIME, CLOCK_VARIABLE: str(self.clock)},
                    report=self.folder / f"{version}-{time.monotonic_ns()}.json",
                )
            )
            assert done.ended() == 0, f"{done.report}\n{done.log[-3000:]}"
        return self

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no worker take a run meanwhile. What was to be started is told by what waits; in the end that is deleted."""
        self.client.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=True))
        try:
            yield
        finally:
            waiting = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Scheduled", "Late"])))
            for run in self.client.read_flow_runs(flow_run_filter=waiting):
                self.client.delete_flow_run(run.id)
            self.client.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=False))

    def until(self, true: Callable[[], T | None], what: str, *, every: float = 0.2) -> T:
        """Return what ``true`` gives as soon as it gives something; it is asked each ``every`` seconds."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not (found := true()):
            assert time.monotonic() < end, f"waited in vain for {what}"
            time.sleep(every)
        return found

    def close(self) -> None:
        """End what runs here."""
        self.router.stop(self.do, "end")
        for slot in SLOTS:
            self.host.stop(self.do, slot, "end")
        self.ledger.close()
