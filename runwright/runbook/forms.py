"""Texts of a runbook that must have a certain form: patterns, addresses, time zones, dates and cron expressions."""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

from runwright.patterns import compiled
from runwright.runbook.base import Words


def _pattern(text: str) -> str:
    compiled(text)
    return text


# A "+" after a letter means "one or more of it", which nobody means in the scheme of a URL: postgresql+asyncpg://
_SCHEME_WITH_PLUS = re.compile(r"(?<!\\)[A-Za-z0-9]\+[A-Za-z0-9]+:")
_END_BEFORE_MORE = re.compile(r"(?<!\\)\$(?![|)])(?=[A-Za-z0-9{/:_-])")
_BEGINNING_AFTER_SOME = re.compile(r"(?<!\\)[A-Za-z0-9/_-]\^")


def _form(text: str) -> str:
    _pattern(text)
    if _SCHEME_WITH_PLUS.search(text):
        raise ValueError("this can never match: `+` means «one or more»; write \\+ for a plus, in single quotes")
    outside_of_sets = re.sub(r"\[(\\.|[^\]\\])*\]", "x", text)
    if _END_BEFORE_MORE.search(outside_of_sets) or _BEGINNING_AFTER_SOME.search(outside_of_sets):
        raise ValueError("this can never match: ^ is the beginning and $ the end of the value; write \\^ or \\$")
    return text


_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(/[^\s?#]*)?", re.ASCII)


def _url(text: str) -> str:
    if "@" in text.split("://", 1)[-1].split("/", 1)[0]:
        raise ValueError("an address must not hold a user or a password: a probe has `basic` and `bearer` for that")
    if not _URL.fullmatch(text):
        raise ValueError("an address that begins with http:// or https:// is meant, for example http://localhost:8000")
    if text.endswith("/"):
        raise ValueError("leave out the slash at the end: ${url.NAME}/path brings its own")
    return text


def _time_zone(text: str) -> str:
    if text == "UTC":
        return text
    try:
        ZoneInfo(text)
    except (ValueError, OSError, KeyError):
        near = get_close_matches(text, available_timezones(), n=2, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"{text!r} is no time zone, such as UTC or Europe/Berlin{hint}") from None
    return text


def _date(text: str) -> str:
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise ValueError("a day as YYYY-MM-DD is meant, for example 2026-12-24")


_CRON_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_CRON_NAMES = {
    "month": ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
    "weekday": ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"),
}
_CRON_PART = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?", re.ASCII)


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError(
            "five fields are meant: minute, hour, day of the month, month, weekday; for example 15 2 * * * (02:15 every day)"
        )
    for field, (name, low, high) in zip(fields, _CRON_FIELDS, strict=True):
        for part in field.split(","):
            _cron_part(part, name, low, high)
    if fields[2] != "*" and fields[4] != "*":
        raise ValueError("a day of the month and a weekday together mean «either of them»; give one of the two")
    return text


def _cron_part(part: str, name: str, low: int, high: int) -> None:
    found = _CRON_PART.fullmatch(part)
    if not found or (found["first"] == "*" and found["last"]) or found["step"] == "0":
        raise ValueError(f"{part!r} is no {name}: a number, a range such as 1-5, or */5 is meant")
    ends = [_cron_number(end, name, low) for end in (found["first"], found["last"]) if end not in (None, "*")]
    if any(not low <= end <= high for end in ends) or (len(ends) == 2 and ends[0] > ends[1]):
        raise ValueError(f"{part!r} is no {name}: {low} to {high} is meant")


def _cron_number(text: str, name: str, low: int) -> int:
    names = _CRON_NAMES.get(name, ())
    if text.upper() in names:
        return names.index(text.upper()) + low
    return int(text) if text.isdigit() else -1


Pattern = Annotated[str, AfterValidator(_pattern), Words("a regular expression (RE2)", "a regular expression")]
Form = Annotated[
    str, AfterValidator(_form), Words("a regular expression that values must begin with", "a regular expression")
]
Url = Annotated[str, AfterValidator(_url), Words("an address, such as http://localhost:8000", "an address")]
TimeZone = Annotated[str, AfterValidator(_time_zone), Words("a time zone, such as UTC or Europe/Berlin", "a time zone")]
Day = Annotated[str, AfterValidator(_date), Words("a day, as YYYY-MM-DD")]
Cron = Annotated[str, AfterValidator(_cron), Words("a cron expression, such as 15 2 * * *", "a cron expression")]
