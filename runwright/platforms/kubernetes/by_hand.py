"""What somebody set in the cluster that the manifests do not say, or say otherwise, told before a release changes anything.

No conflict tells of it: who applies server-side is only refused what both name. So each field is looked up whose owner is
neither us nor the release of before, and no controller. How many replicas there are is told by ``scaling``.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from runwright.platforms.kubernetes.fields import ITSELF, MISSING, Path, Tree, child, item, part, spoken
from runwright.platforms.kubernetes.kubectl import Object, title
from runwright.platforms.kubernetes.ownership import BY_HAND, LAST_APPLIED, Kind, Owner, owners
from runwright.variables import says_secret, secrets_in

LONGEST: Final = 60
"""Characters of a value in a sentence."""
HIDDEN: Final = "(not shown)"

_POD: Final = ("f:spec", "f:template")
_NAMES: Final = frozenset({"f:labels", "f:annotations", "f:data", "f:binaryData", "f:stringData", "f:matchLabels"})
"""Maps whose every entry is a thing of its own."""
_NOT_SETTINGS: Final = frozenset(
    {"f:status", "f:apiVersion", "f:kind", "f:clusterIP", "f:clusterIPs", "f:ipFamilies", "f:healthCheckNodePort"}
)
"""Not what anybody sets, or given by the cluster to whoever made the object."""
_MARKS: Final = re.compile(
    rf"{re.escape(LAST_APPLIED)}|kubectl\.kubernetes\.io/restartedAt|(deployment|batch|statefulset|pv|volume|endpoints)\.kubernetes\.io/.*"
    r"|deprecated\.daemonset\.template\.generation"
)
"""Annotations that no pod behaves differently for: what controllers note, and that somebody restarted the pods."""
_QUANTITIES: Final = frozenset({"f:resources", "f:limits", "f:requests", "f:sizeLimit", "f:hard", "f:capacity"})
_UNITS: Final = {
    **{
        unit: Decimal(1000) ** power for power, unit in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
    },
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
_NO_SECRETS: Final = frozenset({"key", "topologyKey"})
"""Fields of the API whose name sounds like a secret, and is none."""
_SWITCHES: Final = {"f:paused": "paused", "f:suspend": "suspended"}
_DEFAULTS: Final[dict[str, tuple[Any, ...]]] = {
    "backoffLimit": (6,),
    "completionMode": ("NonIndexed",),
    "concurrencyPolicy": ("Allow",),
    "defaultMode": (420,),
    "divisor": ("0",),
    "dnsPolicy": ("ClusterFirst",),
    "failedJobsHistoryLimit": (1,),
    "failureThreshold": (3,),
    "imagePullPolicy": ("IfNotPresent", "Always"),
    "internalTrafficPolicy": ("Cluster",),
    "ipFamilyPolicy": ("SingleStack",),
    "maxSurge": ("25%",),
    "maxUnavailable": ("25%",),
    "paused": (False,),
    "periodSeconds": (10,),
    "podManagementPolicy": ("OrderedReady",),
    "progressDeadlineSeconds": (600,),
    "protocol": ("TCP",),
    "resources": ({},),
    "restartPolicy": ("Always",),
    "revisionHistoryLimit": (10,),
    "schedulerName": ("default-scheduler",),
    "scheme": ("HTTP",),
    "securityContext": ({},),
    "sessionAffinity": ("None",),
    "successThreshold": (1,),
    "successfulJobsHistoryLimit": (3,),
    "suspend": (False,),
    "terminationGracePeriodSeconds": (30,),
    "terminationMessagePath": ("/dev/termination-log",),
    "terminationMessagePolicy": ("File",),
    "timeoutSeconds": (1,),
    "type": ("ClusterIP", "RollingUpdate", "Opaque"),
}
"""What a field is where nobody says it: whoever owns that, it is no drift. Source: the defaults of the API, v1.34."""


@dataclass(frozen=True)
class Setting:
    """A field of an object that somebody else set.

    object: "Deployment/shop". path: its steps. now, rendered: the value in the cluster and in the manifests, as people read it;
    never a secret. rendered is None where the manifests do not say the field at all.
    """

    object: str
    path: Path
    now: str
    rendered: str | None
    owner: Owner

    @property
    def stops(self) -> str:
        """What the object does not do because of it ("paused", "suspended"); empty for every other setting."""
        return _SWITCHES.get(self.path[-1], "") if self.now == "true" else ""

    @property
    def where(self) -> str:
        """The path as people write it: ``spec.template.spec.containers[shop].env[SET_DEBUG]``."""
        return spoken(self.path)

    @property
    def says(self) -> str:
        """The setting as a sentence, without its full stop."""
        manifests = "do not say it" if self.rendered is None else f"say {self.rendered}"
        if self.rendered == HIDDEN:
            manifests = "say otherwise"
        owner = self.owner
        if self.stops:
            since = f",{owner.when('since')}" if owner.time else ""
            return f"{self.object} is {self.stops} (by {owner.manager}{since}); the manifests {manifests}"
        verb = "is applied" if owner.kind is Kind.APPLIER else "was set"
        return f"{self.object}: {_called(self.path, self.now)} {verb} by {owner.manager}{owner.when()}; the manifests {manifests}"


def by_hand(found: Object, rendered: Object) -> tuple[Setting, ...]:
    """Return what others set of an object: the first are those that stop it.

    found: the object in the cluster, with its managed fields. rendered: what we are about to apply. What is the same in both is
    not among them, nor what is as if nobody had said it, nor replicas. Those with `rendered` are conflicts: the cluster refuses our
    apply for them if they are not taken over first.
    """
    settings = _settings(found, rendered, BY_HAND)
    return tuple(sorted(dict.fromkeys(settings), key=lambda setting: not setting.stops))


def contested(found: Object, rendered: Object) -> tuple[Setting, ...]:
    """Return what controllers set of an object and the manifests say otherwise: conflicts as well, that somebody has to take
    out of the manifests. What the manifests do not say is the controllers' business."""
    settings = _settings(found, rendered, frozenset({Kind.CONTROLLER}))
    return tuple(setting for setting in settings if setting.rendered is not None)


