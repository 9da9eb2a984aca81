"""Migrations that a version brings and that no release runs: those of Django. They are told, and the way back is not L0."""

from __future__ import annotations

from runwright import source
from runwright.errors import ActionError
from runwright.ledger.release import Release
from runwright.policy.levels import Level
from runwright.release import at_start
from runwright.release.work import Work

_BASE = "migrations.Migration"
"""The class that each migration of Django is made of, as Django itself writes it."""
_WHERE = "**/migrations/*.py"
_TOOL = "django"


def brought(work: Work, previous: Release | None) -> tuple[str, ...]:
    """Return the files of Django's migrations that the version has and ``previous`` has not, or has otherwise.

    None where something of the version runs them: that is told and judged by `at_start`.
    """
    version, migrate = work.version, work.runbook.migrate
    before = previous.version.commits if previous is not None and previous.version is not None else ()
    if not before or not all(before) or (migrate is not None and migrate.tool in (_TOOL, "command")):
        return ()
    found = (*at_start.not_ours(version, migrate).values(), *at_start.not_run(version, migrate).values())
    if any(one.tool == _TOOL for some in found for one in some):
        return ()
    try:
        changed = {
            path
            for commit in before
            for path in source.changed_between(work.do, work.folders.mirror, commit, version.commit)
        }
        return tuple(
            path
            for path in source.holding(work.do, work.folders.mirror, version.commit, _BASE, _WHERE)
            if path in changed
        )
    except ActionError:
        return ()  # what serves came from somewhere else


def level_of(files: tuple[str, ...]) -> Level:
    """Return what the way back costs for them: what serves now runs on the schema as it is, and that stays as it is."""
    return Level.L1 if files else Level.L0


def notes(files: tuple[str, ...]) -> list[str]:
    """Return what the plan says about them."""
    if not files:
        return []
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return [
        f"It brings migrations of Django, which no release runs or reads: {', '.join(files[:3])}{more}. Run them by hand before "
        "the release (`manage.py migrate`), and only such that what serves now can live with: the way back does not undo them."
    ]
