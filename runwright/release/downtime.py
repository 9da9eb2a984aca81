"""How long nobody was served, where the services are replaced in place or stopped for migrations, and before a version that
did not serve was taken back: from the journal's first change that took them away, until a version that serves answered."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime

from runwright.ledger.journal import Entry
from runwright.policy.wording import as_time
from runwright.release import drivers
from runwright.release.work import Work
from runwright.traffic import status_of

TAKES_AWAY = ("drain", "stop", "up", "leave")
"""The changes after which a service may be away: it is stopped for migrations, or since the new version has no such
service, or it is replaced in place, or what stood before it is taken away."""
MOVES_USERS = "switch/put"
"""The change after which users reach another version: if that did not serve, nobody was served from then on."""
ASK_EVERY_SECONDS = 0.1
NOTE = "downtime"
SERVED = "served_at"
"""The fact that says when the health of the new version was first right after users were sent to it: containers that run
serve nobody yet."""


STOPS_FOR_MIGRATIONS = ("drain", "way")
"""Where two versions run side by side, only these take services away: the stop before migrations, and of what has a port that a
switch takes over."""


def away_since(
    entries: Iterable[Entry], *courses: str, moved: bool = False, takes: tuple[str, ...] = TAKES_AWAY
) -> datetime | None:
    """Return when the first service was about to be taken away by one of ``courses`` ("deploy", "back"); None: none was.

    moved: whether moving the users took it away as well. takes: the changes that take services away.
    """

    def takes_away(key: str) -> bool:
        course, _, change = key.partition("/")
        taken = change.removeprefix("enter/").partition("/")[0] in takes or (moved and change == MOVES_USERS)
        return taken and course.rstrip("0123456789") in courses

    return min((entry.intent_at for entry in entries if takes_away(entry.key)), default=None)


@contextmanager
def asking(work: Work, course: str) -> Iterator[None]:
    """While a version is made to serve, ask the front door as users do; write down since when it has answered.

    Nothing is done where there is no front door of ours.
    """
    front = drivers.front(work.site, work.do)
    path = work.platform.health_path
    if front is None or path is None:
        yield
        return
    answers: list[tuple[datetime, bool]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            right = status_of(front.port, path, front.host) == 200
            answers.append((datetime.now(UTC), right))
            done.wait(ASK_EVERY_SECONDS)

    asks = threading.Thread(target=copy_context().run, args=(ask,), daemon=True, name="runwright-downtime")
    asks.start()
    try:
        yield
    finally:
        done.set()
        asks.join()
    if since := answered_since(answers):
        work.write_down(f"answers/{course}", since.isoformat())


def answered_since(answers: list[tuple[datetime, bool]]) -> datetime | None:
    """Return since when all answers were right, None if the last one was not."""
    since = None
    for at, right in answers:
        since = (since or at) if right else None
    return since


def note_downtime(work: Work, course: str, serves: str) -> None:
    """Note how long nobody was served until ``serves`` served; once for each course.

    Where nothing ran before, nothing was away. Before a way back from a version that never served, nobody was served since
    the users were sent to it, or what they had was taken away.
    """
    if work.release.previous_id is None or work.fact(f"{NOTE}/{course}") is not None:
        return
    served = course == "deploy" or work.fact(SERVED) is not None
    courses = (course,) if served else ("deploy", course)
    takes = STOPS_FOR_MIGRATIONS if drivers.runs_two(work.site) else TAKES_AWAY
    since = away_since(work.ledger.journal(work.id).entries(), *courses, moved=not served, takes=takes)
    if since is None:
        return
    answers = work.fact(f"answers/{course}")
    until = datetime.fromisoformat(answers) if answers else datetime.now(UTC)
    seconds = max(0.0, (until - since).total_seconds())
    work.write_down(f"{NOTE}/{course}", seconds)
    text = f"This release took services away for {as_time(seconds)} at most, until {serves} served."
    work.ledger.records.add_note(work.id, NOTE, text)
    work.say(text)


def downtimes(work: Work) -> list[str]:
    """Return what was noted of it."""
    return [note.text for note in work.ledger.records.notes(work.id) if note.kind == NOTE]
