"""The backup before a release."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from runwright.databases.shape import last_success
from runwright.engine.actions import WriteFile
from runwright.engine.there.paths import Path
from runwright.errors import ActionError
from runwright.release.old_backups import prune_if_it_can
from runwright.release.plan import migrations_of
from runwright.release.work import Work


def back_up(work: Work) -> str:
    """Take a backup and prove it, as the runbook asks; an older one that is young enough will not do here."""
    if (done := work.fact("backup")) and young_enough(work, done):
        return str(done["location"])
    reason = why_not(work)
    if reason:
        work.say(f"No backup: {reason}.")
        return f"none: {reason}"
    taken = take(work, f"{work.release.system}-{work.release.environment}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    if taken is None:
        return "none: there is no database yet"
    work.write_down("backup", taken)
    prune_if_it_can(work)
    return str(taken["location"])


def young_enough(work: Work, taken: dict[str, Any]) -> bool:
    """Return whether the backup that this release took before may still stand for what it is about to change."""
    assert work.runbook.backup is not None
    age = datetime.now(UTC) - datetime.fromisoformat(taken["taken_at"])
    return age.total_seconds() <= work.runbook.backup.at_most


def why_not(work: Work) -> str:
    """Return why no backup is taken, or "" if one is."""
    wanted = work.runbook.backup
    if work.database is None:
        return "there is no database"
    if wanted is None:
        return "the runbook asks for none"
    if wanted.when == "never":
        return "the runbook says never"
    migrations = migrations_of(work)
    if wanted.when == "migrations" and not (migrations and migrations.pending):
        return "no migrations are pending, and the runbook asks for one only then"
    if work.fact("new-database"):
        return "the database is new"
    return ""


def take(work: Work, name: str) -> dict[str, Any] | None:
    """Take, prove and record one backup; return it as JSON, or None if there is nothing to back up yet."""
    assert work.runbook.backup is not None and work.database is not None
    folder = Path(work.runbook.backup_folder(work.release.environment))
    backup = work.database.backup(work.do, folder, name, f"deploy/backup/{name}")
    if backup is None:
        return None
    if backup.bytes < work.runbook.backup.min_bytes:
        raise ActionError(
            f"The backup {backup.location} has {backup.bytes} bytes; the runbook takes one under "
            f"{work.runbook.backup.min_bytes} for none.",
            state="Nothing was changed.",
            next="Look at the file, and at `backup.min_bytes` in the runbook.",
        )
    record = work.ledger.records.add_backup(
        work.release.system,
        work.release.environment,
        release_id=work.id,
        location=backup.location,
        bytes=backup.bytes,
        sha256=backup.sha256,
        seconds=backup.seconds,
        engine=backup.engine,
        revisions=list(backup.revisions),
    )
    work.ledger.records.prove_backup(record.id, {"proof": backup.proof})
    if marker := work.place.backup_marker:
        mark = last_success(backup)
        work.do(
            WriteFile(path=Path(marker), content=mark, says=f"note it in {marker}", key=f"deploy/backup/{name}/marker")
        )
    work.say(f"Backup {backup.location}: {backup.bytes} bytes in {backup.seconds:.1f} s; {backup.proof}")
    return backup.as_json()
