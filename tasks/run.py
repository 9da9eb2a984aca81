"""The run of Prefect in which a release is worked on: its log, its artifacts, and the blocks that hold the credentials."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

import httpx
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext, TaskRunContext
from prefect.deployments import run_deployment
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from blocks import load_secrets
from tasks.best_effort import answered_soon, showing
from tasks.log import sayer


class PrefectRun:
    """See runwright.release.run.Run. Outside of a run of Prefect (a plan from the command line) nothing is shown."""

    @property
    def id(self) -> str:
        """The id of the flow run; outside of one, another each time."""
        return str(flow_run.get_id() or uuid.uuid4())

    @property
    def shows(self) -> bool:
        """Whether there is a run that artifacts belong to."""
        return FlowRunContext.get() is not None or TaskRunContext.get() is not None

    def say(self, text: str, level: str = "info") -> None:
        """Write to the run's log in Prefect, else to the process's own."""
        sayer()(text, level)

    def secrets(self, block: str, tier: str) -> dict[str, str]:
        """Return what the environment's block holds, in clear."""
        return load_secrets(block, cast(Literal["development", "staging", "production"], tier))

    def show(self, key: str, markdown: str, description: str) -> None:
        """Make a Markdown artifact, if Prefect's API answers at once."""
        if self.shows:
            showing.try_to(
                lambda: create_markdown_artifact(key=key, markdown=markdown, description=description), self.say
            )

    def progress(self, key: str, description: str) -> Callable[[float], None]:
        """Make a progress artifact, and return what moves it."""
        bar: UUID | None = None
        if self.shows:
            made = showing.try_to(
                lambda: create_progress_artifact(progress=0.0, key=key, description=description), self.say
            )
            bar = cast(UUID | None, made)

        def move(percent: float) -> None:
            if bar is not None:
                showing.try_to(lambda: update_progress_artifact(artifact_id=bar, progress=percent), self.say)

        return move

    def later(self, procedure: str, parameters: dict[str, Any], at: datetime, once: str) -> str:
        """Schedule a run of the deployment ``procedure``."""
        try:
            with answered_soon():
                run_deployment(
                    procedure,
                    parameters=parameters,
                    scheduled_time=at,
                    timeout=0,
                    as_subflow=False,
                    idempotency_key=once,
                )
        except (httpx.HTTPError, PrefectException) as error:
            return type(error).__name__
        return ""


RUN = PrefectRun()
"""The run of this process, whichever it is."""
