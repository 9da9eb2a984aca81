"""When a window is open, and when it opens next."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.policy.windows import fits, open_now
from runwright.runbook.checks import Window

BERLIN = ZoneInfo("Europe/Berlin")


def window(**given: Any) -> Window:
    base = {"timezone": "Europe/Berlin", "days": ["TU", "WE"], "from": "10:00", "to": "14:00"}
    return Window.model_validate({**base, **given})


def berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


NIGHT = {"days": ["FR"], "from": "22:00", "to": "02:00"}


@pytest.mark.parametrize(
    ("given", "now", "is_open"),
    [
        ({}, "2026-03-03T10:00", True),  # a Tuesday
        ({}, "2026-03-03T09:59:59", False),
        ({}, "2026-03-03T13:59:59", True),
        ({}, "2026-03-03T14:00", False),
        ({}, "2026-03-05T11:00", False),  # a Thursday
        ({"except_dates": ["2026-03-03"]}, "2026-03-03T11:00", False),
        (NIGHT, "2026-03-06T21:59", False),
        (NIGHT, "2026-03-06T22:00", True),
        (NIGHT, "2026-03-07T01:59", True),
        (NIGHT, "2026-03-07T02:00", False),
        (NIGHT, "2026-03-06T01:00", False),  # the night before belongs to Thursday
        ({**NIGHT, "except_dates": ["2026-03-07"]}, "2026-03-06T23:59", True),
        ({**NIGHT, "except_dates": ["2026-03-07"]}, "2026-03-07T00:30", False),
        ({**NIGHT, "except_dates": ["2026-03-06"]}, "2026-03-07T00:30", True),
        ({**NIGHT, "except_dates": ["2026-03-06"]}, "2026-03-06T23:00", False),
        # clocks go forward on 29 March 2026 at 02:00, back on 25 October at 03:00
        ({"days": ["SU"], "from": "02:30", "to": "04:00"}, "2026-03-29T03:29", False),
        ({"days": ["SU"], "from": "02:30", "to": "04:00"}, "2026-03-29T03:30", True),
        ({"days": ["SU"], "from": "01:00", "to": "02:30"}, "2026-10-25T02:29", True),
    ],
)
def test_it_is_open_in_its_own_zone_on_its_own_days(given: dict[str, Any], now: str, is_open: bool) -> None:
    """Times are local, days are those on which a window begins, and excepted days are closed from midnight to midnight."""
    assert open_now(window(**given), berlin(now)).open is is_open


def test_a_time_that_there_is_twice_is_the_first() -> None:
    """When clocks go back, a window until 02:30 closes at the first 02:30, not at the second."""
    one = window(days=["SU"], **{"from": "01:00", "to": "02:30"})
    assert open_now(one, berlin("2026-10-25T02:15", fold=0)).open
    assert not open_now(one, berlin("2026-10-25T02:15", fold=1)).open


@pytest.mark.parametrize(
    ("zone", "day", "start", "end", "opens", "closes"),
    [
        # the very example of RFC 5545, 3.3.5: 02:30 in New York on the second Sunday of March 2007 is 03:30
        ("America/New_York", "2007-03-11", "02:30", "05:00", "2007-03-11T07:30", "2007-03-11T09:00"),
        ("America/New_York", "2026-03-08", "02:30", "05:00", "2026-03-08T07:30", "2026-03-08T09:00"),
        ("America/New_York", "2026-03-08", "01:00", "02:30", "2026-03-08T06:00", "2026-03-08T07:30"),
        ("America/New_York", "2026-03-07", "22:00", "02:30", "2026-03-08T03:00", "2026-03-08T07:30"),
        ("America/New_York", "2026-03-08", "02:10", "02:50", "2026-03-08T07:10", "2026-03-08T07:50"),
        ("America/New_York", "2026-11-01", "01:30", "03:00", "2026-11-01T05:30", "2026-11-01T08:00"),
        ("America/New_York", "2026-10-31", "23:00", "01:30", "2026-11-01T03:00", "2026-11-01T05:30"),
        ("Europe/Berlin", "2027-03-28", "02:00", "04:00", "2027-03-28T01:00", "2027-03-28T02:00"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "04:00", "2026-10-03T15:45", "2026-10-03T17:00"),  # half an hour
        ("America/Santiago", "2026-09-06", "00:30", "03:00", "2026-09-06T04:30", "2026-09-06T06:00"),  # at midnight
        ("America/Santiago", "2026-09-05", "22:00", "02:00", "2026-09-06T02:00", "2026-09-06T05:00"),
        ("Africa/Cairo", "2026-04-24", "00:15", "02:00", "2026-04-23T22:15", "2026-04-23T23:00"),
        ("Pacific/Apia", "2011-12-30", "10:00", "12:00", "2011-12-30T20:00", "2011-12-30T22:00"),  # a day that was skipped
    ],
)  # fmt: skip
def test_times_that_clocks_skip_or_repeat_are_those_of_rfc_5545(
    zone: str, day: str, start: str, end: str, opens: str, closes: str
) -> None:
    """A skipped time is read with the offset from before the gap, a repeated one is the first. Moments are in UTC."""
    name = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")[date.fromisoformat(day).weekday()]
    one = window(timezone=zone, days=[name], **{"from": start, "to": end})
    first, last = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (opens, closes))
    before = open_now(one, first - timedelta(seconds=1))
    assert (before.open, before.next_opening) == (False, first)
    assert open_now(one, first).closes_at == last
    assert open_now(one, last - timedelta(seconds=1)).open
    assert not open_now(one, last).open


def test_a_window_of_which_a_gap_leaves_nothing_does_not_open_on_that_day() -> None:
    """Its beginning moves past its end; nothing is ever open after `to`."""
    one = window(days=["SU"], **{"from": "02:30", "to": "03:15"})
    assert open_now(one, berlin("2026-03-22T02:45")).open
    assert not any(open_now(one, berlin("2026-03-29T00:00") + timedelta(minutes=m)).open for m in range(6 * 60))


def test_the_zone_of_the_asker_does_not_matter() -> None:
    """The same instant is judged the same, whatever zone it is given in."""
    assert open_now(window(), datetime(2026, 3, 3, 9, 0, tzinfo=UTC)).open
    assert not open_now(window(), datetime(2026, 3, 3, 10, 0, tzinfo=ZoneInfo("Asia/Tokyo"))).open


@pytest.mark.parametrize(
    ("now", "needed", "is_open", "reason"),
    [
        ("2026-03-03T13:00", 3600, True, "open until Tue 2026-03-03 14:00 Europe/Berlin, 1h left"),
        ("2026-03-03T13:40", 2100, False,
         "closes at Tue 2026-03-03 14:00 Europe/Berlin, in 20m; 35m are needed; "
         "it opens next at Wed 2026-03-04 10:00 Europe/Berlin"),
        ("2026-03-04T15:00", 60, False,
         "closed at Wed 2026-03-04 15:00 Europe/Berlin; it opens next at Tue 2026-03-10 10:00 Europe/Berlin"),
        ("2026-03-04T11:00", 5 * 3600, False,
         "closes at Wed 2026-03-04 14:00 Europe/Berlin, in 3h; 5h are needed; it does not open for so long in 400 days"),
    ],
)  # fmt: skip
def test_it_must_be_open_for_long_enough(now: str, needed: float, is_open: bool, reason: str) -> None:
    """A release fits if its watch and its way back end before the window does."""
    found = fits(window(), berlin(now), needed)
    assert (found.open, found.reason) == (is_open, reason)


def test_windows_that_touch_are_one() -> None:
    """From evening to evening on two days in a row is one opening."""
    one = window(days=["FR", "SA"], **{"from": "00:00", "to": "23:59"})
    night = window(days=["FR", "SA"], **{"from": "20:00", "to": "19:59"})
    assert not fits(one, berlin("2026-03-06T23:00"), 7200).open
    assert fits(window(days=["FR"], **{"from": "18:00", "to": "06:00"}), berlin("2026-03-06T23:00"), 7 * 3600).open
    assert fits(night, berlin("2026-03-07T10:00"), 9 * 3600).open


def test_a_window_that_never_opens_says_so() -> None:
    """If every day is excepted there is no next opening."""
    days = [(datetime(2026, 3, 1) + timedelta(days=i)).date().isoformat() for i in range(420)]
    found = open_now(window(except_dates=days), berlin("2026-03-02T12:00"))
    assert (found.open, found.next_opening) == (False, None)


times = st.builds(lambda h, m: f"{h:02d}:{m:02d}", st.integers(0, 23), st.integers(0, 59))
windows = st.builds(
    lambda zone, days, start, end, dates: window(
        timezone=zone, days=sorted(days), except_dates=dates, **{"from": start, "to": end if end != start else "12:34"}
    ),
    st.sampled_from(["Europe/Berlin", "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]),
    st.sets(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1),
    times,
    times.filter(lambda t: t != "12:34"),
    st.lists(st.dates(datetime(2026, 1, 1).date(), datetime(2026, 12, 31).date()).map(str), max_size=10),
)  # fmt: skip
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))


@given(windows.filter(lambda w: w.start != w.end), moments, st.sampled_from([0, 60, 2100]))
def test_the_next_opening_is_open_and_nothing_before_it_is(one: Window, now: datetime, needed: int) -> None:
    """When a window says that it opens next, it is open then for long enough, and was not a moment before."""
    found = fits(one, now, needed)
    if found.open:
        assert found.closes_at is not None and (found.closes_at - now).total_seconds() >= needed
        assert not fits(one, found.closes_at, needed).open or needed == 0
        assert not open_now(one, found.closes_at).open
    elif found.next_opening is not None:
        assert found.next_opening > now
        assert fits(one, found.next_opening, needed).open
        assert not open_now(one, found.next_opening - timedelta(seconds=1)).open
