"""The checklist before a release: every gate is asked, and all that failed are told at once."""

from __future__ import annotations

from runwright.release import check as release
from tasks.step import step

check = step(release.check, retried=True)
