"""Takes what runs now, whoever started it, as a version that can be started again: images and configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from runwright.engine.actions import Command, Do, Read, WriteFile
from runwright.engine.there.paths import Path
from runwright.errors import RefusedError
from runwright.platforms.compose.at_start import Look, migrating
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.config import check_config, read_config, require_services
from runwright.platforms.compose.containers import Container
from runwright.platforms.compose.images import Image, image_of
from runwright.platforms.compose.override import ServiceOverride, override_file
from runwright.platforms.compose.release import facts, labels
from runwright.plural import few
from runwright.versions import COMMIT, Artifact, Version


def adopt(
    do: Do,
    there: Sequence[Container],
    services: Mapping[str, str],
    blank: Version,
    state: Path,
    project: Project,
    prefix: str,
) -> Version:
    """Return what the running containers ``there`` are, as a version with its images tagged and its files copied.

    ``blank`` gives system and environment, ``project`` name, profiles and env. Raise RefusedError if the containers are
    another environment's, or if the files that they were made from are gone: then nobody could start them again.
    """
    _refuse_others(there, blank)
    running = {c.service: c for c in there}
    images = _images(do, running)
    commit = _commit(do, there, images)
    ids = {name: images[name].id for name in running}
    name = "adopted-" + hashlib.sha256("".join(sorted(ids.values())).encode()).hexdigest()[:12]
    folder = state / "releases" / name
    project = _project(do, there, project)
    config = read_config(do, project)
    require_services(config, running, project)
    drifted = _drifted(do, project, running)
    copied = _copy_files(do, project, folder, prefix)
    for service, image in ids.items():
        tag = f"runwright/{blank.system}-{service.lower()}:adopted-{image.removeprefix('sha256:')[:12]}"
        do(
            Command(
                says=f"keep the image that {service} runs as {tag}",
                key=f"{prefix}/keep/{service}",
                argv=("docker", "tag", image, tag),
            )
        )
    version = Version(
        system=blank.system,
        environment=blank.environment,
        ref=name,
        commit=commit,
        artifacts=_artifacts(running, services, ids),
        adopted=True,
    )
    override = {s: ServiceOverride(image=ids[s], labels=labels(version)) for s in running}
    path = folder / "override.yml"
    do(
        WriteFile(
            says=f"write {path}", key=f"{prefix}/override", path=path, content=override_file(override), mode=0o600
        )
    )
    project = copied.plus(path)
    check_config(do, project)
    mine = {s: services[s] for s in services if s in running}
    look = Look(project.directory, project.directory, {s: c.id for s, c in running.items()})
    extra: dict[str, Any] = {
        **facts(project, config, mine, images),
        "drifted": drifted,
        "migrates_at_start": migrating(do, config.services, mine, images, look),
    }
    return Version(**{**version.__dict__, "extra": extra})


def _refuse_others(there: Sequence[Container], blank: Version) -> None:
    """Refuse what was released to another environment: its runbook names the same project of this machine."""
    mine = (blank.system, blank.environment)
    for container in there:
        theirs = (container.system, container.environment)
        if any(theirs) and theirs != mine:
            raise RefusedError(
                f"{container.name} was released to {'/'.join(theirs)}, not to {'/'.join(mine)}: this machine, or this Compose "
                "project, is another environment's.",
                state="Nothing was changed.",
                next=f"Start the worker of {'/'.join(mine)} on its own machine, or give each environment a `project` and a "
                "`directory` of its own. If it only got another name, start it once by hand (`docker compose up -d`).",
            )


def _images(do: Do, running: Mapping[str, Container]) -> dict[str, Image]:
    found: dict[str, Image] = {}
    for service, container in running.items():
        image = image_of(do, container.image)
        if image is None:
            raise RefusedError(
                f"The image that {container.name} runs, {container.image[:19]}, was removed from this machine.",
                state="Nothing was changed; there is no way back to what runs now.",
                next="Start that version again from an image that exists, then release.",
            )
        found[service] = image
    return found


def _artifacts(
    running: Mapping[str, Container], services: Mapping[str, str], ids: Mapping[str, str]
) -> tuple[Artifact, ...]:
    first: dict[str, str] = {}
    for service, component in services.items():
        if service in running:
            first.setdefault(component, ids[service])
    return tuple(Artifact(component, image, image) for component, image in first.items())


def _commit(do: Do, there: Sequence[Container], images: Mapping[str, Image]) -> str:
    said = {c.commit or images[c.service].revision for c in there}
    if len(said) == 1 and COMMIT.fullmatch(only := said.pop()):
        return only
    directories = {c.directory for c in there if c.directory}
    if len(directories) != 1 or any(said):
        return ""
    folder = directories.pop()
    # 128: it is no git repository
    dirty = do(
        Command(
            says=f"ask git whether {folder} is as it was committed",
            argv=("git", "-C", folder, "status", "--porcelain", "--untracked-files=no"),
            ok=frozenset({0, 128}),
            parse=lambda output: bool(output.code or output.text.strip()),
        )
    )
    if dirty:
        return ""
    return do(
        Command(
            says=f"ask git for the commit of {folder}",
            argv=("git", "-C", folder, "rev-parse", "--verify", "HEAD"),
            ok=frozenset({0, 128}),
            parse=lambda output: output.text.strip() if output.code == 0 else "",
        )
    )


def _project(do: Do, there: Sequence[Container], project: Project) -> Project:
    if coloured := sorted({c.service for c in there if c.slot}):
        raise RefusedError(
            f"{few(coloured)} {'runs' if len(coloured) == 1 else 'run'} in a colour, and only who released it knows the files that it was made of.",
            state="Nothing was changed; there is no way back to what runs now.",
            next="Release from where it was released before, with the same RUNWRIGHT_HOME; or start the application once without "
            "colours (`docker compose up -d`), after the switch and the colours were removed by hand.",
        )
    said = {(c.directory, c.files, c.env_files) for c in there}
    if len(said) != 1:
        shown = "; ".join(sorted(f"{c.service}: {', '.join(c.files)}" for c in there))
        raise RefusedError(
            f"The services of {project.name} were started from different Compose files ({shown}).",
            state="Nothing was changed; there is no one configuration to go back to.",
            next="Start all of them from the same files once (`docker compose up -d`), then release.",
        )
    directory, files, env_files = said.pop()
    paths = tuple(Path(f) for f in (*files, *env_files))
    gone = do(
        Read(
            says="look for the Compose files that it runs from",
            function=lambda: [str(p) for p in paths if not p.is_file()],
        )
    )
    if gone or not files:
        raise RefusedError(
            f"{project.name} was started from files that are gone: {', '.join(gone) or 'Compose did not say which'}.",
            state="Nothing was changed; there is no way back to what runs now.",
            next="Put the files back, or start the application once from files that are there, then release.",
        )
    return Project(
        project.name,
        Path(directory),
        tuple(Path(f) for f in files),
        tuple(Path(f) for f in env_files) or project.env_files,
        project.profiles,
        project.env,
    )


def _copy_files(do: Do, project: Project, folder: Path, prefix: str) -> Project:
    copies = []
    for number, source in enumerate(project.files, 1):
        content = do(Read(says=f"read {source}", function=source.read_bytes))
        copy = folder / "files" / f"{number}-{source.name}"
        do(
            WriteFile(
                says=f"keep a copy of {source} as {copy}",
                key=f"{prefix}/copy/{number}",
                path=copy,
                content=content,
                mode=0o600,
            )
        )
        copies.append(copy)
    return Project(project.name, project.directory, tuple(copies), project.env_files, project.profiles, project.env)


def _drifted(do: Do, project: Project, running: Mapping[str, Container]) -> list[str]:
    """Return the services whose Compose files or env file were written to after their containers were made."""
    # Compose's own hashes cannot tell: `config --hash` counts env files differently than `up` does
    paths = {*project.files, *project.env_files, project.directory / ".env"}
    newest = do(
        Read(
            says="look when the files that it runs from were changed",
            function=lambda: max(p.stat().st_mtime for p in paths if p.is_file()),
        )
    )
    return sorted(s for s, c in running.items() if datetime.fromisoformat(c.created).timestamp() < newest)
