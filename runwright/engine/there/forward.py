"""Servers of another host, asked from here: a loopback address means the host that things are done on."""

from __future__ import annotations

import hashlib
import socket
import threading
from pathlib import Path

from runwright.engine.there.login import Login
from runwright.errors import UnreachableError

_lock = threading.Lock()


def forwarded(login: Login, host: str, port: int) -> Path:
    """Return a socket here that leads to ``host``:``port`` as seen from there. Raise UnreachableError."""
    login.home  # noqa: B018 - the connection carries it
    path = login.folder / hashlib.sha256(f"{host}:{port}".encode()).hexdigest()[:16]
    with _lock:
        if _listens(path):
            return path
        path.unlink(missing_ok=True)
        where = f"{path}:[{host}]:{port}" if ":" in host else f"{path}:{host}:{port}"
        for _ in range(2):
            if login.control("forward", "-L", where):
                return path
            login.sh(":")  # it was cut, and is made again
    raise UnreachableError(
        f"{login.on} forwards no connection to {host}:{port}.",
        state="Nothing was asked.",
        next="Its ssh server must allow that (`AllowTcpForwarding` and `AllowStreamLocalForwarding` in sshd_config).",
    )


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
