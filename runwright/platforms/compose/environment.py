"""Which variables containers see. For the checklist their names alone: Docker takes the values out before it prints.

Values are read for one purpose: to take what is secret among them out of texts that the containers print.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import datetime

from runwright.engine.actions import Command, Do, Output
from runwright.errors import ObservationError
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.containers import PROJECT
from runwright.platforms.shape import KeysSeen

# {{split}} leaves what is before the first = as the name; a variable that is set to nothing is not printed
_NAMES = (
    '{{.Created}}{{range .Config.Env}}{{$parts := split . "="}}{{if gt (len $parts) 1}}'
    '{{$rest := slice . (len (index $parts 0))}}{{if ne $rest "="}} {{index $parts 0}}{{end}}{{end}}{{end}}'
)


READ_SECONDS = 10.0
"""So long somebody who wants to read an error is made to wait for it."""

Variables = tuple[tuple[str, str], ...]
"""(name, value); may hold secrets."""


def configured(do: Do, project: Project) -> Variables:
    """Return the variables of all services of ``project``, as Compose itself merges files, env files and references.

    Raise ActionError if Compose refuses the files.
    """
    return do(
        Command(
            says=f"read which variables the services of {project.name} get",
            argv=project.argv("config", "--format", "json"),
            env=project.env,
            parse=_configured,
            deadline_seconds=READ_SECONDS,
            assume=(),
        )
    )


def carried(do: Do, project: str, names: Collection[str]) -> Variables:
    """Return what the containers of ``project`` carry of the variables ``names``: an env file may say something else by now.

    Others are the images' own, which everybody may read. Raise ActionError.
    """
    ids: tuple[str, ...] = do(
        Command(
            says=f"list the containers of {project}",
            argv=("docker", "ps", "-a", "--no-trunc", "--filter", f"label={PROJECT}={project}", "--format", "{{.ID}}"),
            parse=lambda output: tuple(output.text.split()),
            deadline_seconds=READ_SECONDS,
            assume=(),
        )
    )
    if not ids or not names:
        return ()
    return do(
        Command(
            says=f"read which variables the containers of {project} carry",
            argv=("docker", "container", "inspect", "--format", "{{json .Config.Env}}", *ids),
            ok=frozenset({0, 1}),  # one of them vanished meanwhile; the others are printed all the same
            parse=lambda output: tuple(pair for pair in _carried(output) if pair[0] in names),
            deadline_seconds=READ_SECONDS,
            assume=(),
        )
    )


def _configured(output: Output) -> Variables:
    services = json.loads(output.stdout).get("services") or {}
    pairs = (pair for service in services.values() for pair in (service.get("environment") or {}).items())
    # Compose writes each dollar twice, for the one who reads this as a Compose file again
    return tuple((name, str(value).replace("$$", "$")) for name, value in pairs if value is not None)


def _carried(output: Output) -> Iterator[tuple[str, str]]:
    for line in output.text.splitlines():
        for entry in json.loads(line) or () if line.strip() else ():
            name, _, value = entry.partition("=")
            yield name, value


def keys_seen(do: Do, project: str, service: str) -> tuple[KeysSeen, ...]:
    """Return what each running container of ``service`` sees; nothing if none runs. Raise ObservationError, ActionError."""
    labels = (PROJECT + "=" + project, f"com.docker.compose.service={service}", "com.docker.compose.oneoff=False")
    filters = tuple(word for label in labels for word in ("--filter", f"label={label}"))
    ids: tuple[str, ...] = do(
        Command(
            says=f"list the containers of {service}",
            argv=("docker", "ps", "--no-trunc", *filters, "--format", "{{.ID}}"),
            parse=lambda output: tuple(output.text.split()),
            assume=(),
        )
    )
    if not ids:
        return ()
    return do(
        Command(
            says=f"read the names of the variables that {service} sees",
            argv=("docker", "container", "inspect", "--format", _NAMES, *ids),
            parse=_parsed,
            assume=(),
        )
    )


def _parsed(output: Output) -> tuple[KeysSeen, ...]:
    lines = [line.split() for line in output.text.splitlines() if line.strip()]
    try:
        return tuple(KeysSeen(frozenset(names), datetime.fromisoformat(made)) for made, *names in lines)
    except ValueError:
        raise ObservationError("Docker told the containers' variables in a way that is not known.") from None
