"""What the demo releases, what must become of each, and whether it did: pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

PROVEN, TAKEN_BACK, REFUSED = "proven", "rolled_back", "abandoned"


@dataclass(frozen=True)
class Chapter:
    """One release, and what must become of it.

    reached: how far it must come. because: a pattern that its reason must match. serves: the version that must serve
    afterwards.
    """

    version: str
    title: str
    watch_minutes: float
    ends: str
    reached: str
    because: str
    serves: str


STORY = (
    Chapter("v1.0.0", "the first release", 0.2, PROVEN, "watching", r"^watched for \d", "v1.0.0"),
    Chapter("v1.1.0", "a good one, which adds a column", 0.25, PROVEN, "watching", r"^watched for \d", "v1.1.0"),
    Chapter(
        "v1.3.0-migration-fails",
        "its migration fails half-way",
        0.25,
        TAKEN_BACK,
        "migrating",
        r"0003_prices.*failed",
        "v1.1.0",
    ),
    Chapter(
        "v1.4.0-errors",
        "it answers errors a while after the switch",
        1.0,
        TAKEN_BACK,
        "watching",
        r"rule errors .*\d %.*requests",
        "v1.1.0",
    ),
)

IN_A_CLUSTER = (
    *STORY[:2],
    Chapter(
        "v1.8.0-no-secret",
        "it needs a secret that is not there",
        0.25,
        REFUSED,
        "preparing",
        r"no Secret/shop-payments",
        "v1.1.0",
    ),
    STORY[2],
    Chapter(
        "v1.7.0-crashes", "it ends as soon as it is started", 0.25, TAKEN_BACK, "switching", r"exit code 1", "v1.1.0"
    ),
    Chapter("v1.9.0-no-image", "one of its images cannot be pulled", 0.25, REFUSED, "preparing", r"Pull", "v1.1.0"),
    Chapter("v1.2.0-never-ready", "it never gets ready", 0.25, TAKEN_BACK, "switching", r"ready|503", "v1.1.0"),
    STORY[3],
)
"""On a cluster; what cannot be pulled, or needs what is not there, is bad only there."""


@dataclass(frozen=True)
class Seen:
    """What became of one release. Times are in seconds.

    reached: the last state on its way forward. because: the sentence with the numbers. run: how its deploy run ended. rollbacks: how each rollback run that was
    fired for it ended. procedures: which ones the ledger knows to have worked on it, in order. late_changes: what a
    rollback run changed. front, behind: the version that answers at the front door, and the one that the front door
    names. took: until its end, with everything that was fired. unsafe: from the verdict until the version before it
    was seen to serve; None if there was no verdict against it.
    """

    state: str
    reached: str
    because: str
    run: str
    rollbacks: list[str]
    procedures: list[str]
    late_changes: list[str]
    front: str
    behind: str
    took: float
    unsafe: float | None
    sent: int
    failed: int
    failures: dict[str, int] = field(default_factory=dict)


def wrong(chapter: Chapter, seen: Seen) -> list[str]:
    """Return, as sentences, what is not as the story says; nothing if all is well."""
    found = []

    def must(true: bool, sentence: str) -> None:
        if not true:
            found.append(f"{chapter.version}: {sentence}")

    bad = chapter.ends != PROVEN
    must(seen.state == chapter.ends, f"it is {seen.state or 'unknown'}, and should be {chapter.ends}")
    must(seen.reached == chapter.reached, f"it came as far as {seen.reached}, and should come to {chapter.reached}")
    must(re.search(chapter.because, seen.because) is not None, f"its reason is not the expected one: {seen.because!r}")
    must(seen.run == ("FAILED" if bad else "COMPLETED"), f"its run ended {seen.run}")
    # a busy Prefect server on SQLite may fire an automation more than once: what counts is that it has one effect
    must(
        set(seen.rollbacks) == ({"COMPLETED"} if bad else set()),
        f"rollback runs that were fired: {', '.join(seen.rollbacks) or 'none'}; "
        + ("one should have completed" if bad else "there should be none"),
    )
    expected = ["deploy", *(["rollback"] * len(seen.rollbacks))]
    must(seen.procedures == expected, f"the ledger knows the procedures {seen.procedures}, and should know {expected}")
    must(not seen.late_changes, f"the rollback run changed what was put back already: {', '.join(seen.late_changes)}")
    must(seen.front == chapter.serves, f"{seen.front or 'nothing'} serves, and {chapter.serves} should")
    must(seen.behind == chapter.serves, f"the front door names {seen.behind or 'nothing'}, not {chapter.serves}")
    must(bad or not seen.failed, f"{seen.failed} of {seen.sent} requests failed during a good release: {seen.failures}")
    return found
