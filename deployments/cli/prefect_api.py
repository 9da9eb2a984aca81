"""What the command line asks of Prefect, with errors that a person can act on. Imported only after ``connected``."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State, StateType, WorkerStatus
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.utilities.urls import url_for

from deployments.cli.outcomes import RunState
from deployments.own_server import own_url
from deployments.running import pid_file, read_running
from deployments.specs import WORK_POOL
from runwright.engine.effects.processes import alive
from runwright.errors import InputError, RunwrightError

TIMEOUT_SECONDS = 15.0
BEAT_SECONDS = 30.0
"""How often a worker says that it lives, where it does not say how often."""


@dataclass(frozen=True)
class Registered:
    """A deployment as Prefect knows it."""

    id: uuid.UUID
    name: str
    work_pool: str
    paused: bool
    parameters: frozenset[str]


@dataclass(frozen=True)
class Worker:
    """A worker of a pool: whether it is online, as the server judges by its own clock, and when it was last seen."""

    name: str
    online: bool
    seconds_ago: float | None
    every_seconds: float


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Let what goes wrong between us and the server leave as a RunwrightError."""
    try:
        yield
    except (PrefectHTTPStatusError, httpx.HTTPStatusError) as error:
        status = error.response.status_code
        if status in (401, 403):
            what, next_ = (
                f"Prefect at {url} refuses the login ({status}).",
                f"Set PREFECT_API_AUTH_STRING as the server has it.{_by_up(url)}",
            )
        else:
            what = f"Prefect at {url} answered {status} to {error.request.method} {error.request.url.path}."
            next_ = "Try again; if it stays so, look at the server's log. `runwright doctor` looks at both sides."
        raise RunwrightError(what, state="Nothing was done by this command.", next=next_) from None
    except httpx.HTTPError as error:
        raise unreachable(url, error) from None


def _by_up(url: str) -> str:
    """Return, as a sentence, that it is the last `up` that named the server at ``url``; "" if it is not."""
    running = read_running()
    if running is None or running.api_url != url or url == own_url():
        return ""
    return " `runwright up` was last given this address; without PREFECT_API_URL it goes back to a server of its own."


def unreachable(url: str, error: Exception) -> RunwrightError:
    """Return the error that the server does not answer at all."""
    return RunwrightError(
        f"Prefect at {url} cannot be reached ({type(error).__name__}).",
        state="Nothing was done by this command.",
        next="See that the server runs: `runwright up` starts one here, `runwright doctor` looks at it.",
    )


