"""Taking over what others own of an object, so that our next apply removes what the manifests no longer say.

Applying with --force-conflicts takes only what both name: what a manager wrote and nobody names now stays for ever. So the
manager's entry in ``metadata.managedFields`` is made ours first, by a patch that changes no value: the rest is the apply's.
Source: client-go's util/csaupgrade, with which kubectl does this for what it applied itself, after its first apply succeeded.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, Final

from runwright.platforms.kubernetes.fields import (
    ITSELF,
    MISSING,
    Path,
    Tree,
    at,
    only,
    subtree,
    tree_of,
    union,
    without,
)
from runwright.platforms.kubernetes.kubectl import Object
from runwright.platforms.kubernetes.ownership import LAST_APPLIED, MANAGER, Kind, Owner, entries, owner_of

Patch = list[dict[str, Any]]
"""The operations of a JSON patch (RFC 6902), for ``kubectl patch --type=json --field-manager=runwright``."""

_ANNOTATION: Final = ("f:metadata", "f:annotations", f"f:{LAST_APPLIED}")


def taken_over(
    found: Object, managers: Collection[Owner], *, let_go: Iterable[Path] = (), freed: Iterable[Path] = ()
) -> Patch | None:
    """Return the patch that makes ours what the ``managers`` own of an object, None if there is nothing to change.

    The cluster refuses it if the object has changed since it was read. It changes no value; the annotation of ``kubectl apply``
    goes with the release of before, or kubectl would go on to think that it owns what it applied.

    let_go: fields that neither we nor the managers own afterwards: our apply may leave them out, and they stay as they are.
    freed: fields that nobody but us owns afterwards: our apply may say them otherwise without a conflict.
    """
    before = entries(found)
    taken = [entry for entry in before if _among(owner_of(entry), managers)]
    ours = [entry for entry in before if _is_ours(entry)]
    others = [_less(entry, freed) for entry in before if entry not in taken and entry not in ours]
    mine = _less(_merged(found, [*ours, *taken]), let_go)
    after = [entry for entry in (mine, *others) if entry.get("fieldsV1")]
    annotated = any(owner_of(entry).kind is Kind.BEFORE for entry in taken) and at(found, _ANNOTATION) is not MISSING
    if not annotated and not taken and _written(after) == _written(before):
        return None
    return [
        # not a `test`: that is refused as a mistake of ours, this as the conflict that it is
        {"op": "replace", "path": "/metadata/resourceVersion", "value": found["metadata"].get("resourceVersion", "")},
        *([{"op": "remove", "path": f"/metadata/annotations/{LAST_APPLIED.replace('/', '~1')}"}] if annotated else []),
        {"op": "replace", "path": "/metadata/managedFields", "value": after or [{}]},  # an empty list would be ignored
    ]


def _written(listed: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(entry, sort_keys=True) for entry in listed)


def _among(owner: Owner, managers: Collection[Owner]) -> bool:
    """Return whether an entry is that of one of ``managers``, whenever it last changed something."""
    return any(
        (owner.manager, owner.operation, owner.subresource, owner.version)
        == (one.manager, one.operation, one.subresource, one.version)
        for one in managers
    )


def _is_ours(entry: dict[str, Any]) -> bool:
    owner = owner_of(entry)
    return (owner.manager, owner.operation, owner.subresource) == (MANAGER, "Apply", "")


def _merged(found: Object, merging: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one entry that owns what all of them own; none of it is the annotation of ``kubectl apply``.

    Entries of another version of the API name fields as that version does: of these only what leads somewhere is taken.
    """
    version, tree, times = str(found.get("apiVersion", "")), Tree(), []
    for entry in merging:
        own = tree_of(entry)
        tree = union(tree, own if entry.get("apiVersion") == version else only(own, found))
        times += [entry["time"]] if entry.get("time") else []
    entry = {"manager": MANAGER, "operation": "Apply", "apiVersion": version, "fieldsType": "FieldsV1"}
    return entry | ({"time": max(times)} if times else {}) | {"fieldsV1": _without_annotation(tree)}


def _without_annotation(tree: Tree) -> Tree:
    """Return a tree without the annotation of ``kubectl apply``, and without the annotations if it was the only one."""
    left = without(tree, _ANNOTATION)
    alone = left != tree and not any(step != ITSELF for step in subtree(left, _ANNOTATION[:-1]))
    return without(left, _ANNOTATION[:-1]) if alone else left


def _less(entry: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """Return an entry without some of what it owns."""
    for path in paths:
        owned = tree_of(entry)
        left = without(owned, path)
        entry = entry if left == owned else {**entry, "fieldsV1": left}
    return entry
