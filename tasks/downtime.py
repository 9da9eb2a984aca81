"""How long the services were away, where they are replaced in place or stopped for migrations: as the journal says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from runwright.ledger.journal import Entry
from runwright.policy.wording import as_time
from tasks.work import Work

TAKES_AWAY = ("drain", "stop", "up")
"""The changes after which a service may be away: it is stopped for migrations, or since the new version has no such
service, or it is replaced in place."""
NOTE = "downtime"
SERVED = "served_at"
"""The fact that says when the health of the new version was first right after users were sent to it: containers that run
serve nobody yet."""


def away_since(entries: Iterable[Entry], *courses: str) -> datetime | None:
    """Return when the first service was about to be taken away by one of ``courses`` ("deploy", "back"); None: none was."""

    def takes_away(key: str) -> bool:
        course, _, change = key.partition("/")
        return course.rstrip("0123456789") in courses and change.partition("/")[0] in TAKES_AWAY

    return min((entry.intent_at for entry in entries if takes_away(entry.key)), default=None)


def note_downtime(work: Work, course: str, serves: str) -> None:
    """Note how long it took until ``serves`` served, from the first service that was taken away; once for each course.

    Where nothing ran before, nothing was away. Before a way back from a version that never served, nobody was served since
    it was begun with.
    """
    if work.release.previous_id is None or work.fact(f"{NOTE}/{course}") is not None:
        return
    courses = (course,) if work.fact(SERVED) else ("deploy", course)
    since = away_since(work.ledger.journal(work.id).entries(), *courses)
    if since is None:
        return
    seconds = max(0.0, (datetime.now(UTC) - since).total_seconds())
    work.write_down(f"{NOTE}/{course}", seconds)
    text = f"This release took services away for {as_time(seconds)} at most, until {serves} served."
    work.ledger.records.add_note(work.id, NOTE, text)
    work.say(text)


def downtimes(work: Work) -> list[str]:
    """Return what was noted of it."""
    return [note.text for note in work.ledger.records.notes(work.id) if note.kind == NOTE]
