"""Whether a controller applies the same objects from a repository: what Runwright puts back it would bring again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runwright.platforms.kubernetes.kubectl import Object, title
from runwright.platforms.kubernetes.reading import at, listed
from runwright.plural import few

MARKS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}
"""Labels and annotations that controllers leave on what they apply."""
MANAGERS = {"argocd-controller": "Argo CD", "kustomize-controller": "Flux", "helm-controller": "Flux"}
"""And the names by which they apply it."""


def from_git(found: Iterable[Object]) -> tuple[str, ...]:
    """Return a sentence for each controller that applies any of the objects ``found`` from a repository."""
    theirs: dict[str, list[str]] = {}
    for one in found:
        for name in dict.fromkeys(_controllers(one)):
            theirs.setdefault(name, []).append(title(one))
    return tuple(
        f"{name} applies {few(names)} from a repository: what it finds there it will apply again, also after a way back. Suspend it "
        "for this release, and revert the commit of a version that was taken back."
        for name, names in theirs.items()
    )


def _controllers(one: Object) -> Iterator[str]:
    for part in ("labels", "annotations"):
        yield from (name for mark, name in MARKS.items() if mark in (at(one, "metadata", part) or {}))
    managers = {str(entry.get("manager")) for entry in listed(one, "metadata", "managedFields")}
    yield from (name for manager, name in MANAGERS.items() if manager in managers)
