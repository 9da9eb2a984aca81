"""Whether this machine has what a release needs: room, programs, and whatever a command of one's own asks."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from packaging.version import Version

from runwright.engine.actions import Command, Do, Output, Read
from runwright.errors import ObservationError
from runwright.policy.gates import Answer, GateResult, GateState, ask
from runwright.runbook.gates import DiskFree, RunCommand, Tool

GIGABYTE: Final = 10**9
ANY_CODE: Final = frozenset(range(256))
SHOWN_CHARACTERS: Final = 200

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)*")
_ASK: Final[dict[str, tuple[str, ...]]] = {
    "docker": ("docker", "version", "--format", "{{json .}}"),
    "compose": ("docker", "compose", "version", "--short"),
    "git": ("git", "--version"),
    "pg_dump": ("pg_dump", "--version"),
    "curl": ("curl", "--version"),
    "jq": ("jq", "--version"),
}
_INSTALL: Final = {
    "docker": "Install Docker Engine: https://docs.docker.com/engine/install/.",
    "compose": "Install the Compose plugin: https://docs.docker.com/compose/install/linux/.",
    "pg_dump": "Install PostgreSQL's client programs, of the server's version or newer.",
}


# ------------------------------------------------------------------------------------------------------------ disk


def disk_free(do: Do, gate_id: str, spec: DiskFree, *, now: datetime) -> GateResult:
    """Return whether the disk that holds ``spec.path`` has ``spec.gigabytes`` (10^9 bytes) free for us.

    A folder that is not there yet is judged by the one that it will be made in.
    """

    def question() -> Answer:
        place, free = do(Read(says=f"look at how much is free on the disk of {spec.path}", function=_free(spec.path)))
        where = spec.path if str(place) == spec.path else f"{spec.path} (not there yet; it will be in {place})"
        gigabytes = free / GIGABYTE
        if gigabytes < spec.gigabytes:
            return GateState.FAIL, f"{gigabytes:.1f} GB are free on the disk of {where}, fewer than {spec.gigabytes:g}."
        return GateState.PASS, f"{gigabytes:.1f} GB are free on the disk of {where}, at least {spec.gigabytes:g}."

    return ask(gate_id, now, question)


def _free(path: str) -> Callable[[], tuple[Path, int]]:
    def read() -> tuple[Path, int]:
        place = Path(path)
        try:
            while not place.exists() and place != place.parent:
                place = place.parent
            return place, shutil.disk_usage(place).free
        except OSError as error:
            raise ObservationError(
                f"The disk of {path} cannot be looked at: {error.strerror}.",
                next="Name a folder on the same disk that the user that runs Runwright may see.",
            ) from error

    return read


# ----------------------------------------------------------------------------------------------------------- tools


def tool_there(do: Do, gate_id: str, spec: Tool, *, now: datetime) -> GateResult:
    """Return whether a program is there, answers, and is new enough. For docker the engine's version counts."""

    def question() -> Answer:
        program = _ASK[spec.name][0]
        if not do(Read(says=f"look for {program} on the PATH", function=lambda: shutil.which(program))):
            return GateState.FAIL, f"{program} is not installed (it is not on the PATH). {_install(spec.name)}"
        found = do(
            Command(
                says=f"ask {spec.name} for its version",
                argv=_ASK[spec.name],
                ok=ANY_CODE,
                parse=_docker_version if spec.name == "docker" else lambda output: _version(spec.name, output),
            )
        )
        if isinstance(found, str):
            return GateState.FAIL, found
        if spec.at_least is not None and found < Version(spec.at_least):
            return GateState.FAIL, f"{spec.name} is {found}, older than {spec.at_least}. Update it."
        return GateState.PASS, f"{spec.name} is {found}" + (f", at least {spec.at_least}." if spec.at_least else ".")

    return ask(gate_id, now, question)


def _version(name: str, output: Output) -> Version | str:
    """Return the version that a program printed, or why there is none."""
    if output.code != 0:
        return (
            f"{name} is not installed, or broken: asked for its version it exited with {output.code}. {_install(name)}"
        )
    first = output.text.strip().splitlines()[0] if output.text.strip() else ""
    number = _NUMBER.search(first)
    if not number:
        raise ObservationError(
            f"{name} did not tell its version: {first[:SHOWN_CHARACTERS]!r}.",
            next=f"Try it by hand: {' '.join(_ASK[name])}.",
        )
    return Version(number[0])


def _docker_version(output: Output) -> Version | str:
    """Return the engine's version, or why there is none: the client answers even where no engine does."""
    try:
        answer = json.loads(output.text)
        server = (answer.get("Server") or {}).get("Version")
        client = answer["Client"]["Version"]
    except (ValueError, KeyError, AttributeError, TypeError):
        if output.code != 0:
            return f"docker is there, but broken: asked for its version it exited with {output.code}."
        raise ObservationError("docker did not tell its version.", next="Try it by hand: docker version.") from None
    number = _NUMBER.match(server or "")
    if not number:
        return (
            f"The docker client is there ({client}), but no engine answers it. "
            "Start the engine, or let the user that runs Runwright use it (the group docker, or DOCKER_HOST)."
        )
    return Version(number[0])


def _install(name: str) -> str:
    return _INSTALL.get(name, f"Install {name}.")


# ----------------------------------------------------------------------------------------------- a command of one's own


def command_passes(
    do: Do,
    gate_id: str,
    spec: RunCommand,
    *,
    now: datetime,
    clean: Callable[[str], str],
    cwd: Path | None = None,
) -> GateResult:
    """Return whether a command exits 0 and prints what is expected. ``clean`` takes secrets out of what it printed.

    Blind if it cannot be started or takes too long.
    """

    def question() -> Answer:
        output = do(
            Command(
                says=f"run {spec.argv[0]}",
                argv=tuple(spec.argv),
                cwd=cwd,
                ok=ANY_CODE | frozenset(range(-64, 0)),
                deadline_seconds=spec.timeout,
                parse=lambda output: output,
            )
        )
        name = Path(spec.argv[0]).name
        if output.code != 0:
            said = _shown(clean, output.stderr.decode("utf-8", "replace") or output.text)
            return GateState.FAIL, f"{name} exited with {output.code}{f': {said}' if said else ''}."
        printed = output.text.strip()
        if spec.equals is not None and printed != spec.equals.strip():
            return (
                GateState.FAIL,
                f"{name} printed {_shown(clean, printed)!r} ({len(printed)} characters), not {spec.equals.strip()!r}.",
            )
        return GateState.PASS, f"{name} exited with 0" + (" and printed what is expected." if spec.equals else ".")

    return ask(gate_id, now, question)


def _shown(clean: Callable[[str], str], text: str) -> str:
    lines = [line.strip() for line in clean(text).splitlines() if line.strip()]
    return lines[-1][:SHOWN_CHARACTERS] if lines else ""
