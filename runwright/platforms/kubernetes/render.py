"""What a commit's manifests say: rendered by kustomize or Helm, never edited, and read into objects."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from runwright.engine.actions import Command, Do, Output, Read
from runwright.errors import InputError
from runwright.platforms.kubernetes.kubectl import Kubectl, Object
from runwright.plural import plural
from runwright.runbook.platforms.kubernetes import KubernetesTarget

RENDER_SECONDS = 120.0
MOST_VALUES = 2_000_000
"""Far more than any application has; aliases of aliases make billions of a few lines, once they are written out."""
MANIFESTS = (".yaml", ".yml", ".json")
KUSTOMIZATION = ("kustomization.yaml", "kustomization.yml", "Kustomization")


_REMOTE = re.compile(r"://|^git@|^git::|^(github|gitlab|bitbucket)\.(com|org)[/:]|\?ref=")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
_VERSION = re.compile(r"([a-z0-9][a-z0-9.-]{0,252}/)?[a-z0-9]{1,63}")
_NAME = re.compile(r"(?!\.{1,2}$)[^/%\s\x00-\x1f\x7f]{1,253}")
"""What the API takes; more than that, these words are asked of kubectl, and name files."""
_PINNED = re.compile(r"[?&](ref|version)=[0-9a-f]{40}(&|$)")


class _Loader(yaml.SafeLoader):
    """YAML as kubectl reads it: dates are text, and 1e3 is a number."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in found
        if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float")
    ]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(\d+\.\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


def rendered(
    do: Do, kubectl: Kubectl, target: KubernetesTarget, tree: Path, scratch: Path | None = None
) -> tuple[Object, ...]:
    """Return the objects of the manifests in ``tree``, a clean checkout. Raise InputError or ActionError if they are not right.

    scratch: a folder of ours, where the files of several are put together; default: beside the tree.
    """
    manifests = target.manifests
    if manifests.kustomize is not None:
        folder = tree / manifests.kustomize
        do(Read(says="look where the kustomization is", function=lambda: _inside(tree, folder)))
        do(Read(says="look what the kustomization is made of", function=lambda: require_own(folder, tree)))
        return do(_kustomized(kubectl, tree / manifests.kustomize, f"render {manifests.kustomize}"))
    if manifests.helm is not None:
        helm = manifests.helm
        do(Read(says="look where the chart is", function=lambda: _require_inside(tree, [helm.chart, *helm.values])))
        return do(_templated(target, tree))
    files = do(Read(says="look for the manifests", function=lambda: list(_files(tree, manifests.files))))
    made = (scratch or tree.parent) / "manifests"
    do(Read(says=f"put {plural(len(files), 'manifest')} together for kustomize", function=lambda: _listed(made, files)))
    return do(_kustomized(kubectl, made, f"render {', '.join(manifests.files)}"))


def require_own(folder: Path, tree: Path) -> None:
    """Raise InputError if a kustomization, or one that it builds on, takes something from elsewhere that may be another tomorrow."""
    seen: set[Path] = set()
    left = [folder]
    while left:
        here = left.pop()
        if here.resolve() in seen:
            continue
        seen.add(here.resolve())
        for name in resources(here):
            if (path := here / name).is_dir():
                if not path.resolve().is_relative_to(tree.resolve()):
                    raise InputError(
                        f"{name} of {here.name} leads out of the repository.", next="Copy what it needs into it."
                    )
                left.append(path)
            elif not path.exists() and _REMOTE.search(name) and not _PINNED.search(name):
                raise InputError(
                    f"The kustomization {here.relative_to(tree)} takes {name} from elsewhere, and what that is may change between two "
                    "releases of one commit.",
                    next="Pin it by a whole commit (`?ref=` and 40 digits), or copy it into the repository.",
                )


def resources(folder: Path) -> list[str]:
    """Return what the kustomization in ``folder`` is made of, as it names it; nothing if there is none, or it cannot be read."""
    for name in KUSTOMIZATION:
        if not (folder / name).is_file():
            continue
        try:
            said = yaml.safe_load((folder / name).read_bytes())
        except (yaml.YAMLError, OSError, ValueError, RecursionError):
            return []  # kustomize says what is wrong with it
        parts = [said.get(key) for key in ("resources", "bases", "components")] if isinstance(said, dict) else []
        return [str(one) for part in parts if isinstance(part, list) for one in part if isinstance(one, str)]
    return []


def _kustomized(kubectl: Kubectl, folder: Path, says: str) -> Command[tuple[Object, ...]]:
    argv = (kubectl.program, "kustomize", str(folder))
    return Command(says=says, argv=argv, deadline_seconds=RENDER_SECONDS, parse=read)


def _templated(target: KubernetesTarget, tree: Path) -> Command[tuple[Object, ...]]:
    helm = target.manifests.helm
    assert helm is not None
    if shutil.which("helm") is None:
        raise InputError(
            "The manifests are a Helm chart, and there is no helm on PATH.",
            next="Install Helm 3 where Runwright runs; it only renders, and needs no access to the cluster.",
        )
    values = [word for file in helm.values for word in ("--values", str(tree / file))]
    words = (
        "template",
        helm.release,
        str(tree / helm.chart),
        "--namespace",
        target.namespace,
        "--include-crds",
        "--skip-tests",
    )
    argv = ("helm", *words, *values)
    return Command(says=f"render the chart {helm.chart}", argv=argv, deadline_seconds=RENDER_SECONDS, parse=read)


def _files(tree: Path, named: list[str]) -> Iterator[Path]:
    """Yield the files, those of a folder in their order. Raise InputError if there are none."""
    for name in named:
        path = tree / name
        if path.is_file():
            yield _inside(tree, path)
            continue
        if not path.is_dir():
            raise InputError(f"{name} is not in this commit.", next="Correct `manifests.files` of the target.")
        if any((path / one).exists() for one in KUSTOMIZATION):
            raise InputError(f"{name} is a kustomization.", next=f"Say `manifests: {{kustomize: {name}}}`.")
        found = sorted(f for f in path.iterdir() if f.suffix in MANIFESTS and f.is_file())
        if not found:
            raise InputError(f"{name} holds no manifests.", next="Correct `manifests.files` of the target.")
        yield from (_inside(tree, file) for file in found)


def _inside(tree: Path, file: Path) -> Path:
    """Return ``file``. Raise InputError if it is a link that leads out of the commit: somebody else's files are not for a cluster."""
    if not file.resolve().is_relative_to(tree.resolve()):
        raise InputError(
            f"{file.relative_to(tree)} leads out of the repository.", next="Put a file there, and no link."
        )
    return file


def _require_inside(tree: Path, named: list[str]) -> None:
    """Raise InputError if something of a chart, or a file of values, is a link that leads out of the commit: Helm follows it."""
    for path in (tree / name for name in named):
        _inside(tree, path)
        for deeper in path.rglob("*") if path.is_dir() else ():
            if deeper.is_symlink():
                _inside(tree, deeper)


def _listed(folder: Path, files: list[Path]) -> None:
    """Write, beside the checkout, a kustomization of nothing but ``files``: they are read as kubectl reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.yaml").write_bytes(b"\n---\n".join(file.read_bytes() for file in files))
    (folder / "kustomization.yaml").write_text("resources: [all.yaml]\n")


def read(output: Output) -> tuple[Object, ...]:
    """Return the objects of rendered YAML, lists taken apart. Raise InputError if it is something else."""
    try:
        documents = list(yaml.load_all(output.stdout, Loader=_Loader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(
            f"What the manifests were rendered to is no YAML: {error}.", next="Mend the manifests."
        ) from error
    if sum(_size(document, {}) for document in documents) > MOST_VALUES:
        raise InputError(
            f"The manifests have more than {MOST_VALUES} values: their aliases (`*name`) repeat each other.",
            next="Write out what is meant.",
        )
    objects = tuple(one for document in documents if document for one in _apart(document))
    if not objects:
        raise InputError("The manifests render to nothing.", next="Correct `manifests` of the target.")
    return objects


def _size(value: Any, known: dict[int, int]) -> int:
    """Return how many values one has, each alias counted as what it stands for; of one that holds itself too many."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        known[id(value)] = MOST_VALUES + 1  # until it is counted, so that it is met again only in itself
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(one, known) for one in inner)
    return known[id(value)]


def _apart(document: Any) -> Iterator[Object]:
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        raise InputError("A document of the manifests is no object: it has no `kind`.", next="Mend the manifests.")
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _apart(item)
        return
    name = (document.get("metadata") or {}).get("name") if isinstance(document.get("metadata"), dict) else None
    if not isinstance(name, str) or not isinstance(document.get("apiVersion"), str):
        raise InputError(
            f"A {document['kind']} of the manifests has no name or no apiVersion.", next="Mend the manifests."
        )
    words = ((_KIND, document["kind"]), (_VERSION, document["apiVersion"]), (_NAME, name))
    if odd := [word for pattern, word in words if not pattern.fullmatch(word)]:
        raise InputError(
            f"The manifests have an object {document['kind'][:80]!r} of the name {name[:80]!r}, and {odd[0][:80]!r} is no word for one.",
            next="Mend the manifests.",
        )
    yield document
