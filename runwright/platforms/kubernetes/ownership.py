"""Who owns what of an object: the managers in its ``metadata.managedFields``, and what kind each of them is.

A manager is a name and what it does: the ``kubectl`` that applies (server-side) is the application's own release of before, the
``kubectl`` that updates is somebody who scales. What an entry of the subresource ``status`` says is no setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from runwright.platforms.kubernetes.fields import Path, Tree, child, owned, tree_of
from runwright.platforms.kubernetes.kubectl import Object

MANAGER: Final = "runwright"
"""The field manager of all that we apply or patch."""
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which ``kubectl apply`` keeps what it was given last."""


class Kind(Enum):
    """Whom a manager belongs to."""

    OURS = "us"
    BEFORE = "the release of before: a person or a script that gave kubectl whole manifests"
    PERSON = "somebody who changes one thing by hand"
    APPLIER = "something else that applies manifests, and will again"
    CONTROLLER = "a controller, whose business it is"
    UNKNOWN = "a program that we do not know"


BY_HAND: Final = frozenset({Kind.PERSON, Kind.APPLIER, Kind.UNKNOWN})
"""Whoever may have set what the manifests do not say."""

_WORDS: Final = ("manager", "operation", "subresource", "apiVersion")
_WHOLE: Final = (
    ("kubectl", "Apply"),
    ("kubectl-last-applied", "Apply"),
    ("kubectl-client-side-apply", "Update"),
    ("kubectl-client-side-apply", "Apply"),
    (
        "before-first-apply",
        "Update",
    ),  # the cluster's own name for whoever wrote an object that had no managed fields yet
    *((f"kubectl-{verb}", "Update") for verb in ("create", "replace", "run", "expose", "autoscale")),
)
_PEOPLE: Final = re.compile(
    r"(?i)(kubectl|oc)([.-].*)?|k9s|(open|free)?lens.*|node-fetch|headlamp.*|(kubernetes-)?dashboard.*|octant.*|mozilla|curl|wget"
)
"""node-fetch is what Lens calls itself, Mozilla a browser behind a dashboard."""
_APPLIERS: Final = re.compile(
    r"(?i)argocd.*|kustomize-controller|helm.*|flux.*|fleet.*|kapp.*|kpt.*|werf.*|pulumi.*|terraform.*|hashicorp.*|opentofu.*"
    r"|ansible.*|crossplane.*|configsync.*|config-sync.*|configmanagement.*|spinnaker.*|clouddriver.*|garden.*|skaffold.*|tilt.*"
)
_CONTROLLERS: Final = re.compile(
    r"(?i)kube|kube-.*|kubelet.*|cloud-controller.*|.*[-_]controllers?([-_]manager)?|.*controller-manager.*|.*operator.*|.*autoscaler.*"
    r"|cert-?manager.*|cainjector.*|keda.*|karpenter.*|vpa-.*|istio.*|pilot-discovery|linkerd.*|.*-injector|external-.*|velero.*"
    r"|metallb.*|.*ingress.*|traefik.*|calico.*|cilium.*|coredns|gke-.*|eks.*|aks.*|gcp-.*|apiserver|reloader.*"
)


def kind_of(manager: str, operation: str, subresource: str = "") -> Kind:
    """Return whom a manager belongs to, given its name and whether it said Apply or Update."""
    if manager == MANAGER:
        return Kind.OURS
    if subresource == "status":
        return Kind.CONTROLLER
    if not subresource and (manager, operation) in _WHOLE:
        return Kind.BEFORE
    for kind, names in ((Kind.PERSON, _PEOPLE), (Kind.APPLIER, _APPLIERS), (Kind.CONTROLLER, _CONTROLLERS)):
        if names.fullmatch(manager):
            return kind
    return Kind.APPLIER if operation == "Apply" else Kind.UNKNOWN


@dataclass(frozen=True)
class Owner:
    """An entry of managedFields. time: when the manager last changed what it owns, None if that is not said."""

    manager: str
    operation: str
    subresource: str = ""
    version: str = ""
    time: datetime | None = None
    tree: Tree = field(default_factory=dict, repr=False, hash=False)

    @property
    def kind(self) -> Kind:
        """Whom it belongs to."""
        return kind_of(self.manager, self.operation, self.subresource)

    def owns(self, path: Path) -> bool:
        """Return whether it owns a field, itself or something in it."""
        tree: Any = self.tree
        for step in path:
            if step not in tree:
                return False
            tree = tree[step]
        return True

    def when(self, word: str = "at") -> str:
        """Return the time for a sentence: " at 2026-11-26 12:00 UTC", nothing if it is not known."""
        return f" {word} {self.time.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if self.time else ""


def entries(found: Object) -> list[dict[str, Any]]:
    """Return the entries of an object's managedFields, without what is none."""
    listed = child(found.get("metadata"), "f:managedFields")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def owner_of(entry: dict[str, Any]) -> Owner:
    """Return an entry of managedFields, read."""
    manager, operation, subresource, version = (str(entry.get(key) or "") for key in _WORDS)
    return Owner(manager, operation, subresource, version, _time(entry.get("time")), tree_of(entry))


def owners(found: Object, kinds: Iterable[Kind] = tuple(Kind)) -> tuple[Owner, ...]:
    """Return who owns something of an object, those of ``kinds``."""
    wanted = frozenset(kinds)
    return tuple(owner for owner in map(owner_of, entries(found)) if owner.kind in wanted)


def named(found: Object, managers: Sequence[str]) -> tuple[Owner, ...]:
    """Return the owners that a person named ("kubectl-set"), whatever they are; never the controllers."""
    return tuple(o for o in owners(found) if o.manager in managers and o.kind is not Kind.CONTROLLER)


def paths(owner: Owner) -> tuple[Path, ...]:
    """Return what an owner owns."""
    return owned(owner.tree)


def applied_by_us(found: Object) -> bool:
    """Return whether a release of ours applied the object as it is in the cluster."""
    return any(owner.manager == MANAGER and owner.operation == "Apply" for owner in owners(found))


def _time(said: object) -> datetime | None:
    try:
        read = datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
