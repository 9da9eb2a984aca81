"""Remove the backups that are older than the runbook keeps, and what dumps that failed left behind."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from runwright.databases.shape import note_of
from runwright.engine.actions import Command, Read
from runwright.engine.there.paths import Path
from runwright.errors import CancelledError, FencedError, LedgerError, RunwrightError
from runwright.ledger.records import Backup
from runwright.plural import plural
from runwright.release.work import Work

AT_MOST_IN_A_RELEASE = 20
"""How many backups a release removes: users do not wait for a long tidying; the next one, or the schedule, goes on."""
UNFINISHED_SECONDS = 24 * 3600.0
"""What a dump wrote and never finished is nobody's after this time: a dump is ended after an hour at most."""


def prune(work: Work, at_most: int | None = None) -> None:
    """Remove backups that are older than the runbook keeps, oldest first, ``at_most`` so many; and unfinished dumps.

    Never the newest that is proven, nor one of a release that is not over, that is live, or that is the way back of it.
    """
    for backup in islice(unneeded(work, datetime.now(UTC)), at_most):
        location = Path(backup.location)
        argv = ("rm", "-f", "--", str(location), str(note_of(location)))
        work.do(Command(says=f"remove the backup {location}", key=f"prune/{backup.id}", argv=argv))
        work.ledger.records.remove_backup(backup.id)
        work.say(f"Removed {location}: older than the runbook keeps, and no release needs it.")
    if files := unfinished(work):
        says = f"remove {plural(len(files), 'file')} of dumps that were never finished"
        work.do(Command(says=says, key="prune/unfinished", argv=("rm", "-f", "--", *files)))


def prune_if_it_can(work: Work) -> None:
    """As ``prune``, a few at a time. That something cannot be removed is said, and stops no release."""
    try:
        prune(work, AT_MOST_IN_A_RELEASE)
    except (CancelledError, FencedError, LedgerError):
        raise  # they say nothing about the backups
    except RunwrightError as error:
        work.say(f"Old backups could not be removed: {error.what} {error.next}".rstrip(), level="warning")


def unneeded(work: Work, now: datetime) -> Iterator[Backup]:
    """Yield the backups of the environment that may go, oldest first."""
    assert work.runbook.backup is not None
    system, environment = work.release.system, work.release.environment
    records, releases = work.ledger.records, work.ledger.releases
    newest = records.last_proven_backup(system, environment)
    live = releases.live(system, environment)
    for backup in records.backups_before(system, environment, now - timedelta(seconds=work.runbook.backup.keep)):
        if newest is not None and backup.id == newest.id:
            continue
        if backup.release_id is not None and (
            (live is not None and backup.release_id in (live.id, live.previous_id))
            or not releases.get(backup.release_id).ended
        ):
            continue
        yield backup


def unfinished(work: Work) -> list[str]:
    """Return the files of dumps of this environment that were begun long ago and never got their name."""
    assert work.runbook.backup is not None
    top, own = Path(work.runbook.backup.directory), Path(work.runbook.backup_folder(work.release.environment))
    begins = re.escape(f"{work.release.system}-{work.release.environment}")
    name = re.compile(rf"\.?{begins}-\d{{8}}T\d{{6}}Z\.(dump|db)\.partial(-wal|-shm|-journal)?")

    def look() -> list[str]:
        before = time.time() - UNFINISHED_SECONDS
        # environments did not always have folders of their own
        folders = [folder for folder in (top, own) if folder.is_dir()]
        found = [path for folder in folders for path in folder.iterdir() if name.fullmatch(path.name)]
        return sorted(str(path) for path in found if path.stat().st_mtime < before)

    return work.do(Read(says=f"look for dumps in {own} that were never finished", function=look))
