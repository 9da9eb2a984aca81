"""How events are shown while a run is followed: a live line on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deployments.cli.output import Output
from deployments.cli.wording import visible
from runwright.home import home
from runwright.ledger.states import ReleaseState

if TYPE_CHECKING:
    from deployments.cli.following import Event

WATCH_LINE_SECONDS = 30.0
"""Outside of a terminal the progress of a watch is told so often, in seconds watched."""

_STYLES = {"failed": "red", "ended": "yellow", "warning": "yellow", "state": "bold"}
_MARKS = {"done": "✓", "failed": "✗", "ended": "✗", "begun": "·", "warning": "!", "state": "→"}


_HOUSEKEEPING = re.compile(r"prepare/(tree/(?!files$).*|tidy|.*/override|override)|.*/labels")
"""What Runwright writes into its own folders, by key: in the journal, and told only if it fails."""
_OWN_FOLDER = "systems"


@contextmanager
def shown(out: Output) -> Iterator[Callable[[Event], None]]:
    """Give the function that shows an event, as ``out`` is wanted."""
    if out.as_json:
        yield lambda event: out.event(as_data(event))
    elif out.rich:
        with _live(out) as show:
            yield for_people(show)
    else:
        yield for_people(Lines(out).show)


def for_people(show: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return ``show`` for events as people need them: no housekeeping that went well, no long paths of our own folders.

    Why a release was abandoned is left to what is printed at the end, a moment later.
    """
    own = re.compile(re.escape(f"{home() / _OWN_FOLDER}/") + r"[^/\s]+/[^/\s]+/")

    def showing(event: Event) -> None:
        if event.kind in ("begun", "done") and _HOUSEKEEPING.fullmatch(str(event.data.get("key", ""))):
            return
        text = str(event.data["state"]) if event.data.get("state") == ReleaseState.ABANDONED else event.text
        show(replace(event, text=own.sub("…/", text)))

    return showing


def as_data(event: Event) -> dict[str, Any]:
    """Return an event as the JSON line that programs read: ``event``, ``time``, ``text`` and its own fields."""
    return {"event": event.kind, "time": event.at or datetime.now(UTC), "text": event.text, **event.data}


def _clock(event: Event) -> str:
    return f"{event.at or datetime.now(UTC):%H:%M:%S}"


class Lines:
    """Plain lines: time, and what happened. The progress of a watch only now and then."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._watch_told = -WATCH_LINE_SECONDS
        self._odd = ""

    def show(self, event: Event) -> None:
        """Print one event."""
        if event.kind == "watch" and not self._due(event.data):
            return
        print_ = self._out.warn if event.kind == "warning" else self._out.line
        print_(f"{_clock(event)}  {_MARKS.get(event.kind, ' ')} {event.text}")

    def _due(self, data: dict[str, Any]) -> bool:
        watched = data["watched_seconds"]
        odd = str({n: r["state"] for n, r in data["rules"].items() if r["state"] in ("breach", "blind")})
        over = watched >= data["duration_seconds"]
        if watched - self._watch_told < WATCH_LINE_SECONDS and odd == self._odd and not over:
            return False
        self._watch_told, self._odd = watched, odd
        return True


@contextmanager
def _live(out: Output) -> Iterator[Callable[[Event], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.text import Text

    console = Console(file=out.people)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(24), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        now = progress.add_task("waiting for a worker", total=None)

        def show(event: Event) -> None:
            text = visible(event.text)
            if event.kind == "watch":
                data = event.data
                progress.update(
                    now, description=text, total=data["duration_seconds"], completed=data["watched_seconds"]
                )
            elif event.kind == "begun":
                progress.update(now, description=text, total=None)
            else:
                line = Text(f"{_clock(event)}  {_MARKS.get(event.kind, ' ')} ", style="dim")
                line.append(text, style=_STYLES.get(event.kind, "not dim"))
                console.print(line, soft_wrap=True)
                if event.kind in ("state", "run"):
                    progress.update(now, description=text[:100], total=None)

        yield show
