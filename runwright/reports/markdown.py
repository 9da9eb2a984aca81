"""The few pieces that reports are made of. Whatever came from outside goes through ``text`` or ``code``."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from runwright.engine.visible import visible

_SPECIAL = re.compile(r"([\\`*_\[\]~#!])")
_BLOCK_START = re.compile(r"^([-+=]|\d+(?=[.)]))")
_HASH = re.compile(r"(?<![0-9A-Za-z])([0-9a-f]{12})(?:[0-9a-f]{28}|[0-9a-f]{52})(?![0-9A-Za-z])")

COMMAND_CHARACTERS = 80
"""A longer command is cut off at the side of the page where it is shown."""
PROGRAM_LINES = 3
"""A word of so many lines is a program, and nobody reads it in the middle of a command."""

SYMBOLS = {
    "pass": "✅ pass",
    "attested": "✅ attested",
    "warn": "⚠️ warn",
    "fail": "❌ fail",
    "breach": "❌ breach",
    "no_data": "▫️ no data",
    "blind": "🚫 blind",
    "pending": "⏳ pending",
}
"""How a state reads in a table: never by a symbol or a colour alone."""


def text(value: object) -> str:
    """Return ``value`` as one line of plain text: no markup, no HTML, no links that are not ours."""
    line = " ".join(visible(value).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _SPECIAL.sub(r"\\\1", line)
    # what begins a list or a heading elsewhere begins none here
    return _BLOCK_START.sub(lambda found: found[0] + "\\" if found[0].isdigit() else "\\" + found[0], line)


def code(value: object) -> str:
    """Return ``value`` as inline code, whatever backticks it holds."""
    line = " ".join(visible(value).split()) or " "
    fence = "`" * (_longest_run(line) + 1)
    padded = f" {line} " if line.startswith("`") or line.endswith("`") else line
    return f"{fence}{padded}{fence}"


def block(value: str, language: str = "", indent: int = 0) -> str:
    """Return ``value`` as a block of code, each line indented by ``indent`` spaces."""
    value = visible(value, lines=True)
    fence = "`" * max(3, _longest_run(value) + 1)
    lines = [f"{fence}{language}", *value.splitlines(), fence]
    return "\n".join(" " * indent + line for line in lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. Cells are Markdown already; pipes in them are escaped here."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


def cell(value: object, characters: int) -> str:
    """Return ``value`` as plain text in lines of so many ``characters``: Prefect's tables break no line themselves."""
    lines = textwrap.wrap(" ".join(str(value).split()), characters, break_long_words=False, break_on_hyphens=False)
    return "<br>".join(text(line) for line in lines)


def lean_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table without the columns in which every cell is empty."""
    kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
    return table([head[i] for i in kept], [[row[i] for i in kept] for row in rows])


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return one line for each (name, value) that has a value. Values are Markdown already."""
    return "  \n".join(f"**{name}:** {value}" for name, value in pairs if value)


def short(value: str) -> str:
    """Return ``value`` with each SHA-1 and SHA-256 in it cut to twelve characters, as Docker and Git show them."""
    return _HASH.sub(r"\1", value)


def command(exact: str) -> str:
    """Return a command in lines that fit on a page; a shell reads them as one. What is no plain command stays as it is.

    A whole program among its words (``python -c '...'``) is told by its length.
    """
    try:
        given = shlex.split(exact)
    except ValueError:
        return exact
    if shlex.join(given) != exact:
        return exact
    words = [
        f"'... {n} lines ...'" if (n := word.count("\n")) >= PROGRAM_LINES else shlex.quote(word) for word in given
    ]
    if len(" ".join(words)) <= COMMAND_CHARACTERS:
        return " ".join(words)
    lines = [""]
    for unit in _units(words):
        if lines != [""] and len(lines[-1]) + 1 + len(unit) > COMMAND_CHARACTERS - 2:
            lines.append(f"  {unit}")
        else:
            lines[-1] = f"{lines[-1]} {unit}" if lines[-1] else unit
    return " \\\n".join(lines)


def _units(words: Sequence[str]) -> Iterable[str]:
    """Yield the words, an option together with the word after it, which may be its value."""
    rest = iter(words)
    for word in rest:
        if word.startswith("-") and (after := next(rest, None)) is not None:
            yield f"{word} {after}"
        else:
            yield word


def state(name: str) -> str:
    """Return a state as it reads in a table."""
    return SYMBOLS.get(name, text(name))


def bullets(items: Iterable[str]) -> str:
    """Return a list. Items are Markdown already."""
    return "\n".join(f"- {item}" for item in items)


def image(about: str, data_uri: str) -> str:
    """Return an image of our own making."""
    return f"![{text(about)}]({data_uri})"


def parts(*given: str) -> str:
    """Return the parts that are not empty, with an empty line between them."""
    return "\n\n".join(part for part in given if part) + "\n"


def when(moment: datetime | None) -> str:
    """Return a moment as people write it, in UTC: "2026-03-01 12:00 UTC"; "unknown" for None."""
    return "unknown" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _longest_run(value: str) -> int:
    return max((len(run) for run in re.findall(r"`+", value)), default=0)
