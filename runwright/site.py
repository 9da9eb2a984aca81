"""One environment of one system on this machine: what every driver is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from runwright.home import home
from runwright.runbook.environment import Environment
from runwright.runbook.model import Runbook


@dataclass(frozen=True)
class Folders:
    """Where one environment's files are on this machine."""

    mirror: Path
    """A bare mirror of the repository."""
    tree: Path
    """A clean worktree of the commit that is released, to build from: each release has its own, for two may be prepared
    at the same time, and it is removed once everything is built."""
    state: Path
    """What we write for the platform: override files, slots, the router's target."""
    artifacts: Path
    """Trees that are run from where they lie, by commit; all environments of a system share them."""

    @property
    def docker(self) -> Path:
        """Where Docker finds the registry's login while a step of this release needs it: no other release removes it."""
        return self.tree.with_name("docker")

    @classmethod
    def of(cls, system: str, environment: str, release_id: str) -> Folders:
        """Return the folders of an environment, as one release sees them."""
        base = home() / "systems" / system
        tree = base / environment / "trees" / release_id / "tree"
        return cls(base / "mirror.git", tree, base / environment / "state", base / "artifacts")


@dataclass(frozen=True)
class Site:
    """A runbook's environment, with its folders and its secrets."""

    book: Runbook
    environment: str
    folders: Folders
    secrets: dict[str, str] = field(repr=False)

    @property
    def place(self) -> Environment:
        """The environment's part of the runbook."""
        return self.book.environments[self.environment]

    @property
    def root(self) -> Path:
        """The folder that the runbook's target names for its data, absolute; else our own for this environment."""
        directory = getattr(self.place.target, "directory", None)
        return Path(directory).absolute() if directory else self.folders.state
