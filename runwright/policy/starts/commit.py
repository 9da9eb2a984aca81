"""The files of a commit, by what a command in an image may call them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from runwright.policy.starts.follow import Files

MOST_BYTES = 262144
"""A start script, a module or a build file that is larger is none that a person wrote."""


class Commit:
    """The tracked files ``names``; ``read`` returns the text of one. Those below ``context`` are meant before others."""

    def __init__(self, names: Iterable[str], read: Callable[[str], str], context: str = "") -> None:
        self.names = frozenset(names)
        self._read = read
        self._context = f"{context.strip('/')}/" if context.strip("/.") else ""
        self._called: dict[str, list[str]] = {}
        for name in sorted(self.names):
            self._called.setdefault(name.rpartition("/")[2], []).append(name)

    def find(self, path: str) -> Files:
        """Return what ``path`` may be: the file whose path ends so, else one of that name wherever the image has it."""
        bare = path.lstrip("./") if path.startswith(("./", "../", "/")) else path
        called = self._called.get(bare.rpartition("/")[2], [])
        return self._texts(self._best([n for n in called if _ends(n, bare) or _ends(bare, n)] or called))

    def module(self, path: str, beside: str) -> Files:
        """Return the module whose path ends so, that which is nearest to the file ``beside`` first."""
        found = [n for n in self._called.get(path.rpartition("/")[2], []) if _ends(n, path)]
        near = sorted(self._best(found), key=lambda n: -_common(n, beside))
        return self._texts(near[:1])

    def below(self, endings: tuple[str, ...]) -> Files:
        """Return the files below the context that end so."""
        return self._texts(n for n in sorted(self.names) if n.startswith(self._context) and n.endswith(endings))

    def _best(self, names: list[str]) -> list[str]:
        return [n for n in names if n.startswith(self._context)] or names

    def _texts(self, names: Iterable[str]) -> Files:
        return [(name, self._read(name)) for name in names]


def _ends(path: str, end: str) -> bool:
    return path == end or path.endswith(f"/{end}")


def _common(one: str, other: str) -> int:
    """Return how many folders two paths share."""
    pairs = zip(PurePosixPath(one).parts[:-1], PurePosixPath(other).parts[:-1], strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(one.count("/"), other.count("/")))
