"""What a real cluster showed of rollouts, as ``tests/data/kubernetes/capture.py`` wrote it down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runwright.platforms.kubernetes.rollout import Progress, progress

DATA = Path(__file__).parents[3] / "data" / "kubernetes"
Object = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """One look at one workload."""

    now: datetime
    workload: Object
    revisions: list[Object]
    pods: list[Object]
    events: list[Object]

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return progress(self.workload, self.revisions, self.pods, self.events, self.now)


def looks(case: str) -> list[Look]:
    """Return the looks of a case, oldest first; each call reads them anew, so that a test may change them."""
    found = json.loads((DATA / f"{case}.json").read_text())
    return [Look(datetime.fromisoformat(one.pop("now")), **one) for one in found]


def last(case: str) -> Look:
    """Return the last look of a case."""
    return looks(case)[-1]
