"""Find runs and releases that died without anybody noticing: on a schedule, and when a run falls silent."""

from __future__ import annotations

from prefect import flow

from tasks.supervise import supervise as look_around


@flow(name="supervise", flow_run_name="all environments", persist_result=False)
def supervise(because: str = "") -> str:
    """Declare dead runs crashed, start the way back of releases that nobody works on, and what died on a host again.

    No release is decided here: the rollback that it starts looks again, and does. Started twice, it does nothing more.

    Args:
        because: Why it was started, if not by its schedule.
    """
    return str(look_around(because))
