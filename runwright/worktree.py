"""A clean worktree of one commit at a stable path, beside data that is not ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runwright.engine.actions import Command, Do, Output, Read, WriteFile
from runwright.engine.there.paths import Path, walk
from runwright.errors import InputError, NotBuiltError, ObservationError, RefusedError
from runwright.git import change, lines, read, records
from runwright.versions import COMMIT

CHECKOUT_SECONDS = 300.0
_SUBMODULE = "160000"
_LARGE_FILE = "^version https://git-lfs.github.com/spec/"


def checkout(do: Do, mirror: Path, commit: str, tree: Path, key: str) -> None:
    """Make the tracked files in ``tree`` exactly those of ``commit``.

    Changed files are put right and files of the commit before are removed. What git does not track stays: it may be
    data that containers have mounted. Git's own state is kept beside the tree (``NAME.git``, ``NAME.commit``) and a
    ``.git`` file in it points there, as in any linked worktree, so that git can be asked about it. A checkout that was
    interrupted is finished before another one begins.

    Raise NotBuiltError for submodules and Git LFS, and RefusedError if something that is not ours is in the way.
    """
    if not COMMIT.fullmatch(commit):
        raise InputError(f"{commit!r} is no full commit id.", next="Resolve the version first.")
    tracked = _tracked(do, mirror, commit)
    _refuse_large_files(do, mirror, commit)
    place = _Place(mirror, tree)
    found = do(Read(says=f"see what {tree} holds", function=place.look))
    if not found.commit and not found.empty:
        raise _in_the_way(tree, ["files that were there before"])
    do(Command(argv=("mkdir", "-p", "--", str(tree), str(place.git)), says=f"make {tree}", key=f"{key}/folder"))
    if found.locked:  # only one procedure at a time holds the environment: nobody else can be using it
        do(Command(argv=("rm", "-f", "--", f"{place.index}.lock"), says="remove a stale lock", key=f"{key}/unlock"))
    if found.commit and (found.interrupted or not found.indexed):
        do(place.switch(found.commit, f"{key}/finish-{found.commit[:12]}"))
    if found.commit != commit and not found.empty:
        _refuse_what_is_in_the_way(do, place, tracked, indexed=bool(found.commit))
    do(place.write(f"going {commit}", f"{key}/begin"))
    do(place.switch(commit, f"{key}/files"))
    for name, content in place.links(commit).items():
        do(WriteFile(path=name, content=content, says=f"write {name}", key=f"{key}/{name.name}"))
    do(place.write(f"at {commit}", f"{key}/end"))


@dataclass(frozen=True)
class _Found:
    """What was found: the commit that the tree is at, or was on its way to ("" if it was never ours)."""

    commit: str
    interrupted: bool
    indexed: bool
    locked: bool
    empty: bool


@dataclass(frozen=True)
class _Place:
    """A worktree and what is kept beside it."""

    mirror: Path
    tree: Path

    @property
    def index(self) -> Path:
        return self.git / "index"

    @property
    def git(self) -> Path:
        return self.tree.with_name(f"{self.tree.name}.git")

    def links(self, commit: str) -> dict[Path, bytes]:
        """What makes a linked worktree of it (gitrepository-layout): the files, absolute, and what they hold."""
        return {
            self.git / "commondir": f"{self.mirror.absolute()}\n".encode(),
            self.git / "gitdir": f"{self.tree.absolute() / '.git'}\n".encode(),
            self.git / "HEAD": f"{commit}\n".encode(),
            self.tree / ".git": f"gitdir: {self.git.absolute()}\n".encode(),
        }

    @property
    def note(self) -> Path:
        return self.tree.with_name(f"{self.tree.name}.commit")

    def look(self) -> _Found:
        noted = self.note.read_text(encoding="ascii").split() if self.note.is_file() else ["at", ""]
        if len(noted) != 2 and noted != ["at", ""]:
            raise ObservationError(f"{self.note} is damaged.", next=f"Move {self.tree} away, and remove that file.")
        empty = not self.tree.is_dir() or not any(self.tree.iterdir())
        locked = Path(f"{self.index}.lock").exists()
        return _Found(noted[1], noted[0] == "going", self.index.is_file(), locked, empty)

    def write(self, text: str, key: str) -> WriteFile:
        return WriteFile(path=self.note, content=text.encode(), says=f"note that {self.tree} is {text[:14]}", key=key)

    def switch(self, commit: str, key: str) -> Command[None]:
        return change(
            self.mirror,
            *("read-tree", "--reset", "-u", commit),
            says=f"check out {commit[:8]} into {self.tree}",
            key=key,
            deadline_seconds=CHECKOUT_SECONDS,
            extra={"GIT_WORK_TREE": str(self.tree), "GIT_INDEX_FILE": str(self.index)},
        )


def _tracked(do: Do, mirror: Path, commit: str) -> list[str]:
    """Return the paths of all files of a commit. Raise NotBuiltError if it has submodules."""
    entries = do(
        read(
            mirror,
            *("ls-tree", "-r", "-z", "--full-tree", commit),
            says=f"list the files of {commit[:8]}",
            on=None,
            parse=_entries,
        )
    )
    submodules = [path for mode, path in entries if mode == _SUBMODULE]
    if submodules:
        raise NotBuiltError(
            f"The commit {commit[:8]} has submodules ({', '.join(submodules[:3])}), which are not fetched.",
            next="Put their files into the repository itself, or install them as packages.",
        )
    return [path for _, path in entries]


def _entries(output: Output) -> list[tuple[str, str]]:
    return [(line.partition(" ")[0], line.partition("\t")[2]) for line in records(output)]


def _refuse_large_files(do: Do, mirror: Path, commit: str) -> None:
    """Raise NotBuiltError if the commit keeps files with Git LFS: what would be checked out are only their addresses."""
    said = do(
        read(
            mirror,
            *("grep", "--name-only", "--fixed-strings", "-e", "filter=lfs", commit, "--", ":(glob)**/.gitattributes"),
            says=f"see whether {commit[:8]} uses Git LFS",
            on=None,
            parse=lines,
            ok=frozenset({0, 1}),
        )
    )
    if not said:
        return
    large = do(
        read(
            mirror,
            *("grep", "--name-only", "-I", "-e", _LARGE_FILE, commit),
            says=f"look for files that {commit[:8]} keeps with Git LFS",
            on=None,
            parse=lines,
            ok=frozenset({0, 1}),
        )
    )
    if large:
        names = ", ".join(name.removeprefix(f"{commit}:") for name in large[:3])
        raise NotBuiltError(
            f"The commit {commit[:8]} keeps files with Git LFS ({names}), which is not built.",
            next="Keep these files in git itself, or fetch them while the image is built.",
        )


# ----------------------------------------------------------------------------------------------------- what is in the way


def _refuse_what_is_in_the_way(do: Do, place: _Place, tracked: list[str], *, indexed: bool) -> None:
    """Raise RefusedError if the checkout would replace anything that git did not put there."""
    ours: set[str] = set()
    if indexed:
        listed = read(
            place.mirror,
            *("ls-files", "-z"),
            says="list the files that are checked out",
            on=None,
            parse=records,
            extra={"GIT_INDEX_FILE": str(place.index)},
        )
        paths: list[str] = do(listed)
        ours = set(paths)
    strange: list[str] = do(
        Read(
            says=f"see whether anything in {place.tree} is in the way",
            function=lambda: sorted(set(_strangers(place.tree, tracked, ours))),
        )
    )
    if strange:
        raise _in_the_way(place.tree, strange)


def _strangers(tree: Path, tracked: list[str], ours: set[str]) -> Iterator[str]:
    """Yield what is on disk where the files of ``tracked`` have to be, and is none of ``ours``."""
    folders = {str(parent) for path in tracked for parent in Path(path).parents} - {"."}
    for folder in folders - ours:
        if (tree / folder).is_symlink() or (tree / folder).is_file():
            yield folder
    for path in tracked:
        place = tree / path
        if place.is_dir() and not place.is_symlink():
            yield from (inside for inside in _files_below(tree, place) if inside not in ours)
        elif path not in ours and (place.is_symlink() or place.exists()):
            yield path


def _files_below(tree: Path, folder: Path) -> Iterator[str]:
    for parent, _, names in walk(folder):
        yield from (str((parent / name).relative_to(tree)) for name in names)


def _in_the_way(tree: Path, what: list[str]) -> RefusedError:
    more = f" and {len(what) - 3} more" if len(what) > 3 else ""
    return RefusedError(
        f"In {tree}, where the code is checked out, there is what Runwright did not put there: {', '.join(what[:3])}{more}.",
        state="Nothing was changed there.",
        next="Move it away (the code needs its place), then start again.",
    )
