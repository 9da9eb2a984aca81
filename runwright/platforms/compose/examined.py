"""What `doctor` asks of this machine for systems that run under Docker Compose."""

from __future__ import annotations

from collections.abc import Iterator

from runwright.engine.actions import Command, Do, Output
from runwright.engine.there.paths import which
from runwright.errors import RunwrightError
from runwright.platforms.compose.cli import compose_version
from runwright.platforms.shape import Finding, State

OLDEST_ENGINE = (20, 10)
_LONGEST = 200


def examined(do: Do, *, needed: bool) -> Iterator[Finding]:
    """Yield whether Docker and its Compose can be used. needed: whether a system is to be released with them."""
    if which("docker") is None:
        state: State = "warn" if needed else "ok"
        text = "docker is not on PATH" + ("; systems on Docker Compose cannot be released from here" if needed else "")
        yield Finding(
            "docker", state, text, "Install Docker with Compose, or look where the worker runs." if needed else ""
        )
        return
    try:
        version = _engine(do)
    except RunwrightError as error:
        next_ = "Start the engine, and let this user use it: `docker version` must show a server."
        yield Finding("docker", "fail", f"the engine does not answer: {' '.join(error.what.split())[:_LONGEST]}", next_)
        return
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(numbers) == 2 and numbers < OLDEST_ENGINE:
        yield Finding("docker", "fail", f"engine {version}", "Install Docker 20.10 or newer.")
    else:
        yield Finding("docker", "ok", f"engine {version}")
    try:
        yield Finding("compose", "ok", ".".join(map(str, compose_version(do))))
    except RunwrightError as error:
        yield Finding("compose", "fail", error.what, error.next)


def _engine(do: Do) -> str:
    """Return the engine's version. Raise ActionError if it does not answer."""

    def first(output: Output) -> str:
        return output.text.strip().partition("\n")[0]

    words = ("docker", "version", "--format", "{{.Server.Version}}")
    return do(Command(says=f"run {' '.join(words)}", argv=words, deadline_seconds=15.0, parse=first))
