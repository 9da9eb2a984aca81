"""How this release behaves. This one gets slower and slower, some seconds after it started."""

from __future__ import annotations

import os
import time

SLOW_AFTER_SECONDS = float(os.environ.get("SHOP_SLOW_AFTER", "5"))
GROWTH = 0.25  # seconds that an answer takes longer, for each second
MOST_SECONDS = 3.0
STARTED = time.monotonic()


def not_ready() -> str:
    """Return why this release is not ready, or ""."""
    return ""


def fails() -> bool:
    """Return whether the request that is being answered fails."""
    return False


def delay_seconds() -> float:
    """Return how much longer than needed an answer takes."""
    late = time.monotonic() - STARTED - SLOW_AFTER_SECONDS
    return min(MOST_SECONDS, max(0.0, late * GROWTH))
