"""Start and end what a single machine needs: a Prefect server, if none is configured, and a worker."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from deployments.specs import HEARTBEAT_SECONDS, WORK_POOL
from runwright.actions import Process, Spawn, Stop
from runwright.effects.files import write_file
from runwright.effects.processes import alive, spawn, stop
from runwright.errors import RunwrightError
from runwright.home import HOME_VARIABLE, LEDGER_VARIABLE, home, ledger_url, make_folder
from runwright.ledger.address import parsed
from runwright.runbook.finding import SYSTEMS_VARIABLE, own_places

ROOT = Path(__file__).resolve().parent.parent
API_VARIABLE = "PREFECT_API_URL"
START_SECONDS = 120.0
"""How long a new server may take: it makes its database first."""

# The same in every process of ours, and on every machine: a server inside of a client, an anonymous report, or a slow
# heartbeat in just one of them breaks the others.
SETTINGS = {
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_RUNNER_POLL_FREQUENCY": "2",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    "PREFECT_CLI_WRAP_LINES": "false",
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True)
class Running:
    """What ``up`` started. server: None if a server was configured already."""

    api_url: str
    server: Process | None
    worker: Process | None

    @property
    def ui_url(self) -> str:
        """The address that a person opens."""
        return self.api_url.removesuffix("/api")


def state_file() -> Path:
    """Return the file that remembers what ``up`` started."""
    return home() / "up.json"


def read_running() -> Running | None:
    """Return what ``up`` started, or None."""
    try:
        data = json.loads(state_file().read_text())

        def process(name: str) -> Process | None:
            return Process(**data[name]) if data.get(name) else None

        return Running(str(data["api_url"]), process("server"), process("worker"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunwrightError(
            f"{state_file()} cannot be read ({type(error).__name__}).",
            state="What was started here before may still run.",
            next="Look for its processes (`ps`), end them, remove that file, and run `runwright up` again.",
        ) from error


def settle() -> None:
    """Give this process Prefect's settings. They are read when Prefect is imported, so this comes before that."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def connect() -> str:
    """Let this process talk to the Prefect server: the configured one, or the one that ``up`` started. Return its URL.

    Call it before Prefect is imported. Raise RunwrightError if there is none.
    """
    settle()
    if os.environ.get(API_VARIABLE):
        _read_settings_again()
        return os.environ[API_VARIABLE]
    running = read_running()
    if running is not None:
        os.environ[API_VARIABLE] = running.api_url
        os.environ.setdefault("PREFECT_HOME", str(prefect_home()))
        _read_settings_again()
        return running.api_url
    from prefect.settings import PREFECT_API_URL

    if configured := PREFECT_API_URL.value():
        return str(configured)
    raise RunwrightError(
        "There is no Prefect server.",
        state="Nothing was done.",
        next=f"Run `runwright up` here (it starts one), or set {API_VARIABLE} to the address of yours.",
    )


def _read_settings_again() -> None:
    """Let a Prefect that is imported already see the environment as it is now."""
    if "prefect" in sys.modules:
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def prefect_home() -> Path:
    """Return the PREFECT_HOME of the server that ``up`` starts; the user's own is left alone."""
    return home() / "prefect"


def configured_url() -> str | None:
    """Return the Prefect API that the user configured, in the environment or in the active profile, or None."""
    if url := os.environ.get(API_VARIABLE):
        return url
    from prefect.settings import PREFECT_API_URL

    value = PREFECT_API_URL.value()
    return str(value) if value else None


def environment() -> dict[str, str]:
    """Return what every run must know: where the ledger and the runbooks are, and Prefect's settings.

    Everybody who reaches Prefect's API can read it, so a ledger's URL with a password in it is left out: then the worker
    must have it in its own environment, which its runs inherit. Raise LedgerError if the URL is none for a ledger, or has a
    secret among its options.
    """
    found = {**SETTINGS, HOME_VARIABLE: str(home()), "PYTHONPATH": str(ROOT)}
    if not parsed(ledger_url()).password:
        found[LEDGER_VARIABLE] = ledger_url()
    if places := own_places():
        found[SYSTEMS_VARIABLE] = os.pathsep.join(map(str, places))
    if faults := os.environ.get("RUNWRIGHT_FAULTS"):
        found["RUNWRIGHT_FAULTS"] = faults
    return found


