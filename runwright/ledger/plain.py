"""From rows to dataclasses, and from values to JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import RowMapping

T = TypeVar("T")
Row = Mapping[str, Any] | RowMapping


def as_json(value: Any) -> str:
    """Return ``value`` as JSON that both databases accept. Raise ValueError or TypeError if it is not plain JSON."""
    return json.dumps(value, allow_nan=False, ensure_ascii=True)


def as_dataclass(kind: type[T], row: Row, **others: Any) -> T:
    """Return a ``kind`` whose fields are the columns of the same name; ``others`` come before the row's."""
    return kind(**{name: others[name] if name in others else row[name] for name in _names_of(kind)})  # type: ignore[arg-type]


@cache
def _names_of(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def finite(value: float | None) -> float | None:
    """Return ``value``, or None for NaN, which SQLite would turn into NULL and PostgreSQL would keep."""
    return None if value is None or math.isnan(value) else float(value)


def columns_of(item: Any, *, without: frozenset[str] = frozenset()) -> Mapping[str, Any]:
    """Return {field: value} of a dataclass."""
    return {field.name: getattr(item, field.name) for field in fields(item) if field.name not in without}
