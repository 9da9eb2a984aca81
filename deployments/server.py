"""Start and end what a single machine needs: a Prefect server, if none is configured, and a worker."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

from deployments.own_server import (
    CLIENT_LOGIN,
    PROFILES_VARIABLE,
    SERVER_LOGIN,
    encryption_key,
    login,
    make_prefect_home,
    own_url,
    prefect_home,
    profiles_file,
    take_port,
    write_profile,
)
from deployments.running import (
    API_VARIABLE,
    CHECKOUT,
    Running,
    differences,
    pid_file,
    read_running,
    remember,
    state_file,
)
from deployments.specs import HEARTBEAT_SECONDS, WORK_POOL
from runwright.engine.actions import Process, Spawn, Stop
from runwright.engine.effects.processes import alive, spawn, stop, stopped
from runwright.errors import RunwrightError
from runwright.home import HOME_VARIABLE, LEDGER_VARIABLE, home, ledger_url, make_folder, no_room
from runwright.ledger.address import parsed
from runwright.runbook.finding import SYSTEMS_VARIABLE, own_places

ROOT = CHECKOUT
START_SECONDS = 120.0
"""How long a new server may take: it makes its database first."""
SILENT_SECONDS = 30.0
"""How long one that has started may be silent: a busy machine lets it wait for some seconds."""

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


def settle() -> None:
    """Give this process Prefect's settings. They are read when Prefect is imported, so this comes before that."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def connect() -> str:
    """Let this process talk to the Prefect server: the configured one, or the one that ``up`` started. Return its URL.

    Call it before Prefect is imported. Raise RunwrightError if there is none.
    """
    settle()
    running, own = read_running(), own_url()
    named = os.environ.get(API_VARIABLE) or (running.api_url if running else "")
    if running is not None and running.server is not None and named == (own or running.api_url):
        os.environ.setdefault("PREFECT_HOME", str(prefect_home()))
        if running.serves:  # the login is nobody else's business, least of all of who took the port of a dead server
            os.environ[CLIENT_LOGIN] = login()
    if named:
        os.environ[API_VARIABLE] = named
        _read_settings_again()
        return named
    if configured := configured_url():
        return configured
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


def configured_url() -> str | None:
    """Return the Prefect API that the user configured, in the environment or in the active profile, or None.

    What names the server that ``up`` started here is no configuration, whether it runs now or not.
    """
    if url := os.environ.get(API_VARIABLE):
        return None if url == own_url() else url
    if os.environ.get(PROFILES_VARIABLE) == str(profiles_file()):
        return None
    from prefect.settings import PREFECT_API_URL

    value = str(PREFECT_API_URL.value() or "")
    return None if value == own_url() else value or None


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


def start(at_work: Callable[[], list[str]] = list, say: Callable[[str], None] = print) -> Running:
    """Start what does not run yet, and return all of it. Twice is the same as once, also at the same moment.

    What runs, and is not as it would be started now, is started anew; not while something is ``at_work``, and then it is
    said. A server that does not answer is of no use to anybody, and is replaced in any case.
    """
    settle()
    if full := no_room():
        raise RunwrightError(
            full, state="Nothing was started or ended.", next="Make room, then run `runwright up` again."
        )
    with _one_at_a_time():
        known = read_running() or Running("", None, None)
        server, worker = (one if one and alive(one) else None for one in (known.server, known.worker))
        url = configured_url()
        if server is not None:
            why = [f"{API_VARIABLE} names another one"] if url else _outdated_server(server, known.api_url)
            server = _renewed("server", server, why, at_work, say)
        if url is None:
            server, url = _answering(server, worker, known.api_url, say)
        else:
            remember(Running(url, server, worker))
            _wait_until_healthy(url, None)
        if worker is not None:
            worker = _renewed("worker", worker, _outdated_worker(worker, url), at_work, say)
        found = Running(url, server, worker or _start_worker(url))
        remember(found)
    connect()
    return found


def renew_worker(url: str) -> None:
    """Start the worker anew that ``up`` started for the server at ``url``: it lives, and the server does not hear of it."""
    with _one_at_a_time():
        known = read_running()
        if known is not None and known.worker is not None:
            _end("worker", known.worker)
        remember(Running(url, known.server if known else None, _start_worker(url)))


def _answering(
    server: Process | None, worker: Process | None, known_url: str, say: Callable[[str], None]
) -> tuple[Process, str]:
    """Return a server of our own that answers, and its address: the one that runs, if it does, or a new one."""
    url = known_url
    if server is not None:
        try:
            _wait_until_healthy(url, server)
        except RunwrightError as error:
            say(f"{error.what} Another one is started.")
            _end("server", server)
            server = None
    if server is None:
        server, url = _start_server(known_url)
        # before anything is waited for: what was interrupted is found by the next `up`, and ended by `down`
        remember(Running(url, server, worker))
        _wait_until_healthy(url, server)
    write_profile(url)
    return server, url


