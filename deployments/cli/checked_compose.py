"""What `check` sees in the Compose files that a runbook speaks of, as they are on this machine now."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deployments.cli.in_use import claimed
from runwright.engine.actions import Do, Output
from runwright.errors import ActionError, InputError, RunwrightError
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.config import ComposeConfig, parse_config, rendered
from runwright.platforms.compose.copies import Place
from runwright.platforms.compose.lacking import lacking
from runwright.platforms.compose.release import project_in_tree
from runwright.platforms.compose.sources import compose_files, env_files, top_of
from runwright.platforms.compose.wellformed import yaml_mistakes
from runwright.policy.support import unsupported
from runwright.runbook.compose_images import Origin, built_twice, misfits, origins
from runwright.runbook.model import Runbook
from runwright.runbook.platforms.compose import ComposeTarget


@dataclass(frozen=True)
class Seen:
    """What the Compose files have to do with a runbook: what is wrong, and what is worth a second look."""

    mistakes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def look(do: Do, book: Runbook) -> Seen:
    """Return what the Compose files of every environment say; of an environment whose files are not here, nothing."""
    mistakes: dict[str, None] = {}
    warnings: dict[str, None] = {}
    for name, place in book.environments.items():
        if not isinstance(place.target, ComposeTarget) or unsupported(book, name):
            continue
        there = _where(do, place.target, book)
        if there is None:
            continue
        if shutil.which("docker") is None:
            return Seen(warnings=("The Compose files were not looked at: docker is not on PATH.",))
        try:
            known, lacks = _read(do, *there, book.services())
        except RunwrightError as error:
            mistakes |= dict.fromkeys([f"{name}: {error.what}"])
            continue
        if Path(place.target.directory).is_dir():  # it runs on this machine
            warnings |= dict.fromkeys(f"{name}: {one}" for one in lacks)
        warnings |= dict.fromkeys(f"{name}: {claim.says} {claim.next}" for claim in claimed(do, book, name))
        mistakes |= dict.fromkeys(_misfits(book, known))
        missing = [service for service in book.services() if service not in known]
        warnings |= dict.fromkeys(
            f"{name}: the Compose files have no service {service}; they have {', '.join(sorted(known)) or 'none'}."
            for service in missing
        )
        warnings |= dict.fromkeys(
            f"{' and '.join(services)} are built differently, and Compose calls both {image}: what it starts by itself is the one "
            "that it built last. A release starts each from its own."
            for image, services in built_twice(known).items()
        )
    return Seen(tuple(mistakes), tuple(warnings))


def _misfits(book: Runbook, known: dict[str, Origin]) -> list[str]:
    found = []
    for name, component in book.components.items():
        found += [f"{what} {next_}" for what, next_ in misfits(name, component.services or [name], known)]
    return found


def _where(do: Do, target: ComposeTarget, book: Runbook) -> tuple[ComposeTarget, Path] | None:
    """Return the target and the folder that holds its files: the one that it runs from, or else the repository, if one is here."""
    for top in (top_of(target), Path(book.source.repo)):
        try:
            found = compose_files(do, target, top, env_files(target))
        except (RunwrightError, OSError):
            continue
        if Path(target.directory).is_dir():
            return target, top
        return target.model_copy(update={"directory": str((top / found.names[0]).parent), "env_file": None}), top
    return None


def _read(
    do: Do, target: ComposeTarget, top: Path, services: Collection[str]
) -> tuple[dict[str, Origin], tuple[str, ...]]:
    """Return what each service is started from, and what ``services`` take for granted and is not there, as sentences.

    Raise InputError for a file that is no YAML, or that Compose refuses.
    """
    files = [top / name for name in compose_files(do, target, top, env_files(target)).names]
    try:
        with TemporaryDirectory() as scratch:
            project = project_in_tree(do, Place(target, top, top, {}, Path(scratch))).project
            known, config = do(rendered(project, lambda output: _both(output, project, top), interpolate=True))
            return known, lacking(do, config, services)
    except RunwrightError as error:
        if mistakes := yaml_mistakes(files):
            raise InputError(" ".join(mistakes), next="Correct the file.") from None
        refused = error
    # the values of its variables may be in the environment's block, which is not looked into here
    project = Project(target.project, Path(target.directory), tuple(files), profiles=tuple(target.profiles))
    known = do(rendered(project, lambda output: _origins(output, project, top), interpolate=False))
    return known, (f"{refused.what.rstrip('.')}. {refused.next}",)


def _both(output: Output, project: Project, top: Path) -> tuple[dict[str, Origin], ComposeConfig]:
    config = parse_config(output)  # first: it shows no value of an env file where Compose refuses one
    return _origins(output, project, top), config


def _origins(output: Output, project: Project, top: Path) -> dict[str, Origin]:
    if output.code:
        lines = output.stderr.decode("utf-8", "replace").strip().splitlines() or [f"it exited with {output.code}"]
        raise ActionError(f"Docker Compose refuses {', '.join(str(f) for f in project.files)}: {lines[-1]}")
    config = json.loads(output.stdout)
    return origins(config.get("services") or {}, project.name, top)
