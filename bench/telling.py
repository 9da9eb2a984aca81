"""The table, on a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import busy
from bench.numbers import Row, Section

HEAD = ("what", "Runwright: median (least to greatest)", "beside it", "ratio", "promised", "")


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of one row."""
    kept = {True: "kept", False: "NOT KEPT", None: ""}[row.kept]
    return (
        row.name,
        row.runwright.shown(),
        row.beside.shown() if row.beside else "",
        f"{row.ratio:.2f}" if row.ratio is not None else "",
        row.target,
        kept,
    )


def as_markdown(facts: dict[str, Any], sections: Iterable[Section]) -> str:
    """Return the results as a page."""
    lines = ["# What Runwright costs", "", "Written by `python -m bench`.", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    if warning := busy(facts):
        lines += ["", f"**{warning}**"]
    for section in sections:
        lines += ["", f"## {section.title}", "", _row(HEAD), _row("---" for _ in HEAD)]
        lines += [_row(cells(row)) for row in section.rows]
        for note in section.notes:
            lines += ["", note]
        if section.spent:
            lines += [
                "",
                "Where the time goes:",
                "",
                _row(("what", "median (least to greatest)")),
                _row(("---", "---")),
            ]
            lines += [_row((name, taken.shown())) for name, taken in section.spent.items()]
    return "\n".join(lines) + "\n"


def printed(facts: dict[str, Any], sections: Iterable[Section]) -> None:
    """Print the results."""
    console = Console(highlight=False, markup=False)
    for section in sections:
        table = Table(title=section.title, title_justify="left", show_lines=False)
        for name in HEAD:
            table.add_column(name, overflow="fold")
        for row in section.rows:
            table.add_row(*cells(row), style="red" if row.kept is False else "")
        console.print(table)
        for note in section.notes:
            console.print(note, style="dim")
    if warning := busy(facts):
        console.print(warning, style="bold red")
    console.print(f"load before {facts['load before']}, after {facts['load after']}; {facts['seconds']} s in all")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
