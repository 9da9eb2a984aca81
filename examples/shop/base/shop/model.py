"""What the shop keeps, as this version knows it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table

metadata = MetaData()
items = Table(
    "items",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False),
)
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("worker", String(50), primary_key=True),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)


def extra_values(_: dict[str, Any]) -> dict[str, Any]:
    """Return what this version stores of an item besides its name. Raise ValueError if it is not right."""
    return {}
