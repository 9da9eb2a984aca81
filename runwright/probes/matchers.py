"""Judge a JSON answer: paths to values, and matchers that say what the values must be.

A path is names with dots between them and positions in brackets: ``checks[0].ok``, ``[*].name``, ``["a.b"].c``; ``$``
is the whole answer. ``checks[name=db].ok`` is of those in a list whose ``name`` is ``db``. With ``[*]`` a path leads to
many values, and one of them must match; ``{all: …}`` asks it of all, and of at least one.

| matcher          | matches when the value                                                        |
|------------------|-------------------------------------------------------------------------------|
| a plain value    | is equal; true is not 1                                                       |
| {in: [..]}       | is equal to one of them                                                       |
| {lt: n}, {gt: n} | is a number below or above n                                                  |
| {exists: bool}   | is there at all (null is there), or is not                                    |
| {matches: regex} | is a text in which the expression (RE2) is found                              |
| {all: matcher}   | and all others at this path match, and there is at least one                  |
| {not: matcher}   | does not match that                                                           |
| {age_lt: 5m}     | is a time (ISO 8601, or seconds since 1970) younger than that, and not in the future |

Several of them in one matcher must all match.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from runwright import patterns
from runwright.runbook.base import as_duration, seconds

KINDS = frozenset({"in", "lt", "gt", "exists", "matches", "all", "not", "age_lt"})
CLOCK_SKEW_SECONDS = 60.0
"""How far in the future a time may lie: clocks of two machines differ, a heartbeat from tomorrow is a mistake."""
SHOWN_CHARACTERS = 60

_STEP = re.compile(
    r"""\.?(?P<name>[^.\[\]]+)|\[(?P<index>\d+|\*)\]|\["(?P<quoted>[^"]*)"\]|\[(?P<key>[^"=\[\]]+)=(?P<is>[^\]]+)\]"""
)


def find(body: Any, path: str) -> list[tuple[str, Any]]:
    """Return (location, value) of everything that ``path`` leads to in ``body``; empty if nothing is there.

    Raise ValueError if it is no path.
    """
    found: list[tuple[str, Any]] = [("", body)]
    rest = path.removeprefix("$")
    while rest:
        step = _STEP.match(rest)
        if not step:
            raise ValueError(f"{path!r} is no path; paths look like checks[0].ok, checks[name=db].ok or items[*].name")
        rest = rest[step.end() :]
        found = [after for at, value in found for after in _children(at, value, step)]
    return found


def mismatch(body: Any, path: str, matcher: Any, now: datetime) -> str | None:
    """Return why what is at ``path`` in ``body`` does not match, as a short sentence with the value, or None if it does."""
    try:
        found = find(body, path)
    except ValueError as error:  # a mistake in the runbook is no match, and says so
        return f"{path}: {error}"
    return judged(found, path, matcher, now)


def judged(found: list[tuple[str, Any]], path: str, matcher: Any, now: datetime) -> str | None:
    """Return why none of what was ``found`` at ``path``, as (location, value), matches, or None if one does."""
    try:
        return _mismatch(found, path, matcher, now)
    except ValueError as error:  # a mistake in the runbook is no match, and says so
        return f"{path}: {error}"


def _children(at: str, value: Any, step: re.Match[str]) -> list[tuple[str, Any]]:
    name = step["name"] if step["name"] is not None else step["quoted"]
    if name is not None:
        inside = isinstance(value, Mapping) and name in value
        return [(f"{at}.{name}" if at else name, value[name])] if inside else []
    if not isinstance(value, list):
        return []
    if step["key"] is not None:
        named = ((n, item) for n, item in enumerate(value) if isinstance(item, Mapping))
        return [(f"{at}[{n}]", item) for n, item in named if str(item.get(step["key"])) == step["is"]]
    if step["index"] == "*":
        return [(f"{at}[{number}]", item) for number, item in enumerate(value)]
    index = int(step["index"])
    return [(f"{at}[{index}]", value[index])] if index < len(value) else []


def _mismatch(found: list[tuple[str, Any]], path: str, matcher: Any, now: datetime) -> str | None:
    if _is_matcher(matcher) and "exists" in matcher:
        if bool(found) != bool(matcher["exists"]):
            return f"{path} is {'there' if found else 'missing'}, expected {'it' if matcher['exists'] else 'none'}"
        rest = {kind: wanted for kind, wanted in matcher.items() if kind != "exists"}
        return _mismatch(found, path, rest, now) if rest and found else None
    if not found:
        return f"{path} is missing, expected {_expected(matcher)}"
    if _is_matcher(matcher) and "all" in matcher:
        bad = [(at, value) for at, value in found if not _matches(value, matcher["all"], now)]
        if bad:
            more = f" ({len(bad)} of {len(found)} differ)" if len(bad) > 1 else ""
            return f"{bad[0][0] or '$'} is {shown(bad[0][1])}, expected {_expected(matcher['all'])}{more}"
        rest = {kind: wanted for kind, wanted in matcher.items() if kind != "all"}
        return _mismatch(found, path, rest, now) if rest else None
    if any(_matches(value, matcher, now) for _, value in found):
        return None
    if len(found) > 1:
        return f"none of the {len(found)} values at {path} is {_expected(matcher)}"
    return f"{found[0][0] or '$'} is {shown(found[0][1])}, expected {_expected(matcher)}"


def _is_matcher(wanted: Any) -> bool:
    return isinstance(wanted, Mapping) and bool(wanted) and set(wanted) <= KINDS


def _matches(value: Any, wanted: Any, now: datetime) -> bool:
    if not _is_matcher(wanted):
        return _equal(value, wanted)
    return all(_holds(value, kind, limit, now) for kind, limit in wanted.items())


def _holds(value: Any, kind: str, wanted: Any, now: datetime) -> bool:
    if kind == "in":
        return any(_equal(value, one) for one in wanted)
    if kind in ("lt", "gt"):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and (value < wanted if kind == "lt" else value > wanted)
    if kind == "not":
        return not _matches(value, wanted, now)
    if kind == "matches":
        return isinstance(value, str) and patterns.found(wanted, value)
    if kind == "age_lt":
        age = _age(value, now)
        return age is not None and -CLOCK_SKEW_SECONDS <= age < _seconds(wanted)
    if kind == "all":  # {all: ..} inside of another matcher: of a list's own items
        return isinstance(value, list) and bool(value) and all(_matches(one, wanted, now) for one in value)
    return bool(wanted)  # exists: the value is there, or this would not be asked


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, list) and isinstance(wanted, (list, tuple)):
        return len(value) == len(wanted) and all(_equal(a, b) for a, b in zip(value, wanted, strict=True))
    if isinstance(value, Mapping) and isinstance(wanted, Mapping):
        return value.keys() == wanted.keys() and all(_equal(value[key], wanted[key]) for key in value)
    return bool(value == wanted)


def _age(value: Any, now: datetime) -> float | None:
    try:
        if isinstance(value, str):
            then = datetime.fromisoformat(value)
            then = then if then.tzinfo else then.replace(tzinfo=UTC)
            return (now - then).total_seconds()
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return now.timestamp() - value
    except (ValueError, OverflowError):
        pass
    return None


def _seconds(duration: Any) -> float:
    return float(duration) if isinstance(duration, (int, float)) else seconds(duration)


def _expected(matcher: Any) -> str:
    if not _is_matcher(matcher):
        return shown(matcher)
    return " and ".join(_in_words(kind, value) for kind, value in matcher.items())


def _in_words(kind: str, wanted: Any) -> str:
    match kind:
        case "in":
            return "one of " + ", ".join(shown(one) for one in wanted)
        case "lt" | "gt":
            return f"{'below' if kind == 'lt' else 'above'} {shown(wanted)}"
        case "matches":
            return f"text like {shown(wanted)}"
        case "not":
            return f"anything but {_expected(wanted)}"
        case "all":
            return f"all of them {_expected(wanted)}"
        case "age_lt":
            return f"a time within the last {as_duration(_seconds(wanted))}"
        case _:
            return "anything"


def shown(value: Any) -> str:
    """Return ``value`` as short JSON."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
