"""Ports of this machine: one that is free, and who listens on it."""

from __future__ import annotations

import contextlib
import os
import socket
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from runwright.traffic import LOOPBACK

# Below what Linux gives to outgoing connections (32768 and up): a port that was free stays free until it is used.
FIRST_PORT, LAST_PORT = 20000, 32000
_LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp


def preferred(name: str) -> int:
    """Return the port that ``name`` gets if nothing is in the way; always the same one."""
    return FIRST_PORT + zlib.crc32(name.encode()) % (LAST_PORT - FIRST_PORT)


def free_port(name: str, first: Iterable[int], without: Iterable[int]) -> int:
    """Return a free port: one of ``first``, or the next one from the preferred one of ``name``. Raise OSError if none."""
    taken = set(without)
    start = preferred(name)
    around = (FIRST_PORT + (start - FIRST_PORT + step) % (LAST_PORT - FIRST_PORT) for step in range(2000))
    for port in (*first, *around):
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port from {start} on")


def is_free(port: int) -> bool:
    """Return whether nothing listens on ``port`` of this machine's loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that were closed do not matter
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def listens(session: int, port: int) -> bool | None:
    """Return whether a process of ``session`` listens on ``port``; None where that cannot be seen."""
    inodes = set(_listeners(port))
    if not inodes:
        return None
    seen = False
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or not _is_of(int(folder.name), session):
            continue
        with contextlib.suppress(OSError):
            for handle in (folder / "fd").iterdir():
                seen = True
                with contextlib.suppress(OSError):
                    if str(handle.readlink()) in inodes:
                        return True
    return False if seen else None


def _is_of(pid: int, session: int) -> bool:
    try:
        return os.getsid(pid) == session
    except OSError:
        return False


def _listeners(port: int) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with contextlib.suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTENING and int(words[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{words[9]}]"
