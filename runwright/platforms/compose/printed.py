"""What containers printed last: read before they are replaced, for with a container Docker removes what it printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from runwright.engine.actions import Command, Do, Output
from runwright.errors import DeadlineError
from runwright.platforms.compose.containers import Container
from runwright.platforms.shape import MOST_LINES, T
from runwright.plural import plural

LAST_LINES = (5000, 200)
"""A service that is asked ten times a second prints the first in a few minutes. If Docker takes too long for that (a line
of it may be as long as one likes), fewer will do."""
_LOGS = 'since=$0; most=$1; shift; for id in "$@"; do docker logs --since "$since" --tail "$most" "$id" 2>&1 || exit 1; done'
TIMED = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
READ_SECONDS = 10.0
"""Users may be waiting for the old version meanwhile."""
LONGEST_LINE = 4000
"""Of a longer line both ends are kept: what it begins with says what it is, what it ends with what came last."""


def printed(do: Do, containers: Iterable[Container]) -> str:
    """Return the last lines that each of ``containers`` printed, with their times, under its name and how it fared.

    They may hold secrets. Raise ActionError if Docker does not tell.
    """
    parts = []
    for container in containers:
        lines = _last(do, container)
        parts.append("\n".join((f"==> {container.trouble() or container.condition} <==", *lines, "")))
    return "\n".join(parts)


def lines_of(
    ids: Sequence[str], since: datetime, says: str, parse: Callable[[tuple[str, ...]], T], assume: Any
) -> Command[T]:
    """Return the read that gives ``parse`` the last lines that the containers ``ids`` printed ``since`` then, without times."""
    return Command(
        says=says,
        argv=("sh", "-c", _LOGS, since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), str(MOST_LINES), *ids),
        last=True,
        parse=lambda output: parse(tuple(_shortened(output.text))),
        deadline_seconds=READ_SECONDS,
        assume=assume,
    )


def _shortened(text: str) -> Iterator[str]:
    return (line[:LONGEST_LINE] for line in text.splitlines()[-MOST_LINES:] if line.strip())


def _last(do: Do, container: Container) -> tuple[str, ...]:
    def look(lines: int) -> tuple[str, ...]:
        read: Command[tuple[str, ...]] = Command(
            says=f"read what {container.name} printed last",
            argv=("docker", "logs", "--timestamps", "--tail", str(lines), container.id),
            last=True,
            parse=_in_order,
            deadline_seconds=READ_SECONDS,
            assume=(),
        )
        return do(read)

    most, fewer = LAST_LINES
    try:
        return look(most)
    except DeadlineError:
        return look(fewer)


def _in_order(output: Output) -> tuple[str, ...]:
    # each line of both streams begins with its time, so that sorting brings them together again
    lines = (line for stream in (output.stdout, output.stderr) for line in _lines(stream.decode("utf-8", "replace")))
    return tuple(sorted(lines, key=lambda line: line[:30] if TIMED.match(line) else ""))


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of one stream. The first may have been cut: Docker writes the time also within a long line."""
    for number, line in enumerate(text.splitlines()):
        begun = TIMED.search(line)
        if number == 0 and begun and begun.start():
            line = line[begun.start() :]
        if len(line) > LONGEST_LINE:
            half = LONGEST_LINE // 2
            line = f"{line[:half]} ... {plural(len(line) - 2 * half, 'character')} ... {line[-half:]}"
        if line:
            yield line