class Prefect:
    """One connection to the server at ``url``. A context manager."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._made: SyncPrefectClient | None = None

    def __enter__(self) -> Prefect:
        made = get_client(sync_client=True, httpx_settings={"timeout": TIMEOUT_SECONDS})
        with translated(self.url):
            try:
                self._made = made.__enter__()
                made.hello()  # nothing is sent before the first question: whether it answers is known now, not later
            except RuntimeError as error:  # Prefect's own word for it
                raise unreachable(self.url, error) from None
        return self

    def __exit__(self, *error: Any) -> None:
        assert self._made is not None
        self._made.__exit__(*error)

    @property
    def client(self) -> SyncPrefectClient:
        """Prefect's own client."""
        assert self._made is not None
        return self._made

    def registered(self, name: str) -> Registered | None:
        """Return the deployment ``deploy/shop-production``, or None."""
        with translated(self.url):
            try:
                found = self.client.read_deployment_by_name(name)
            except ObjectNotFound:
                return None
        known = frozenset((found.parameter_openapi_schema or {}).get("properties", {}))
        return Registered(found.id, name, found.work_pool_name or "", bool(found.paused), known)

    def the(self, name: str) -> Registered:
        """Return a deployment. Raise InputError if it is not registered, is paused, or has lost its work pool."""
        found = self.registered(name)
        if found is None:
            raise InputError(
                f"Prefect at {self.url} has no deployment {name}.",
                next="`runwright register` registers what the runbooks say; `runwright up` does it too.",
            )
        if not found.work_pool:
            raise InputError(
                f"The deployment {name} has no work pool any more: it was deleted, and nobody would take a run.",
                next="`runwright up` makes it again, and starts its worker; `runwright register` only makes it again.",
            )
        if found.paused:
            raise InputError(
                f"The deployment {name} is paused.", next=f"`prefect deployment resume {name}` lets it run again."
            )
        return found

    def is_paused(self, pool: str) -> bool:
        """Return whether the workers of a pool are given no runs."""
        with translated(self.url):
            try:
                return bool(self.client.read_work_pool(pool).is_paused)
            except ObjectNotFound:
                return False

    def workers_of(self, pool: str) -> list[Worker]:
        """Return the workers that were ever seen in a pool, the newest heartbeat first."""
        with translated(self.url):
            try:
                found = self.client.read_workers_for_work_pool(pool)
            except ObjectNotFound:
                return []
        now = datetime.now(UTC)
        return sorted(
            (
                Worker(
                    w.name,
                    w.status is WorkerStatus.ONLINE,
                    None if w.last_heartbeat_time is None else max(0.0, (now - w.last_heartbeat_time).total_seconds()),
                    float(w.heartbeat_interval_seconds or BEAT_SECONDS),
                )
                for w in found
            ),
            key=lambda w: float("inf") if w.seconds_ago is None else w.seconds_ago,
        )

    def sees_own_worker(self, seconds: float) -> bool:
        """Return whether the server hears of the worker that runs here within ``seconds``, since it was started."""
        until = time.monotonic() + seconds
        while True:
            age = time.time() - pid_file("worker").stat().st_mtime if pid_file("worker").exists() else 0.0
            if any((worker.seconds_ago or 0.0) < age for worker in self.online(WORK_POOL)):
                return True
            if time.monotonic() > until:
                return False
            time.sleep(0.5)

    def online(self, pool: str) -> list[Worker]:
        """Return the workers of a pool that are there. One that ``up`` started here and that has died is not."""
        found = [worker for worker in self.workers_of(pool) if worker.online]
        running = read_running()
        mine_died = running is not None and running.worker is not None and not alive(running.worker)
        if mine_died and len(found) == 1 and (found[0].seconds_ago or 0.0) > found[0].every_seconds:
            return []
        return found

    def start(self, registered: Registered, parameters: dict[str, Any]) -> str:
        """Create a run and return its id. An answer that gets lost creates no second one."""
        unknown = set(parameters) - registered.parameters
        if registered.parameters and unknown:
            raise InputError(
                f"{registered.name}, as it is registered, does not know {', '.join(sorted(unknown))}.",
                next="`runwright register` brings it up to date.",
            )
        with translated(self.url):
            run = self.client.create_flow_run_from_deployment(
                registered.id, parameters=parameters, idempotency_key=str(uuid.uuid4())
            )
        return str(run.id)

    def run_state(self, run_id: str) -> RunState:
        """Return the state of a run. Raise InputError if there is none."""
        with translated(self.url):
            try:
                state = self.client.read_flow_run(uuid.UUID(run_id)).state
            except (ObjectNotFound, ValueError):
                raise InputError(f"Prefect at {self.url} knows no run {run_id!r}.") from None
        if state is None:
            return RunState("PENDING")
        return RunState(state.type.value, state.name or "", state.message or "")

    def cancel(self, run_id: str) -> str:
        """Ask for a run to be cancelled, and return the state that it is in then. Raise RunwrightError if refused."""
        wanted: State[Any] = State(type=StateType.CANCELLING, message="cancelled with `runwright cancel`")
        with translated(self.url):
            answer = self.client.set_flow_run_state(uuid.UUID(run_id), wanted)
        state = answer.state
        if state is not None and state.type in (StateType.CANCELLING, StateType.CANCELLED):
            return state.name or state.type.value
        reason = getattr(answer.details, "reason", None) or "it gave no reason"
        raise RunwrightError(f"Prefect did not cancel the run: {reason}.", state="It goes on.")


@dataclass(frozen=True)
class PrefectRuns:
    """What a Follower asks, answered by Prefect."""

    prefect: Prefect
    pool: str

    def read(self, run_id: str) -> RunState:
        """Return the state of a run."""
        return self.prefect.run_state(run_id)

    def workers(self) -> bool:
        """Return whether a worker of the pool is online."""
        return bool(self.prefect.online(self.pool))


def address_of(run_id: str) -> str:
    """Return the address of a run in the UI."""
    return url_for("flow-run", obj_id=run_id) or run_id
