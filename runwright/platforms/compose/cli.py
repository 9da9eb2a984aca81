"""How `docker compose` is called: one project, its files, its env files, and the oldest version that will do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runwright.engine.actions import Command, Do, Output
from runwright.engine.there.paths import Path
from runwright.errors import ObservationError, RefusedError

OLDEST_COMPOSE: tuple[int, ...] = (2, 0)
"""Compose 1 has neither the labels nor the JSON that are read here."""

COMPOSE_WITH_OVERRIDE_TAG: tuple[int, ...] = (2, 24, 4)
"""The first version in which a file may replace a list of an earlier one (`!override`) instead of adding to it."""


@dataclass(frozen=True)
class Project:
    """One Compose project as it is called. ``env`` may hold secrets and reaches Compose by environment only.

    directory: the folder that relative paths in the files mean: where the user runs the application.
    """

    name: str
    directory: Path
    files: tuple[Path, ...]
    env_files: tuple[Path, ...] = ()
    profiles: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    def argv(self, *words: str) -> tuple[str, ...]:
        """Return the words of ``docker compose`` for this project, followed by ``words``."""
        call = ["docker", "compose", "-p", self.name, "--project-directory", str(self.directory)]
        for flag, values in (("-f", self.files), ("--env-file", self.env_files), ("--profile", self.profiles)):
            for value in values:
                call += [flag, str(value)]
        return (*call, *words)

    def plus(self, *files: Path) -> Project:
        """Return the project with ``files`` after its own, so that they override them."""
        return Project(self.name, self.directory, (*self.files, *files), self.env_files, self.profiles, self.env)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values, without ``env``."""
        return {
            "directory": str(self.directory),
            "files": [str(f) for f in self.files],
            "env_files": [str(f) for f in self.env_files],
            "profiles": list(self.profiles),
        }

    @classmethod
    def from_json(cls, name: str, data: Mapping[str, Any], env: Mapping[str, str]) -> Project:
        """Return the project ``name`` that ``as_json`` gave, with ``env``."""
        return cls(
            name=name,
            directory=Path(data["directory"]),
            files=tuple(Path(f) for f in data["files"]),
            env_files=tuple(Path(f) for f in data["env_files"]),
            profiles=tuple(data["profiles"]),
            env=env,
        )


def compose_version(do: Do) -> tuple[int, ...]:
    """Return the version of Compose, for example (2, 26, 1). Raise RefusedError if it is too old to be used."""
    version = do(
        Command(
            says="ask Compose for its version",
            argv=("docker", "compose", "version", "--short"),
            parse=parse_version,
            assume=COMPOSE_WITH_OVERRIDE_TAG,
        )
    )
    if version < OLDEST_COMPOSE:
        raise RefusedError(
            f"Docker Compose {'.'.join(map(str, version))} is too old.",
            state="Nothing was changed.",
            next=f"Install Docker Compose {'.'.join(map(str, OLDEST_COMPOSE))} or newer (the `docker compose` plugin).",
        )
    return version


def parse_version(output: Output) -> tuple[int, ...]:
    """Return the numbers of a version such as ``v2.26.1-4``. Raise ObservationError if there are none."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", output.text.strip())
    if not found:
        raise ObservationError(
            f"This is no version of Compose: {output.text.strip()[:60]!r}.",
            next="Run `docker compose version --short` by hand; it must print a version such as 2.26.1.",
        )
    return tuple(int(number) for number in found[1].split("."))
