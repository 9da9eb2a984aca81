"""Whether now is a time for releases, and when the next one is: pure functions.

A window's times are local times of its zone. It opens on its ``days``; one that ends earlier than it begins ends on the
next day. Nothing is open on an ``except_dates`` day, also not the rest of a window that began the evening before.
Where clocks change, times mean what RFC 5545 (3.3.5) says: one that there is twice is the first of the two, one that is
skipped is read with the offset from before the gap (02:30 is 03:30, where clocks go from 02:00 to 03:00). A window of
which nothing is left by that (02:30 to 03:00) does not open on that day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil import rrule

from runwright.errors import InputError
from runwright.policy.wording import as_time
from runwright.runbook.checks import Window

LOOK_AHEAD_DAYS = 400
"""How far ahead the next opening is looked for: more than a year, so that every calendar day comes by."""

_DAYS = {"MO": rrule.MO, "TU": rrule.TU, "WE": rrule.WE, "TH": rrule.TH, "FR": rrule.FR, "SA": rrule.SA, "SU": rrule.SU}


@dataclass(frozen=True)
class Decision:
    """Whether the window is open, why, and until when it is; if it is not, when it opens next (None: not within a year)."""

    open: bool
    reason: str
    next_opening: datetime | None = None
    closes_at: datetime | None = None


def open_now(window: Window, now: datetime) -> Decision:
    """Return whether ``window`` is open at ``now`` (aware). Raise InputError if its zone or one of its dates is wrong."""
    return fits(window, now, 0.0)


def fits(window: Window, now: datetime, needed_seconds: float) -> Decision:
    """Return whether ``window`` is open at ``now`` for at least ``needed_seconds`` more: the release, its watch, the way back.

    If it is not, ``next_opening`` is the next time from which it is open for so long.
    """
    zone = _zone(window)
    needed = timedelta(seconds=needed_seconds)
    current: tuple[datetime, datetime] | None = None
    coming: datetime | None = None
    for opens, closes in _openings(window, zone, now):
        if opens <= now < closes:
            current = (opens, closes)
        elif opens > now and closes - opens >= needed:
            coming = opens
            break
    if current and current[1] - now >= needed:
        left = as_time((current[1] - now).total_seconds())
        return Decision(True, f"open until {_local(current[1], zone)}, {left} left", None, current[1])
    so_long = " for so long" if needed_seconds else ""
    never = f"; it does not open{so_long} in {LOOK_AHEAD_DAYS} days"
    after = f"; it opens next at {_local(coming, zone)}" if coming else never
    if current:
        left = as_time((current[1] - now).total_seconds())
        reason = f"closes at {_local(current[1], zone)}, in {left}; {as_time(needed_seconds)} are needed{after}"
        return Decision(False, reason, coming, current[1])
    return Decision(False, f"closed at {_local(now, zone)}{after}", coming)


def _openings(window: Window, zone: ZoneInfo, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield (opens, closes) in UTC from the day before ``now`` on, in order; what touches is one opening."""
    excepted = _excepted(window)
    first = now.astimezone(zone).date() - timedelta(days=1)
    days = rrule.rrule(
        rrule.DAILY,
        byweekday=[_DAYS[day] for day in window.days],
        dtstart=datetime.combine(first, time()),
        until=datetime.combine(first, time()) + timedelta(days=LOOK_AHEAD_DAYS),
    )
    held: tuple[datetime, datetime] | None = None
    for day in days:
        for opens, closes in _parts(window, zone, day.date(), excepted):
            if held and opens <= held[1]:
                held = (held[0], max(held[1], closes))
                continue
            if held:
                yield held
            held = (opens, closes)
    if held:
        yield held


def _parts(window: Window, zone: ZoneInfo, day: date, excepted: set[date]) -> Iterator[tuple[datetime, datetime]]:
    """Yield the parts of the opening that begins on ``day``, cut at midnight, without those on excepted days."""
    start, end, midnight = time.fromisoformat(window.start), time.fromisoformat(window.end), time()
    following = day + timedelta(days=1)
    parts = [(day, (day, start), (day, end))]
    if end <= start:
        parts = [(day, (day, start), (following, midnight)), (following, (following, midnight), (following, end))]
    for on, begins, ends in parts:
        opens, closes = _moment(*begins, zone), _moment(*ends, zone)
        if on not in excepted and opens < closes:
            yield opens, closes


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    # without `fold` Python takes the offset from before a change of the clocks, in a gap as well (PEP 495)
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M} {zone.key}"


def _zone(window: Window) -> ZoneInfo:
    try:
        return ZoneInfo(window.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"{window.timezone!r} is not a time zone.", next="Give a name such as Europe/Berlin or UTC."
        ) from error


def _excepted(window: Window) -> set[date]:
    try:
        return {date.fromisoformat(day) for day in window.except_dates}
    except ValueError as error:
        raise InputError(f"A date of `except_dates` is wrong: {error}.", next="Dates look like 2026-12-24.") from error
