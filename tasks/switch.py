"""Send the users to the new version."""

from __future__ import annotations

from runwright.release import switch as release
from tasks.step import step

switch = step(
    release.switch
)  # while a new version does not get healthy nobody is served, and the old one is started again at once
