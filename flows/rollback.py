"""Put a system back: fired when a deploy run ends badly, or started by a person."""

from __future__ import annotations

from prefect import flow

from tasks.begin import taken_up
from tasks.close import close
from tasks.decide import decide_way, let_go
from tasks.lease import holding
from tasks.put_back import paged, put_back
from tasks.watch import watch_on


@flow(name="rollback", flow_run_name="{system}-{environment}", persist_result=False)
def rollback(
    system: str,
    environment: str,
    failed_run_id: str | None = None,
    release: str | None = None,
    to: str | None = None,
    reason: str = "",
    deployer: str = "",
    accept_level: str | None = None,
) -> str:
    """Look at what a release left behind, decide, and put the system back where that is right.

    Fired twice, or where nothing was changed, it does nothing the second time. It is never rolled back itself.

    Args:
        system: The system's name, as in its runbook.
        environment: One of the runbook's environments.
        failed_run_id: The deploy run that ended badly; the automation fills it in.
        release: The release to take back. Default: the one of the failed run, or the newest.
        to: The release to go back to. Default: the one that was proven before.
        reason: Why.
        deployer: Who asks for it.
        accept_level: Go back although the migrations are of this level (L3): somebody knows that the old version runs on
            the schema as it is.
    """
    asked = {
        "failed_run_id": failed_run_id,
        "to": to,
        "reason": reason,
        "deployer": deployer,
        "accept_level": accept_level,
    }
    release_id = taken_up(system, environment, "rollback", release_id=release, asked=asked)
    if release_id is None:
        return "There is no release of this run: nothing was changed, and nothing is put back."

    with paged(release_id):
        if let_go(release_id):
            return str(close(release_id))
        with holding(release_id, "rollback", wait=True):
            decide_way(release_id)
            put_back(release_id)
            watch_on(release_id)
            return str(close(release_id))
