"""A Prefect server of the measurement's own: a free port, a home in its own folder, ended at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.shop import LOGIN, free_port
from deployments.own_server import SERVER_LOGIN
from deployments.server import SETTINGS

START_SECONDS = 120.0


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """Give the address of its API, as soon as it answers."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "deployments.prefect_server", "--host", "127.0.0.1", "--port", str(port)],
            env={**kept, **SETTINGS, "PREFECT_HOME": str(home), SERVER_LOGIN: LOGIN},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(f"http://127.0.0.1:{port}/api/health", server, home / "server.log")
        yield f"http://127.0.0.1:{port}/api"
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError(f"Prefect server did not start:\n{log.read_text(errors='replace')[-2000:]}")
