"""Build once; what was built is recorded and is what is deployed."""

from __future__ import annotations

from runwright.release import build as release
from tasks.step import step

build = step(release.build, retried=True)
