"""What is run in a clean checkout before an image is built of it: a build of its own, tests."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from runwright.engine.actions import Command, Do, Elsewhere
from runwright.runbook.component import BuildStep, Component


def run(do: Do, tree: Path, component: str, spec: Component, env: Mapping[str, str], key: str) -> None:
    """Run the steps of ``component`` in ``tree``, one after the other.

    env: for docker, where a step is run in an image. Raise ActionError if one fails, or what has to come out did not.
    """
    for number, step in enumerate(spec.steps, 1):
        folder = tree / (step.folder or spec.context or "")
        makes = [word for pattern in step.makes for word in ("--makes", pattern)]
        container = _container(tree, f"{key}/step/{number}")
        do(
            Command(
                says=f"run `{' '.join(step.run)}` for {component}",
                key=f"{key}/step/{number}",
                argv=(
                    sys.executable,
                    "-P",
                    "-m",
                    "runwright.builders.step",
                    *makes,
                    "--",
                    *_words(step, tree, folder, container),
                ),
                cwd=folder,
                env=env if step.image else {},
                deadline_seconds=step.timeout,
                elsewhere=Elsewhere(
                    running=("docker", "ps", "-q", "--filter", f"name=^/?{container}$"),
                    wait=("docker", "wait", container),
                    end=("docker", "rm", "-f", container),
                )
                if step.image
                else None,
            )
        )


def _container(tree: Path, key: str) -> str:
    """Return the name of the container of a step: Docker's client may be ended without it."""
    mark = hashlib.sha256(f"{tree}\0{key}".encode()).hexdigest()
    return f"runwright-step-{mark[:12]}"


def _words(step: BuildStep, tree: Path, folder: Path, container: str) -> tuple[str, ...]:
    if not step.image:
        return tuple(step.run)
    user = f"{os.getuid()}:{os.getgid()}"
    mount = ("--volume", f"{tree}:{tree}", "--workdir", str(folder))
    return (
        *("docker", "run", "--rm", "--name", container, "--user", user, "--env", "HOME=/tmp", *mount, step.image),
        *step.run,
    )
