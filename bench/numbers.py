"""Samples, and the rows that they are told in."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Series:
    """Samples of one kind, in ``unit``."""

    samples: tuple[float, ...]
    unit: str = "s"

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.samples)

    def shown(self) -> str:
        """Return the median, and the least and the greatest behind it."""
        return f"{_short(self.median)} {self.unit} ({_short(min(self.samples))} to {_short(max(self.samples))})"


@dataclass(frozen=True)
class Row:
    """One line of the table. ``beside`` is what a user would use instead, None where there is nothing to compare.

    target: what is promised, in words. kept: whether it is; None if nothing is promised.
    """

    name: str
    runwright: Series
    beside: Series | None = None
    target: str = ""
    kept: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Runwright's median as a multiple of the other's."""
        return self.runwright.median / self.beside.median if self.beside and self.beside.median else None

    def as_json(self) -> dict[str, Any]:
        """Return it with all samples."""
        return {
            "name": self.name,
            "unit": self.runwright.unit,
            "runwright": list(self.runwright.samples),
            "beside": list(self.beside.samples) if self.beside else None,
            "ratio": self.ratio,
            "target": self.target,
            "kept": self.kept,
        }


@dataclass(frozen=True)
class Section:
    """What one part measured: rows, what they mean, and where the time went (name, seconds in each round)."""

    title: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    spent: dict[str, Series] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it with all samples."""
        return {
            "title": self.title,
            "rows": [row.as_json() for row in self.rows],
            "notes": list(self.notes),
            "spent": {name: list(series.samples) for name, series in self.spent.items()},
        }


def series(samples: Sequence[float], unit: str = "s") -> Series:
    """Return them as a series."""
    return Series(tuple(round(sample, 4) for sample in samples), unit)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"
