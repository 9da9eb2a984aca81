"""The platforms, and strategies of theirs, that releases are failed and killed on. A new one is a file here and a line in the table."""

from __future__ import annotations

from tests.chaos.platforms.colours import ColoursWorld, EntersWorld, RollingWorld
from tests.chaos.platforms.compose import ComposeWorld
from tests.chaos.platforms.host import HostWorld
from tests.chaos.platforms.kubernetes import KubernetesWorld
from tests.chaos.world import World

WORLDS: dict[str, type[World]] = {
    "host": HostWorld,
    "compose": ComposeWorld,
    "compose-colours": ColoursWorld,
    "compose-rolling": RollingWorld,
    "compose-enters": EntersWorld,
    "kubernetes": KubernetesWorld,
}
