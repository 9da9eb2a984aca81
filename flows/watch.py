"""Go on with the watch of a release whose run ended before it was over."""

from __future__ import annotations

from prefect import flow

from tasks.begin import taken_up
from tasks.close import close
from tasks.decide import take_over
from tasks.put_back import in_hand
from tasks.watch import may_be_watched
from tasks.watch import watch as watch_release


@flow(name="watch", flow_run_name="{system}-{environment}", persist_result=False)
def watch(system: str, environment: str, release: str | None = None, deployer: str = "") -> str:
    """Watch the release that is live for the time that is left of its watch, and put the old one back if it fails.

    Args:
        system: The system's name, as in its runbook.
        environment: One of the runbook's environments.
        release: The release. Default: the newest.
        deployer: Who asks for it.
    """
    release_id = taken_up(system, environment, "watch", release_id=release, asked={"deployer": deployer})
    if release_id is None:
        return "There is no release to watch."
    may_be_watched(release_id)
    with in_hand(release_id, procedure="watch"):
        take_over(release_id)
        watch_release(release_id)
        return str(close(release_id))
