"""What a Compose project really shows, asked by plain means: one HTTP request, `docker ps`, `docker inspect`, psql, and the file
that says which colour gets the requests."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runwright.runbook.databases.postgres import PostgresDatabase
from runwright.runbook.model import Runbook
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.testing.truth import REVISIONS, Running, Truth, asked

_DOCKER_SECONDS = 60.0
_RELEASE, _COMMIT, _KEY = "runwright.release", "runwright.commit", "runwright.key"
_OF, _SLOT, _SWITCH = "runwright.service", "runwright.slot", "runwright.switch"
_SHARED = "/runwright/shared"
_PROJECT, _SERVICE, _ONEOFF = (f"com.docker.compose.{name}" for name in ("project", "service", "oneoff"))


def look(book: Runbook, environment: str) -> Truth:
    """Return what the target of an environment shows."""
    place = book.environments[environment]
    assert isinstance(place.target, ComposeTarget)
    project = place.target.project
    front = place.urls.get("front", next(iter(place.urls.values()), ""))
    health = next((p.url for p in book.verify.health if p.url.startswith("${url.front}")), "")
    status, says = asked(front, health.removeprefix("${url.front}"))
    revisions = _postgres_revisions(project, place.database) if book.migrate else None
    running = tuple(_containers(project))
    written = _written(project) if place.target.traffic else ""
    told = {
        one.commit
        for one in running
        if one.service in book.services() and not one.job and (not written or one.slot == written)
    }
    return Truth(front, status, says, written, told.pop() if len(told) == 1 else "", running, revisions)


def _written(project: str) -> str:
    """Return the colour that gets the requests which another one does not, as the file says that each switch has mounted."""
    ids = _docker("ps", "--all", "--quiet", "--filter", f"label={_SWITCH}={project}").split()
    form = '{{range .Mounts}}{{if eq .Destination "' + _SHARED + '"}}{{.Source}}{{end}}{{end}}'
    for folder in _docker("inspect", "--format", form, *ids).split() if ids else ():
        with contextlib.suppress(OSError):
            return Path(folder, "target").read_text().split()[-1].partition("-")[0]
    return ""


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
        service, commit = labels.get(_OF) or labels.get(_SERVICE, ""), labels.get(_COMMIT, "")
        yield Running(f"container {name.lstrip('/')}", service, labels.get(_SLOT, ""), commit, image, mark, job)


def _three(line: str) -> tuple[str, str, dict[str, str]]:
    decoder, found, at = json.JSONDecoder(), list[Any](), 0
    while at < len(line):
        value, at = decoder.raw_decode(line, at)
        found.append(value)
        at += 1
    return found[0], found[1], found[2] or {}


def _postgres_revisions(project: str, database: Any) -> tuple[str, ...] | None:
    if not isinstance(database, PostgresDatabase) or database.service is None:
        return None
    label = f"label={_PROJECT}={project}"
    found = _docker("ps", "--quiet", "--filter", label, "--filter", f"label={_SERVICE}={database.service}").split()
    if not found:
        return None
    words = ("exec", found[0], "psql", "-U", database.user, "-d", database.name, "-Atc", REVISIONS)
    return tuple(sorted(_docker(*words).split()))
