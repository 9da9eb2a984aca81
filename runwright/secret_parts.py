"""What is a secret inside of a secret: the lines of a key, the password in a connection string, the token in an address.

Programs take such values apart and print the pieces, so each piece is looked for as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit

_PEM_FRAME: Final = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----")
_SENSITIVE: Final = re.compile(r"(?i)key|secret|token|pass|pwd|credential|auth$")
_ADDRESS: Final = re.compile(r"(?i)ur[il]$")
"""Names such as `token_uri`: where something is, which everybody may know."""
_ASSIGNED: Final = re.compile(
    r"(?i)(?:pass(?:word|wd|phrase)?|pwd|secret|token|key)\s*=\s*"
    r"(?:'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>[^\"]*)\"|(?P<bare>[^;\r\n]+))"
)
RANDOM_CHARACTERS: Final = 16
"""A part of a path that is so long and has a digit in it is no word: it was made at random."""


def parts(value: str) -> set[str]:
    """Return the texts inside of ``value`` that must not be seen either, of any length; ``value`` may be among them.

    They are its lines (but for the frame of a PEM), what JSON has under names such as `private_key`, what a connection
    string assigns to names such as `Password`, and of a URL the password, the values of the query, and what was made at
    random in the path.
    """
    return {line for text in (value, *_inside(value), *_leaves(value)) for line in _lines(text)}


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not _PEM_FRAME.fullmatch(line.strip()):
            yield line.strip()


def _inside(text: str) -> Iterator[str]:
    yield from _assigned(text)
    try:
        url = urlsplit(text) if "://" in text else None
        password = url.password if url else None
    except ValueError:
        return
    if url is None:
        return
    if password:
        yield password
        yield unquote(password)
    yield from _queried(url)
    if url.scheme in ("http", "https") and not password:
        yield from _in_path(url)


def _leaves(text: str) -> Iterator[str]:
    """Yield what JSON in ``text`` holds under a sensitive name, at any depth, and what is inside of its other texts."""
    if not text.lstrip().startswith(("{", "[")):
        return
    try:
        left: list[tuple[Any, bool]] = [(json.loads(text), False)]
    except (ValueError, RecursionError):
        return
    while left:
        value, sensitive = left.pop()
        if isinstance(value, dict):
            left += [
                (v, not _ADDRESS.search(k) and (sensitive or bool(_SENSITIVE.search(k)))) for k, v in value.items()
            ]
        elif isinstance(value, list):
            left += [(item, sensitive) for item in value]
        elif isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            if sensitive:
                yield str(value)
            yield from _inside(str(value))


def _assigned(text: str) -> Iterator[str]:
    """Yield the passwords of a connection string (`Password=...;` or `password=... dbname=...`), quoted or not."""
    for found in _ASSIGNED.finditer(text):
        if found["single"] is not None:
            yield found["single"]
            yield re.sub(r"\\(.)", r"\1", found["single"])
        elif found["double"] is not None:
            yield found["double"]
        else:
            if ";" in text:  # only there a bare value may have blanks in it
                yield found["bare"]
            yield re.split(r"[\s&]", found["bare"], maxsplit=1)[0]


def _queried(url: SplitResult) -> Iterator[str]:
    """Yield the values in the query: all of a web address, of others (sslmode=verify-full) what has a sensitive name."""
    for pair in url.query.split("&"):
        name, _, value = pair.partition("=")
        if url.scheme in ("http", "https") or _SENSITIVE.search(name):
            yield from (value, unquote(value), unquote_plus(value))


def _in_path(url: SplitResult) -> Iterator[str]:
    """Yield what makes the address of a webhook secret: the end of its path, and what was made at random before it.

    A token may stand in the place of the user as well.
    """
    *before, last = url.path.rstrip("/").split("/")
    yield unquote(last)
    for text in (*before, url.username or ""):
        if len(text) >= RANDOM_CHARACTERS and any(c.isdigit() for c in text):
            yield unquote(text)
