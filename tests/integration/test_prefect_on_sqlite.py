"""Prefect's server on SQLite, as ``up`` starts it, while many runs begin and fail at the same time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deployments.own_server import login
from deployments.running import Running

CLIENTS = 4
SECONDS = 5.0
SETTLE_SECONDS = 60.0
FIRES, TRIGGERED = "it failed", "prefect.automation.triggered"

# that its automations fire at all is told by tests/integration/test_up.py
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600), pytest.mark.story]


@pytest.fixture
def server(running: Running, home_of_up: Path) -> Iterator[tuple[httpx.Client, Path]]:
    """A client of the server, with one automation more than `up` has registered, and the server's log."""
    auth = httpx.BasicAuth(*login().split(":", 1))
    # a slash at the end, or the first part of each path is lost
    with httpx.Client(base_url=f"{running.api_url}/", auth=auth, timeout=120, trust_env=False) as client:
        made = client.post("automations/", json=automation(FIRES, FAILED)).raise_for_status().json()
        yield client, home_of_up / "logs" / "prefect-server.log"
        client.delete(f"automations/{made['id']}").raise_for_status()


FAILED: dict[str, Any] = {
    "type": "event",
    "posture": "Reactive",
    "expect": ["prefect.flow-run.Failed"],
    "for_each": ["prefect.resource.id"],
    "threshold": 1,
    "within": 0,
}


def automation(name: str, trigger: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "trigger": trigger, "actions": [{"type": "do-nothing"}]}


def event(name: str, run: str) -> dict[str, Any]:
    ours = {"prefect.resource.id": "prefect.tag.runwright", "prefect.resource.role": "tag"}
    resource = {"prefect.resource.id": f"prefect.flow-run.{run}"}
    now = datetime.now(UTC).isoformat()
    return {"id": str(uuid4()), "occurred": now, "event": name, "resource": resource, "related": [ours], "payload": {}}


def runs_that_fail(client: httpx.Client, flow: str, until: float) -> tuple[int, list[float]]:
    """Begin runs, let each say that it lives, and fail; return how many failed, and how long each answer took, in seconds."""
    failed, took = 0, []

    def post(path: str, body: object) -> Any:
        began = time.monotonic()
        answer = client.post(path, json=body)
        took.append(time.monotonic() - began)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    while time.monotonic() < until:
        run = post("flow_runs/", {"flow_id": flow, "tags": ["runwright"], "state": {"type": "PENDING"}})["id"]
        post(f"flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}})
        for _ in range(3):
            post("events", [event("prefect.flow-run.heartbeat", run)])
            post("artifacts/", {"key": f"log-{run}", "type": "markdown", "data": "x", "flow_run_id": run})
        post(f"flow_runs/{run}/set_state", {"state": {"type": "FAILED"}})
        failed += 1
    return failed, took


def count(client: httpx.Client, name: str) -> int:
    """Return how many events of this name there are."""
    since = {"occurred": {"since": "2020-01-01T00:00:00Z"}, "event": {"name": [name]}}
    answer = client.post("events/filter", json={"filter": since, "limit": 1})
    assert answer.is_success, answer.text
    return int(answer.json()["total"])


def test_every_failed_run_fires_its_automation_and_nobody_waits(server: tuple[httpx.Client, Path]) -> None:
    """No request is refused, none waits for a lock that nobody gives back, and no event is dropped."""
    client, log = server
    flow = client.post("flows/", json={"name": "deploy"}).json()["id"]
    before = count(client, TRIGGERED)
    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(CLIENTS) as clients:
        seen = list(clients.map(lambda _: runs_that_fail(client, flow, until), range(CLIENTS)))
    failed = sum(one for one, _ in seen)
    assert failed >= CLIENTS
    assert max(took for _, all_of_one in seen for took in all_of_one) < 30

    until = time.monotonic() + SETTLE_SECONDS
    while (fired := count(client, TRIGGERED) - before) < failed and time.monotonic() < until:
        time.sleep(0.5)
    assert fired == failed
    assert "database is locked" not in log.read_text(errors="replace")
