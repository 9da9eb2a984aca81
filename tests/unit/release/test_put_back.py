"""Before the old version takes the place of the failed one, what that printed is kept."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.engine.actions import Do
from runwright.errors import ActionError
from runwright.platforms.compose import Compose
from runwright.release import put_back
from tests.unit.release.conftest import Opener, token

COMPOSE: dict[str, Any] = {
    "target": {"platform": "compose", "project": "shop", "directory": "/opt/shop"},
    "router": None,
}


def says(monkeypatch: pytest.MonkeyPatch, *answers: str | Exception) -> None:
    left = list(answers)

    def printed(_self: Compose, _do: Do, _release_id: str) -> str:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Compose, "printed", printed)


def test_what_the_failed_version_printed_is_in_a_file_that_only_we_can_read(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its containers are gone by the time that somebody reads the error; a second way back keeps the first file."""
    work = opened(local=COMPOSE, components={"web": {"services": ["web"]}})
    token(work)
    says(monkeypatch, "==> shop-web-1 ended <==\nKeyError: SMTP_HOST", "the old version")
    put_back.keep_what_it_printed(work, work.do, "back1")
    put_back.keep_what_it_printed(work, work.do, "back2")
    path = work.folders.state / "printed" / f"{work.id}.txt"
    assert path.read_text() == "==> shop-web-1 ended <==\nKeyError: SMTP_HOST"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [n.text for n in work.ledger.records.notes(work.id)] == [f"What v1 printed last is in {path}."]


def test_users_do_not_wait_for_a_log_that_cannot_be_read(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker may not tell; the way back goes on."""
    work = opened(local=COMPOSE, components={"web": {"services": ["web"]}})
    says(monkeypatch, ActionError("docker exited with 1"))
    put_back.keep_what_it_printed(work, work.do, "back1")
    assert not (work.folders.state / "printed").exists()


def test_a_platform_that_keeps_its_logs_is_not_asked(opened: Opener) -> None:
    """Processes of the host write to files that stay."""
    work = opened()
    put_back.keep_what_it_printed(work, work.do, "back1")
    assert not (work.folders.state / "printed").exists()


def test_the_output_of_a_step_that_failed_is_kept_if_the_error_does_not_show_all_of_it(opened: Opener) -> None:
    """A migration's container is removed with what it printed."""
    work = opened()
    token(work)
    error = ActionError("the reason (docker exited with 1: migrate).")
    error.printed = "much\nthe reason"
    put_back.after_failure(work, error)
    path = work.folders.state / "printed" / f"{work.id}-step.txt"
    assert path.read_text() == "much\nthe reason"
    assert [n.text for n in work.ledger.records.notes(work.id) if n.kind == "printed"] == [
        f"What the step that failed printed last is in {path}."
    ]
