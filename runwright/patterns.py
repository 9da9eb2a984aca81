"""Regular expressions that somebody else wrote: in a runbook, against what a server answers.

Python's own can take years (``(a+)+$`` against thirty letters), and nothing can interrupt them meanwhile: no thread, no
deadline. RE2 takes time in proportion to the text, whatever the pattern, and lets other threads run.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import re2

LONGEST: Final = 1000
LONGEST_TEXT: Final = 16 * 2**10
"""Characters of a pattern and of a text: time grows with the one times the other."""
SYNTAX: Final = (
    "RE2's: no look-ahead or look-behind (?=…), no back-references \\1, at most 1000 repetitions, \\z for the end"
)


@cache
def compiled(pattern: str) -> Any:
    """Return the expression. Raise ValueError, which says what is wrong in plain words, if it is none."""
    if len(pattern) > LONGEST:
        raise ValueError(f"this regular expression has {len(pattern)} characters; {LONGEST} are allowed")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 2**20
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        why = error.args[0] if error.args else error
        told = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise ValueError(f"this regular expression is broken: {told}; the syntax is {SYNTAX}") from None


def found(pattern: str, text: str) -> bool:
    """Return whether ``pattern`` matches anywhere in ``text``. Raise ValueError if it is none."""
    return compiled(pattern).search(_text(text)) is not None


def first_group(pattern: str, text: str) -> str | None:
    """Return what the first group of ``pattern`` holds in the first line of ``text`` in which it is found, None if it is in
    none. A line that is too long is left out. Raise ValueError if it is no pattern with a group."""
    expression = compiled(pattern)
    if expression.groups < 1:
        raise ValueError("this regular expression has no group")
    for line in text.splitlines():
        if len(line) <= LONGEST_TEXT and (match := expression.search(_text(line))) is not None:
            return None if match[1] is None else str(match[1])
    return None


def begins(pattern: str, text: str) -> bool:
    """Return whether ``text`` begins with something that ``pattern`` matches. Raise ValueError if it is none."""
    return compiled(pattern).match(_text(text)) is not None


def is_whole(pattern: str, text: str) -> bool:
    """Return whether ``pattern`` matches all of ``text``. Raise ValueError if it is none."""
    return compiled(pattern).fullmatch(_text(text)) is not None


def _text(text: str) -> str:
    """Return ``text`` with what is half a character (JSON may have it) replaced: RE2 reads UTF-8."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"a text of {len(text):,} characters is too long for a regular expression")
    return text.encode("utf-8", "replace").decode()
