"""Say by hand what becomes of a canary that is under way: the run of its release does it."""

from __future__ import annotations

from typing import Literal

from prefect import flow

from tasks.by_hand import by_hand


@flow(name="canary", flow_run_name="{system}-{environment} {what}", persist_result=False)
def canary(
    system: str,
    environment: str,
    what: Literal["share", "on", "promote", "back"],
    share: int | None = None,
    deployer: str = "",
    why: str = "",
) -> str:
    """Set the share of a canary, let it go on, send all users to the new version, or send them back.

    Args:
        system: The system's name, as in its runbook.
        environment: One of the runbook's environments.
        what: share: set the share. on: go on to the next one. promote: all users at once. back: all users back at once.
        share: For share: how many percent of the new requests, from 1 to 99.
        deployer: Who asks for it; kept with the release.
        why: Why; kept as well.
    """
    return by_hand(system, environment, what, share, deployer, why)
