"""What every builder offers: one artifact from one commit, made once."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from runwright.engine.actions import Do
from runwright.runbook.model import Component
from runwright.versions import Artifact


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

    def untag(self, do: Do, old: Collection[str], kept: Collection[str], key: str) -> None:
        """Let go of what was made of the commits ``old``, but for artifacts whose identity is ``kept``."""
        ...

    def exists(self, do: Do, artifact: Artifact) -> bool:
        """Return whether ``artifact`` is there, whole, and is what its identity says."""
        ...
