"""A backup outside of a release."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from runwright.errors import InputError
from runwright.ledger import Patience, open_ledger
from runwright.ledger.states import ReleaseState
from runwright.runbook.loader import load_system
from runwright.runbook.snapshot import to_json
from tasks.back_up import take
from tasks.holding import holding
from tasks.old_backups import prune
from tasks.redacting import written
from tasks.saying import sayer
from tasks.step import without_secrets
from tasks.work import Work, at_work


@task(name="backup", cache_policy=NO_CACHE, persist_result=False)
def scheduled_backup(system: str, environment: str, deployer: str) -> str:
    """Take a backup, prove it, and remove the ones that are older than the runbook keeps and that no release needs."""
    runbook = load_system(system).runbook
    if runbook.backup is None or environment not in runbook.environments:
        raise InputError(
            f"{system}/{environment} has no backup in its runbook.", next="Add a `backup` section, or name another one."
        )
    ledger = open_ledger(patience=Patience(sayer()))
    record = ledger.releases.open(
        system,
        environment,
        "backup",
        procedure="backup",
        run_id=str(flow_run.get_id() or uuid.uuid4()),
        runbook=to_json(runbook),
        parameters={},
        deployer=written(runbook, environment)(deployer),
    )
    with holding(record.id, "backup", wait=True), at_work(record.id) as work:
        location = without_secrets(work, _backup)
        ledger.releases.advance(record.id, ReleaseState.ABANDONED, f"a backup, no release: {location}")
    ledger.close()
    return str(location)


def _backup(work: Work) -> str:
    name = f"{work.release.system}-{work.release.environment}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    taken = take(work, name)
    prune(work)
    return "there is no database yet" if taken is None else str(taken["location"])
