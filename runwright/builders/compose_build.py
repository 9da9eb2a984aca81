"""What the Compose files say of how a service is built, and the override by which Compose builds it from the clean tree."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runwright.actions import Command, Do, Output
from runwright.errors import InputError
from runwright.runbook.model import Component


@dataclass(frozen=True)
class ComposeBuild:
    """How Compose is called for what is in the tree: `Compose.build_argv`, the user's folder that stands for the top of
    the tree, the first service of each component, and what it interpolates from (may hold secrets)."""

    argv: tuple[str, ...]
    top: Path
    services: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    def read(self, do: Do, service: str) -> ComposeService:
        """Return how ``service`` is built. Raise InputError if it is not."""
        return do(
            Command(
                says=f"read how {service} is built",
                argv=(*self.argv, "config", "--format", "json"),
                env=self.env,
                parse=lambda output: parse_build(output, service),
                assume=ComposeService(),
            )
        )


@dataclass(frozen=True)
class ComposeService:
    """What the Compose files say of how a service is built: folders ("" is its context, other names are additional
    contexts), and build arguments with their values."""

    contexts: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, str | None] = field(default_factory=dict, repr=False)


def override(
    service: str, said: ComposeService, spec: Component, top: Path, tree: Path, labels: Mapping[str, str], tag: str
) -> bytes:
    """Return the Compose file by which ``service`` is built from ``tree`` and called ``tag``; ``top``: see `ComposeBuild`.

    Raise InputError if it is built from what is not in the repository.
    """
    build: dict[str, Any] = {"labels": dict(labels), "args": dict(spec.build_args)}
    for name, folder in said.contexts.items():
        moved = _moved(folder, service, top, tree)
        if name == "":
            build["context"] = moved
        else:
            build.setdefault("additional_contexts", {})[name] = moved
    return yaml.safe_dump({"services": {service: {"image": tag, "build": _escaped(build)}}}).encode()


def parse_build(output: Output, service: str) -> ComposeService:
    """Return how ``service`` is built, from ``docker compose config``. Raise InputError if it is not built."""
    services = json.loads(output.stdout).get("services") or {}
    build = (services.get(service) or {}).get("build")
    if not build:
        raise InputError(
            f"Service {service} is not built by the Compose files.",
            next="Give its component a `context` in the runbook, or name a service that has `build`.",
        )
    if isinstance(build, str):
        return ComposeService({"": build})
    args = build.get("args") or {}
    if isinstance(args, list):
        args = {name: value if told else None for name, told, value in (str(arg).partition("=") for arg in args)}
    contexts = {"": build.get("context", "."), **(build.get("additional_contexts") or {})}
    return ComposeService(contexts, {name: None if value is None else str(value) for name, value in args.items()})


def _moved(folder: str, service: str, top: Path, tree: Path) -> str:
    # Compose resolves contexts in the user's folder; what is built is the clean tree
    path = Path(os.path.normpath(folder))
    if not path.is_absolute():  # an address, another image, another service
        return folder
    if path.is_relative_to(top):
        return str(tree / path.relative_to(top))
    raise InputError(
        f"Service {service} is built from {path}, which is not in {top}, the folder that stands for the repository: "
        "what lies there now would be built, and not what was committed.",
        state="Nothing was built.",
        next="Give its component a `context`, which is relative to the repository; or correct `directory` and `files` of the "
        "target if they do not fit together: a project with the file deploy/compose.yaml is run from the folder deploy.",
    )


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _escaped(v) for name, v in value.items()}
    return value.replace("$", "$$") if isinstance(value, str) else value
