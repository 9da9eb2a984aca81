"""Text from outside, made harmless where people see it: a terminal, a log, a page."""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control and format characters: in text from outside they could move the cursor or turn the line around."""


def visible(text: object, *, lines: bool = False) -> str:
    """Return ``text`` with every character that is not seen written out; line ends stay if ``lines``."""
    written = str(text)
    return written if written.isprintable() else "".join(_shown(c, lines) for c in written)


def _shown(character: str, lines: bool) -> str:
    if unicodedata.category(character) not in _HIDDEN or (lines and character == "\n"):
        return character
    return " " if character in "\n\r\t" else character.encode("unicode_escape").decode("ascii")
