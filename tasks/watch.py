"""Measure a release for as long as its runbook says, and end at once when a rollback rule is breached."""

from __future__ import annotations

from runwright.release import watch as release
from tasks.step import step

may_be_watched = step(release.may_be_watched)
watch = step(release.watch)
watch_on = step(release.watch_on)
