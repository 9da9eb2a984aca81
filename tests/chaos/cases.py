"""Every case of the matrix: which fault strikes at which change, of which procedure. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scene = Literal["deploy", "retry", "first", "in-run", "warm", "cold"]
"""deploy: the fault strikes the deploy of v1.1.0, which migrates.
retry: the same, but what comes after it is not the rollback: the same run is started again.
first: the fault strikes the deploy of v1.0.0 to a target on which nothing runs.
in-run: the switch breaks, and the fault strikes while that same run puts the old version back.
warm: the deploy was killed after the switch, and the fault strikes the rollback; the old version runs beside it.
cold: as warm, but the old version and the front door were killed too."""

Mode = Literal["fail", "break", "break-unsettled", "hang", "kill-before", "kill-during", "kill-unsettled", "kill-after"]
FAULTS: dict[Mode, str] = {
    "fail": "fail@before",
    "break": "break@before",
    "break-unsettled": "break@unsettled",
    "hang": "hang@during",
    "kill-before": "kill@before",
    "kill-during": "kill@during",
    "kill-unsettled": "kill@unsettled",
    "kill-after": "kill@after",
}

# The changes of each scene, as its journal names them; test_keys holds them to a real run. `*` stands for what differs
# from run to run: the time in a backup's name, the token of a way back.
KEYS: dict[Scene, tuple[str, ...]] = {
    "deploy": (
        "prepare/mirror/init",
        "prepare/mirror/fetch",
        "prepare/tree/folder",
        "prepare/tree/begin",
        "prepare/tree/files",
        "prepare/tree/commondir",
        "prepare/tree/gitdir",
        "prepare/tree/HEAD",
        "prepare/tree/.git",
        "prepare/tree/end",
        "prepare/build/web/web",
        "prepare/tidy",
        "deploy/backup/*/copy",
        "deploy/backup/*/mark",
        "deploy/migrate",
        "deploy/green/slot",
        "deploy/green/start",
        "deploy/switch/file",
        "deploy/switch/put",
    ),
    "retry": (
        "prepare/build/web/web",
        "deploy/backup/*/copy",
        "deploy/migrate",
        "deploy/green/slot",
        "deploy/green/start",
        "deploy/switch/file",
        "deploy/switch/put",
    ),
    "first": (
        "deploy/migrate",
        "deploy/blue/slot",
        "deploy/blue/start",
        "deploy/router/start",
        "deploy/switch/file",
        "deploy/switch/put",
    ),
    "in-run": ("back*/switch/file", "back*/green/stop"),
    "warm": ("back*/switch/file", "back*/switch/put", "back*/green/stop"),
    "cold": (
        "back*/blue/slot",
        "back*/blue/start",
        "back*/router/start*",
        "back*/switch/file",
        "back*/switch/put",
        "back*/green/stop",
    ),
}


@dataclass(frozen=True)
class Case:
    """One fault, at one change, in one scene."""

    scene: Scene
    mode: Mode
    key: str

    @property
    def fault(self) -> str:
        """The fault, in the injector's words."""
        return f"{FAULTS[self.mode]}:{self.key}"

    @property
    def id(self) -> str:
        """Its name: what pytest shows, and what results.json counts by."""
        scene = "" if self.scene == "deploy" else f"{self.scene}-"
        return f"{scene}{self.mode}-{self.key}"


KILLS: tuple[Mode, ...] = ("kill-before", "kill-during", "kill-unsettled", "kill-after")
MODES: dict[Scene, tuple[Mode, ...]] = {scene: KILLS if scene == "retry" else tuple(FAULTS) for scene in KEYS}

ALL: tuple[Case, ...] = tuple(
    Case(scene, mode, key) for scene, keys in KEYS.items() for key in keys for mode in MODES[scene]
)

# One of each kind, and every phase at its most dangerous moment: what CI runs.
SAMPLE: frozenset[str] = frozenset(
    {
        "kill-during-prepare/mirror/fetch",
        "kill-before-prepare/tree/HEAD",
        "fail-prepare/build/web/web",
        "break-deploy/backup/*/copy",
        "kill-before-deploy/migrate",
        "kill-during-deploy/migrate",
        "break-unsettled-deploy/migrate",
        "kill-during-deploy/green/start",
        "hang-deploy/green/start",
        "kill-after-deploy/switch/file",
        "kill-unsettled-deploy/switch/put",
        "retry-kill-during-deploy/green/start",
        "retry-kill-unsettled-deploy/switch/put",
        "first-kill-after-deploy/migrate",
        "first-kill-unsettled-deploy/switch/put",
        "in-run-kill-after-back*/switch/file",
        "warm-kill-unsettled-back*/switch/put",
        "warm-break-back*/green/stop",
        "cold-kill-during-back*/blue/start",
        "cold-kill-before-back*/router/start*",
    }
)
