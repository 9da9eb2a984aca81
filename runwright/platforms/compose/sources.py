"""The Compose files of a commit: which they are, what they name beside themselves, and which of it git tracks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from runwright.engine.actions import Command, Do, Output, Read
from runwright.engine.there.paths import Path
from runwright.errors import InputError, NotBuiltError
from runwright.platforms.compose.config import refusal
from runwright.platforms.compose.mounts import Tracked, relative_to
from runwright.runbook.platforms.compose import ComposeTarget

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

    env_files: by service, as they are written. elsewhere: "service x extends base.yml", "include base.yml". included: of each
    file that is included, whether it brings an env file of its own, and its path.
    """

    env_files: dict[str, tuple[Any, ...]]
    elsewhere: tuple[str, ...] = ()
    included: tuple[tuple[bool, str], ...] = ()


class _Loader(yaml.SafeLoader):
    """Reads tags that only Compose knows (!reset, !override) as the values that they stand before."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge what ``node`` says with `<<`, each key once: a few lines of merges would stand for billions of them."""
        super().flatten_mapping(node)
        node.value = list(
            {k.value if isinstance(k, yaml.ScalarNode) else id(k): (k, v) for k, v in node.value}.values()
        )


def _untagged(loader: Any, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_multi_constructor("!", _untagged)
# what only looks like one of these, as a version such as 2026-02-30, is text
for _kind in ("int", "float", "timestamp", "binary"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", lambda loader, node: _untagged(loader, "", node))


BY_ITSELF = "Compose by itself"
_ASKING = b"""services:
  asked:
    image: asked
    labels: {files: "${COMPOSE_FILE:-}", separator: "${COMPOSE_PATH_SEPARATOR:-}"}
"""
"""Compose fills in what it would go by itself: from its environment and env file, whichever of the two comes first."""


@dataclass(frozen=True)
class Named:
    """The Compose files of a version, relative to its tree, and the folder of the user's that their paths are relative to.

    by: who names them, as a word for people.
    """

    names: tuple[str, ...]
    directory: Path
    by: str


def files_by_environment(
    do: Do, directory: Path, from_files: Iterable[Path], env: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return the Compose files that Compose's environment or env file names for ``directory`` (COMPOSE_FILE); () if neither does.

    Raise InputError if Compose cannot read the env file.
    """
    flags = tuple(word for file in from_files for word in ("--env-file", str(file)))
    return do(
        Command(
            says=f"ask Compose which files its environment names for {directory}",
            argv=(
                *("docker", "compose", "-p", "runwright", "--project-directory", str(directory), *flags),
                *("-f", "-", "config", "--format", "json"),
            ),
            env=env or {},
            stdin=_ASKING,
            ok=frozenset(range(256)),
            parse=_files_named,
        )
    )


def _files_named(output: Output) -> tuple[str, ...]:
    refusal(output)
    labels = json.loads(output.stdout)["services"]["asked"]["labels"]
    return tuple(f for f in labels["files"].split(labels["separator"] or os.pathsep) if f)


def compose_files(
    do: Do, target: ComposeTarget, tree: Path, from_files: Iterable[Path] = (), env: Mapping[str, str] | None = None
) -> Named:
    """Return the Compose files in ``tree``: those of the runbook, else those that ``from_files`` and ``env`` name to Compose, else
    those that Compose looks for. Raise InputError if one is missing, or if Compose cannot read an env file.
    """
    directory = Path(target.directory)
    named = () if target.files else files_by_environment(do, directory, from_files, env)
    by, given, base = "the runbook's `files`", tuple(target.files), directory
    if not given and (given := tuple(_in_repository(name, directory) for name in named)):
        # as Compose does: paths are relative to the folder of the first file
        by, base = "COMPOSE_FILE", directory / PurePosixPath(given[0]).parent

    def look() -> tuple[str, ...]:
        return tuple(f for f in given if (tree / f).is_file()) if given else usual_files(tree)

    found = do(Read(says=f"find the Compose files in {tree}", function=look))
    missing = [f for f in given if f not in found]
    if missing or not found:
        raise InputError(
            f"There is no {', '.join(missing) or ' or '.join(BASE_NAMES)} in this version's tree, {tree}"
            + (f", though {by} names it." if missing else "."),
            next="List the Compose files, relative to the repository, in `files` of the target.",
        )
    return Named(found, base, by if given else BY_ITSELF)


def env_files(target: ComposeTarget) -> tuple[Path, ...]:
    """Return the env file that Compose interpolates from, if it is there: the runbook's, or the usual one."""
    file = Path(target.directory) / (target.env_file or ".env")
    return (file,) if file.is_file() else ()


def usual_files(folder: Path) -> tuple[str, ...]:
    """Return the names of the files in ``folder`` that Compose takes if it is given none."""
    try:
        names = {path.name for path in folder.iterdir() if path.name in {*BASE_NAMES, *OVERRIDE_NAMES}}
    except OSError:
        return ()
    base = [n for n in BASE_NAMES if n in names and (folder / n).is_file()][:1]
    return (*base, *([n for n in OVERRIDE_NAMES if n in names and (folder / n).is_file()][:1] if base else ()))


def _in_repository(name: str, directory: Path) -> str:
    inside = relative_to(directory, str(directory / name))
    if "://" in name or inside is None:
        raise InputError(
            f"COMPOSE_FILE names {name}, which is not in {directory}: it is of no version.",
            state="Nothing was started or stopped.",
            next="List the Compose files that are in the repository in `files` of the target, and keep that one's content there.",
        )
    return os.path.normpath(name) if not Path(name).is_absolute() else inside


def top_of(target: ComposeTarget) -> Path:
    """Return the folder of the user's that stands for the top of the repository, where files are mounted or built from.

    An application whose first Compose file is deploy/compose.yaml is run from .../deploy, and its top is the folder above:
    Compose goes by the folder of the first file.
    """
    directory = Path(os.path.normpath(target.directory))
    inside = PurePosixPath(target.files[0]).parent.parts if target.files else ()
    return directory.parents[len(inside) - 1] if inside and directory.parts[-len(inside) :] == inside else directory


def read_sources(do: Do, tree: Path, files: Iterable[str]) -> Sources:
    """Return what ``files`` in ``tree`` name beside themselves."""
    names = tuple(files)
    return do(
        Read(
            says=f"read {', '.join(names)}", function=lambda: parse_sources({f: (tree / f).read_text() for f in names})
        )
    )


def require_one_environment(do: Do, sources: Sources, directory: Path) -> None:
    """Raise NotBuiltError if files that are included bring variables of their own: in one file they could not be told apart."""

    def look() -> list[str]:
        folders = {(directory / path).parent for _, path in sources.included}
        own = [str(f / ".env") for f in sorted(folders) if f != directory and (f / ".env").is_file()]
        return [*(path for with_env, path in sources.included if with_env), *own]

    if found := do(Read(says="look for env files of what is included", function=look)):
        raise NotBuiltError(
            f"The Compose files include others with variables of their own ({', '.join(found)}).",
            next="Put those variables into the application's env file, or list the files in `files` of the target instead.",
        )


def parse_sources(texts: Mapping[str, str]) -> Sources:
    """Return what the Compose files {name: text}, in their order, name beside themselves.

    Raise InputError if one is no YAML, or no Compose file.
    """
    env_files: dict[str, tuple[Any, ...]] = {}
    elsewhere: list[str] = []
    included: list[tuple[bool, str]] = []
    for file, text in texts.items():
        data = _loaded(file, text)
        for entry in _listed(data.get("include")):
            said = entry if isinstance(entry, dict) else {"path": entry}
            elsewhere.append(f"include {said.get('path')}")
            included += [(bool(said.get("env_file")), str(path)) for path in _listed(said.get("path"))]
        for name, service in (data.get("services") or {}).items():
            if not isinstance(service or {}, dict):
                raise _no_compose_file(f"{file}: service {name} is no mapping.")
            extends = (service or {}).get("extends")
            if isinstance(extends, dict) and extends.get("file"):
                elsewhere.append(f"service {name} extends {extends['file']}")
            env_files[name] = (*env_files.get(name, ()), *_listed((service or {}).get("env_file")))
    return Sources({name: entries for name, entries in env_files.items() if entries}, tuple(elsewhere), tuple(included))


def _loaded(file: str, text: str) -> dict[str, Any]:
    try:
        data = yaml.load(text, Loader=_Loader) or {}  # noqa: S506 - a SafeLoader that also reads Compose's tags
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}, line {mark.line + 1}, column {mark.column + 1}" if mark else file
        raise _no_compose_file(f"{where}: {error.problem or error.context}.") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise _no_compose_file(f"{file}: it is no YAML ({type(error).__name__}).") from None
    if not isinstance(data, dict) or not isinstance(data.get("services") or {}, dict):
        raise _no_compose_file(f"{file}: it has no mapping of services.")
    return data


def _no_compose_file(what: str) -> InputError:
    return InputError(
        f"A mistake in a Compose file of this version: {what}", next="Correct it, commit that, and release that commit."
    )


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
