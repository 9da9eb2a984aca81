"""What is shown to people neither holds up a release nor fails it."""

from __future__ import annotations

import socket
import time
from contextlib import nullcontext

import pytest
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.context import SyncClientContext
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    temporary_settings,
)

from tasks import best_effort
from tasks.best_effort import PAUSE_SECONDS, Showing
from tests.fixtures.surroundings import FakeClock


class Said:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str, level: str = "info") -> None:
        self.texts.append(f"{level}: {text}")


def test_an_api_that_is_away_is_told_once_and_not_waited_for(clock: FakeClock) -> None:
    """Given no API, nothing is raised, nothing is retried, and it is asked again only after a pause."""
    said, asked = Said(), []
    showing = Showing(lambda: clock().timestamp())

    def show() -> str:
        asked.append(PREFECT_CLIENT_MAX_RETRIES.value())
        return str(create_markdown_artifact(key="a-page", markdown="text"))

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        began = time.monotonic()
        assert showing.try_to(show, said) is None
        assert showing.try_to(show, said) is None
        assert time.monotonic() - began < 20, "it was retried"
        assert (asked, len(said.texts)) == ([0], 1)
        assert said.texts[0].startswith("warning: Prefect's API does not answer (ConnectError)")
        clock.advance(PAUSE_SECONDS + 1)
        assert showing.try_to(show, said) is None
    assert (asked, len(said.texts)) == ([0, 0], 2)


@pytest.mark.parametrize("in_a_run", [False, True])
def test_an_api_that_says_nothing_is_not_waited_for(in_a_run: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a server that takes connections and never answers: the client that a run was begun with is no more patient."""
    monkeypatch.setattr(best_effort, "ANSWER_SECONDS", 0.2)
    said = Said()
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        temporary_settings(
            {
                PREFECT_API_URL: f"http://127.0.0.1:{silent.getsockname()[1]}/api",
                PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
            }
        ),
        SyncClientContext() if in_a_run else nullcontext(),
    ):
        given = get_client(sync_client=True)._client.timeout
        began = time.monotonic()
        assert Showing().try_to(lambda: create_markdown_artifact(key="a-page", markdown="text"), said) is None
        assert time.monotonic() - began < 20, "it was waited for"
        assert get_client(sync_client=True)._client.timeout == given
    assert said.texts[0].startswith("warning: Prefect's API does not answer (ReadTimeout)")


def test_what_answers_is_shown() -> None:
    """Given an answer, it is returned, and nothing is said."""
    said = Said()
    assert Showing().try_to(lambda: "shown", said) == "shown"
    assert said.texts == []
