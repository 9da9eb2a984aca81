"""Change the schema."""

from __future__ import annotations

from runwright.release import migrate as release
from tasks.step import step

migrate = step(release.migrate)
