"""With the lease in hand: is the target still as the plan saw it, and is this still the time for a release?"""

from __future__ import annotations

from runwright.release import look_again as release
from tasks.step import step

look_again = step(release.look_again, retried=True)
