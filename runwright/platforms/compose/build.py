"""What the Compose files say of how a service is built, and the override by which Compose builds it from the clean tree."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runwright.engine.actions import Command, Do, Output
from runwright.errors import InputError, RefusedError
from runwright.platforms.compose.origins import Origin, awaited, misfits, origins
from runwright.platforms.compose.refusal import refuse
from runwright.recipes import Recipe
from runwright.runbook.component import Component


@dataclass(frozen=True)
class ComposeBuild:
    """How Compose is called for what is in the tree: `Compose.build_argv`, the user's folder that stands for the top of
    the tree, the services of each component, and what it interpolates from (may hold secrets)."""

    argv: Callable[[Do], tuple[str, ...]]
    top: Path
    services: Mapping[str, tuple[str, ...]]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    def read(self, do: Do, component: str) -> Recipe:
        """Return what the services of ``component`` are started from.

        Raise InputError if there is no such service, RefusedError if they are not all started from one image of theirs.
        """
        return do(
            Command(
                says=f"read how {component} is built",
                argv=(*self.argv(do), "config", "--format", "json"),
                env=self.env,
                ok=frozenset(range(256)),
                parse=lambda output: parse_build(output, component, self.services[component], self.top),
                assume=Recipe(self.services[component][0]),
            )
        )

    def others(self, do: Do) -> tuple[Recipe, ...]:
        """Return the services that are built, are of no component and stay up: a database with a Dockerfile of its own."""
        ours = {service for services in self.services.values() for service in services}
        return do(
            Command(
                says="read what else is built",
                argv=(*self.argv(do), "config", "--format", "json"),
                env=self.env,
                ok=frozenset(range(256)),
                parse=lambda output: parse_others(output, ours, self.top),
                assume=(),
            )
        )

    def override(self, recipe: Recipe, spec: Component, tree: Path, labels: Mapping[str, str], tag: str) -> bytes:
        """Return the Compose file by which a component is built from ``tree`` and called ``tag``.

        Raise InputError if it is built from what is not in the repository.
        """
        build: dict[str, Any] = {"labels": dict(labels), "args": dict(spec.build_args)}
        build |= {"platforms": list(spec.platforms)} if spec.platforms else {}
        build |= {"no_cache": True} if spec.no_cache else {}
        for name, folder in recipe.contexts.items():
            moved = _moved(folder, recipe.service, self.top, tree)
            if name == "":
                build["context"] = moved
            else:
                build.setdefault("additional_contexts", {})[name] = moved
        return yaml.safe_dump({"services": {recipe.service: {"image": tag, "build": _escaped(build)}}}).encode()

    def command(self, do: Do, recipe: Recipe, override: Path) -> tuple[str, ...]:
        """Return the words that build ``recipe`` by the file ``override``."""
        return (*self.argv(do), "-f", str(override), "build", recipe.service)


def parse_build(output: Output, component: str, services: tuple[str, ...], top: Path) -> Recipe:
    """Return what the ``services`` of a component are started from, from ``docker compose config``; raise as ``read`` does."""
    refuse(output.code, output.stderr)
    config = json.loads(output.stdout)
    known = origins(config.get("services") or {}, str(config.get("name", "")), top)
    if missing := [name for name in services if name not in known]:
        raise InputError(
            f"The Compose files of this version have no service {', '.join(missing)}; they have {', '.join(sorted(known)) or 'none'}.",
            state="Nothing was built.",
            next="Correct `components` in the runbook, or enable the service's profile with `profiles` in its target.",
        )
    for wrong, next_ in misfits(component, services, known):
        raise RefusedError(wrong, state="Nothing was built.", next=next_)
    builder = next((name for name in services if known[name].own), "")
    if not builder:
        return Recipe(image=config["services"][services[0]].get("image") or "")
    return _built(builder, "", config["services"], known)


def parse_others(output: Output, ours: Collection[str], top: Path) -> tuple[Recipe, ...]:
    """Return the services that are built and not ``ours``, without those that another one waits for until they have ended."""
    refuse(output.code, output.stderr)
    config = json.loads(output.stdout)
    services = {name: said or {} for name, said in (config.get("services") or {}).items()}
    known = origins(services, str(config.get("name", "")), top)
    ending = {name for said in services.values() for name in awaited(said.get("depends_on"))}
    return tuple(
        _built(name, origin.image, services, known)
        for name, origin in known.items()
        if origin.own and name not in ours and name not in ending
    )


def _built(service: str, image: str, services: Mapping[str, Any], known: Mapping[str, Origin]) -> Recipe:
    build = services[service]["build"]
    contexts = {"": build.get("context", "."), **(build.get("additional_contexts") or {})}
    return Recipe(service, image, contexts, known[service].key)


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
