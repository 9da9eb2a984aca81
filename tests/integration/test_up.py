"""`up`, as a person runs it: what it starts is for this user alone, and `up` mends whatever became of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import websockets

from deployments import server
from deployments.own_server import CLIENT_LOGIN, _freed, login, login_file, own_url, profiles_file
from deployments.running import Running
from runwright.engine.actions import Process
from runwright.engine.effects.processes import alive, environment_of
from tests.fixtures.up import Here

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

EVIL = "https://evil.example"
OPEN = ("/health", "/ready")
"""What Prefect answers without a login: that it answers."""
SOCKETS = (
    "events/in",
    "events/out",
    "logs/out",
    "task_runs/subscriptions/scheduled",
    "work_pools/runwright/workers/connect",
)


def test_who_has_no_login_learns_nothing(running: Running) -> None:
    """Neither another user of the machine, nor a page in a browser of it, by whatever name it calls the server."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        schema = client.get(f"{running.api_url}/openapi.json", auth=tuple(login().split(":", 1))).json()
        gets = [path for path, methods in schema["paths"].items() if "get" in methods and "{" not in path]
        answered = {path for path in gets if client.get(f"{running.api_url}{path}").status_code != 401}
        assert answered <= set(OPEN)
        for path in ("/block_documents/filter", "/deployments/filter"):
            body: dict[str, Any] = {"json": {"include_secrets": True}, "headers": {"Origin": EVIL}}
            answer = client.post(f"{running.api_url}{path}", **body)
            assert answer.status_code == 401 and "access-control-allow-origin" not in answer.headers
        asked = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
        assert client.options(f"{running.api_url}/block_documents/filter", headers=asked).status_code == 400
        named = client.get(
            f"{running.api_url}/health", headers={"Host": f"evil.example:{urlsplit(running.ui_url).port}"}
        )
        assert named.status_code == 400
        assert client.get(f"{running.api_url}/version", auth=tuple(login().split(":", 1))).status_code == 200
        shown = client.get(f"{running.ui_url}/ui-settings").json()
        assert (shown["auth"], shown["api_url"]) == ("BASIC", "/api")


def test_its_automations_do_what_they_are_for(running: Running, here: Here) -> None:
    """The server asks itself then, in its own process, and neither its login nor the name of its host may stand in the way."""
    auth = httpx.BasicAuth(*login().split(":", 1))
    with httpx.Client(base_url=f"{running.api_url}/", auth=auth, trust_env=False, timeout=60) as client:
        flow = client.get("deployments/name/rollback/shop-local").json()["flow_id"]
        deploy = client.get("deployments/name/deploy/shop-local").json()
        made = {"flow_id": deploy["flow_id"], "deployment_id": deploy["id"], "state": {"type": "RUNNING"}}
        run = client.post("flow_runs/", json=made | {"parameters": {"version": "v9"}}).json()["id"]
        client.post(f"flow_runs/{run}/set_state", json={"state": {"type": "FAILED"}})
        until = time.monotonic() + 120
        fired: list[Any] = []
        while not fired:
            assert time.monotonic() < until, "no rollback was started"
            time.sleep(0.5)
            found = client.post("flow_runs/filter", json={"flows": {"id": {"any_": [flow]}}}).json()
            fired = [one for one in found if one["parameters"].get("failed_run_id") == run]


@pytest.mark.parametrize("path", SOCKETS)
def test_a_websocket_asks_for_the_login_as_well(running: Running, path: str) -> None:
    """Events start automations, and so commands."""
    url = f"{running.api_url.replace('http', 'ws')}/{path}"

    async def tried(first: dict[str, str] | None) -> str:
        protocols = [websockets.Subprotocol("prefect")] if first else None
        try:
            async with websockets.connect(url, subprotocols=protocols, proxy=None) as socket_:
                await socket_.send(json.dumps(first))
                return str(await asyncio.wait_for(socket_.recv(), 20))
        except (websockets.ConnectionClosed, websockets.InvalidStatus):
            return "refused"

    for first in (None, {"type": "auth"}, {"type": "auth", "token": "wrong:login"}):
        assert asyncio.run(tried(first)) == "refused"


def test_the_login_is_in_files_and_surroundings_of_this_user_alone(running: Running, here: Here) -> None:
    """No argument, no log and nothing that Prefect is told of holds it."""
    password = login().partition(":")[2].encode()
    passing = here.folder / "home" / "tmp"
    # what Prefect's supervisor gives a run that is being started lies in a folder of this user's, for a moment
    assert stat.S_IMODE(passing.stat().st_mode) == 0o700
    there = [
        file for file in here.folder.rglob("*") if file.is_file() and "prefect-workspace-attempt-" not in str(file)
    ]
    holders = [file for file in there if password in file.read_bytes()]
    assert set(holders) == {login_file(), profiles_file()}
    for file in (*holders, server.state_file(), here.folder / "home" / "worker.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for process in (running.server, running.worker):
        assert process is not None
        assert password not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert running.worker is not None and environment_of(running.worker)[CLIENT_LOGIN] == login()
    assert (here.folder / "home" / "tmp" / "runner_storage").is_dir(), "Prefect's own way is a name in /tmp"


def test_prefect_in_another_shell_needs_one_variable(running: Running, here: Here) -> None:
    """Its address and its login are in a profile."""
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(here.folder), "PREFECT_PROFILES_PATH": str(profiles_file())}
    words = [sys.executable, "-m", "prefect", "deployment", "ls"]
    done = subprocess.run(words, env=surroundings, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "deploy/shop-local" in done.stdout


def ended(process: Process | None, number: signal.Signals = signal.SIGKILL) -> None:
    assert process is not None
    os.kill(process.pid, number)
    until = time.monotonic() + 20
    while number is signal.SIGKILL and alive(process):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_new_server_takes_the_place_of_one_that_died(running: Running, here: Here) -> None:
    """Its worker, and the runs of that, never notice; `doctor` names what helps."""
    ended(running.server)
    assert any("`runwright up`" in f["next"] for f in json.loads(here.call("doctor", "--json").stdout)["findings"])
    again = here.up()
    assert again.server != running.server
    assert (again.api_url, again.worker) == (running.api_url, running.worker)


@pytest.mark.story  # as the next: that a server which died is replaced is told above, what `up` mends in tests/unit/deployments
def test_a_server_and_a_worker_that_are_halted_are_replaced(running: Running, here: Here) -> None:
    """They live, and do nothing; and the file that remembers them is lost besides."""
    ended(running.server, signal.SIGSTOP)
    ended(running.worker, signal.SIGSTOP)
    server.state_file().unlink()
    again = here.up()
    assert again.api_url == running.api_url
    assert not alive(running.server) and not alive(running.worker)  # type: ignore[arg-type]


@pytest.mark.story
def test_where_the_port_was_taken_everything_moves(running: Running, here: Here) -> None:
    """The worker goes along: one that polls the old port would take no run, whatever `up` was asked."""
    ended(running.server)
    before, port = login(), urlsplit(running.api_url).port
    assert port is not None and _freed(port)
    with socket.create_server(("127.0.0.1", port)):
        again = here.up()
    assert again.api_url == own_url() != running.api_url
    assert not alive(running.worker) and environment_of(again.worker)["PREFECT_API_URL"] == again.api_url  # type: ignore[arg-type]
    assert login() != before, "who has the port was sent the old one"
