"""What is known of a Compose application before it has a runbook: from Compose itself, and from git."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from runwright.engine.actions import Command, Do, Output, Read
from runwright.engine.there.paths import Path
from runwright.errors import ActionError, InputError
from runwright.git import without_login
from runwright.platforms.compose.config import parse_config
from runwright.platforms.compose.draft.dockerfile import base_image, healthcheck
from runwright.platforms.compose.draft.files import COMPOSE_SECONDS, Given, few, left_out, placed, refuse_elsewhere
from runwright.platforms.compose.draft.running import running_as
from runwright.platforms.compose.draft.writing import DraftFacts, ServiceFacts, service_facts
from runwright.platforms.compose.origins import built_twice, origins
from runwright.platforms.compose.sources import files_by_environment, usual_files
from runwright.platforms.compose.wellformed import yaml_mistakes
from runwright.policy.starts.tools import GREP

_STARTS = (
    ":(exclude,glob)**/migrations/**",
    "*.sh",
    "*entrypoint*",
    "*start*",
    "*boot*",
    "*Dockerfile*",
    "*compose*.y*ml",
    "*Procfile*",
    "*package.json",
    "*Makefile",
    "*supervisor*.conf",
    "*.ini",
    "bin/*",
    ":(exclude,icase)*.md",
    ":(exclude,icase)*.rst",
    *(f":(exclude,glob,icase)**/{said}" for said in ("docs/**", "test/**", "tests/**", "test[._-]*", "*[._-]test.*")),
)
"""Where a command that a container starts with is written; documentation and tests only speak of it."""
_MOST = 3
_DOCKERFILE_CHARACTERS = 100_000
_PARTS = re.compile(r"(?:\$\{[^}]*\}|[^:])+")
_SAMPLE = re.compile(r"[\w.-]*env(?![a-z]).*(example|sample|template|dist)|(example|sample|template)\.env", re.ASCII)
"""What an env file that git does not have is usually copied from."""
_DEFAULT = re.compile(r"\$\{\w+:?-([^{}]*)\}")

Parsed = tuple[str, tuple[ServiceFacts, ...], list[str]]
"""The project's name, its services, and remarks."""


@dataclass(frozen=True)
class Gathered:
    """The facts, and what a person should know about how they were found."""

    facts: DraftFacts
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Application(Given):
    """A Compose application in its repository, whose top is ``root``.

    by_shell: whether only the shell names the files that Compose takes (COMPOSE_FILE): a worker does not know it.
    """

    root: Path = field(default_factory=Path)
    by_shell: bool = False

    def argv(self, *, interpolate: bool) -> tuple[str, ...]:
        """Return the command that prints what Compose understands."""
        words = ["docker", "compose"]
        if (
            self.files or PurePosixPath(*self.taken[:1]).parent == PurePosixPath()
        ):  # else it goes by the first file's folder
            words += ["--project-directory", str(self.directory)]
        words += [] if interpolate else ["--profile", "*"]
        words += [word for name in self.files for word in ("-f", str(self.directory / name))]
        if self.env_file and interpolate:
            words += ["--env-file", str(self.directory / self.env_file)]
        return (*words, "config", "--format", "json", *(() if interpolate else ("--no-interpolate",)))


def gather(do: Do, directory: Path, files: tuple[str, ...] = (), env_file: str = "") -> Gathered:
    """Return what is known of the Compose application in ``directory``, or of that with the Compose files ``files`` in it.

    Raise InputError if there is no such folder or file, or none is named and they are elsewhere; ActionError if Compose
    refuses its files.
    """
    given = placed(directory, files, env_file)
    directory = given.directory
    top = _git(do, directory, "rev-parse", "--show-toplevel")
    root = Path(top[0]) if top else directory
    remarks = [] if top else [f"{directory} is in no git repository; a release is always a commit of one."]
    application = _application(do, given, root)
    project, services, more = _read(do, application)
    alembic, others = _alembic(do, application, services) if top else (None, [])
    remarks += [*more, *left_out(do, application)]
    system = root.name if _by_folder(project, application) else ""
    project, claimed = running_as(do, application, project or directory.name)
    remarks += claimed
    if others:
        remarks.append(f"There is more than one alembic.ini: that in {alembic} was chosen, not {', '.join(others)}.")
    remote = _git(do, directory, "remote", "get-url", "origin") if top else []
    facts = DraftFacts(
        project=project,
        directory=str(directory),
        repo=without_login(remote[0]) if remote else str(root),
        services=services,
        files=_files(application),
        alembic=alembic,
        env_file=application.env_file,
        at_start=tuple(_git(do, root, "grep", "-lE", f"^[^#]*({GREP})", "--", *_STARTS)[:_MOST]) if top else (),
        system=system,
        django=tuple(_folders_of(do, root, "manage.py")) if top else (),
    )
    return Gathered(facts, tuple(remarks))