def start() -> Running:
    """Start what does not run yet, and return all of it. Twice is the same as once, also at the same moment."""
    settle()
    with _one_at_a_time():
        running = read_running()
        server = running.server if running and running.server and alive(running.server) else None
        worker = running.worker if running and running.worker and alive(running.worker) else None
        url = running.api_url if running and server else None
        if url is None:
            url = configured_url()
        if url is None:
            server, url = _start_server()
        # before anything is waited for: what was interrupted is found by the next `up`, and ended by `down`
        _remember(Running(url, server, worker))
        _wait_until_healthy(url, server)
        found = Running(url, server, worker or _start_worker(url))
        _remember(found)
    connect()
    return found


def end() -> list[str]:
    """End exactly what ``start`` started; return what was ended, as words. One that is starting is waited for."""
    if not home().exists():
        return []
    ended = []
    with _one_at_a_time():
        for name, process in running_here():
            stop(Stop(says=f"end the {name}", key=name, process=process, grace_seconds=20.0))
            ended.append(f"{name} (process {process.pid})")
        state_file().unlink(missing_ok=True)
    return ended


def running_here() -> list[tuple[str, Process]]:
    """Return what ``start`` started and still runs, in the order in which it is ended.

    The worker comes first: it hands its runs back as long as the server answers.
    """
    running = read_running()
    if running is None:
        return []
    both = (("worker", running.worker), ("server", running.server))
    return [(name, process) for name, process in both if process is not None and alive(process)]


def _remember(running: Running) -> None:
    write_file(state_file(), json.dumps(asdict(running), indent=1).encode(), 0o600)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let no other process start or end anything here meanwhile. The lock ends with the process that has it."""
    make_folder(home())
    lock = os.open(home() / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _python(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *words)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start_server() -> tuple[Process, str]:
    port = _free_port()
    make_folder(prefect_home())
    action = Spawn(
        says=f"start Prefect server on port {port}",
        key="server",
        argv=_python("deployments.prefect_server", "--host", "127.0.0.1", "--port", str(port)),
        env={
            **environment(),
            "PREFECT_HOME": str(prefect_home()),
            "PREFECT_SERVER_ENCRYPTION_KEY": _encryption_key(),
            "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
        },
        cwd=ROOT,
        log=home() / "logs" / "prefect-server.log",
        pid_file=home() / "prefect-server.json",
    )
    return spawn(action, "up/server"), f"http://127.0.0.1:{port}/api"


def _encryption_key() -> str:
    """The key that the server's blocks are encrypted with; kept beside the database, not in it."""
    path = prefect_home() / "encryption-key"
    if not path.exists():
        write_file(path, base64.urlsafe_b64encode(secrets.token_bytes(32)), 0o600)
    return path.read_text()


def _start_worker(url: str) -> Process:
    action = Spawn(
        says="start a worker",
        key="worker",
        argv=_python("prefect", "worker", "start", "--pool", WORK_POOL, "--type", "process"),
        env={
            **environment(),
            LEDGER_VARIABLE: ledger_url(),
            API_VARIABLE: url,
            "PREFECT_HOME": str(prefect_home()),
            **_credentials(),
        },
        cwd=ROOT,
        log=home() / "logs" / "worker.log",
        pid_file=home() / "worker.json",
    )
    return spawn(action, "up/worker")


def _credentials() -> dict[str, str]:
    names = ("PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_API_SSL_CERT_FILE")
    return {name: os.environ[name] for name in names if name in os.environ}


def _wait_until_healthy(url: str, server: Process | None) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=2.0, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if server is not None and not alive(server):
            raise RunwrightError(
                "Prefect server ended while it was starting.",
                state="Nothing was registered.",
                next=f"Its log says why: {home() / 'logs' / 'prefect-server.log'}.",
            )
        if time.monotonic() > until:
            raise RunwrightError(
                f"Prefect server does not answer at {url}.",
                state="Nothing was registered.",
                next="Check the address and the server's log, then run `runwright up` again.",
            )
        time.sleep(0.2)