def _renewed(
    name: str, process: Process, why: list[str], at_work: Callable[[], list[str]], say: Callable[[str], None]
) -> Process | None:
    """Return the process if it goes on as it is; end it if it should not, and nothing is at work."""
    if why and (busy := at_work()):
        say(f"The {name} goes on as it is, for {busy[0]}: {why[0]}. `runwright up` mends that when it is over.")
    elif why:
        say(f"The {name} that runs is ended: {why[0]}.")
        _end(name, process)
        return None
    return process


def _outdated_server(server: Process, url: str) -> list[str]:
    return differences(server, _server_environment(url), pid_file("server"))


def _outdated_worker(worker: Process, url: str) -> list[str]:
    halted = ["it is halted"] if stopped(worker) else []
    return halted + differences(worker, _worker_environment(url), pid_file("worker"))


def outdated(running: Running, url: str) -> list[tuple[str, str]]:
    """Return what runs here and is not as ``up`` would start it for the server at ``url``: (its name, why)."""
    found = []
    if running.server is not None and alive(running.server):
        found += [("server", why) for why in _outdated_server(running.server, running.api_url)]
    if running.worker is not None and alive(running.worker):
        found += [("worker", why) for why in _outdated_worker(running.worker, url)]
    return found


def end() -> list[str]:
    """End exactly what ``start`` started; return what was ended, as words. One that is starting is waited for."""
    if not home().exists():
        return []
    ended = []
    with _one_at_a_time():
        for name, process in running_here():
            _end(name, process)
            ended.append(f"{name} (process {process.pid})")
        for file in (state_file(), profiles_file()):
            file.unlink(missing_ok=True)
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


def _end(name: str, process: Process) -> None:
    stop(Stop(says=f"end the {name}", key=name, process=process, grace_seconds=20.0))


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


def _start_server(known_url: str) -> tuple[Process, str]:
    port = take_port(urlsplit(known_url).port)
    url = f"http://127.0.0.1:{port}/api"
    action = Spawn(
        says=f"start Prefect server on port {port}",
        key="server",
        argv=_python("deployments.prefect_server", "--host", "127.0.0.1", "--port", str(port)),
        env={**environment(), **_server_environment(url)},
        cwd=ROOT,
        log=home() / "logs" / "prefect-server.log",
        pid_file=pid_file("server"),
    )
    return spawn(action, "up/server"), url


def _server_environment(url: str) -> dict[str, str]:
    """Return what a server of our own must have in its environment, whatever else it has."""
    make_prefect_home()
    return {
        **SETTINGS,
        "PYTHONPATH": str(ROOT),
        "PREFECT_HOME": str(prefect_home()),
        "PREFECT_SERVER_ENCRYPTION_KEY": encryption_key(),
        SERVER_LOGIN: login(),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "",  # its pages are of its own origin; others have nothing to ask here
        "PREFECT_UI_URL": url.removesuffix("/api"),
        "PREFECT_UI_API_URL": "/api",
    }


def _start_worker(url: str) -> Process:
    action = Spawn(
        says="start a worker",
        key="worker",
        argv=_python("deployments.prefect_worker", "--pool", WORK_POOL, "--type", "process"),
        env={**environment(), **_worker_environment(url)},
        cwd=ROOT,
        log=home() / "logs" / "worker.log",
        pid_file=pid_file("worker"),
    )
    return spawn(action, "up/worker")


def _worker_environment(url: str) -> dict[str, str]:
    """Return what a worker for the server at ``url`` must have in its environment, whatever else it has."""
    return {
        **SETTINGS,
        "PYTHONPATH": str(ROOT),
        HOME_VARIABLE: str(home()),
        LEDGER_VARIABLE: ledger_url(),
        API_VARIABLE: url,
        "PREFECT_HOME": str(prefect_home()),
        **({CLIENT_LOGIN: login()} if url == own_url() else _credentials()),
    }


def _credentials() -> dict[str, str]:
    """Return what the user configured for a server of theirs, in the environment or in the active profile."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_SSL_CERT_FILE

    settings = (PREFECT_API_KEY, PREFECT_API_AUTH_STRING, PREFECT_API_SSL_CERT_FILE)
    return {setting.name: str(value) for setting in settings if (value := setting.value())}


def _wait_until_healthy(url: str, server: Process | None) -> None:
    """Return when the server answers: if it is a ``server`` of our own, that one, and not whoever else has its port."""
    until = time.monotonic() + _patience(server)
    while True:
        if server is None or Running(url, server, None).serves:
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
        if time.monotonic() > until or (server is not None and stopped(server)):
            raise RunwrightError(
                f"Prefect server does not answer at {url}.",
                state="Nothing was registered.",
                next="Check the address and the server's log, then run `runwright up` again."
                if server is not None
                else f"Check the address, and that server; or unset {API_VARIABLE}, and `runwright up` starts one here.",
            )
        time.sleep(0.2)


def _patience(server: Process | None) -> float:
    """Return for how many seconds an answer is waited for: one that does not start any more, and is silent, hangs."""
    if server is None or not pid_file("server").exists():
        return START_SECONDS
    return max(SILENT_SECONDS, START_SECONDS - (time.time() - pid_file("server").stat().st_mtime))
