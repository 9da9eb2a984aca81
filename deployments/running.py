"""What ``up`` started and still runs here, and whether it is as it would be started now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from deployments.own_server import own_url
from runwright.engine.actions import Process
from runwright.engine.effects.files import write_file
from runwright.engine.effects.processes import alive, environment_of, listens
from runwright.home import home, refuse_a_home_of_others

CHECKOUT = Path(__file__).resolve().parent.parent
CODE = ("blocks", "deployments", "flows", "runwright", "tasks")
API_VARIABLE = "PREFECT_API_URL"


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

    @property
    def serves(self) -> bool:
        """Whether it is our own server that answers at the address, and not whoever took its port after its end."""
        return self.server is not None and listens(self.server, urlsplit(self.api_url).port or 80)


def state_file() -> Path:
    """Return the file that remembers what ``up`` started."""
    return home() / "up.json"


def pid_file(name: str) -> Path:
    """Return the file that holds the process of the server or the worker, written before it does anything."""
    return home() / {"server": "prefect-server.json", "worker": "worker.json"}[name]


def remember(running: Running) -> None:
    """Write down what runs."""
    write_file(state_file(), json.dumps(asdict(running), indent=1).encode(), 0o600)


def read_running() -> Running | None:
    """Return what ``up`` started, or None.

    If the file that remembers it is lost or spoilt, what still runs is found by the files that each process was started
    with: nothing is started a second time beside it, and `down` ends it. Raise InputError if somebody else can write them.
    """
    refuse_a_home_of_others()
    try:
        data = json.loads(state_file().read_text())
        return Running(str(data["api_url"]), _process(data["server"]), _process(data["worker"]))
    except (OSError, ValueError, KeyError, TypeError):
        server, worker = (_living(pid_file(name)) for name in ("server", "worker"))
        if worker is None and server is None:
            return None
        polled = environment_of(worker).get(API_VARIABLE) if worker is not None else None
        return Running((own_url() if server is not None else polled) or "", server, worker)


def _process(data: dict[str, object] | None) -> Process | None:
    return Process(**data) if data else None  # type: ignore[arg-type]


def _living(file: Path) -> Process | None:
    try:
        process = _process(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return process if process is not None and alive(process) else None


def differences(process: Process, wanted: Mapping[str, str], started: Path) -> list[str]:
    """Return why a process is not as it would be started now, as words; empty if it is.

    wanted: what it is to have in its environment, of which no value is told. started: the file that was written then.
    """
    has = environment_of(process)
    found = [
        f"it was started {'with another' if name in has else 'without'} {name}"
        for name, value in wanted.items()
        if has.get(name) != value
    ]
    if started.exists() and code_changed_at() > started.stat().st_mtime:
        found.append("it was started before the code of Runwright was changed")
    return found


def code_changed_at() -> float:
    """Return when this checkout, or the Prefect that it uses, was last changed (seconds since the epoch)."""
    prefect = find_spec("prefect")
    files = [Path(str(prefect.origin))] if prefect else []
    for folder in CODE:
        files += (CHECKOUT / folder).rglob("*.py")
    return max(file.stat().st_mtime for file in files)
