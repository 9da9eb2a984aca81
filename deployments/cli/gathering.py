"""What is known of a Compose application before it has a runbook: from Compose itself, and from git."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from deployments.cli.compose_files import Given, beside, likely, placed, usual
from runwright.actions import Command, Do, Output
from runwright.errors import ActionError, InputError
from runwright.platforms.compose.at_start import MIGRATES
from runwright.platforms.compose.config import parse_config
from runwright.runbook.draft import DraftFacts, ServiceFacts, service_facts

_COMPOSE_SECONDS = 60.0
_STARTS = ("*.sh", "*Dockerfile*", "*compose*.y*ml", "Procfile")
"""Where a command that a container starts with is written."""
_MOST = 3


@dataclass(frozen=True)
class Gathered:
    """The facts, and what a person should know about how they were found."""

    facts: DraftFacts
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Application(Given):
    """A Compose application in its repository, whose top is ``root``."""

    root: Path = Path()

    def argv(self, *, interpolate: bool) -> tuple[str, ...]:
        """Return the command that prints what Compose understands."""
        words = ["docker", "compose", "--project-directory", str(self.directory)]
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
    application = Application(directory, given.files, given.env_file, root)
    project, services, more = _read(do, application)
    alembic, others = _alembic(do, application, services) if top else (None, [])
    remarks += [*more, *_left_out(given)]
    if others:
        remarks.append(f"There is more than one alembic.ini: that in {alembic} was chosen, not {', '.join(others)}.")
    remote = _git(do, directory, "remote", "get-url", "origin") if top else []
    facts = DraftFacts(
        project=project or directory.name,
        directory=str(directory),
        repo=without_login(remote[0]) if remote else str(root),
        services=services,
        files=_files(application),
        alembic=alembic,
        env_file=application.env_file,
        at_start=tuple(_git(do, root, "grep", "-lE", MIGRATES, "--", *_STARTS)[:_MOST]) if alembic else (),
        system=root.name if _by_folder(project, application) else "",
    )
    return Gathered(facts, tuple(remarks))


def _by_folder(project: str, application: Application) -> bool:
    """Return whether the project has only the name of a folder of the repository, such as `deploy`: no system is called that."""
    usual_name = re.sub(r"[^a-z0-9_-]", "", application.directory.name.lower()).lstrip("_-")  # as Compose makes it
    return application.directory.resolve() != application.root.resolve() and project in ("", usual_name)


def _read(do: Do, application: Application) -> tuple[str, tuple[ServiceFacts, ...], list[str]]:
    """Return the project, its services, and a remark if variables could not be filled in."""
    try:
        return (*_compose(do, application, interpolate=True), [])
    except ActionError as error:
        refused = error
    try:
        found = _compose(do, application, interpolate=False)
    except ActionError:
        _refuse_elsewhere(do, application)
        raise
    return (*found, [f"Variables were left as they are written, because with them: {refused.what}"])


def _refuse_elsewhere(do: Do, application: Application) -> None:
    """Raise InputError if no Compose file was named, none is in the folder, and git tracks some further down."""
    directory = application.directory
    if application.files or usual(directory):
        return
    found = likely(_git(do, directory, "ls-files", "--", "*compose*.y*ml"))
    if found:
        raise InputError(
            f"There is no Compose file in {directory}; git tracks {_few(found)}.",
            state="Nothing was written.",
            next=f"Name the one that the application runs from: `{_init(directory, found[0])}`.",
        )


def _left_out(given: Given) -> list[str]:
    """Return a remark if other Compose files lie beside those that Compose takes by itself."""
    others = () if given.files else beside(given.directory)
    if not others:
        return []
    taken = usual(given.directory)
    again = _init(given.directory, others[0])
    return [
        f"Compose takes {' and '.join(taken)}; {_few(others)} {'lies' if len(others) == 1 else 'lie'} beside it. "
        f"If another file is what really runs, run init again with it: `{again}` (-f for each file, in their order)."
    ]


def _init(directory: Path, file: str) -> str:
    return f"runwright init {shlex.quote(str(directory))} -f {shlex.quote(file)}"


def _few(names: tuple[str, ...]) -> str:
    """Return some of ``names``, and how many more there are."""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _compose(do: Do, application: Application, *, interpolate: bool) -> tuple[str, tuple[ServiceFacts, ...]]:
    return do(
        Command(
            says=f"read what the Compose files in {application.directory} say",
            argv=application.argv(interpolate=interpolate),
            cwd=application.directory,
            deadline_seconds=_COMPOSE_SECONDS,
            ok=frozenset(range(256)),
            parse=lambda output: parse_services(output, application.root),
        )
    )


def parse_services(output: Output, root: Path) -> tuple[str, tuple[ServiceFacts, ...]]:
    """Return the project's name and its services from ``docker compose config --format json``; no secret is kept.

    Raise ActionError if Compose refused the files.
    """
    if output.code:
        parse_config(output)  # raises, with Compose's own words and without the values of an env file
    config = json.loads(output.stdout)
    config["services"] = {key: _long_forms(said or {}) for key, said in (config.get("services") or {}).items()}
    return str(config.get("name", "")), service_facts(config, str(root))


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
    if isinstance(port, Mapping):
        return dict(port)
    parts = str(port).partition("/")[0].split(":")
    if len(parts) < 2 or not (parts[-1].isdigit() and parts[-2].isdigit()):
        return None  # a range, or a variable: nobody knows which port it is
    return {"published": parts[-2], "target": int(parts[-1])}


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


def without_login(address: str) -> str:
    """Return a git address without the login that may stand in it: a runbook is read by many."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return address
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _alembic(do: Do, application: Application, services: tuple[ServiceFacts, ...]) -> tuple[str | None, list[str]]:
    """Return the folder of the alembic.ini that is probably meant, and the folders of the others."""
    lines = _git(do, application.root, "ls-files", "--", "alembic.ini", "**/alembic.ini")
    found = [str(Path(line).parent) for line in lines]
    if not found:
        return None, []
    built = {os.path.normpath(service.context) for service in services if service.context}
    chosen = next((folder for folder in found if folder in built), found[0])
    return chosen, [folder for folder in found if folder != chosen]


def _files(application: Application) -> tuple[str, ...]:
    """Return the Compose files as the runbook names them: none, if Compose finds them at the top of the repository."""
    directory, root = application.directory, application.root
    names = application.files
    if not names and directory.resolve() != root.resolve():
        names = usual(directory)
    return tuple(os.path.relpath((directory / name).resolve(), root.resolve()) for name in names)
