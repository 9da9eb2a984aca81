"""The gate `tool`: a program is there in a version that is new enough."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Final

from packaging.version import Version

from runwright.engine.actions import Command, Do, Output, Read
from runwright.engine.there.paths import which
from runwright.errors import ObservationError
from runwright.gates.shape import Asking
from runwright.policy.gates import Answer, GateResult, GateState, ask
from runwright.runbook.gates import Gate, Tool

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


def tool_there(do: Do, gate_id: str, spec: Tool, *, now: datetime) -> GateResult:
    """Return whether a program is there, answers, and is new enough. For docker the engine's version counts."""

    def question() -> Answer:
        program = _ASK[spec.name][0]
        if not do(Read(says=f"look for {program} on the PATH", function=lambda: which(program))):
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


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""
    assert gate.tool is not None
    return tool_there(asking.do, gate.id, gate.tool, now=asking.now)
