"""The Compose files of a commit: which they are, what they name beside themselves, and which of it git tracks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from runwright.actions import Command, Do, Output, Read
from runwright.errors import InputError, NotBuiltError
from runwright.platforms.compose.mounts import Tracked
from runwright.runbook.targets import ComposeTarget

# What Compose looks for if it is given no file; the first of each that is there
BASE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDE_NAMES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)


@dataclass(frozen=True)
class Sources:
    """What the files name that the rendered configuration no longer tells.

    env_files: by service, as they are written. elsewhere: "service x extends base.yml", "include base.yml".
    """

    env_files: dict[str, tuple[Any, ...]]
    elsewhere: tuple[str, ...]


class _Loader(yaml.SafeLoader):
    """Reads tags that only Compose knows (!reset, !override) as the values that they stand before."""


def _untagged(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_multi_constructor("!", _untagged)


def compose_files(do: Do, target: ComposeTarget, tree: Path) -> tuple[str, ...]:
    """Return the Compose files in ``tree``, relative to it. Raise InputError if one is missing."""

    def look() -> tuple[str, ...]:
        if target.files:
            return tuple(f for f in target.files if (tree / f).is_file())
        base = [n for n in BASE_NAMES if (tree / n).is_file()][:1]
        return (*base, *([n for n in OVERRIDE_NAMES if (tree / n).is_file()][:1] if base else ()))

    found = do(Read(says=f"find the Compose files in {tree}", function=look))
    missing = [f for f in target.files if f not in found]
    if missing or not found:
        raise InputError(
            f"There is no {', '.join(missing) or ' or '.join(BASE_NAMES)} in this version's tree, {tree}.",
            next="List the Compose files, relative to the repository, in `files` of the target.",
        )
    return found


def top_of(target: ComposeTarget) -> Path:
    """Return the folder of the user's that stands for the top of the repository, where files are mounted or built from.

    An application whose first Compose file is deploy/compose.yaml is run from .../deploy, and its top is the folder above:
    Compose goes by the folder of the first file.
    """
    directory = Path(os.path.normpath(target.directory))
    inside = PurePosixPath(target.files[0]).parent.parts if target.files else ()
    return directory.parents[len(inside) - 1] if inside and directory.parts[-len(inside) :] == inside else directory


def read_sources(do: Do, tree: Path, files: Iterable[str]) -> Sources:
    """Return what ``files`` in ``tree`` name. Raise NotBuiltError if they take services from other files."""
    names = tuple(files)
    sources = do(
        Read(says=f"read {', '.join(names)}", function=lambda: parse_sources([(tree / f).read_text() for f in names]))
    )
    if sources.elsewhere:
        raise NotBuiltError(
            f"The Compose files take parts from other files: {'; '.join(sources.elsewhere)}. Compose would look for those "
            "in the folder that the application is run from, and not find the released version's.",
            next="List those files in `files` of the target instead, in the order in which they override one another.",
        )
    return sources


def parse_sources(texts: Iterable[str]) -> Sources:
    """Return what the Compose files with these ``texts``, in their order, name beside themselves."""
    env_files: dict[str, tuple[Any, ...]] = {}
    elsewhere: list[str] = []
    for text in texts:
        data = yaml.load(text, Loader=_Loader) or {}  # noqa: S506 - a SafeLoader that also reads Compose's tags
        for entry in _listed(data.get("include")):
            elsewhere.append(f"include {entry.get('path') if isinstance(entry, dict) else entry}")
        for name, service in (data.get("services") or {}).items():
            extends = (service or {}).get("extends")
            if isinstance(extends, dict) and extends.get("file"):
                elsewhere.append(f"service {name} extends {extends['file']}")
            env_files[name] = (*env_files.get(name, ()), *_listed((service or {}).get("env_file")))
    return Sources({name: entries for name, entries in env_files.items() if entries}, tuple(elsewhere))


def env_path(entry: Any) -> str:
    """Return the path of an ``env_file`` entry, whichever way it is written."""
    return str(entry["path"] if isinstance(entry, dict) else entry)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def tracked_files(do: Do, tree: Path, *, elsewhere: bool = False) -> Tracked:
    """Return which files git tracks in ``tree``, and their ids.

    ``elsewhere``: it is not our own tree; if it is no checkout that git lets us read, it tracks none.
    """
    return do(
        Command(
            says=f"ask git which files it tracks in {tree}",
            argv=("git", "-C", str(tree), "ls-files", "--stage", "-z"),
            ok=frozenset({0, 128}) if elsewhere else frozenset({0}),
            parse=_tracked,
        )
    )


def _tracked(output: Output) -> Tracked:
    found = {}
    for entry in output.stdout.decode("utf-8", "surrogateescape").split("\0"):
        facts, _, name = entry.partition("\t")
        mode, _, rest = facts.partition(" ")
        if name and mode != "160000":  # a submodule is another repository
            found[name] = rest.partition(" ")[0]
    return Tracked(frozenset(found), found)


def changed_files(do: Do, folder: Path, path: str) -> frozenset[str]:
    """Return the files under ``path`` in the user's own ``folder`` that are not as git has them; none if it is no checkout."""
    return do(
        Command(
            says=f"ask git what was changed in {folder / path}",
            argv=(
                "git",
                "--literal-pathspecs",
                "-C",
                str(folder),
                "diff",
                "--name-only",
                "--relative",
                "-z",
                "--",
                path,
            ),
            ok=frozenset({0, 128, 129}),
            parse=_names,
        )
    )


def _names(output: Output) -> frozenset[str]:
    return frozenset(name for name in output.text.split("\0") if name) if output.code == 0 else frozenset()
