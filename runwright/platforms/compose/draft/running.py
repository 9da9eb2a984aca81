"""As which project an application runs that has no runbook yet, and who else has what it would take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from runwright.engine.actions import Command, Do
from runwright.errors import RunwrightError
from runwright.platforms.compose.claims import claims, every_container
from runwright.platforms.compose.config import ComposeConfig, parse_config
from runwright.platforms.shape import Claim
from runwright.runbook.platforms.compose import ComposeTarget

if TYPE_CHECKING:
    from runwright.platforms.compose.draft.gathering import Application


def running_as(do: Do, application: Application, project: str) -> tuple[str, list[str]]:
    """Return the project that an application without a runbook runs as, and remarks about what else there is.

    ``project`` is what Compose would call it now; what runs from its folder under one other name is meant instead.
    """
    config, remarks = _config(do, application), []

    def look(name: str) -> tuple[Claim, ...]:
        target = ComposeTarget(platform="compose", project=name, directory=str(application.directory))
        return claims(do, target, application.directory, config)

    try:
        found = look(project)
        names = {claim.project for claim in found if claim.project and claim.stops}
        if len(names) == 1:
            (name,) = names
            remarks.append(f"It runs as the project {name}, and not as {project}, which Compose would call it now.")
            project, found = name, look(name)
        remarks += [f"{claim.says} {claim.next}" for claim in found]
        return project, [*remarks, *_other_files(do, application, project)]
    except (RunwrightError, ValidationError):
        return project, remarks  # no engine, or no name that Compose allows: `check` tells that


def _config(do: Do, application: Application) -> ComposeConfig | None:
    try:
        return do(
            Command(
                says=f"read what the Compose files in {application.directory} mount and publish",
                argv=application.argv(interpolate=True),
                cwd=application.directory,
                ok=frozenset(range(256)),
                parse=parse_config,
            )
        )
    except RunwrightError:
        return None


def _other_files(do: Do, application: Application, project: str) -> Iterator[str]:
    """Yield a remark if what runs was started from other files than those that are drafted."""
    taken = [os.path.normpath(name) for name in application.files or application.taken]
    started = {
        tuple(os.path.relpath(file, application.directory) for file in c.files)
        for c in every_container(do)
        if c.project == project and not c.oneoff and not c.release and c.files
    }
    for files in sorted(started):
        if list(files) != taken:
            flags = " ".join(f"-f {name}" for name in files)
            yield f"What runs was started from {', '.join(files)}. If that is meant, run init again with `{flags}`."
