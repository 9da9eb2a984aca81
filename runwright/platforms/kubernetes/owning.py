"""What has to be settled with others before a version is applied: whose its objects were, what was set by hand, who scales them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runwright.engine.actions import Do, Output, WriteFile
from runwright.errors import ActionError
from runwright.platforms.kubernetes.by_hand import Setting, by_hand
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, title
from runwright.platforms.kubernetes.manifests import COPY_OF, ROLLED
from runwright.platforms.kubernetes.ownership import MANAGER, Kind, Owner, owners
from runwright.platforms.kubernetes.scaling import Scaling, numbered, scaled
from runwright.platforms.kubernetes.takeover import Patch, taken_over
from runwright.platforms.kubernetes.vanished import Identity, Selected, identity, selected_by

TAKES = 4
"""How often an object is tried to be taken over: each try is refused only if somebody else wrote it in the moment before."""
_ONLY_FORWARD = frozenset({"PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition"})
SCALERS = ("horizontalpodautoscalers.autoscaling",)


@dataclass(frozen=True)
class Settled:
    """One object, as it is applied: ``rendered``, with the number of its pods settled.

    found: as it is in the cluster, None if it is not there. before: whose it was until now, if a release of before applied it.
    settings: what others have set of it.
    """

    rendered: Object
    found: Object | None
    before: tuple[Owner, ...] = ()
    settings: tuple[Setting, ...] = ()
    scaling: Scaling | None = None

    @property
    def applied(self) -> Object:
        """The object as it is applied."""
        return numbered(self.rendered, self.scaling) if self.scaling is not None else self.rendered

    @property
    def on_the_way_back(self) -> Settled:
        """The same where a version is taken back: the number of pods that somebody chose holds, whatever that version said."""
        scaling = self.scaling
        if scaling is None or scaling.owner is None:
            return self
        return replace(self, scaling=replace(scaling, before=scaling.manifest))

    @property
    def only_forward(self) -> bool:
        """Whether the cluster takes no way back of it: a claim does not shrink, a kind's stored version does not go, and what was
        made immutable stays so. Pods name copies of their configuration, so none of them misses it."""
        if self.found is None:
            return False
        return self.found["kind"] in _ONLY_FORWARD or self.found.get("immutable") is True

    @property
    def taken(self) -> bool:
        """Whether something of it has to become ours before it can be applied without a conflict."""
        return bool(self.before or self.settings or (self.scaling is not None and self.scaling.freed))

    def patch(self, kinds: Iterable[Kind] = ()) -> Patch | None:
        """Return what makes it ours first, None if nothing has to be. kinds: of whom everything is taken over, besides those of
        before and of those whose settings are known."""
        if self.found is None:
            return None
        takes = [*self.before, *(s.owner for s in self.settings), *owners(self.found, kinds)]
        scaling = self.scaling
        let_go, freed = (scaling.let_go, scaling.freed) if scaling is not None else ((), ())
        return taken_over(self.found, takes, let_go=let_go, freed=freed)


def settled(
    do: Do, kubectl: Kubectl, objects: Sequence[Object], last: Mapping[str, Object] | None = None
) -> tuple[Settled, ...]:
    """Return ``objects`` with what the cluster has of them. last: {title: object} of the release before."""
    there = {one.address: o for one, o in _live(do, kubectl, objects)}
    scalers = [*_scalers(do, kubectl), *(o for o in objects if o["kind"] == "HorizontalPodAutoscaler")]
    return tuple(_one(o, there.get(identity(o, kubectl.namespace).address), scalers, last or {}) for o in objects)


def _one(rendered: Object, found: Object | None, scalers: Sequence[Object], last: Mapping[str, Object]) -> Settled:
    rolls = rendered["kind"] in ROLLED and rendered["kind"] != "DaemonSet"
    scaling = scaled(found, rendered, scalers, last.get(title(rendered))) if rolls else None
    if found is None:
        return Settled(rendered, None, scaling=scaling)
    return Settled(rendered, found, owners(found, {Kind.BEFORE}), by_hand(found, rendered), scaling)


def _live(do: Do, kubectl: Kubectl, objects: Sequence[Object]) -> list[tuple[Identity, Object]]:
    # the copies of configuration are called by what they hold: nobody changes them
    names = {identity(o, kubectl.namespace): o for o in objects if COPY_OF not in (o["metadata"].get("labels") or {})}
    if not names:
        return []
    words = ("get", *(who.address for who in names), "-o", "json", "--show-managed-fields", "--ignore-not-found")
    says = f"look what of {len(names)} objects is there, and whose it is"
    found = do(kubectl.read(*words, says=says, parse=items, untouched=True))
    return [(identity(one, kubectl.namespace), one) for one in found]


def _scalers(do: Do, kubectl: Kubectl) -> tuple[Object, ...]:
    words = ("get", ",".join(SCALERS), "-o", "json")
    try:
        return tuple(do(kubectl.read(*words, says="look who scales workloads", parse=items, untouched=True)))
    except ActionError as error:
        if "forbidden" in error.what.lower() or "doesn't have a resource type" in error.what:
            return ()
        raise


def take_over(
    do: Do, kubectl: Kubectl, found: Sequence[Settled], folder: Path, prefix: str, kinds: Iterable[Kind] = ()
) -> None:
    """Make ours what others own of the objects: it changes no value, and what the manifests do not say goes when they are applied.

    folder: where the patches are kept: they are long.

    A controller that writes at the same moment may move the entries: then it is looked again, and tried again.
    Raise ActionError if that does not help either.
    """
    wanted = tuple(kinds)
    for one in found:
        who = identity(one.rendered, kubectl.namespace)
        patch, key = one.patch(wanted), f"{prefix}/own/{who.kind.lower()}-{who.name}"
        for attempt in range(1, TAKES + 1):
            if patch is None:
                break
            again = "" if attempt == 1 else f"/{attempt}"
            file = folder / f"own-{who.kind.lower()}-{who.name}{again.replace('/', '-')}.json"
            content = json.dumps(patch, indent=1).encode()
            do(WriteFile(says=f"write {file}", key=f"{key}{again}/file", path=file, content=content, mode=0o600))
            words = ("patch", who.address, "--type=json", f"--field-manager={MANAGER}", f"--patch-file={file}")
            says = f"take over {title(one.rendered)}: what of it this version does not say goes when it is applied"
            last = attempt == TAKES  # what comes of it is read afterwards; only the last time its failure is one
            do(kubectl.change(*words, says=says, key=f"{key}{again}", ok=frozenset({0} if last else {0, 1})))
            patch = None if last else _left(do, kubectl, who, one, wanted)


def _left(do: Do, kubectl: Kubectl, who: Identity, one: Settled, kinds: tuple[Kind, ...]) -> Patch | None:
    """Return what is still to be taken over of an object."""

    def parse(output: Output) -> Patch | None:
        there = items(output)
        return replace(one, found=there[0]).patch(kinds) if there else None

    words = ("get", who.address, "-o", "json", "--show-managed-fields", "--ignore-not-found")
    left: Patch | None = do(
        kubectl.read(*words, says=f"look whose {title(one.rendered)} is now", parse=parse, assume=None)
    )
    return left


def notes(found: Sequence[Settled]) -> list[str]:
    """Return what a person should know of it, a sentence each."""
    told = [one for one in found if one.before]
    says = []
    if told:
        managers = sorted({owner.manager for one in told for owner in one.before})
        says.append(
            f"Until now {', '.join(title(one.rendered) for one in told)} {'was' if len(told) == 1 else 'were'} applied by "
            f"{' and '.join(managers)}: taken over once, so that what this version does not say is gone."
        )
    says += [
        f"{s.says}: gone with this release, as `adopt` says, and part of the way back."
        for one in found
        for s in one.settings
    ]
    return [*says, *(f"{one.scaling.says}." for one in found if one.scaling is not None and one.scaling.says)]


def strangers(do: Do, kubectl: Kubectl, services: Sequence[Object], ours: Iterable[Object]) -> tuple[Selected, ...]:
    """Return whose pods the Services of a version select besides its own."""
    if not services:
        return ()
    words = ("get", "deployments,statefulsets,daemonsets", "-o", "json")
    there = do(kubectl.read(*words, says="look whose pods the Services select", parse=items, untouched=True))
    mine = {identity(one, kubectl.namespace) for one in ours}
    return tuple(found for one in services for found in selected_by(one, there, mine, kubectl.namespace))
