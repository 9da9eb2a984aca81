"""Find the one commit that is meant; everything later uses it."""

from __future__ import annotations

from runwright.release import resolve as release
from tasks.step import step

resolve = step(release.resolve, retried=True)
