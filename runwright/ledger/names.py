"""Names for what the ledger keeps: readable, and sortable by time."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def new_id(start: str, at: datetime) -> str:
    """Return "shop-production-20261121-070512-4f2a" of ``start`` "shop-production". Two in one second differ in the end."""
    return f"{start}-{at.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
