"""What containers printed last: read before they are replaced, for with a container Docker removes what it printed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from runwright.actions import Command, Do, Output
from runwright.platforms.compose.containers import Container

LAST_LINES = 5000
"""A service that is asked ten times a second prints so much in a few minutes."""
TIMED = re.compile(r"\d{4}-\d\d-\d\dT")
READ_SECONDS = 10.0
"""Users may be waiting for the old version meanwhile."""


def printed(do: Do, containers: Iterable[Container]) -> str:
    """Return the last lines that each of ``containers`` printed, with their times, under its name and how it fared.

    They may hold secrets. Raise ActionError if Docker does not tell.
    """
    parts = []
    for container in containers:
        look: Command[tuple[str, ...]] = Command(
            says=f"read what {container.name} printed last",
            argv=("docker", "logs", "--timestamps", "--tail", str(LAST_LINES), container.id),
            parse=_in_order,
            deadline_seconds=READ_SECONDS,
            assume=(),
        )
        lines = do(look)
        parts.append("\n".join((f"==> {container.trouble() or container.condition} <==", *lines, "")))
    return "\n".join(parts)


def _in_order(output: Output) -> tuple[str, ...]:
    # both streams begin each line with its time, so that sorting brings them together again; of a long stream of errors
    # only the end was read, and the line that it begins with was cut
    both = output.stdout + b"\n" + output.stderr
    return tuple(sorted(line for line in both.decode("utf-8", "replace").splitlines() if TIMED.match(line)))
