"""How long a healthcheck takes until it has judged."""

from __future__ import annotations

import pytest

from runwright.platforms.compose.draft.healthchecks import judged_seconds, ready_seconds


@pytest.mark.parametrize(
    "check, seconds",
    [
        ({}, None),
        ({"interval": "5s"}, None),
        ({"test": ["NONE"]}, None),
        ({"test": "x", "disable": True}, None),
        ({"test": "x"}, 240),
        ({"test": ["CMD", "x"], "interval": "10s", "timeout": "5s", "retries": 5, "start_period": "1m0s"}, 150),
        ({"test": "x", "interval": "1m30s", "timeout": "500ms", "retries": 1}, 181),
        ({"test": "x", "interval": "0s", "timeout": "1h0m0s", "retries": 0}, 4 * 3630),
        ({"test": "x", "interval": "${EVERY}", "timeout": "1.5s", "retries": "${OFTEN}"}, 126),
    ],
)
def test_a_healthcheck_has_judged_after_its_start_period_and_its_tests(check, seconds):
    """Docker's own values stand for what is not said, and for a variable that nobody has filled in."""
    assert judged_seconds(check) == seconds


@pytest.mark.parametrize(
    "judged, seconds",
    [([], None), ([None], None), ([3], 30), ([3, 31, 4], 40), ([None, 31, 4], None), ([40.0], 40), ([0.5, 240], 240)],
)
def test_the_slowest_healthcheck_says_how_long_a_version_may_take(judged, seconds):
    """In whole tens of seconds, and never less than thirty."""
    assert ready_seconds(judged) == seconds
