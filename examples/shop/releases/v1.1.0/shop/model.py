"""What the shop keeps, as this version knows it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table

MAX_NOTE = 200
metadata = MetaData()
items = Table(
    "items",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("note", String(200)),
)
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("worker", String(50), primary_key=True),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)


def extra_values(given: dict[str, Any]) -> dict[str, Any]:
    """Return what this version stores of an item besides its name. Raise ValueError if it is not right."""
    note = given.get("note")
    if note is not None and not (isinstance(note, str) and len(note) <= MAX_NOTE and "\x00" not in note):
        raise ValueError(f"note is a text of at most {MAX_NOTE} characters")
    return {"note": note}
