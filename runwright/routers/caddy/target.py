"""What a front door's target file says: who gets the new requests, and with two of them which share of each.

One line: a slot, and where it is if its address is not always the same; then, if another one gets the rest, a bound and that
other one. A request whose random number (hexadecimal, as text) is below the bound is for the first one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from runwright.errors import ObservationError
from runwright.routers.caddy.configuration import MARKS
from runwright.routers.target import ALL, Target
from runwright.traffic import Upstream

_BOUNDS = 16**4
_ONE = r"(\S+?) (\S+):(\d{1,5})"
_ADDRESSED = re.compile(rf"{_ONE}(?: ([0-9a-f]{{4}}) {_ONE})?")
_NAMED = re.compile(r"(\S+)(?: ([0-9a-f]{4}) (\S+))?")


def line(target: Target, *, addressed: bool = True) -> bytes:
    """Return the content of the file. addressed: it also says where the slots are."""

    def one(to: Upstream) -> str:
        host = f"[{to.host}]" if ":" in to.host else to.host
        return f"{to.slot} {host}:{to.port}" if addressed else word(to)

    if target.stays is None:
        return f"{one(target.to)}\n".encode()
    bound = round(target.share * _BOUNDS / ALL)
    return f"{one(target.to)} {bound:04x} {one(target.stays)}\n".encode()


def word(to: Upstream) -> str:
    """Return what a file without addresses calls it: its slot, and which part of it if not all is meant."""
    return f"{to.slot}-{to.part}" if to.part else to.slot


def read(text: str, at: Callable[[str], Upstream] | None = None) -> Target | None:
    """Return what the content of a file says, None if it is empty. Raise ObservationError if it is not understood.

    at: where a slot, or a part of one, is by its `word`, if the file does not say it.
    """
    if not text.strip():
        return None
    found = (_ADDRESSED if at is None else _NAMED).fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        if at is None:
            to, bound, stays = _upstream(*found.group(1, 2, 3)), found[4], found.group(5, 6, 7)
            other = _upstream(*stays) if bound else None
        else:
            to, bound = at(_known(found[1])), found[2]
            other = at(_known(found[3])) if bound else None
        return Target.of(to, round(int(bound, 16) * ALL / _BOUNDS) if bound else ALL, other)
    except ValueError as error:
        example = "blue 127.0.0.1:20001" if at is None else "blue"
        raise ObservationError(
            "What the front door's target file names is not understood.",
            state="Nothing was changed; clients get 503 while it is so.",
            next=f"It is one line, such as `{example}`. Write it so, with what shall serve.",
        ) from error


def _known(word: str) -> str:
    _slot(word.partition("-")[0])
    return word


def _slot(slot: str) -> str:
    if slot not in MARKS:
        raise ValueError(slot)
    return slot


def _upstream(slot: str, host: str, port: str) -> Upstream:
    if not 0 < int(port) < 65536:
        raise ValueError(port)
    return Upstream(_slot(slot), host.strip("[]"), int(port))
