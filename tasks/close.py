"""The record of what happened."""

from __future__ import annotations

from runwright.release import close as release
from tasks.step import step

close = step(release.close, retried=True)
