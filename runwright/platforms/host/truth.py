"""What processes of this machine really show, asked by plain means: their files, /proc and the database's file."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from runwright.home import home
from runwright.runbook.databases.sqlite import SqliteDatabase
from runwright.runbook.model import Runbook
from runwright.runbook.platforms.host import HostTarget
from runwright.testing.truth import REVISIONS, Running, Truth, asked


def look(book: Runbook, environment: str, releases: frozenset[str]) -> Truth:
    """Return what the target of an environment shows. ``releases``: ids whose marks are looked for."""
    place = book.environments[environment]
    target = place.target
    assert isinstance(target, HostTarget)
    root = (
        Path(target.directory).absolute()
        if target.directory
        else home() / "systems" / book.system / environment / "state"
    )
    front = _front(root)
    status, says = asked(front, target.process.health)
    slot, port = _target(root)
    running = tuple(_processes(root, releases))
    behind = next((commit for pid, commit in _commits(root) if port and _listens(pid, port)), "")
    revisions = _sqlite_revisions(root / place.database.path) if isinstance(place.database, SqliteDatabase) else None
    return Truth(front, status, says, slot, behind, running, revisions)


def _front(root: Path) -> str:
    with contextlib.suppress(OSError, ValueError, LookupError):
        servers = json.loads((root / "caddy" / "caddy.json").read_text())["apps"]["http"]["servers"]
        return f"http://127.0.0.1:{servers['front']['listen'][0].rpartition(':')[2]}"
    return ""


def _target(root: Path) -> tuple[str, int]:
    """Return what the front door sends requests to, as its file names it."""
    with contextlib.suppress(OSError, ValueError):
        slot, address = (root / "caddy" / "target").read_text().split()
        return slot, int(address.rpartition(":")[2])
    return "", 0


def _environments() -> Iterator[tuple[int, dict[str, str]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if (folder / "stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                    continue
                words = (folder / "environ").read_bytes().decode("utf-8", "replace").split("\0")
                yield int(folder.name), dict(word.split("=", 1) for word in words if "=" in word)


def _processes(root: Path, releases: frozenset[str]) -> Iterator[Running]:
    for pid, told in _environments():
        mark = told.get("RUNWRIGHT_ACTION", "").rpartition("#")[0]
        if told.get("RUNWRIGHT_ROOT") == str(root):
            slot = told.get("RUNWRIGHT_SLOT", "")
            service = "application" if slot else ""
            commit = told.get("RUNWRIGHT_COMMIT", "")
            yield Running(f"process {pid}", service, slot, commit, "", mark, not slot, _session(pid))
        elif mark.partition("/")[0] in releases:
            yield Running(f"process {pid}", mark=mark, job="/router/start" not in mark)


def _session(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3])
    return pid


def _commits(root: Path) -> list[tuple[int, str]]:
    return [
        (pid, told.get("RUNWRIGHT_COMMIT", ""))
        for pid, told in _environments()
        if told.get("RUNWRIGHT_ROOT") == str(root) and told.get("RUNWRIGHT_SLOT")
    ]


def _listens(pid: int, port: int) -> bool:
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{words[9]}]")
    with contextlib.suppress(OSError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(handle.readlink()) in sockets:
                    return True
    return False


def _sqlite_revisions(file: Path) -> tuple[str, ...] | None:
    if not file.exists():
        return None
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
    try:
        return tuple(sorted(str(row[0]) for row in connection.execute(REVISIONS)))
    except sqlite3.OperationalError:  # no such table: it was never migrated
        return ()
    finally:
        connection.close()
