"""Start the new version beside the old one."""

from __future__ import annotations

from runwright.release import stage as release
from tasks.step import step

stage = step(release.stage, retried=True)
