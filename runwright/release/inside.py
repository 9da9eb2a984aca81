"""What there is of a system besides its addresses, for the probes of a release: its insides, its database, its log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from runwright.databases.shape import Database
from runwright.engine.actions import Action
from runwright.errors import ActionError, CancelledError, FencedError, LedgerError, RunwrightError
from runwright.platforms.shape import MOST_LINES
from runwright.probes.logs import matches, per_minute
from runwright.probes.shape import PLANNED_FACT, Logged, Parse, Told, World
from runwright.release.work import LOGS_BEFORE, Work
from runwright.runbook.questions import LogsQuestion

BEFORE_SECONDS = 600.0
"""How much of what was printed before a release is looked at, to know what is usual."""


def world(work: Work, slot: str | None = None) -> World:
    """Return what there is of the system: of ``slot``, else of what users reach."""

    def where() -> str:
        found = slot if slot is not None else work.cutover.served(work.do) if work.platform.slots else ""
        return found or ""

    def entering(service: str) -> tuple[str, ...]:
        return work.platform.inside(work.do, service, where())

    def query(text: str, seconds: float, says: str, parse: Parse) -> Action[dict[str, Any]]:
        database: Database | None = work.database
        if database is None:
            raise ActionError("This environment has no database that could be asked.")
        return database.question(text, seconds, says, lambda *told: parse(Told(*told)), PLANNED_FACT)

    def log(services: Sequence[str], says: str, parse: Callable[[Logged], dict[str, Any]]) -> Action[dict[str, Any]]:
        since = _since(work)

        def read(lines: tuple[str, ...]) -> dict[str, Any]:
            seconds = max(0.0, (datetime.now(UTC) - since).total_seconds())
            return parse(Logged(lines, seconds, cut=len(lines) >= MOST_LINES))

        return work.platform.lines(work.do, services, where(), since, says=says, parse=read, assume=PLANNED_FACT)

    return World(entering, query, log, work.fact(LOGS_BEFORE) or {}, production=work.place.tier == "production")


def remember_log(work: Work) -> None:
    """Write down how many lines a minute of each probe of logs match before anything is changed. Once; where it cannot be
    known there is nothing that the new version could be compared with."""
    if work.fact(LOGS_BEFORE) is not None:
        return
    before: dict[str, float] = {}
    since = datetime.now(UTC) - timedelta(seconds=BEFORE_SECONDS)
    for probe in work.runbook.probes_of(work.release.environment) if work.platform.tells_since else ():
        if (wanted := probe.logs) is None:
            continue
        says = f"read what was usual for {probe.id}"
        try:
            slot = work.cutover.served(work.do) or "" if work.platform.slots else ""
            lines = _lines(work, wanted, slot, since, says)
            before[probe.id] = per_minute(len(matches(lines, wanted)), BEFORE_SECONDS)
        except (CancelledError, FencedError, LedgerError):
            raise
        except RunwrightError as error:
            work.say(f"{probe.id}: what was usual before the release is not known: {error.what}", level="warning")
    work.write_down(LOGS_BEFORE, before)


def _lines(work: Work, wanted: LogsQuestion, slot: str, since: datetime, says: str) -> tuple[str, ...]:
    def as_they_are(lines: tuple[str, ...]) -> tuple[str, ...]:
        return lines

    return work.do(work.platform.lines(work.do, wanted.services, slot, since, says=says, parse=as_they_are, assume=()))


def _since(work: Work) -> datetime:
    began = work.fact("switch_began_at")
    return datetime.fromisoformat(began) if began else work.release.created_at