def _settings(found: Object, rendered: Object, kinds: frozenset[Kind]) -> Iterator[Setting]:
    said_by_us = _encoded(rendered)
    for owner in owners(found, kinds):
        for path, now, said in _walk(owner.tree, (), found, said_by_us, found):
            yield Setting(title(found), path, _shown(found, path, now), said, owner)


def _encoded(rendered: Object) -> Object:
    """Return an object as the cluster keeps it: a Secret has no stringData there."""
    plain = rendered.get("stringData")
    if rendered.get("kind") != "Secret" or not isinstance(plain, dict):
        return rendered
    coded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
    data = rendered.get("data")
    return {**rendered, "data": {**(data if isinstance(data, dict) else {}), **coded}}


def _walk(tree: Tree, at: Path, now: Any, said: Any, whole: Object) -> Iterator[tuple[Path, Any, str | None]]:
    """Yield the path of each setting, the part of its value that the owner set, and what the manifests say, if they do."""
    for step, below in tree.items():
        path, there = (*at, step), child(now, step)
        if step == ITSELF or there is MISSING or _none_of_ours(path):
            continue
        told = child(said, step)
        if any(inner != ITSELF for inner in below):
            if told is MISSING and _is_one(step, below):
                value = _without_defaults(part(there, below))
                if value not in ({}, []):
                    yield path, value, None
            else:
                yield from _walk(below, path, there, told, whole)
        elif told is MISSING:
            if there not in _defaults(path):
                yield path, there, None
        elif not _equal(path, there, told):
            yield path, there, _shown(whole, path, told)


def _none_of_ours(path: Path) -> bool:
    """Return whether a path leads to what is no setting, or is told elsewhere."""
    if path == ("f:spec", "f:replicas") or path[-1] in _NOT_SETTINGS:
        return True
    if path[0] == "f:metadata" and len(path) > 1 and path[1] not in ("f:labels", "f:annotations"):
        return True
    return len(path) > 1 and path[-2] == "f:annotations" and bool(_MARKS.fullmatch(path[-1][2:]))


def _is_one(step: str, below: Tree) -> bool:
    """Return whether a field that the manifests do not say is told as one, and not each thing in it apart."""
    return (
        step not in _NAMES
        and all(inner == ITSELF or inner.startswith("f:") for inner in below)
        and step not in ("f:metadata", "f:spec", "f:template", "f:jobTemplate")
    )


def _defaults(path: Path) -> tuple[Any, ...]:
    """Return what a field is where nobody says it, as far as it is known; a label or a key of data has no default."""
    return () if len(path) > 1 and path[-2] in _NAMES else _DEFAULTS.get(path[-1][2:], ())


def _without_defaults(value: Any) -> Any:
    if isinstance(value, dict):
        left = {key: _without_defaults(one) for key, one in value.items()}
        return {key: one for key, one in left.items() if one not in _DEFAULTS.get(key, ())}
    return [_without_defaults(one) for one in value] if isinstance(value, list) else value


