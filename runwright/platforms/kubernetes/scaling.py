"""How many replicas our apply says: the manifests' number, or none where an autoscaler or a person decides.

Leaving out what we own would set it back to 1. So what we leave out is let go first (``takeover``): then it stays as it is. An
autoscaler's first change to replicas that nobody owns is in no managed field, so it is looked for by what it scales.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from runwright.platforms.kubernetes.fields import MISSING, Path, at, child
from runwright.platforms.kubernetes.kubectl import Object, name_of, title
from runwright.platforms.kubernetes.ownership import BY_HAND, LAST_APPLIED, Kind, Owner, owners

REPLICAS: Final[Path] = ("f:spec", "f:replicas")
NUMBER: Final = "runwright.dev/replicas"
"""The annotation that keeps the number that the manifests said, also where our apply did not say it."""


@dataclass(frozen=True)
class Scaling:
    """The replicas of one object.

    now: in the cluster, None if the object is not there. manifest: what the manifests say, before: what they said at the release
    before; None if they did not, or that is not known. autoscaler: "HorizontalPodAutoscaler/shop", empty if there is none.
    owner: who scaled it by hand. held: whether we, or the release of before, own the number.
    """

    object: str
    now: int | None
    manifest: int | None
    before: int | None = None
    autoscaler: str = ""
    owner: Owner | None = None
    held: bool = False

    @property
    def number(self) -> int | None:
        """What our apply says; None if it leaves the number as it is."""
        if self.now == 0 and self.held and self.owner is None and self.manifest != 0:
            return self.manifest or self.before or 1  # a release of ours let none run: an autoscaler would leave it so
        if self.now is None or self.manifest is None or self.now == self.manifest:
            return None if self.now is not None and self.autoscaler else self.manifest
        if self.owner is not None:
            by_hand = self.before in (None, self.manifest)
        else:
            by_hand = not self.held and self.manifest == self.before
        return None if self.autoscaler or by_hand else self.manifest

    @property
    def let_go(self) -> tuple[Path, ...]:
        """The fields that must not be ours when our apply leaves them out: neither ours already, nor taken over with the rest."""
        return (REPLICAS,) if self.now is not None and self.number is None else ()

    @property
    def freed(self) -> tuple[Path, ...]:
        """The fields that our apply says otherwise than whoever set them."""
        return (REPLICAS,) if self.number is not None and self.now not in (None, self.number) else ()

    @property
    def says(self) -> str:
        """What is to be told of it, as a sentence without its full stop; empty if there is nothing."""
        if self.now is None or self.now == self.manifest:
            return ""
        stopped = ", so nothing of it runs" if self.now == 0 else ""
        by = f" set by {self.owner.manager}{self.owner.when()}" if self.owner else ""
        if self.autoscaler:
            said = "" if self.manifest is None else f", not the {self.manifest} of the manifests"
            return f"{self.object}: {self.autoscaler} decides about its replicas (now {self.now}{stopped}){said}"
        if self.manifest is None:
            return (
                f"{self.object} keeps its {self.now} replicas{by}{stopped}; the manifests do not say how many"
                if by or self.held
                else ""
            )
        if self.number is None:
            as_before = " as before" if self.before is not None else ""
            return f"{self.object} keeps its {self.now} replicas{by}{stopped}; the manifests say {self.manifest}{as_before}"
        before = f", before {self.before}" if self.before is not None else ""
        return f"{self.object} gets the {self.manifest} replicas that the manifests say now{before}, in place of {self.now}{by}"


def scaled(found: Object | None, rendered: Object, scalers: Iterable[Object], last: Object | None = None) -> Scaling:
    """Return what is to happen to the replicas of an object.

    found: the object in the cluster, with its managed fields. rendered: what the manifests say. scalers: the HorizontalPodAutoscalers
    (and KEDA's ScaledObjects) of the cluster and of the manifests. last: what the release before rendered, if it is known.
    """
    manifest = _number(at(rendered, REPLICAS))
    scaler = next((title(one) for one in scalers if _scales(one, rendered)), "")
    if found is None:
        return Scaling(title(rendered), None, manifest, autoscaler=scaler)
    of = [owner for owner in owners(found) if owner.owns(REPLICAS)]
    hands = [owner for owner in of if owner.kind in BY_HAND]
    now = _number(at(found, REPLICAS))
    return Scaling(
        title(rendered),
        1 if now is None and manifest is not None else now,
        manifest,
        _said_before(found, last),
        scaler,
        max(hands, key=lambda owner: str(owner.time or ""), default=None),
        any(owner.kind in (Kind.OURS, Kind.BEFORE) for owner in of),
    )


def numbered(rendered: Object, scaling: Scaling) -> Object:
    """Return an object as it is applied: with the number or without it, and with what the manifests said for the next release."""
    if scaling.manifest is None:
        return rendered
    spec = {key: value for key, value in rendered["spec"].items() if key != "replicas"}
    if scaling.number is not None:
        spec["replicas"] = scaling.number
    metadata = rendered["metadata"]
    noted = {**(metadata.get("annotations") or {}), NUMBER: str(scaling.manifest)}
    return {**rendered, "metadata": {**metadata, "annotations": noted}, "spec": spec}


def _said_before(found: Object, last: Object | None) -> int | None:
    """Return the number that the manifests said when the object was applied last, by us or by kubectl."""
    annotations = child(found.get("metadata"), "f:annotations")
    noted = child(annotations, f"f:{NUMBER}")
    if isinstance(noted, str) and noted.isdecimal():
        return int(noted)
    if last is not None and (number := _number(at(last, REPLICAS))) is not None:
        return number
    try:
        applied = json.loads(str(child(annotations, f"f:{LAST_APPLIED}")))
    except (ValueError, RecursionError):
        return None
    return _number(at(applied, REPLICAS))


def _scales(scaler: Object, what: Object) -> bool:
    """Return whether an autoscaler's target is an object. KEDA's target is a Deployment unless it says otherwise."""
    target = at(scaler, ("f:spec", "f:scaleTargetRef"))
    if not isinstance(target, dict):
        return False
    places = {one["metadata"].get("namespace") for one in (scaler, what)} - {None}
    return (
        len(places) < 2 and target.get("name") == name_of(what) and target.get("kind", "Deployment") == what.get("kind")
    )


def _number(value: Any) -> int | None:
    return value if value is not MISSING and type(value) is int else None
