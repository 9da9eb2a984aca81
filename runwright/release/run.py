"""What a release needs of the run that works on it: a log, secrets, and a place where people look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol


class Run(Protocol):
    """A run that works on releases. What it cannot show or schedule fails no release."""

    @property
    def id(self) -> str:
        """The run's id: what is done again under the same id goes on where it was."""
        ...

    @property
    def shows(self) -> bool:
        """Whether anybody looks: else nothing has to be drawn."""
        ...

    def say(self, text: str, level: str = "info") -> None:
        """Write a sentence to its log."""
        ...

    def secrets(self, block: str, tier: str) -> dict[str, str]:
        """Return what a block of credentials holds, in clear. Raise InputError if it is not there or not allowed."""
        ...

    def show(self, key: str, markdown: str, description: str) -> None:
        """Show a page; the newest one under a key takes the place of the one before."""
        ...

    def progress(self, key: str, description: str) -> Callable[[float], None]:
        """Show how far something is; return what moves it, to a percentage."""
        ...

    def later(self, procedure: str, parameters: dict[str, Any], at: datetime, once: str) -> str:
        """Start ``procedure`` ("retire/shop-production") at a time, one time for each ``once``. Return why not, "" if it will."""
        ...
