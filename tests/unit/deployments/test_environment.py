"""What every run is told, which everybody who reaches Prefect's API can read."""

from __future__ import annotations

import pytest

from deployments.server import environment
from runwright.home import LEDGER_VARIABLE


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://runwright@db.internal/ledger", True),
        ("sqlite:////srv/ledger.db", True),
        ("postgresql://runwright:hunter2hunter2@db.internal/ledger", False),
    ],
)
def test_a_ledger_is_named_unless_its_url_holds_a_password(
    monkeypatch: pytest.MonkeyPatch, url: str, told: bool
) -> None:
    """Given a URL with a password, no run is told of it; the worker's own environment is where it stays."""
    monkeypatch.setenv(LEDGER_VARIABLE, url)
    assert (environment().get(LEDGER_VARIABLE) == url) is told
    assert "hunter2hunter2" not in str(environment())
