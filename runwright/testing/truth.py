"""What a target really shows, asked by plain means: /proc, one HTTP request, sqlite3, psql, docker ps.

Nothing here goes through the drivers that put the target into its state: a mistake of theirs must not hide itself.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runwright.home import home
from runwright.runbook.databases.postgres import PostgresDatabase
from runwright.runbook.databases.sqlite import SqliteDatabase
from runwright.runbook.model import Runbook
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.runbook.platforms.host import HostTarget

ASK_SECONDS = 10.0
_DOCKER_SECONDS = 60.0
_RELEASE, _COMMIT, _KEY = "runwright.release", "runwright.commit", "runwright.key"
_PROJECT, _SERVICE, _ONEOFF = (f"com.docker.compose.{name}" for name in ("project", "service", "oneoff"))


@dataclass(frozen=True)
class Running:
    """One process or container of the target.

    name: how people find it ("process 4711"). service: what it belongs to, "" of a process that is none. slot: its
    colour, "" if it has none. commit, identity: the version that it runs, as far as it tells. mark: the change that
    started it ("release/key"), "" if it carries none. job: it is meant to end by itself. session: of a process.
    """

    name: str
    service: str = ""
    slot: str = ""
    commit: str = ""
    identity: str = ""
    mark: str = ""
    job: bool = False
    session: int = 0


@dataclass(frozen=True)
class Truth:
    """A target at one moment.

    front: the address that was asked, "" if none is known. status: what it answered, None if nothing did. says: the
    commit that the application behind it tells, "" if it tells none. written: the slot that the router comes back
    with. behind: the commit of the process that listens there (of containers: the one that all of them carry). revisions: those of the database, None if it has none.
    """

    front: str
    status: int | None
    says: str
    written: str
    behind: str
    running: tuple[Running, ...]
    revisions: tuple[str, ...] | None

    @property
    def commit(self) -> str:
        """The commit that users reach, "" if it cannot be told."""
        return self.says or self.behind


def look(book: Runbook, environment: str, releases: frozenset[str]) -> Truth:
    """Return what the target of an environment shows. ``releases``: ids whose marks are looked for."""
    place = book.environments[environment]
    match place.target:
        case HostTarget(directory=directory) as target:
            root = Path(directory).absolute() if directory else home() / "systems" / book.system / environment / "state"
            front = _front(root)
            status, says = _asked(front, target.process.health)
            slot, port = _target(root)
            database = root / place.database.path if isinstance(place.database, SqliteDatabase) else None
            running = tuple(_processes(root, releases))
            behind = next((commit for pid, commit in _commits(root) if port and _listens(pid, port)), "")
            revisions = _sqlite_revisions(database) if database else None
            return Truth(front, status, says, slot, behind, running, revisions)
        case ComposeTarget(project=project):
            front = place.urls.get("front", next(iter(place.urls.values()), ""))
            health = next((p.url for p in book.verify.health if p.url.startswith("${url.front}")), "")
            status, says = _asked(front, health.removeprefix("${url.front}"))
            revisions = _postgres_revisions(project, place.database) if book.migrate else None
            running = tuple(_containers(project))
            told = {one.commit for one in running if one.service in book.services() and not one.job}
            return Truth(front, status, says, "", told.pop() if len(told) == 1 else "", running, revisions)
        case _:
            return Truth("", None, "", "", "", (), None)


# ------------------------------------------------------------------------------------------------------ the front door


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


def _asked(front: str, path: str) -> tuple[int | None, str]:
    """Return what the front door answers, and the ``commit`` in its answer if that is a JSON object with one."""
    if not front:
        return None, ""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(front.rstrip("/") + (path or "/"), timeout=ASK_SECONDS) as answer:
            return answer.status, _told(answer.read(65536))
    except urllib.error.HTTPError as answer:
        return answer.code, _told(answer.read(65536))
    except (OSError, ValueError):
        return None, ""


def _told(body: bytes) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(body).get("commit") or "")
    return ""


# ---------------------------------------------------------------------------------------------------------- processes


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


# --------------------------------------------------------------------------------------------------------- containers


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=_DOCKER_SECONDS, check=False)
    return done.stdout if done.returncode == 0 else ""


def _containers(project: str) -> Iterator[Running]:
    ids = _docker("ps", "--quiet", "--no-trunc", "--filter", f"label={_PROJECT}={project}").split()
    form = "{{json .Image}} {{json .Name}} {{json .Config.Labels}}"
    for line in _docker("inspect", "--format", form, *ids).splitlines() if ids else ():
        image, name, labels = _three(line)
        key = labels.get(_KEY, "")
        mark = f"{labels.get(_RELEASE, '')}/{key}" if key else ""
        job = labels.get(_ONEOFF, "").lower() == "true"
        service, commit = labels.get(_SERVICE, ""), labels.get(_COMMIT, "")
        yield Running(f"container {name.lstrip('/')}", service, "", commit, image, mark, job)


def _three(line: str) -> tuple[str, str, dict[str, str]]:
    decoder, found, at = json.JSONDecoder(), list[Any](), 0
    while at < len(line):
        value, at = decoder.raw_decode(line, at)
        found.append(value)
        at += 1
    return found[0], found[1], found[2] or {}


# ----------------------------------------------------------------------------------------------------------- databases

_QUESTION = "SELECT version_num FROM alembic_version"


def _sqlite_revisions(file: Path) -> tuple[str, ...] | None:
    if not file.exists():
        return None
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
    try:
        return tuple(sorted(str(row[0]) for row in connection.execute(_QUESTION)))
    except sqlite3.OperationalError:  # no such table: it was never migrated
        return ()
    finally:
        connection.close()


def _postgres_revisions(project: str, database: Any) -> tuple[str, ...] | None:
    if not isinstance(database, PostgresDatabase) or database.service is None:
        return None
    label = f"label={_PROJECT}={project}"
    found = _docker("ps", "--quiet", "--filter", label, "--filter", f"label={_SERVICE}={database.service}").split()
    if not found:
        return None
    words = ("exec", found[0], "psql", "-U", database.user, "-d", database.name, "-Atc", _QUESTION)
    return tuple(sorted(_docker(*words).split()))
