"""Smoke checks that only read are asked again while a release is watched, with a login of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runwright.release.again import Again
from runwright.release.work import Work
from tests.integration.test_http_probe import Shop, clock, serving
from tests.unit.release.conftest import Opener, opened, token

__all__ = ["opened"]


@pytest.fixture
def shop() -> Iterator[Shop]:
    server = Shop()
    with serving(server):
        yield server


def watched(opened: Opener, shop: Shop, password: str = "hunter2-hunter2") -> tuple[Work, Again]:
    base = f"http://127.0.0.1:{shop.server_port}"
    login = {
        "id": "login",
        "post": f"{base}/login",
        "body": {"user": "u", "password": password},
        "save": {"token": "access_token"},
    }
    find: dict[str, Any] = {"id": "find", "get": f"{base}/customers", "bearer": "${saved.token}", "json": {"$": []}}
    work = opened(verify={"smoke": [login, find]})
    work.do._token = token(work)  # what is sent by a POST is journaled, and fenced
    return work, Again(work, clock)


def test_what_needs_a_login_logs_in_first_and_keeps_the_token(opened: Opener, shop: Shop) -> None:
    """Once, as long as it is good; when it is refused it logs in afresh before that counts."""
    work, again = watched(opened, shop)
    find = work.runbook.verify.smoke[1]
    assert [again.ask(find).state for _ in range(3)] == ["pass"] * 3
    assert shop.asked == ["POST /login", *["GET /customers"] * 3]
    again._saved["token"] = "of yesterday"
    assert again.ask(find).state == "pass"
    assert shop.asked[4:] == ["GET /customers", "POST /login", "GET /customers"]
    keys = [entry.key for entry in work.ledger.journal(work.id).entries()]
    assert len(keys) == len(set(keys)) == 2


def test_a_watch_that_goes_on_logs_in_again(opened: Opener, shop: Shop) -> None:
    """What a run that died had saved is not kept, and its key is not used again."""
    work, again = watched(opened, shop)
    find = work.runbook.verify.smoke[1]
    assert again.ask(find).state == "pass" and Again(work, clock).ask(find).state == "pass"


def test_a_login_that_fails_is_told_as_the_reason(opened: Opener, shop: Shop) -> None:
    """The probe cannot be right without it."""
    work, again = watched(opened, shop, password="wrong")
    found = again.ask(work.runbook.verify.smoke[1])
    assert (found.id, found.state) == ("find", "fail")
    assert found.reason == "login, which it needs: answered 401, expected 200"
