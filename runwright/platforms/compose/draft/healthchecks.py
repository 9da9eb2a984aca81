"""How long a service may take until its healthcheck has passed, or Docker has called it unhealthy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
# Docker's own: https://docs.docker.com/reference/dockerfile/#healthcheck
_INTERVAL_SECONDS = 30.0
_TIMEOUT_SECONDS = 30.0
_RETRIES = 3
_START_PERIOD_SECONDS = 0.0
_STEP_SECONDS = 10
_LEAST_SECONDS = 30


def judged_seconds(check: Mapping[str, Any]) -> float | None:
    """Return after how many seconds a `healthcheck` of a Compose file has judged at the latest; None if it tests nothing.

    The start period, then `retries` failures; one interval more, as its first test may begin just before that is over.
    """
    test = check.get("test")
    if not test or check.get("disable") or test in ("NONE", ["NONE"]):
        return None
    once = _seconds(check.get("interval"), _INTERVAL_SECONDS) + _seconds(check.get("timeout"), _TIMEOUT_SECONDS)
    return _seconds(check.get("start_period"), _START_PERIOD_SECONDS) + once * (_retries(check.get("retries")) + 1)


def ready_seconds(judged: Iterable[float | None]) -> int | None:
    """Return the `ready_timeout` for services that are judged after so long, in whole tens of seconds.

    None if one of them is not tested: its image may have a healthcheck that Compose does not know of.
    """
    known = list(judged)
    longest = max((seconds for seconds in known if seconds is not None), default=None)
    if longest is None or None in known:
        return None
    return max(_LEAST_SECONDS, math.ceil(longest / _STEP_SECONDS) * _STEP_SECONDS)


def _seconds(text: Any, usual: float) -> float:
    """Return a length of time as Compose writes it ("1m30s", "500ms"); the ``usual`` one of nothing, 0 or a variable."""
    parts = _PART.findall(str(text))
    if not parts or "".join(number + unit for number, unit in parts) != str(text):
        return usual
    return sum(float(number) * _UNITS[unit] for number, unit in parts) or usual


def _retries(said: Any) -> int:
    return int(said) if re.fullmatch(r"[1-9][0-9]{0,5}", str(said)) else _RETRIES
