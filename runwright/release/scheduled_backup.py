"""A backup outside of a release."""

from __future__ import annotations

from datetime import UTC, datetime

from runwright.errors import InputError
from runwright.ledger import Patience, open_ledger
from runwright.ledger.states import ReleaseState
from runwright.release.back_up import take
from runwright.release.lease import holding
from runwright.release.old_backups import prune
from runwright.release.redacting import written
from runwright.release.run import Run
from runwright.release.sealed import without_secrets
from runwright.release.work import Work, at_work
from runwright.runbook.loader import load_system
from runwright.runbook.snapshot import to_json


def scheduled_backup(run: Run, system: str, environment: str, deployer: str) -> str:
    """Take a backup, prove it, and remove the ones that are older than the runbook keeps and that no release needs."""
    runbook = load_system(system).runbook
    if runbook.backup is None or environment not in runbook.environments:
        raise InputError(
            f"{system}/{environment} has no backup in its runbook.", next="Add a `backup` section, or name another one."
        )
    ledger = open_ledger(patience=Patience(run.say))
    record = ledger.releases.open(
        system,
        environment,
        "backup",
        procedure="backup",
        run_id=run.id,
        runbook=to_json(runbook),
        parameters={},
        deployer=written(runbook, environment, run)(deployer),
    )
    with holding(record.id, "backup", run, wait=True), at_work(record.id, run) as work:
        location = without_secrets(work, _backup)
        ledger.releases.advance(record.id, ReleaseState.ABANDONED, f"a backup, no release: {location}")
    ledger.close()
    return str(location)


def _backup(work: Work) -> str:
    name = f"{work.release.system}-{work.release.environment}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    taken = take(work, name)
    prune(work)
    return "there is no database yet" if taken is None else str(taken["location"])
