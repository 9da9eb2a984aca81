"""Alembic."""

from __future__ import annotations

from typing import ClassVar, Literal

from runwright.runbook.base import Duration, example
from runwright.runbook.migrators.shape import Migrate, PathInImage


class AlembicMigrate(Migrate):
    """Alembic, also by Flask-Migrate: the new version's own revisions, run in its own image."""

    title: ClassVar[str] = "Alembic"

    tool: Literal["alembic"]
    directory: PathInImage = example(
        ".",
        "Where alembic.ini is, in the image: relative to its working directory. Flask-Migrate's is found in `migrations`.",
        ".",
    )
    config: PathInImage = example("alembic.ini", "Its configuration file.", "alembic.ini")
    lock_timeout: Duration = example(
        "5s",
        "How long a statement may wait for a lock while it holds up the application. What is built concurrently holds up nobody, and may wait longer.",
        5.0,
    )
