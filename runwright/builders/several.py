"""One name in a registry for the images of several platforms: each is pushed, then a list of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from runwright.builders import engine
from runwright.engine.actions import Command, Do, Output

PUSH_SECONDS = 900.0
_DIGEST = re.compile(r"^Digest: (sha256:[0-9a-f]{64})$", re.MULTILINE)


def suffixed(tag: str, platform: str) -> str:
    """Return the tag of the image for one platform."""
    return f"{tag}-{platform.replace('/', '-')}"


def push_list(do: Do, name: str, members: Sequence[str], env: Mapping[str, str], key: str) -> None:
    """Let ``name`` be the list of ``members``, which are in the same repository."""
    insecure = engine.insecure(name)
    create = ("docker", "manifest", "create", *insecure, "--amend", name, *members)
    do(Command(says=f"list {len(members)} platforms as {name}", key=f"{key}/list", argv=create, env=env))
    push = ("docker", "manifest", "push", *insecure, "--purge", name)
    do(Command(says=f"push {name}", key=f"{key}/push", argv=push, env=env, deadline_seconds=PUSH_SECONDS))


def digest_of(do: Do, name: str, env: Mapping[str, str]) -> str:
    """Return the digest that ``name`` has in its registry, and have this machine's own image of it here."""
    return do(
        Command(
            says=f"ask the registry which digest {name} has",
            argv=("docker", "pull", name),
            env=env,
            deadline_seconds=engine.PULL_SECONDS,
            parse=_digest,
            assume="sha256:(not pushed yet)",
        )
    )


def members_of(do: Do, reference: str, env: Mapping[str, str]) -> list[str]:
    """Return the digests of the images that ``reference`` lists; none if it is a single image."""
    return do(
        Command(
            says=f"ask the registry which platforms {reference} has",
            argv=("docker", "manifest", "inspect", *engine.insecure(reference), reference),
            env=env,
            parse=lambda output: [one["digest"] for one in json.loads(output.stdout).get("manifests") or ()],
            assume=[],
        )
    )


def _digest(output: Output) -> str:
    found = _DIGEST.search(output.text)
    if found is None:
        raise ValueError("there is no digest in what docker pull printed")
    return found[1]
