"""The demo's judgement: it says that all is well only if it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from examples.demo.story import STORY, Chapter, Seen, wrong
from examples.demo.surroundings import forget_releases
from examples.demo.table import row
from examples.make_repository import RELEASES
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.states import ReleaseState
from runwright.ledger.tables import metadata

GOOD, _, _, ERRORS = STORY
SEEN_GOOD = Seen(
    state="proven", reached="watching", because="watched for 12s: 3 of 3 rules judged", run="COMPLETED", rollbacks=[],
    procedures=["deploy"], late_changes=[], front="v1.0.0", behind="v1.0.0", took=31.2, unsafe=None, sent=300, failed=0,
)  # fmt: skip
SEEN_ERRORS = Seen(
    state="rolled_back", reached="watching", run="FAILED", rollbacks=["COMPLETED"], procedures=["deploy", "rollback"],
    because="While it was watched, rule errors is breached: error ratio 44 % > 5 % for 4.9s, 184 requests.",
    late_changes=[], front="v1.1.0", behind="v1.1.0", took=40.0, unsafe=1.1, sent=500, failed=90,
)  # fmt: skip


@pytest.mark.parametrize(("chapter", "seen"), [(GOOD, SEEN_GOOD), (ERRORS, SEEN_ERRORS)])
def test_what_ends_as_it_should_is_right(chapter: Chapter, seen: Seen) -> None:
    """Nothing is held against it."""
    assert wrong(chapter, seen) == []


@pytest.mark.parametrize(
    ("chapter", "seen", "changes", "told"),
    [
        (GOOD, SEEN_GOOD, {"state": "frozen"}, "it is frozen"),
        (GOOD, SEEN_GOOD, {"state": ""}, "it is unknown"),
        (GOOD, SEEN_GOOD, {"run": "CRASHED"}, "its run ended CRASHED"),
        (GOOD, SEEN_GOOD, {"rollbacks": ["COMPLETED"], "procedures": ["deploy", "rollback"]}, "there should be none"),
        (GOOD, SEEN_GOOD, {"front": ""}, "nothing serves"),
        (GOOD, SEEN_GOOD, {"failed": 1}, "1 of 300 requests failed during a good release"),
        (ERRORS, SEEN_ERRORS, {"state": "proven"}, "should be rolled_back"),
        (ERRORS, SEEN_ERRORS, {"reached": "verifying"}, "it came as far as verifying"),
        (ERRORS, SEEN_ERRORS, {"because": "page is not right: status 500"}, "its reason is not the expected one"),
        (ERRORS, SEEN_ERRORS, {"rollbacks": [], "procedures": ["deploy"]}, "one should have completed"),
        (ERRORS, SEEN_ERRORS, {"rollbacks": ["COMPLETED", "COMPLETED"]}, "the ledger knows the procedures"),
        (ERRORS, SEEN_ERRORS, {"rollbacks": ["FAILED"]}, "one should have completed"),
        (ERRORS, SEEN_ERRORS, {"procedures": ["deploy"]}, "the ledger knows"),
        (ERRORS, SEEN_ERRORS, {"late_changes": ["back9/switch/put"]}, "changed what was put back already"),
        (ERRORS, SEEN_ERRORS, {"front": "v1.4.0-errors"}, "v1.4.0-errors serves"),
        (ERRORS, SEEN_ERRORS, {"behind": "v1.4.0-errors"}, "the front door names v1.4.0-errors"),
    ],
)
def test_what_ends_otherwise_is_told(chapter: Chapter, seen: Seen, changes: dict[str, Any], told: str) -> None:
    """Each thing that the demo promises is looked at by itself."""
    found = wrong(chapter, replace(seen, **changes))
    assert len(found) == 1 and told in found[0], found


def test_the_story_is_of_releases_that_there_are() -> None:
    """Its versions are tags of the example's repository."""
    assert {chapter.version for chapter in STORY} <= {release.tag for release in RELEASES}


def test_the_table_gives_the_numbers_and_not_the_noise() -> None:
    """What a reader wants of a reason is what was measured."""
    assert row(ERRORS, SEEN_ERRORS) == (
        "v1.4.0-errors",
        "taken back, v1.1.0 serves",
        "rule errors: error ratio 44 % > 5 % for 4.9s, 184 requests.",
        "40 s",
        "1.1 s",
        "90 of 500",
    )


def opened(ledger: Ledger, system: str, environment: str) -> str:
    """Open a release that has something in every table, and return its id."""
    release = ledger.releases.open(
        system, environment, "v1", procedure="deploy", run_id=f"run of {system}/{environment}", runbook={},
        parameters={}, deployer="ada",
    )  # fmt: skip
    ledger.releases.advance(release.id, ReleaseState.PLANNED, "a test")
    ledger.releases.set_fact(release.id, "breach", "a test")
    ledger.journal(release.id).intend("a/key", "do it", None, repeatable=True, safe_point=False)
    lease = ledger.leases.take(
        system, environment, holder="ada", run_id="run", procedure="deploy", release_id=release.id
    )
    ledger.leases.release(lease)
    return release.id


def test_to_begin_afresh_only_the_shops_releases_are_forgotten(runwright_home: Path) -> None:
    """The ledger of the checkout may hold other systems, and other environments of the shop."""
    with open_ledger() as ledger:
        for system, environment in (("shop", "local"), ("shop", "compose"), ("mine", "local")):
            opened(ledger, system, environment)
        forget_releases()
        left = [(release.system, release.environment) for release in ledger.releases.find()]
        assert sorted(left) == [("mine", "local"), ("shop", "compose")]
        counted = ledger.store.read(
            lambda c: {t.name: c.execute(t.select()).fetchall() for t in metadata.sorted_tables}
        )
    for name in ("runs", "facts", "journal", "leases"):
        assert len(counted[name]) == 2, name
    forget_releases()
