"""A backup outside of a release."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from runwright.release import scheduled_backup as release
from tasks.run import RUN


@task(name="backup", cache_policy=NO_CACHE, persist_result=False)
def scheduled_backup(system: str, environment: str, deployer: str) -> str:
    """Take a backup, prove it, and remove the ones that are older than the runbook keeps and that no release needs."""
    return release.scheduled_backup(RUN, system, environment, deployer)
