"""A drill: what was released is broken on purpose, and what came of it is kept."""

from __future__ import annotations

from runwright.release import drill as release
from tasks.step import step

break_it = step(release.break_it)
came_back = step(release.came_back, retried=True)
