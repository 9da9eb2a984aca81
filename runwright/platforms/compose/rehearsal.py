"""Whether Compose and the engine can start a version at all: asked while the old one still runs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from runwright.engine.actions import Command, Do, Output
from runwright.errors import RefusedError
from runwright.platforms.compose.cli import Project

REHEARSE_SECONDS = 120.0
"""Nothing is pulled or started: it only asks the engine what is there."""
_DRY = "DRY-RUN"
_NOT_FOUND = re.compile(r"""\b(network|volume) "?([A-Za-z0-9_.-]+)"?.*\b(?:not|could not be) found""")


def rehearse(do: Do, project: Project, services: Iterable[str]) -> None:
    """Let Compose go through replacing ``services`` without doing it. Raise RefusedError if it, or the engine, cannot.

    What an engine is too old for (`start_interval` of a healthcheck, before version 25) Compose finds only as it makes a
    container: when the old one is gone.
    """
    do(
        Command(
            says=f"let Compose rehearse how {project.name} is replaced",
            argv=project.argv(
                *("--dry-run", "up", "--no-start", "--no-deps", "--no-build", "--force-recreate"), *services
            ),
            env=project.env,
            deadline_seconds=REHEARSE_SECONDS,
            ok=frozenset(range(256)),
            parse=rehearsed,
            assume=None,
        )
    )


def rehearsed(output: Output) -> None:
    """Raise RefusedError, with Compose's reason, if a rehearsal failed."""
    if output.code == 0:
        return
    lines = (line.strip() for line in output.stderr.decode("utf-8", "replace").splitlines() if _DRY not in line)
    said = [line for line in lines if line] or [f"it exited with {output.code}"]
    raise RefusedError(
        f"Docker Compose cannot start this version: {said[-1].rstrip('.')}.",
        state="Nothing was started or stopped.",
        next=_next(said[-1]),
    )


def _next(reason: str) -> str:
    lacks = _NOT_FOUND.search(reason)
    if lacks:
        return f"Make it (`docker {lacks[1]} create {lacks[2]}`), or correct its name in the Compose files of this version."
    return "Change what it names in the Compose files, or update Docker (`docker version` tells which engine this is)."
