"""What the demo prints at the end."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich import box
from rich.table import Table

from examples.demo.story import PROVEN, TAKEN_BACK, Chapter, Seen

NOISE = re.compile(r"^While it was watched, | is breached(?=:)")
"""What a reason holds besides what a reader of a table wants to know."""


def table(rows: Sequence[tuple[Chapter, Seen]], *, fancy: bool) -> Table:
    """Return the table of all releases; ``fancy``: for a terminal."""
    made = Table(box=box.ROUNDED if fancy else box.ASCII, show_lines=True, expand=True)
    made.add_column("Version", overflow="fold")
    made.add_column("What happened", overflow="fold")
    made.add_column("Why", overflow="fold", ratio=1)
    for title in ("Took", "Until safe", "Failed requests"):
        made.add_column(title, justify="right")
    for chapter, seen in rows:
        made.add_row(*row(chapter, seen), style="" if seen.state == PROVEN else "yellow")
    return made


def row(chapter: Chapter, seen: Seen) -> tuple[str, ...]:
    """Return one line of the table, as text."""
    happened = seen.state.replace("_", " ") or "not released"
    if seen.state == TAKEN_BACK:
        happened = f"taken back, {seen.front or 'nothing'} serves"
    unsafe = "-" if seen.unsafe is None else f"{seen.unsafe:.1f} s"
    return (
        chapter.version,
        happened,
        NOISE.sub("", seen.because),
        f"{seen.took:.0f} s",
        unsafe,
        f"{seen.failed} of {seen.sent}",
    )