def _application(do: Do, given: Given, root: Path) -> Application:
    """Return the application with the files that Compose takes by itself: as its environment and env file name them, or else."""
    if given.files:
        return Application(given.directory, given.files, given.env_file, root=root)
    env_files = [given.directory / given.env_file] if given.env_file else []
    try:
        with_shell, without = (files_by_environment(do, given.directory, env_files, env) for env in (_of_shell(), {}))
    except (ActionError, InputError):
        with_shell = without = ()  # the files cannot be read either then, and that is told with a reason
    taken = with_shell or usual_files(given.directory)
    by_shell = with_shell != without
    return Application(given.directory, given.files, given.env_file, taken, root, by_shell)


def _of_shell() -> dict[str, str]:
    """Return what Compose itself would go by in the shell that this was started from."""
    return {name: value for name, value in os.environ.items() if name.startswith("COMPOSE_")}


def _by_folder(project: str, application: Application) -> bool:
    """Return whether the project has only the name of a folder of the repository, such as `deploy`: no system is called that."""
    usual_name = re.sub(r"[^a-z0-9_-]", "", application.directory.name.lower()).lstrip("_-")  # as Compose makes it
    return application.directory.resolve() != application.root.resolve() and project in ("", usual_name)


def _read(do: Do, application: Application) -> tuple[str, tuple[ServiceFacts, ...], list[str]]:
    """Return the project, its services, and remarks: that variables could not be filled in, that an image is built twice."""
    try:
        found, refused = _compose(do, application, interpolate=True), None
    except (ActionError, InputError) as error:
        found, refused = None, error
    try:
        as_written = _compose(do, application, interpolate=False)
    except (ActionError, InputError):
        as_written = None
    if found is None and as_written is None:
        tracked = _git(do, application.directory, "ls-files", "--", "*compose*.y*ml")
        refuse_elsewhere(do, application, tracked)
        files = [application.directory / name for name in application.files or application.taken]
        if mistakes := yaml_mistakes(files):
            raise InputError(
                " ".join(mistakes), state="Nothing was written.", next="Correct the file, then run init again."
            )
        assert refused is not None
        next_ = "Correct the Compose files, or name those that the application runs from with -f; then run init again."
        raise InputError(refused.what, state="Nothing was written.", next=next_) from refused
    remarks = [f"Variables were left as they are written, because with them: {refused.what}"] if refused else []
    if refused and (samples := tuple(sorted(p.name for p in application.directory.iterdir() if _SAMPLE.match(p.name)))):
        remarks.append(f"{few(samples)} may show what to write there; with it in place run init again.")
    project, services, again = found or as_written or ("", (), [])
    services = _with_bases(do, application.root, services)
    if found is not None and as_written is not None:
        services = _joined(services, as_written[1])
    return project, services, [*remarks, *again]


def _joined(services: tuple[ServiceFacts, ...], as_written: tuple[ServiceFacts, ...]) -> tuple[ServiceFacts, ...]:
    """Return ``services`` with what only the file itself tells, and those that are behind a profile."""
    raw = {service.name: service for service in as_written}
    active = {service.name for service in services}
    told = [
        replace(s, profiles=(), written=raw[s.name].written, hidden_ports=raw[s.name].hidden_ports)
        if s.name in raw
        else s
        for s in services
    ]
    return (*told, *(service for service in as_written if service.name not in active and service.profiles))


def _with_bases(do: Do, root: Path, services: tuple[ServiceFacts, ...]) -> tuple[ServiceFacts, ...]:
    """Return ``services`` with the images that they are built on, and their healthchecks where the Compose files say none."""

    def text(dockerfile: str) -> str:
        if dockerfile.startswith("\n"):  # it stands in the Compose file
            return dockerfile
        try:
            return (root / dockerfile).read_text(errors="replace")[:_DOCKERFILE_CHARACTERS]
        except (OSError, ValueError):
            return ""

    def told(s: ServiceFacts) -> ServiceFacts:
        said = text(s.dockerfile)
        return replace(s, base=base_image(said, s.target), healthcheck=s.healthcheck or healthcheck(said, s.target))

    def look() -> tuple[ServiceFacts, ...]:
        return tuple(told(s) if s.dockerfile else s for s in services)

    return do(Read(says="read what the images are built on", function=look))


