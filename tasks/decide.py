"""Look at what a release left behind, and decide."""

from __future__ import annotations

from runwright.release import decide as release
from tasks.step import step

let_go = step(release.let_go, retried=True)
take_over = step(release.take_over, retried=True)
decide_way = step(release.decide_way, retried=True)