def _equal(path: Path, one: Any, other: Any) -> bool:
    """Return whether two values mean the same to the cluster, which writes 1000m as 1 and gives references their apiVersion."""
    if type(one) is type(other) and one == other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        extra = {"apiVersion", "divisor"}
        return set(one) - extra == set(other) - extra and all(
            _equal((*path, f"f:{key}"), one.get(key, value), value) for key, value in other.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_equal(path, *pair) for pair in zip(one, other, strict=True))
    if _QUANTITIES & set(path):
        first, second = _quantity(one), _quantity(other)
        return first is not None and first == second
    return False


def _quantity(value: object) -> Decimal | None:
    found = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(n|u|m|k|[KMGTPE]i?)?", str(value))
    if found is None or isinstance(value, bool) or len(found[1]) > LONGEST:
        return None
    return Decimal(found[1]) * _UNITS[found[2] or ""] if found[2] is None or found[2] in _UNITS else None


def _shown(found: Object, path: Path, value: Any) -> str:
    """Return a value as a sentence may show it: short, on one line, and no secret."""
    if found.get("kind") == "Secret" and path[0] in ("f:data", "f:stringData"):
        return HIDDEN
    name = _name_of(path)
    match value:
        case {"value": one} if set(value) <= {"name", "value"}:
            visible = _visible(name, one)
        case {"valueFrom": dict(source)} if len(source) == 1 and isinstance(to := next(iter(source.values())), dict):
            visible = _referred(next(iter(source)), to)
        case {"name": str(), "image": str(image)}:
            visible = f"(image {image})"
        case _:
            visible = _visible(name, value)
    text = visible if isinstance(visible, str) else json.dumps(visible, ensure_ascii=False)
    text = text.replace("\n", "\\n")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _referred(kind: str, to: dict[str, Any]) -> str:
    """Return where a variable's value comes from: "(secretKeyRef keys/PASSWORD)"."""
    words = [str(to[key]) for key in ("name", "containerName", "fieldPath", "resource", "key") if key in to]
    return f"({kind} {'/'.join(words)})"


def _name_of(path: Path) -> str:
    """Return the name of what a path leads to: that of the variable for ``env[NAME].value``."""
    last = [step for step in path if step != "f:value"][-1]
    return item(last) if not last.startswith("f:") else last[2:]


def _visible(name: str, value: Any) -> Any:
    """Return a value without what is secret in it: what its name, or it itself, says to be."""
    if isinstance(value, dict):
        own = str(value.get("name", ""))
        return {key: _visible(own if key == "value" else str(key), one) for key, one in value.items()}
    if isinstance(value, list):
        before = [name, *(one if isinstance(one, str) and one.startswith("-") else name for one in value)]
        return [_visible(flag, one) for flag, one in zip(before, value, strict=False)]  # after --password comes one
    if isinstance(value, bool) or value is None:
        return value
    hidden = (says_secret(name) and name not in _NO_SECRETS) or any(secrets_in([(name, str(value))]))
    return HIDDEN if hidden else value


def _called(path: Path, value: str) -> str:
    """Return a setting's name and value: "env SET_DEBUG=1 of container shop", "label team=blue", "spec.schedule=0 3 * * *"."""
    steps = path[1:] if path[:2] == ("f:spec", "f:jobTemplate") else path
    steps = steps[1:] if steps[:2] == ("f:jobTemplate", "f:spec") else steps
    of = ""
    if steps[:2] == _POD:
        steps, of = steps[2:], " of the pods"
        if steps[:1] == ("f:spec",) and len(steps) > 2 and steps[1] in ("f:containers", "f:initContainers"):
            steps, of = steps[3:], f" of container {item(steps[2])}"
            if not steps:
                return f"{of.removeprefix(' of ')}={value}"
        elif steps[:1] == ("f:spec",):
            steps = steps[1:]
    equals = f"={value}" if value != HIDDEN else f" {HIDDEN}"
    match steps:
        case ("f:env", name) | ("f:env", name, "f:value"):
            return f"env {item(name)}{equals}{of}"
        case ("f:metadata", "f:labels" | "f:annotations" as kind, name):
            return f"{kind[2:-1]} {name[2:]}{equals}{of}"
        case ("f:data" | "f:binaryData" | "f:stringData", name):
            return f"key {name[2:]}{equals}"
    return f"{spoken(steps)}{equals}{of}"
