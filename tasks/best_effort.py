"""What people look at must never hold up a release, nor fail it: it is shown if Prefect's API answers at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import httpx
from prefect.context import SettingsContext, SyncClientContext, get_settings_context
from prefect.exceptions import PrefectException

T = TypeVar("T")

ANSWER_SECONDS = 5.0
PAUSE_SECONDS = 60.0
"""For so long after a failure nothing is shown: a rule is judged every few seconds, and must not wait each time."""


@contextmanager
def answered_soon() -> Iterator[None]:
    """Let Prefect's client try once, for some seconds, in here: by itself it would for minutes.

    A run has one client for all that it asks, made with the settings of its beginning: that one is told as well.
    """
    with _impatient():
        run = SyncClientContext.get()
        if run is None:
            yield
            return
        client = run.client._client
        before, client.timeout = client.timeout, httpx.Timeout(ANSWER_SECONDS)
        try:
            yield
        finally:
            client.timeout = before


def _impatient() -> SettingsContext:
    """Return Prefect's settings of this moment with less patience.

    Prefect's own ``temporary_settings`` reads and checks all of them anew: thirty milliseconds for each thing shown.
    """
    now = get_settings_context()
    client = now.settings.client.model_copy(update={"max_retries": 0})
    api = now.settings.api.model_copy(update={"request_timeout": ANSWER_SECONDS})
    settings = now.settings.model_copy(update={"client": client, "api": api})
    return SettingsContext(profile=now.profile, settings=settings)


class Showing:
    """Shows things as long as Prefect's API answers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._again_at = float("-inf")

    def try_to(self, show: Callable[[], T], say: Callable[..., None]) -> T | None:
        """Return what ``show`` returns; or None, and say why once, if Prefect's API does not answer as it should."""
        if self._clock() < self._again_at:
            return None
        try:
            with answered_soon():
                return show()
        except (httpx.HTTPError, PrefectException, OSError) as error:
            self._again_at = self._clock() + PAUSE_SECONDS
            say(
                f"Prefect's API does not answer ({type(error).__name__}): nothing is shown there for a minute. "
                "The release goes on; the ledger has it all.",
                level="warning",
            )
            return None


showing = Showing()
"""The one of this process."""
