"""Give what was built the names by which people know the version."""

from __future__ import annotations

from runwright.release import publish as release
from tasks.step import step

publish = step(release.publish, retried=True)
