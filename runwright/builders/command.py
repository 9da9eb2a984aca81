"""Folders as artifacts: the files of a commit, and what a command of the component makes of them."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Literal

from runwright.artifacts import Note, note_of
from runwright.builders.shape import Making
from runwright.engine.actions import Command, Do, Output, Read
from runwright.errors import ActionError, InputError
from runwright.runbook.component import Component
from runwright.versions import COMMIT, Artifact

BUILD_SECONDS = 1800.0
_TREE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class CommandBuilder:
    """Keeps one folder for each component and commit in ``store``, an absolute folder.

    The identity of an artifact is the id of its tree in git: the same files are the same artifact. A component's
    ``context`` is the folder of the commit that is taken, all of it by default. Submodules are not fetched.
    """

    def __init__(self, store: Path, python: str) -> None:
        self._store = store
        self._python = python
        self.remarks: list[str] = []

    def build(
        self, do: Do, tree: Path, component: str, spec: Component, commit: str, version: str, key: str
    ) -> Artifact:
        """Make the folder from ``tree``, a checkout in which ``commit`` is known; one that is whole is used again.

        Raise ActionError if the command fails (its last lines are shown), InputError if the context is not there.
        """
        command = tuple(word.replace("{python}", self._python) for word in spec.command)
        folder = self._folder(component, commit, command)
        identity = self._identity(do, tree, commit, spec.context)
        artifact = Artifact(component, str(folder), identity)
        if self._whole(do, artifact, assume=False):
            return artifact
        note = Note(component, commit, identity)
        words = ("--from", str(tree), "--tree", identity, "--into", str(folder), "--note", note.content().decode())
        do(
            Command(
                argv=(self._python, "-P", "-m", "runwright.builders.folder", *words, "--", *command),
                deadline_seconds=BUILD_SECONDS,
                says=f"build {component} {version} into {folder}",
                key=f"{key}/{component}",
            )
        )
        if not self.exists(do, artifact):
            raise ActionError(
                f"{component} was built, but {folder} is not whole.",
                state="Nothing that runs was touched.",
                next="Somebody may have removed it meanwhile; run the release again, it is built anew.",
            )
        return artifact

    def build_others(self, do: Do, tree: Path, commit: str, key: str) -> None:
        """Do nothing: a host runs what the runbook names, and nothing else."""

    def publish(
        self, do: Do, artifact: Artifact, component: str, spec: Component, commit: str, version: str, key: str
    ) -> None:
        """Do nothing: nobody else looks for a folder."""

    def untag(self, do: Do, old: Collection[str], kept: Collection[str], key: str) -> None:
        """Do nothing: folders have no tags, and the platform that runs from them removes them."""

    def exists(self, do: Do, artifact: Artifact) -> bool:
        """Return whether the folder is there, whole, and holds the tree that is its identity."""
        return self._whole(do, artifact, assume=True)

    def _whole(self, do: Do, artifact: Artifact, *, assume: bool) -> bool:
        folder = Path(artifact.reference)

        def whole() -> bool:
            note = note_of(folder)
            return note is not None and note.tree == artifact.identity

        return do(Read(says=f"see whether {folder} is whole", function=whole, assume=assume))

    def _folder(self, component: str, commit: str, command: tuple[str, ...]) -> Path:
        if not COMMIT.fullmatch(commit):
            raise InputError(f"{commit!r} is not a full commit id.", next="Resolve the version first.")
        # another command makes something else of the same commit
        suffix = f"-{hashlib.sha256(json.dumps(command).encode()).hexdigest()[:8]}" if command else ""
        return self._store / component / f"{commit}{suffix}"

    def _identity(self, do: Do, tree: Path, commit: str, context: str | None) -> str:
        path = PurePosixPath(context or ".")
        if path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"The context {context!r} leads out of the repository.",
                next="Give a folder of the repository, for example ./backend.",
            )
        inside = "" if path == PurePosixPath(".") else str(path)
        return do(
            Command(
                argv=("git", "-C", str(tree), "rev-parse", "--verify", "--end-of-options", f"{commit}:{inside}"),
                parse=_tree_id,
                says=f"read the tree of {commit[:8]}" + (f" in {inside}" if inside else ""),
            )
        )


class FolderKind:
    """Folders of this machine."""

    name = "folder"
    makes: Literal["image", "folder"] = "folder"

    def made(self, making: Making) -> CommandBuilder:
        """Return the builder."""
        return CommandBuilder(making.site.folders.artifacts, sys.executable)


BUILDER = FolderKind()


def _tree_id(output: Output) -> str:
    found = output.text.strip()
    if not _TREE.fullmatch(found):
        raise ValueError("not the id of a tree")
    return found
