"""Record which changes the scenes make, by real runs: ``python -m tests.chaos.keys [PLATFORM ...]`` writes keys.json.

Without a platform: those of all. It is run again when a procedure makes other changes than before; test_keys says so.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import tests.fixtures.surroundings  # noqa: F401 - nothing of the person's own Prefect is used
from tests.chaos.cases import KEYS_FILE, RECORDED
from tests.chaos.platforms import WORLDS
from tests.chaos.scenes import keys_made


def main(platforms: list[str]) -> None:
    """Record the given platforms' keys, and keep what is known of the others."""
    found = dict(RECORDED)
    for platform in platforms or WORLDS:
        with tempfile.TemporaryDirectory(prefix="runwright-chaos-") as folder:
            world = WORLDS[platform](Path(folder) / "world")
            try:
                world.make()
                found[platform] = {scene: keys_made(world, scene) for scene in world.scenes if scene != "retry"}
            finally:
                world.end()
        ordered = {platform: found[platform] for platform in WORLDS if platform in found}
        # at once: what was seen is kept if the next one fails
        KEYS_FILE.write_text(json.dumps(ordered, indent=1) + "\n")
    print(f"{KEYS_FILE}: {', '.join(platforms or WORLDS)}")


if __name__ == "__main__":
    main(sys.argv[1:])
