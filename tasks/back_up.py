"""The backup before a release."""

from __future__ import annotations

from runwright.release import back_up as release
from tasks.step import step

back_up = step(release.back_up, retried=True)
