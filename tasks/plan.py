"""Everything that will happen, before anything happens."""

from __future__ import annotations

from runwright.release import plan as release
from tasks.step import step

plan = step(release.plan, retried=True)
