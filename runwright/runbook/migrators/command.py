"""A program of the team's own."""

from __future__ import annotations

from typing import ClassVar, Literal

from runwright.runbook.base import Text, example
from runwright.runbook.migrators.shape import Migrate


class CommandMigrate(Migrate):
    """A program of your own, run in the new version's own image."""

    title: ClassVar[str] = "a program of your own"
    asks_database: ClassVar[bool] = False

    tool: Literal["command"]
    command: list[Text] = example(
        ["python", "manage.py", "migrate"],
        "The program and its arguments, run once in the new version's own image. What it does is not known beforehand, so the release counts as L3.",
        min_length=1,
    )
    pending: list[Text] = example(
        ["python", "pending_migrations.py"],
        "A program that changes nothing and prints a line for each migration that is pending, and nothing if there is none. Then a release without any runs nothing.",
        [],
    )
