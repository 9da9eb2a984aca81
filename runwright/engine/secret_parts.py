"""What is a secret inside of a secret: the lines of a key, the password in a connection string, the token in an address.

Programs take such values apart and print the pieces, so each piece is looked for as well.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit

import yaml

_PEM_FRAME: Final = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----")
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.~=-][A-Za-z0-9_.~=+/-]{19,}")
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")
_SENSITIVE: Final = re.compile(r"(?i)key|secret|token|pass|pwd|credential|auth$")
_DATA: Final = re.compile(r"-data$")
"""Names in a kubeconfig of what is written in base64: keys and certificates."""
_KUBECONFIG: Final = re.compile(r"(?m)^kind: *[\"']?Config[\"']?\s*$")
_YAML: Final = re.compile(r"(?m)\A(?:\s*(?:#.*|---)?\n)*[A-Za-z_][\w.-]*:(?:\s.*)?\n.*\S")
_LONGEST_YAML: Final = 2**16
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same in C, where it was built: ten times as fast."""
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

    They are its lines (but for the frame of a PEM, and those of a kubeconfig, which all have), what JSON and YAML have under names
    such as `private_key`, what a connection string assigns to names such as `Password`, and of a URL the password, the
    values of the query, and what was made at random in the path.
    """
    lines = () if _KUBECONFIG.search(value) else (value,)
    return {line for text in (*lines, *_inside(value), *_leaves(value)) for line in _lines(text)}


def credentials(value: str) -> set[str]:
    """Return the texts inside of ``value``, which as a whole may be no secret, that must not be seen.

    They are the lines of a private key, what `parts` finds in JSON and in connection strings, and of a URL the password,
    the values of sensitive names in the query, and what was made at random.
    """
    texts = [*_inside(value, secret=False), *_leaves(value, secret=False)]
    return {line for text in (*texts, *([value] if _PRIVATE_KEY.search(value) else ())) for line in _lines(text)}


def made_at_random(text: str) -> bool:
    """Return whether ``text`` looks like a token or a key: long, of digits and letters in both cases, or hexadecimal."""
    if not _TOKEN.fullmatch(text) or not any(c.isdigit() for c in text):
        return False
    return bool(_HEXADECIMAL.fullmatch(text)) or (any(c.islower() for c in text) and any(c.isupper() for c in text))


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not _PEM_FRAME.fullmatch(line.strip()):
            yield line.strip()


def _inside(text: str, *, secret: bool = True) -> Iterator[str]:
    """Yield what is secret in a connection string or a URL; ``secret``: the text is one as a whole."""
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
    yield from _queried(url, every=secret)
    if url.scheme in ("http", "https") and not password:
        yield from _in_path(url) if secret else _random_in(url)


def _leaves(text: str, *, secret: bool = True) -> Iterator[str]:
    """Yield what JSON or YAML in ``text`` holds under a sensitive name, at any depth, and what is inside of its other texts."""
    try:
        left: list[tuple[Any, bool]] = [(_read(text), False)]
    except (ValueError, RecursionError, yaml.YAMLError):
        return
    seen: set[tuple[int, bool]] = set()
    while left:
        value, sensitive = left.pop()
        if isinstance(value, (dict, list)):
            if (id(value), sensitive) in seen:
                continue  # YAML names a part again, or a part inside of itself
            seen.add((id(value), sensitive))
        if isinstance(value, dict):
            named = [(str(k), v) for k, v in value.items()]
            left += [(v, not _ADDRESS.search(k) and (sensitive or bool(_SENSITIVE.search(k)))) for k, v in named]
            left += [(d, True) for k, v in named if _DATA.search(k) for d in (v, _decoded(v))]
        elif isinstance(value, list):
            left += [(item, sensitive) for item in value]
        elif isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            if sensitive:
                yield str(value)
            yield from _inside(str(value), secret=secret)


def _read(text: str) -> Any:
    """Return what JSON or YAML says, None if it is neither. Raise ValueError or YAMLError if it is not right."""
    if text.lstrip().startswith(("{", "[")):
        return json.loads(text)
    return yaml.load(text, Loader=_Loader) if len(text) <= _LONGEST_YAML and _YAML.match(text) else None  # noqa: S506 - a safe one


def _decoded(value: Any) -> str:
    """Return what base64 stands for, "" if it is none."""
    try:
        return base64.b64decode(str(value), validate=True).decode("utf-8", "replace")
    except ValueError:
        return ""


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


def _queried(url: SplitResult, *, every: bool) -> Iterator[str]:
    """Yield the values in the query: of a web address ``every`` one, else (sslmode=verify-full) what has a sensitive name."""
    for pair in url.query.split("&"):
        name, _, value = pair.partition("=")
        if (every and url.scheme in ("http", "https")) or _SENSITIVE.search(name):
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


def _random_in(url: SplitResult) -> Iterator[str]:
    """Yield what was made at random of the path, or in the place of the user, of an address that is no secret itself."""
    for text in (*url.path.split("/"), url.username or ""):
        if made_at_random(text):
            yield unquote(text)
