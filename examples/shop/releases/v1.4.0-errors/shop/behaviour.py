"""How this release behaves. This one answers 6 of 10 requests with status 500, some seconds after it started."""

from __future__ import annotations

import os
import time
from itertools import count

ERRORS_AFTER_SECONDS = float(os.environ.get("SHOP_ERRORS_AFTER", "5"))
BROKEN_OF_TEN = (True, False, True, True, False, True, False, True, True, False)
asked = count()
STARTED = time.monotonic()


def not_ready() -> str:
    """Return why this release is not ready, or ""."""
    return ""


def fails() -> bool:
    """Return whether the request that is being answered fails."""
    return time.monotonic() - STARTED > ERRORS_AFTER_SECONDS and BROKEN_OF_TEN[next(asked) % 10]


def delay_seconds() -> float:
    """Return how much longer than needed an answer takes."""
    return 0.0
