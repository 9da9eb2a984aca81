"""What every step has in common: it opens its release, is retried where that is allowed, and shows no secret when it fails."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from runwright.errors import (
    ActionError,
    CancelledError,
    DeadlineError,
    InDoubtError,
    ObservationError,
    RunwrightError,
)
from runwright.release.lease import renewed
from runwright.release.sealed import without_secrets
from runwright.release.work import Work, at_work
from tasks.run import RUN


class Plainly(logging.Filter):
    """Shows an error of ours as its three sentences: a traceback of Prefect's engine tells an operator nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the traceback out of a record whose error is one of ours."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, RunwrightError):
            record.msg, record.args, record.exc_info, record.exc_text = str(error), (), None, None
        return True


for _name in ("prefect.flow_runs", "prefect.task_runs", "prefect.engine"):
    logging.getLogger(_name).addFilter(Plainly())

RETRY_DELAYS_SECONDS = [2.0, 5.0, 15.0]
"""For steps that may be retried: what was settled is skipped, what is in doubt is looked at, so a try more changes nothing twice."""


def worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    """Return whether another try may help: the world failed, not a rule, a verification or an input.

    The ledger was waited for already, for as long as anybody would.
    """
    error = state.result(raise_on_failure=False)
    final = (InDoubtError, CancelledError, DeadlineError)
    return isinstance(error, ActionError | ObservationError) and not isinstance(error, final)


def step(function: Callable[[Work], Any], *, retried: bool = False) -> Callable[[str], Any]:
    """Make a Prefect task of a step of a release, which takes a Work: the task takes the release's id.

    ``retried`` says whether it may be tried again by itself. Results are never persisted: a result on disk could hold
    what nobody should read, and the ledger knows what is done.
    """

    @task(
        name=function.__name__.replace("_", "-"),
        description=(function.__doc__ or "").strip().splitlines()[0] if function.__doc__ else None,
        retries=len(RETRY_DELAYS_SECONDS) if retried else 0,
        retry_delay_seconds=RETRY_DELAYS_SECONDS,
        retry_condition_fn=worth_retrying,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    @functools.wraps(function)
    def run(release_id: str) -> Any:
        renewed(release_id)
        with at_work(release_id, RUN) as work:
            return without_secrets(work, function)

    return run
