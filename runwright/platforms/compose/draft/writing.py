"""The first runbook of a system, drafted from what its Compose project says; guesses are marked ``# check:``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from runwright.platforms.compose.draft.facts import DraftFacts, ServiceFacts, service_facts
from runwright.platforms.compose.draft.guesses import Guess, Probe, guess, system_name
from runwright.platforms.compose.draft.healthchecks import ready_seconds
from runwright.platforms.compose.draft.recognised import is_other_database
from runwright.runbook.base import as_duration
from runwright.runbook.yamltext import flow, scalar

__all__ = ["DraftFacts", "ServiceFacts", "draft", "service_facts"]

_COMMIT = re.compile(r"sha|commit|revision")
_DJANGO = (200, 301, 302, 404)
"""What Django answers where it works and has no page: a redirect, or that there is none."""
_LONGEST = 48
"""How long an id may be."""
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
    kept = [s.name for s in facts.services if s.name not in replaced and not s.profiles]
    stay = f"; {', '.join(kept)} {'stays as it is' if len(kept) == 1 else 'stay as they are'}" if kept else ""
    yield f"# What is built and replaced{stay}."
    if ending := [s.name for s in facts.services if s.ends]:
        yield f"# check: {', '.join(ending)} runs once and ends: a release does not run it"
    for name, why in guessed.asked.items():
        yield f"# check: {name} {why}: a release leaves it alone"
    yield "components:"
    for name, services in guessed.components.items():
        yield _component(name, services)
    if not guessed.components:
        yield f"  app: {{}} # check: {_why_none(facts)}"
    yield ""


def _why_none(facts: DraftFacts) -> str:
    hidden = sorted({profile for s in facts.services for profile in s.profiles})
    if hidden and all(s.profiles for s in facts.services):
        return (
            f"every service is behind a profile: set COMPOSE_PROFILES ({','.join(hidden)}) in .env, then run init again"
        )
    return "no service is one that a release would replace; name those that are"


def _component(name: str, services: tuple[ServiceFacts, ...]) -> str:
    said: dict[str, object] = {"services": [s.name for s in services]}
    if any(s.context for s in services):
        return f"  {name}: {flow(said)}"
    written = services[0].written
    if "$" not in written:
        return f"  {name}: {flow(said)} # check: it is pulled as the Compose file of each version names it, not built"
    image = _by_version(written)
    if image is None:
        return f'  {name}: {flow(said)} # check: how CI names the image of a version: image: "…:${{release.version}}"'
    return f"  {name}: {flow(said | {'image': image})} # check: how CI names the image of a version"


def _by_version(written: str) -> str | None:
    """Return an image's name with the release's version (or commit) for the variable that is its tag; None if it is all one."""
    name, colon, tag = written.partition(":$")
    if not colon or "$" in name or not re.fullmatch(r"[a-z0-9][a-z0-9._/:-]*", name):
        return None
    found = re.fullmatch(r"\{?(\w+)[^}]*\}?([A-Za-z0-9_.-]*)", tag)
    if found is None:
        return None
    fact = "commit" if _COMMIT.search(found[1].lower()) else "version"
    return f"{name}:${{release.{fact}}}{found[2]}"


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
    for service in (s for services in guessed.components.values() for s in services if s.hidden_ports):
        yield f"    # check: {service.name} is published on {service.hidden_ports[0]}, which has no value here: name its address in urls"
    if not guessed.urls:
        yield '    # check: no port is published; name the address that clients use: urls: {web: "https://…"}'
    if guessed.database is not None:
        yield f"    database: {flow(_database(guessed.database))}{_doubt(guessed.database)}"
    yield ""


def _database(service: ServiceFacts) -> dict[str, str]:
    user, name = (service.postgres.get(key, "") for key in ("POSTGRES_USER", "POSTGRES_DB"))
    user = user if _is_identifier(user) else "postgres"  # as the image itself does, for both
    return {"kind": "postgres", "service": service.name, "name": name if _is_identifier(name) else user, "user": user}


def _doubt(service: ServiceFacts) -> str:
    missing = [k for k, value in sorted(service.postgres.items()) if not _is_identifier(value)]
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
            doubt = "" if probe.known else " # check: no healthcheck names a path"
            if not doubt and probe.address in guessed.through:
                doubt = f" # check: whether {guessed.through[probe.address]} passes this path on"
            status = ""
            if probe.django and not probe.known:
                status = f", status: {list(_DJANGO)}"
                doubt = " # check: Django need not have a page here; better a path that asks the database"
            yield f'    - {{id: {probe.id}, get: "${{url.{probe.address}}}{probe.path}"{status}}}{doubt}'
        yield ""
    yield "watch:"
    yield "  duration: 5m # in production never under 30m"
    yield "  rules:"
    if guessed.probes:
        for address in dict.fromkeys(probe.address for probe in guessed.probes):
            chief = _chief([probe for probe in guessed.probes if probe.address == address])
            name = "down" if address == guessed.probes[0].address else f"down-{address}"[:_LONGEST].rstrip("-")
            yield f"    - {{id: {name}, probe: {chief}, failures: 3}}"
    yield "    - {id: restarts, stats: restarts, above: 0, purpose: page}"


def _data(facts: DraftFacts, guessed: Guess) -> Iterator[str]:
    for name in (s.name for s in facts.services if is_other_database(s) and not s.profiles):
        yield f"# check: {name} is no database that a release backs up or migrates: see to both yourself before you release."
    if facts.at_start and guessed.migrates is None:
        yield f"# check: {', '.join(facts.at_start)}: what migrates there Runwright does not run. If a service does so when it"
        yield "# starts, nobody knows beforehand what it does to data, and every release counts as L3."
    elif any(probe.django for probe in guessed.probes) and guessed.migrates is None:
        yield "# check: a release does not run Django's migrations, nor look at what they do to data: run those of a version by"
        yield "# hand before it is released (manage.py migrate), only such that the version before can live with."
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


def _chief(probes: Sequence[Probe]) -> str:
    """Return the probe that says most: readiness before liveness before a page."""
    ranked = [probe.id for word in _CHIEF for probe in probes if word in probe.path]
    return ranked[0] if ranked else probes[0].id
