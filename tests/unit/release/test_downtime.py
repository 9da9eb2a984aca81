"""How long services were away is told, by what the journal holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runwright.ledger.journal import Entry
from runwright.release.downtime import SERVED, answered_since, away_since, downtimes, note_downtime
from runwright.release.work import Work
from tests.unit.release.conftest import Opener

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entries(keys: Iterable[str]) -> list[Entry]:
    """Return entries of the journal, a second after each other."""
    return [
        Entry(key, 1, "says", "done", 1, True, False, START + timedelta(seconds=number))
        for number, key in enumerate(keys)
    ]


ALL = ["prepare/up", "deploy/backup", "deploy/drain", "deploy/migrate", "deploy/up/a+b", "back12/printed", "back12/up", "back13/up"]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "courses", "second"),
    [
        (ALL, ("deploy",), 2),
        (ALL, ("back",), 6),
        (ALL, ("deploy", "back"), 2),
        (["deploy/upgrade", "deploy/migrate", "back1/update"], ("deploy", "back"), None),
        ([], ("deploy",), None),
    ],
)
def test_it_begins_with_the_first_service_that_is_taken_away(
    keys: list[str], courses: tuple[str, ...], second: int | None
) -> None:
    """Whichever procedure took it, and however often the way back was tried."""
    expected = None if second is None else START + timedelta(seconds=second)
    assert away_since(entries(keys), *courses) == expected


def changed(work: Work, *keys: str) -> None:
    for key in keys:
        work.ledger.journal(work.id).intend(key, "says", None, repeatable=True, safe_point=False)


def test_a_way_back_counts_from_what_the_release_took_away_unless_it_served(opened: Opener) -> None:
    """Nobody was served since; that is noted once, and is in the log."""
    place = {"target": {"platform": "compose", "project": "shop", "directory": "/opt/shop"}, "router": None}
    work = opened(local=place)
    work.release = replace(work.release, previous_id="the one before")
    note_downtime(work, "deploy", "v1")
    assert downtimes(work) == [], "nothing was taken away"
    changed(work, "deploy/up", "back7/up")
    for _ in range(2):
        note_downtime(work, "back", "v0")
    (told,) = downtimes(work)
    assert told.startswith("This release took services away for ") and told.endswith(" at most, until v0 served.")
    work.write_down(SERVED, START.isoformat())
    note_downtime(work, "deploy", "v1")
    assert len(downtimes(work)) == 2


@pytest.mark.parametrize("served", [False, True])
def test_users_who_were_sent_to_a_version_that_did_not_serve_were_not_served(opened: Opener, served: bool) -> None:
    """Given two colours and nothing that was stopped: from the switch until the old version serves, and not if that one served."""
    work = opened()
    work.release = replace(work.release, previous_id="the one before")
    changed(work, "deploy/switch/fence", "deploy/switch/put", "back7/switch/put")
    if served:
        work.write_down(SERVED, START.isoformat())
    note_downtime(work, "back", "v0")
    assert len(downtimes(work)) == (not served)


@pytest.mark.parametrize(
    ("answers", "since"),
    [("", None), ("..", None), ("..xx", 2), ("xx", 0), ("x.x.xx", 4), ("xx.", None)],
    ids=["nobody asked", "never", "from then on", "always", "it came and went", "it went"],
)
def test_it_ends_when_the_front_door_answers_and_goes_on_to(answers: str, since: int | None) -> None:
    """One right answer between wrong ones is no service."""
    asked = [(START + timedelta(seconds=number), one == "x") for number, one in enumerate(answers)]
    assert answered_since(asked) == (None if since is None else START + timedelta(seconds=since))


def test_a_first_release_takes_nothing_away(opened: Opener) -> None:
    """Nothing ran before it."""
    work = opened(
        local={"target": {"platform": "compose", "project": "shop", "directory": "/opt/shop"}, "router": None}
    )
    changed(work, "deploy/up")
    note_downtime(work, "deploy", "v1")
    assert downtimes(work) == []


def test_two_colours_are_away_only_if_they_are_stopped_for_migrations(opened: Opener) -> None:
    """Else the new version starts beside the old one."""
    work = opened()
    work.release = replace(work.release, previous_id="the one before")
    changed(work, "deploy/migrate", "deploy/green/slot", "deploy/green/start", "deploy/switch/put")
    note_downtime(work, "deploy", "v1")
    assert downtimes(work) == []
    changed(work, "deploy/drain/blue/stop")
    note_downtime(work, "deploy", "v1")
    assert len(downtimes(work)) == 1
