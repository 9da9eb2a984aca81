"""How the files of a system's own say that its images are built, for whoever builds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runwright.engine.actions import Do
from runwright.runbook.component import Component


@dataclass(frozen=True)
class Recipe:
    """What a system's own files say of a component: the service by which it is built, "" if none is, and its image then.
    Of a service that is of no component: both.

    contexts: folders ("" is the context, other names are additional contexts). build_key: the same for equal builds.
    """

    service: str = ""
    image: str = ""
    contexts: Mapping[str, str] = field(default_factory=dict)
    build_key: str = ""


class Recipes(Protocol):
    """How the images of one version are built, where its own files say so."""

    @property
    def env(self) -> Mapping[str, str]:
        """What the command interpolates from; may hold secrets."""
        ...

    def read(self, do: Do, component: str) -> Recipe:
        """Return what the services of ``component`` are started from.

        Raise InputError if there is no such service, RefusedError if they are not all started from one image of theirs.
        """
        ...

    def others(self, do: Do) -> tuple[Recipe, ...]:
        """Return the services that are built, are of no component and stay up: a database with a Dockerfile of its own."""
        ...

    def override(self, recipe: Recipe, spec: Component, tree: Path, labels: Mapping[str, str], tag: str) -> bytes:
        """Return the file by which ``recipe`` is built from ``tree`` and called ``tag``.

        Raise InputError if it is built from what is not in the repository.
        """
        ...

    def command(self, do: Do, recipe: Recipe, override: Path) -> tuple[str, ...]:
        """Return the words that build ``recipe`` by the file ``override``."""
        ...
