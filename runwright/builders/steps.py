"""What is run in a clean checkout before an image is built of it: a build of its own, tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from runwright.engine.actions import Command, Do
from runwright.runbook.component import BuildStep, Component


def run(do: Do, tree: Path, component: str, spec: Component, env: Mapping[str, str], key: str) -> None:
    """Run the steps of ``component`` in ``tree``, one after the other.

    env: for docker, where a step is run in an image. Raise ActionError if one fails, or what has to come out did not.
    """
    for number, step in enumerate(spec.steps, 1):
        folder = tree / (step.folder or spec.context or "")
        makes = [word for pattern in step.makes for word in ("--makes", pattern)]
        do(
            Command(
                says=f"run `{' '.join(step.run)}` for {component}",
                key=f"{key}/step/{number}",
                argv=(sys.executable, "-P", "-m", "runwright.builders.step", *makes, "--", *_words(step, tree, folder)),
                cwd=folder,
                env=env if step.image else {},
                deadline_seconds=step.timeout,
            )
        )


def _words(step: BuildStep, tree: Path, folder: Path) -> tuple[str, ...]:
    if not step.image:
        return tuple(step.run)
    user = f"{os.getuid()}:{os.getgid()}"
    mount = ("--volume", f"{tree}:{tree}", "--workdir", str(folder))
    return ("docker", "run", "--rm", "--user", user, "--env", "HOME=/tmp", *mount, step.image, *step.run)
