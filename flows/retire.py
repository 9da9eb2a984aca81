"""End what a proven release replaced: scheduled by the release itself, for when its hold has passed."""

from __future__ import annotations

from prefect import flow

from tasks.begin import taken_up
from tasks.lease import holding
from tasks.retire import retire as retire_old


@flow(name="retire", flow_run_name="{system}-{environment}", persist_result=False)
def retire(system: str, environment: str, release: str | None = None, deployer: str = "") -> str:
    """Stop the version before the one that serves, if that one is still the release that replaced it.

    Args:
        system: The system's name, as in its runbook.
        environment: One of the runbook's environments.
        release: The release whose hold has passed. Default: the newest.
        deployer: Who asks for it.
    """
    release_id = taken_up(system, environment, "retire", release_id=release, asked={"deployer": deployer})
    if release_id is None:
        return "There is no release."
    with holding(release_id, "retire", wait=True):
        return str(retire_old(release_id))
