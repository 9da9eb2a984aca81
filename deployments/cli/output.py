"""Where a command's words go: a table on a terminal, plain lines elsewhere, one JSON document for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from deployments.cli.wording import one_line, plain, visible

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "quiet": "dim", "title": "bold"}


class Output:
    """What one command prints. With ``as_json`` only JSON goes to stdout, and everything that people read to stderr."""

    def __init__(self, *, as_json: bool = False, as_plain: bool = False) -> None:
        self.as_json = as_json
        self.people: TextIO = sys.stderr if as_json else sys.stdout
        dumb = os.environ.get("TERM") == "dumb"
        self.rich = not as_plain and not as_json and self.people.isatty() and not dumb

    def line(self, text: object = "", style: str = "") -> None:
        """Print a line, or several, for people."""
        _write(self.people, visible(text, lines=True), STYLES.get(style, "") if self.rich else "")

    def warn(self, text: object) -> None:
        """Print something that is wrong, or may be, to stderr."""
        _write(sys.stderr, visible(text, lines=True), STYLES["warn"] if self.rich and sys.stderr.isatty() else "")

    def document(self, data: Any) -> None:
        """Print the one JSON document of a query to stdout."""
        sys.stdout.write(json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def event(self, data: dict[str, Any]) -> None:
        """Print one JSON line to stdout, at once."""
        sys.stdout.write(json.dumps(plain(data), ensure_ascii=True, allow_nan=False) + "\n")
        sys.stdout.flush()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]], style_by: int | None = None) -> None:
        """Print rows for people. ``style_by`` is the column whose words (ok, warn, fail) give the colour."""
        cells = [[visible(cell).strip() for cell in row] for row in rows]
        if self.rich:
            self._rich_table(columns, cells, style_by)
        else:
            self._plain_table(columns, cells)

    def cell(self, text: object, width: int) -> str:
        """Return ``text`` on one line: cut to ``width`` characters on a terminal, whole for files and other programs."""
        return one_line(text, width if self.people.isatty() else 0)

    def pairs(self, pairs: Sequence[tuple[str, object]]) -> None:
        """Print names with their values, those that have one."""
        shown = [(name, visible(value, lines=True)) for name, value in pairs if value not in (None, "", [])]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self.line(f"{name:<{width}}  " + value.replace("\n", "\n" + " " * (width + 2)))

    def _rich_table(self, columns: Sequence[str], cells: list[list[str]], style_by: int | None) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(Text(column), overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row), style=STYLES.get(row[style_by], "") if style_by is not None else "")
        Console(file=self.people).print(table)

    def _plain_table(self, columns: Sequence[str], cells: list[list[str]]) -> None:
        lines = [list(columns), *cells]
        widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
        for line in lines:
            padded = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
            self.people.write("  ".join(padded).rstrip() + "\n")


def _write(to: TextIO, text: str, style: str) -> None:
    if style:
        from rich.console import Console
        from rich.text import Text

        Console(file=to).print(Text(text, style=style), soft_wrap=True)
    else:
        to.write(text + "\n")
        to.flush()
