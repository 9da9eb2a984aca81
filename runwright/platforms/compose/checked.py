"""What `check` sees in the Compose files that a runbook speaks of, as they are on this machine now."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from runwright.engine.actions import Do, Output
from runwright.engine.there.paths import Path, scratch, which
from runwright.errors import ActionError, InputError, RunwrightError
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.config import ComposeConfig, parse_config, rendered
from runwright.platforms.compose.copies import Place
from runwright.platforms.compose.lacking import lacking
from runwright.platforms.compose.origins import Origin, built_twice, misfits, origins
from runwright.platforms.compose.release import project_in_tree
from runwright.platforms.compose.sources import compose_files, env_files, top_of
from runwright.platforms.compose.wellformed import yaml_mistakes
from runwright.platforms.shape import Claim, Seen
from runwright.runbook.model import Runbook
from runwright.runbook.platforms.compose import ComposeTarget


def checked(do: Do, book: Runbook, environment: str, claimed: Iterable[Claim]) -> Seen:
    """Return what the Compose files of ``environment`` say; nothing if they are not here. claimed: what others have of it."""
    target = book.environments[environment].target
    assert isinstance(target, ComposeTarget)
    there = _where(do, target, book)
    if there is None:
        return Seen()
    if which("docker") is None:
        return Seen(warnings=("The Compose files were not looked at: docker is not on PATH.",))
    try:
        known, lacks = _read(do, *there, book.services())
    except RunwrightError as error:
        return Seen(mistakes=(f"{environment}: {error.what}",))
    here = Path(target.directory).is_dir()  # it runs on this machine
    missing = [service for service in book.services() if service not in known]
    warnings = (
        *(f"{environment}: {one}" for one in lacks if here),
        *(f"{environment}: {claim.says} {claim.next}" for claim in claimed),
        *(
            f"{environment}: the Compose files have no service {service}; they have {', '.join(sorted(known)) or 'none'}."
            for service in missing
        ),
        *(
            f"{' and '.join(services)} are built differently, and Compose calls both {image}: what it starts by itself is the one "
            "that it built last. A release starts each from its own."
            for image, services in built_twice(known).items()
        ),
    )
    return Seen(tuple(_misfits(book, known)), warnings)


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
        with scratch() as folder:
            project = project_in_tree(do, Place(target, top, top, {}, folder)).project
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
