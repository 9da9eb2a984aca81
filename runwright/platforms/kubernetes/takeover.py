"""Taking over what others own of an object, so that our next apply removes what the manifests no longer say.

Applying with --force-conflicts takes only what both name: what a manager wrote and nobody names now stays for ever. So the
manager's entry in ``metadata.managedFields`` is made ours first, by a patch that changes no value: the rest is the apply's.
Source: client-go's util/csaupgrade, with which kubectl does this for what it applied itself, after its first apply succeeded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
Entry = dict[str, Any]
"""One of managedFields, as the cluster writes it."""

_ANNOTATION: Final = ("f:metadata", "f:annotations", f"f:{LAST_APPLIED}")


def taken_over(
    found: Object, managers: Collection[Owner], *, let_go: Sequence[Path] = (), freed: Sequence[Path] = ()
) -> Patch | None:
    """Return the patch that makes ours what the ``managers`` own of an object, None if there is nothing to change.

    The cluster refuses it if what one of the entries that it changes owns is no longer what it was; what a controller has
    written since does not matter. It changes no value; the annotation of ``kubectl apply`` goes with the release of before, or
    kubectl would go on to think that it owns what it applied.

    let_go: fields that neither we nor the managers own afterwards: our apply may leave them out, and they stay as they are.
    freed: fields that nobody but us owns afterwards: our apply may say them otherwise without a conflict.
    """
    before = entries(found)
    taken = [entry for entry in before if _among(owner_of(entry), managers)]
    ours = [entry for entry in before if _is_ours(entry)]
    merged = _less(_merged(found, [*ours, *taken]), let_go)
    if ours and not taken and tree_of(merged) == tree_of(ours[0]):
        merged = ours[0]
    first = next(iter((*ours, *taken)), None)
    after = [
        merged if entry is first else None if entry in ours or entry in taken else _less(entry, freed)
        for entry in before
    ]
    annotated = any(owner_of(entry).kind is Kind.BEFORE for entry in taken) and at(found, _ANNOTATION) is not MISSING
    return _operations(before, after, annotated) if annotated or after != before else None


def _operations(before: list[Entry], after: list[Entry | None], annotated: bool) -> Patch:
    """Return the patch from the entries as they were to what each of them becomes; None, or owning nothing: it goes."""
    place = "/metadata/managedFields"
    changed = [i for i, entry in enumerate(before) if after[i] != entry]
    left = {i: entry for i, entry in enumerate(after) if entry and entry.get("fieldsV1")}
    patch: Patch = [{"op": "test", "path": f"{place}/{i}", "value": before[i]} for i in changed]
    if annotated:
        patch.append({"op": "remove", "path": f"/metadata/annotations/{LAST_APPLIED.replace('/', '~1')}"})
    if not left:  # an empty list would be ignored
        return [*patch, {"op": "replace", "path": place, "value": [{}]}]
    patch += [{"op": "replace", "path": f"{place}/{i}", "value": left[i]} for i in changed if i in left]
    # the last ones first: each place is still what it was when its turn comes
    return [*patch, *({"op": "remove", "path": f"{place}/{i}"} for i in reversed(changed) if i not in left)]


def _among(owner: Owner, managers: Collection[Owner]) -> bool:
    """Return whether an entry is that of one of ``managers``, whenever it last changed something."""
    return any(
        (owner.manager, owner.operation, owner.subresource, owner.version)
        == (one.manager, one.operation, one.subresource, one.version)
        for one in managers
    )


def _is_ours(entry: Entry) -> bool:
    owner = owner_of(entry)
    return (owner.manager, owner.operation, owner.subresource) == (MANAGER, "Apply", "")


def _merged(found: Object, merging: list[Entry]) -> Entry:
    """Return the one entry that owns what all of them own; none of it is the annotation of ``kubectl apply``.

    Entries of another version of the API name fields as that version does: of these only what leads somewhere is taken.
    """
    version, tree, times = str(found.get("apiVersion", "")), Tree(), []
    for entry in merging:
        own = tree_of(entry)
        tree = union(tree, own if entry.get("apiVersion") == version else only(own, found))
        times += [entry["time"]] if isinstance(entry.get("time"), str) else []
    entry = {"manager": MANAGER, "operation": "Apply", "apiVersion": version, "fieldsType": "FieldsV1"}
    return entry | ({"time": max(times)} if times else {}) | {"fieldsV1": _without_annotation(tree)}


def _without_annotation(tree: Tree) -> Tree:
    """Return a tree without the annotation of ``kubectl apply``, and without the annotations if it was the only one."""
    left = without(tree, _ANNOTATION)
    alone = left != tree and not any(step != ITSELF for step in subtree(left, _ANNOTATION[:-1]))
    return without(left, _ANNOTATION[:-1]) if alone else left


def _less(entry: Entry, paths: Sequence[Path]) -> Entry:
    """Return an entry without some of what it owns."""
    for path in paths:
        owned = tree_of(entry)
        left = without(owned, path)
        entry = entry if left == owned else {**entry, "fieldsV1": left}
    return entry
