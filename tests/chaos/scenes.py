"""The scenes, as they are played on any platform."""

from __future__ import annotations

import re
import time

from runwright.testing.faults import Fault
from tests.chaos.started import Started
from tests.chaos.world import NEW, OLD, Scene, World

KILLED = -9
_VARIES = (
    (re.compile(r"^(back|fence)\d+/"), r"\1*/"),  # the token of a way back
    (re.compile(r"^(back\*/router/start).*"), r"\1*"),  # the attempt
    (
        re.compile(r"(?<=/)((?:dis)?connect)-[0-9a-f]{8}-.*"),
        r"\1-*",
    ),  # of which make the switch is, and the network's name
    (re.compile(r"(?<=/)(folder|config|create|start|current|moved)-[0-9a-f]{8}"), r"\1-*"),
    (re.compile(r"(?<=/)[^/]*\d{8}T?-?\d{6}[^/]*"), "*"),  # the time in a backup's name
)


def reason(code: int) -> str:
    """What the automation says of a run that ended with this exit code."""
    return "Crashed: Process exited with status code: -9" if code < 0 else "Failed: it raised an error"


def struck(world: World, scene: Scene, fault: str) -> tuple[float, Started, list[Started]]:
    """Put the world back, let a fault strike in a scene, and return when, the deploy, and the procedures after it."""
    world.restore(empty=scene == "first")
    if scene not in ("warm", "cold"):
        faults = f"{world.not_switched},{fault}" if scene == "in-run" else fault
        deploy = world.deploy(OLD if scene == "first" else NEW, faults)
        deploy.ended()
        return time.monotonic(), deploy, []
    deploy = switched_and_killed(world)
    if scene == "cold":
        world.cool()
    first = world.rollback(deploy, reason(KILLED), fault)
    first.ended()
    return time.monotonic(), deploy, [first]


def switched_and_killed(world: World) -> Started:
    """Return a deploy that was killed as soon as users had reached its version."""
    deploy = world.deploy(NEW, str(Fault("kill", "after", world.switched)))
    assert deploy.ended() == KILLED, deploy.log
    return deploy


def keys_made(world: World, scene: Scene) -> list[str]:
    """Play a scene in which nothing else goes wrong, and return the changes at which a fault of that scene may strike."""
    _, deploy, _ = struck(world, scene, "fail@before:nothing")
    return keys_of(world, deploy, scene)


def keys_of(world: World, deploy: Started, scene: Scene) -> list[str]:
    """Return the changes of a scene that was played. What differs from run to run is written as ``*``."""
    with world.ledger() as ledger:
        release = ledger.releases.of_run(deploy.run_id)
        assert release is not None, deploy.log
        made = [steady(entry.key) for entry in ledger.journal(release.id).entries()]
    back = scene not in ("deploy", "first")
    of_scene = [key for key in made if key.startswith(("back*/", "fence*/")) is back]
    if scene == "first":  # its preparation is that of any deploy
        of_scene = [key for key in of_scene if not key.startswith("prepare/")]
    return list(dict.fromkeys(of_scene))


def steady(key: str) -> str:
    """Return a change's key with ``*`` for what differs from run to run."""
    for pattern, replacement in _VARIES:
        key = pattern.sub(replacement, key)
    return key
