"""Plain values written as YAML the way a person would: short, quoted only where it must be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_BARE = re.compile(r"([A-Za-z_/$^]|\./)[A-Za-z0-9_./{}$()?*+^:;=<>|~@ -]*|\.|[0-9]+(ms|s|m|h|d|w)")
_NEVER_BARE = re.compile(r"(?i)(true|false|null|yes|no|on|off|~|y|n)$|.*(: | #|:$|\s$)")


def scalar(value: Any, *, inside: bool = False) -> str:
    """Return one value as YAML. ``inside`` of [ ] or { } more has to be quoted."""
    if value is None:
        return "~"
    if not isinstance(value, str):
        return json.dumps(value)
    plain = _BARE.fullmatch(value) and not _NEVER_BARE.match(value) and not (inside and set(value) & set("{}[],:"))
    if plain:
        return value
    if "\\" in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


def flow(value: Any) -> str:
    """Return any value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(k, inside=True)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    return scalar(value, inside=True)


def entry(key: str, value: Any) -> Iterator[str]:
    """Yield the lines of ``key: value``: mappings in mappings as blocks, what is small on one line."""
    if isinstance(value, dict) and any(isinstance(v, dict | list) for v in value.values()):
        yield f"{scalar(key)}:"
        for inner, what in value.items():
            yield from ("  " + line for line in entry(inner, what))
    elif isinstance(value, list) and any(isinstance(v, dict) for v in value):
        yield f"{scalar(key)}:"
        yield from ("  - " + flow(v) for v in value)
    else:
        yield f"{scalar(key)}: {flow(value) if isinstance(value, dict | list | tuple) else scalar(value)}"
