"""How many of something, in a sentence: "1 file", "2 files", "3,412 requests"."""

from __future__ import annotations

from collections.abc import Iterable

FEW = 4
"""More names than these hide the rest of a sentence."""


def few(names: Iterable[str], between: str = ", ") -> str:
    """Return ``names`` in a sentence: all of them if they are few, else the first and how many others there are."""
    listed = list(names)
    shown = listed if len(listed) <= FEW + 1 else [*listed[:FEW], f"{len(listed) - FEW} others"]
    return between.join(shown)


def plural(number: float, one: str, more: str = "") -> str:
    """Return a whole number with the word for ``one`` or for ``more`` of it; without ``more``, that is ``one`` with an s."""
    count = f"{number:,.0f}"
    return f"{count} {one if count == '1' else more or f'{one}s'}"
