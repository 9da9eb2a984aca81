"""Whether somebody listens, asked where things are done now."""

from __future__ import annotations

import socket

from runwright.engine.there.forward import forwarded
from runwright.engine.there.place import current
from runwright.loopback import is_loopback


def connected(host: str, port: int, seconds: float) -> socket.socket:
    """Return a connection to ``host``:``port``; a loopback address is that of where things are done. Raise OSError, UnreachableError."""
    login = current()
    if login is None or not is_loopback(host):
        return socket.create_connection((host, port), seconds)
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(seconds)
    line.connect(str(forwarded(login, host, port)))
    return line


def answers(host: str, port: int, seconds: float) -> bool:
    """Return whether somebody takes connections at ``host``:``port`` within ``seconds``."""
    if (login := current()) is not None:
        return login.answers(host, port)
    try:
        with socket.create_connection((host, port), seconds):
            return True
    except OSError:
        return False
