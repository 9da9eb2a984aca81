"""The first runbook of a system, drafted from what its Compose project says; guesses are marked ``# check:``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runwright.runbook.base import as_duration
from runwright.runbook.guesses import DraftFacts, Guess, Probe, ServiceFacts, guess, service_facts, system_name
from runwright.runbook.healthchecks import ready_seconds
from runwright.runbook.yamltext import flow, scalar

__all__ = ["DraftFacts", "ServiceFacts", "draft", "service_facts"]

_CHIEF = ("ready", "health", "live", "ping", "status", "up")


def draft(facts: DraftFacts) -> str:
    """Return a runbook as YAML with comments, which loads without a mistake and is to be read before it is used."""
    guessed = guess(facts)
    parts = (_head(facts), _components(facts, guessed), _environment(facts, guessed), _checks(facts, guessed))
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(facts: DraftFacts) -> Iterator[str]:
    yield "# How this system is released. `runwright docs` explains every key; lines with `check:` are guesses."
    yield f"system: {system_name(facts.system or facts.project)}"
    yield f"source: {{repo: {scalar(facts.repo, inside=True)}}}"
    yield ""


def _components(facts: DraftFacts, guessed: Guess) -> Iterator[str]:
    replaced = {s.name for services in guessed.components.values() for s in services}
    kept = [s.name for s in facts.services if s.name not in replaced]
    stay = f"; {', '.join(kept)} {'stays as it is' if len(kept) == 1 else 'stay as they are'}" if kept else ""
    yield f"# What is built and replaced{stay}."
    if ending := [s.name for s in facts.services if s.ends]:
        yield f"# check: {', '.join(ending)} runs once and ends: a release does not run it"
    yield "components:"
    for name, services in guessed.components.items():
        note = "" if any(s.context for s in services) else " # check: it is pulled, not built"
        yield f"  {name}: {{services: {flow([s.name for s in services])}}}{note}"
    if not guessed.components:
        yield "  app: {} # check: no service of the project has a `build`"
    yield ""


def _environment(facts: DraftFacts, guessed: Guess) -> Iterator[str]:
    yield "environments:"
    yield "  development:"
    yield "    tier: development # or staging, production: more careful each"
    yield "    target:"
    yield "      platform: compose"
    yield f"      project: {scalar(facts.project)}"
    yield f"      directory: {scalar(facts.directory)}"
    if facts.files:
        yield f"      files: {flow(list(facts.files))}"
    if facts.env_file:
        yield f"      env_file: {scalar(facts.env_file)}"
    ready = ready_seconds(s.judged_seconds for services in guessed.components.values() for s in services)
    if ready is not None:
        meaning = "so long a version may take until its healthchecks pass; then it is put back"
        yield f"      ready_timeout: {as_duration(ready)} # {meaning}"
    if guessed.urls:
        through = f"through {', '.join(dict.fromkeys(guessed.through.values()))}, " if guessed.through else ""
        yield f"    urls: {flow(guessed.urls)} # check: {through}as seen from where Runwright runs"
    else:
        yield '    # check: no port is published; name the address that clients use: urls: {web: "https://…"}'
    if guessed.database is not None:
        yield f"    database: {flow(_database(guessed.database))}{_doubt(guessed.database)}"
    yield ""


def _database(service: ServiceFacts) -> dict[str, str]:
    user, name = (service.postgres.get(key, "") for key in ("POSTGRES_USER", "POSTGRES_DB"))
    user = user if _is_identifier(user) else "postgres"  # as the image itself does, for both
    return {"kind": "postgres", "service": service.name, "name": name if _is_identifier(name) else user, "user": user}


def _doubt(service: ServiceFacts) -> str:
    missing = [k for k in ("POSTGRES_DB", "POSTGRES_USER") if not _is_identifier(service.postgres.get(k, ""))]
    return f" # check: {' and '.join(missing)} of `{service.name}` could not be read" if missing else ""


def _is_identifier(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$-]{0,62}", text))


def _checks(facts: DraftFacts, guessed: Guess) -> Iterator[str]:
    yield "gates:"
    yield "  - {id: disk, disk: {path: /, gigabytes: 5}}"
    if guessed.database is not None:
        yield "  - {id: database, database: true}"
    if guessed.probes:
        yield "  - {id: baseline, baseline: true} # what runs now is healthy"
    yield ""
    yield from _data(facts, guessed)
    if guessed.probes:
        yield "verify:"
        yield "  deadline: 1m # so long a version that starts and does not work may serve before it is put back"
        yield "  health:"
        for probe in guessed.probes:
            doubt = " # check: no healthcheck names a path" if probe.path == "/" else ""
            if not doubt and probe.component in guessed.through:
                doubt = f" # check: whether {guessed.through[probe.component]} passes this path on"
            yield f'    - {{id: {probe.id}, get: "${{url.{probe.component}}}{probe.path}"}}{doubt}'
        yield ""
    yield "watch:"
    yield "  duration: 5m # in production never under 30m"
    yield "  rules:"
    if guessed.probes:
        yield f"    - {{id: down, probe: {_chief(guessed.probes)}, failures: 3}}"
    yield "    - {id: restarts, stats: restarts, above: 0, purpose: page}"


def _data(facts: DraftFacts, guessed: Guess) -> Iterator[str]:
    if guessed.database is not None:
        yield "backup: {directory: backups} # beside this file; check: on a disk with room"
        if guessed.migrates is not None:
            component, folder, certain = guessed.migrates
            where = {} if folder == "." else {"directory": folder}
            doubt = f" # check: {folder} is seen from the image's WORKDIR" if where else ""
            doubt = (
                doubt if certain else f" # check: alembic.ini is in {facts.alembic}, which no component is built from"
            )
            yield f"migrate: {flow({'tool': 'alembic', 'component': component, **where})}{doubt}"
            if facts.at_start:
                yield f"# check: {', '.join(facts.at_start)}: if a service migrates when it starts, take that out; an old"
                yield "# version cannot start on a newer schema then, so there would be no way back."
        yield ""
    elif facts.alembic is not None:
        yield f"# check: there is an alembic.ini in {facts.alembic}, and no database that could be recognised:"
        yield "# name it (`runwright docs environments.database`), then add: migrate: {tool: alembic}"
        yield ""


def _chief(probes: tuple[Probe, ...]) -> str:
    """Return the probe that says most: readiness before liveness before a page."""
    ranked = [probe.id for word in _CHIEF for probe in probes if word in probe.path]
    return ranked[0] if ranked else probes[0].id
