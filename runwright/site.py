"""One environment of one system, on this machine or on another host: what every driver is made from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from runwright.engine.there import place
from runwright.engine.there.paths import Path, own_folder
from runwright.home import home
from runwright.runbook.environment import Environment
from runwright.runbook.model import Runbook

SSH_KEY = "ssh_private_key"
"""The secret of an environment's block that is a private key to log in with, where ssh is not to find one by itself."""


@dataclass(frozen=True)
class Folders:
    """Where one environment's files are: all but the mirror are where the system runs."""

    mirror: Path
    """A bare mirror of the repository, on this machine: who may read the repository is known here."""
    copy: Path
    """What is checked out of: the mirror, or what is sent of it to the host where the system runs."""
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
        """Return the folders of an environment, as one release sees them. Raise UnreachableError."""
        base = own_folder(home()) / "systems" / system
        tree = base / environment / "trees" / release_id / "tree"
        mirror = Path(home()) / "systems" / system / "mirror.git"
        return cls(mirror, base / "mirror.git", tree, base / environment / "state", base / "artifacts")


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

    @contextmanager
    def there(self) -> Iterator[None]:
        """Do what is done in this block on the host that the system runs on."""
        with place.at(self.place.target.host(), self.secrets.get(SSH_KEY, "")):
            yield

    @property
    def root(self) -> Path:
        """The folder that the runbook's target names for its data, absolute; else our own for this environment."""
        directory = getattr(self.place.target, "directory", None)
        return Path(directory).absolute() if directory else self.folders.state
