"""What a target really shows, asked by plain means: /proc, one HTTP request, sqlite3, psql, docker ps.

Nothing here goes through the drivers that put the target into its state: a mistake of theirs must not hide itself. What is
asked of each platform is in its own folder.
"""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from dataclasses import dataclass

from runwright import registry
from runwright.runbook.model import Runbook

ASK_SECONDS = 10.0
REVISIONS = "SELECT version_num FROM alembic_version"


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
    target = book.environments[environment].target
    found: Truth | None = None
    if target.built:
        found = registry.PLATFORMS.driver(target.platform).truth(book, environment, releases)
    return found or Truth("", None, "", "", "", (), None)


def asked(front: str, path: str) -> tuple[int | None, str]:
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
