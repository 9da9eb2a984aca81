"""Take a backup of an environment's database: on its schedule, or when somebody asks."""

from __future__ import annotations

from prefect import flow

from tasks.scheduled_backup import scheduled_backup


@flow(name="backup", flow_run_name="{system}-{environment}", persist_result=False)
def backup(system: str, environment: str, deployer: str = "") -> str:
    """Take a backup, prove it, and remove the ones that nobody needs any more.

    Args:
        system: The system's name, as in its runbook.
        environment: One of the runbook's environments.
        deployer: Who asks for it.
    """
    return str(scheduled_backup(system, environment, deployer))
