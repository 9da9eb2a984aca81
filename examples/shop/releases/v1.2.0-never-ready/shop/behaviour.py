"""How this release behaves. This one never gets ready."""

from __future__ import annotations


def not_ready() -> str:
    """Return why this release is not ready, or ""."""
    return "the cache is cold and will never be warm"


def fails() -> bool:
    """Return whether the request that is being answered fails."""
    return False


def delay_seconds() -> float:
    """Return how much longer than needed an answer takes."""
    return 0.0
