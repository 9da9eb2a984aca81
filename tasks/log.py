"""Where a run says what it does: the log of its run in Prefect, or the process's own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from runwright.engine.visible import visible


def sayer() -> Callable[..., None]:
    """Return a function that logs a sentence: to the run's log in Prefect if there is one."""
    try:
        logger: Any = get_run_logger()
    except MissingContextError:
        logger = logging.getLogger("runwright")

    def say(text: str, level: str = "info") -> None:
        getattr(logger, level)(visible(text, lines=True))

    return say
