"""What every builder offers: one artifact from one commit, made once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from runwright.builders.pulled import Recorded
from runwright.engine.actions import Do
from runwright.recipes import Recipes
from runwright.runbook.component import Component
from runwright.site import Site
from runwright.versions import Artifact


@dataclass(frozen=True)
class Making:
    """What a builder is made for. recipes: how the system's own files say that images are built. env: for what it calls; may
    hold secrets.

    recorded: what is known of components that are pulled. push: whether anything may leave this machine; not for a plan.
    """

    site: Site
    recipes: Recipes | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    recorded: Mapping[str, Recorded] = field(default_factory=dict)
    push: bool = True


class BuilderKind(Protocol):
    """What a builder is registered as."""

    name: str
    """As the runbook names it."""
    makes: Literal["image", "folder"]
    """What its artifacts are."""

    def made(self, making: Making) -> Builder:
        """Return the builder for an environment."""
        ...


class Builder(Protocol):
    """Makes a component's artifact. The same commit is never built twice: what is whole already is used again.

    remarks: what a person should know about what was made, a sentence each.
    """

    remarks: list[str]

    def build(
        self, do: Do, tree: Path, component: str, spec: Component, commit: str, version: str, key: str
    ) -> Artifact:
        """Build ``component`` from ``tree``, a clean checkout of ``commit``, and return what was built.

        ``version`` is what people call it; it becomes a label, never the identity. Raise ActionError if it cannot be
        built; then nothing is left behind that looks like an artifact.
        """
        ...

    def build_others(self, do: Do, tree: Path, commit: str, key: str) -> None:
        """Build what the system needs besides its components, if it is not there. Raise ActionError if that fails."""
        ...

    def publish(
        self, do: Do, artifact: Artifact, component: str, spec: Component, commit: str, version: str, key: str
    ) -> None:
        """Give ``artifact`` the names by which people know ``version``, where others see them. Nothing stands against it any more.

        Until then nobody but who knows its identity finds it.
        """
        ...

    def untag(self, do: Do, old: Collection[str], kept: Collection[str], key: str) -> None:
        """Let go of what was made of the commits ``old``, but for artifacts whose identity is ``kept``."""
        ...

    def exists(self, do: Do, artifact: Artifact) -> bool:
        """Return whether ``artifact`` is there, whole, and is what its identity says."""
        ...