def _compose(do: Do, application: Application, *, interpolate: bool) -> Parsed:
    return do(
        Command(
            says=f"read what the Compose files in {application.directory} say",
            argv=application.argv(interpolate=interpolate),
            cwd=application.directory,
            env=_of_shell(),
            deadline_seconds=COMPOSE_SECONDS,
            ok=frozenset(range(256)),
            parse=lambda output: parse_services(output, application.root),
        )
    )


def parse_services(output: Output, root: Path) -> Parsed:
    """Return the project's name, its services and remarks from ``docker compose config --format json``; no secret is kept.

    Raise InputError if Compose refused the files.
    """
    if output.code:
        parse_config(output)  # raises, with Compose's own words and without the values of an env file
    config = json.loads(output.stdout)
    config["services"] = {key: _long_forms(said or {}) for key, said in (config.get("services") or {}).items()}
    known = origins(config["services"], str(config.get("name", "")), root)
    remarks = [
        f"{_and(names)} are built differently, and their images have the same name, {image}: Compose starts all of them from "
        "the one that it built last. They are components of their own here, and each runs what it says."
        for image, names in built_twice(known).items()
    ]
    return str(config.get("name", "")), service_facts(config, str(root)), remarks


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _long_forms(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service whose build, ports and environment are mappings: Compose leaves them short with variables in them."""
    found = dict(said)
    if isinstance(said.get("build"), str):
        found["build"] = {"context": said["build"]}
    if isinstance(said.get("environment"), list):
        found["environment"] = dict(str(item).partition("=")[::2] for item in said["environment"])
    found["ports"] = [port for port in map(_long_port, said.get("ports") or []) if port]
    return found


def _long_port(port: Any) -> dict[str, Any] | None:
    """Return a port as a mapping, with what a variable has by default for its value; None if it is published on none."""
    if isinstance(port, Mapping):
        return {**port, "published": with_defaults(str(port.get("published") or ""))}
    parts = _PARTS.findall(with_defaults(str(port)).partition("/")[0])
    if len(parts) < 2 or not parts[-1].isdigit():
        return None
    return {"published": parts[-2], "target": int(parts[-1])}


def with_defaults(text: str) -> str:
    """Return ``text`` with the defaults of its variables in their place: "${PORT:-80}" is "80", "${PORT}" stays."""
    while (filled := _DEFAULT.sub(lambda found: found[1], text)) != text:
        text = filled
    return text


def _git(do: Do, folder: Path, *words: str) -> list[str]:
    """Return the lines that git prints; none if it fails (no repository, no such remote) or is not there."""

    def lines(output: Output) -> list[str]:
        return output.text.splitlines() if output.code == 0 else []

    command = Command(
        says=f"ask git about {folder}",
        argv=("git", "-C", str(folder), "-c", "core.quotePath=false", *words),
        ok=frozenset(range(256)),
        parse=lines,
    )
    try:
        return do(command)
    except ActionError:
        return []


def _alembic(do: Do, application: Application, services: tuple[ServiceFacts, ...]) -> tuple[str | None, list[str]]:
    """Return the folder of the alembic.ini that is probably meant, and the folders of the others."""
    found = _folders_of(do, application.root, "alembic.ini")
    if not found:
        return None, []
    built = {os.path.normpath(service.context) for service in services if service.context}
    chosen = next((folder for folder in found if folder in built), found[0])
    return chosen, [folder for folder in found if folder != chosen]


def _folders_of(do: Do, root: Path, name: str) -> list[str]:
    """Return the folders of the repository in which git tracks a file of that name."""
    return [str(Path(line).parent) for line in _git(do, root, "ls-files", "--", name, f"**/{name}")]


def _files(application: Application) -> tuple[str, ...]:
    """Return the Compose files as the runbook names them: none, if Compose finds them by itself at the top of the repository."""
    directory, root = application.directory, application.root
    names = application.files
    if not names and (application.by_shell or directory.resolve() != root.resolve()):
        names = application.taken
    return tuple(os.path.relpath((directory / name).resolve(), root.resolve()) for name in names)
