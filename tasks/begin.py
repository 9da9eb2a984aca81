"""Open a release, or take up one that is there: before anything else is done."""

from __future__ import annotations

from functools import partial

from runwright.release import begin
from tasks.run import RUN

released = partial(begin.released, RUN)
drilled = partial(begin.drilled, RUN)
taken_up = partial(begin.taken_up, RUN)
