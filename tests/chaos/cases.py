"""Every case of the matrix: which fault strikes at which change, of which procedure, where. Values only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.platforms import WORLDS
from tests.chaos.world import Mode, Scene

KEYS_FILE = Path(__file__).with_name("keys.json")

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
KILLS: tuple[Mode, ...] = ("kill-before", "kill-during", "kill-unsettled", "kill-after")

RECORDED: dict[str, dict[Scene, list[str]]] = json.loads(KEYS_FILE.read_text()) if KEYS_FILE.exists() else {}
"""The changes of each platform's scenes, as a real run made them: ``python -m tests.chaos.keys`` writes them, and
test_keys holds them to another run. ``*`` stands for what differs from run to run."""


def keys(platform: str, scene: Scene) -> list[str]:
    """Return the changes at which faults strike in a scene."""
    if scene != "retry":
        return RECORDED.get(platform, {}).get(scene, [])
    # started again, a run makes its folders anew; what takes time or touches the target is what it may do twice
    return [key for key in keys(platform, "deploy") if key.startswith(("prepare/build/", "deploy/"))]


@dataclass(frozen=True)
class Case:
    """One fault, at one change, in one scene, on one platform."""

    platform: str
    scene: Scene
    mode: Mode
    key: str

    @property
    def fault(self) -> str:
        """The fault, in the injector's words."""
        return f"{FAULTS[self.mode]}:{self.key}"

    @property
    def name(self) -> str:
        """Its name among those of its platform."""
        scene = "" if self.scene == "deploy" else f"{self.scene}-"
        return f"{scene}{self.mode}-{self.key}"

    @property
    def id(self) -> str:
        """Its name: what pytest shows."""
        return f"{self.platform}-{self.name}"

    @property
    def kind(self) -> str:
        """What results.json counts by."""
        return f"{self.scene}: {self.mode}"

    @property
    def sampled(self) -> bool:
        """Whether CI runs it."""
        return self.name in WORLDS[self.platform].sample

    @property
    def quick(self) -> bool:
        """Whether ``make test`` runs it too."""
        return self.name in WORLDS[self.platform].quick


ALL: tuple[Case, ...] = tuple(
    Case(platform, scene, mode, key)
    for platform, world in WORLDS.items()
    for scene in world.scenes
    for key in keys(platform, scene)
    if not key.startswith(world.elsewhere or ("-",))
    for mode in (KILLS if scene == "retry" else world.modes or tuple(FAULTS))
)
