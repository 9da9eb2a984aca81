"""How many of something, in a sentence: "1 file", "2 files", "3,412 requests"."""

from __future__ import annotations


def amount(number: float, one: str, more: str = "") -> str:
    """Return a whole number with the word for ``one`` or for ``more`` of it; without ``more``, that is ``one`` with an s."""
    count = f"{number:,.0f}"
    return f"{count} {one if count == '1' else more or f'{one}s'}"
