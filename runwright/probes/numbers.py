"""Numbers in an answer: at a path of its JSON, in its text, or a part of others. What is no number is none, and says why."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runwright import patterns
from runwright.probes.matchers import find, shown
from runwright.runbook.numbers import Number, terms

_PLAIN = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
"""What Python's float() takes besides (nan, inf, 1_000) is no measurement."""


@dataclass(frozen=True)
class Found:
    """The numbers of an answer, and why the others are not known."""

    numbers: Mapping[str, float]
    missing: Mapping[str, str]


class _NoNumberError(Exception):
    """There is none, and why."""


def numbers_in(wanted: Mapping[str, Number], text: str, body: Any, unread: str) -> Found:
    """Return the numbers that are ``wanted`` of an answer. body: its JSON; unread: why it could not be read, "" if it could."""
    numbers: dict[str, float] = {}
    missing: dict[str, str] = {}
    for name, number in wanted.items():
        try:
            numbers[name] = _number(number, text, body, unread)
        except _NoNumberError as error:
            missing[name] = str(error)
        except ValueError as error:  # a mistake in the runbook is no number, and says so
            missing[name] = str(error)
    return Found(numbers, missing)


def out_of_bounds(wanted: Mapping[str, Number], found: Found) -> list[str]:
    """Return what is wrong with the numbers: above or below what they may be, or not there although they are judged."""
    wrong = []
    for name, number in wanted.items():
        value = found.numbers.get(name)
        if not number.limited:
            continue
        if value is None:
            wrong.append(f"number {name}: {found.missing[name]}")
        elif number.at_most is not None and value > number.at_most:
            wrong.append(f"number {name} is {value:.4g}, expected at most {number.at_most:.4g}")
        elif number.at_least is not None and value < number.at_least:
            wrong.append(f"number {name} is {value:.4g}, expected at least {number.at_least:.4g}")
    return wrong


def _number(number: Number, text: str, body: Any, unread: str) -> float:
    if number.text is not None:
        group = patterns.first_group(number.text, text)
        if group is None:
            raise _NoNumberError("it is not in the answer's text")
        return _plain(group, "the text")
    if unread:
        raise _NoNumberError(unread)
    value = _sum(body, terms(number.json_path))
    if number.of is None:
        return value
    whole = _sum(body, terms(number.of))
    if not whole > 0:
        raise _NoNumberError(f"it is a part of {whole:g}")
    return _finite(value / whole)


def _sum(body: Any, paths: list[str | float]) -> float:
    return _finite(sum(_at(body, path) if isinstance(path, str) else float(path) for path in paths))


def _at(body: Any, path: str) -> float:
    found = find(body, path)
    if not found:
        raise _NoNumberError(f"{path} is missing")
    return sum(_plain(value, at or "$") for at, value in found)


def _plain(value: Any, at: str) -> float:
    """Return a JSON number, or a text that is one, as a float. Raise _NoNumberError; true is no number."""
    if isinstance(value, str) and _PLAIN.fullmatch(value.strip()):
        value = value.strip()
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise _NoNumberError(f"{at} is {shown(value)}, which is no number")
    try:
        return _finite(float(value))
    except OverflowError:
        raise _NoNumberError(f"{at} is too large a number") from None


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise _NoNumberError(f"it is {value}, which is no measurement")
    return value
