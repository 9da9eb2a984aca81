"""End the version that a release replaced, once nobody needs it as a warm way back."""

from __future__ import annotations

from runwright.release import retire as release
from tasks.step import step

retire = step(release.retire, retried=True)
