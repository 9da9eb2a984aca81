"""The patch that makes ours what others own: what it says, and what it leaves alone. A real cluster is asked elsewhere."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from runwright.platforms.kubernetes.fields import owned, tree_of
from runwright.platforms.kubernetes.ownership import LAST_APPLIED, Kind, Owner, entries, named, owners
from runwright.platforms.kubernetes.takeover import Patch, taken_over

Object = dict[str, Any]
CAPTURED: dict[str, Object] = {o["kind"]: o for o in json.loads((Path(__file__).parent / "by_hand.json").read_text())}
REPLICAS = ("f:spec", "f:replicas")


def before(found: Object) -> tuple[Owner, ...]:
    return owners(found, [Kind.BEFORE])


def after(found: Object, patch: Patch | None) -> list[Object]:
    """Return the entries that the patch leaves, carried out as the cluster does; fails where one of its tests would."""
    assert patch is not None
    listed = copy.deepcopy(entries(found))
    for one in patch:
        *_, last = one["path"].split("/")
        match one["op"], last:
            case "test", _:
                assert listed[int(last)] == one["value"]
            case "replace", "managedFields":
                listed = one["value"]
            case "replace", _:
                listed[int(last)] = one["value"]
            case "remove", _ if last.isdecimal():
                del listed[int(last)]
    return sorted(listed, key=lambda one: one.get("operation", ""))


def entry(manager: str, tree: Any, operation: str = "Update", **more: Any) -> Object:
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": tree, **more}  # fmt: skip


def made(*listed: Object, **fields: Any) -> Object:
    metadata = {"name": "shop", "resourceVersion": "7", "managedFields": list(listed)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, **fields}


def test_the_release_of_before_becomes_ours_and_nobody_else_is_touched() -> None:
    """All that it owned but kubectl's annotation, which goes; the others' entries are as they were."""
    found = CAPTURED["Deployment"]
    patch = taken_over(found, before(found))
    mine, *others = after(found, patch)
    assert (mine["manager"], mine["operation"], mine["apiVersion"]) == ("runwright", "Apply", "apps/v1")
    (theirs,) = [one for one in entries(found) if one["manager"] == "kubectl-client-side-apply"]
    annotations = ("f:metadata", "f:annotations")
    assert set(owned(tree_of(mine))) == {path for path in owned(tree_of(theirs)) if path[:2] != annotations}
    assert others == [one for one in entries(found) if one is not theirs]
    assert patch is not None
    assert [(one["op"], one["path"]) for one in patch] == [
        ("test", "/metadata/managedFields/1"),
        ("remove", "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"),
        ("replace", "/metadata/managedFields/1"),
    ]


def test_the_object_itself_is_not_changed() -> None:
    """It is what the plan was made from."""
    found = copy.deepcopy(CAPTURED["Deployment"])
    taken_over(found, before(found), let_go=[REPLICAS], freed=[REPLICAS])
    assert found == CAPTURED["Deployment"]


def test_who_is_adopted_is_taken_over_with_it() -> None:
    """What kubectl-set owned is ours too, and the annotation goes once."""
    found = CAPTURED["Deployment"]
    mine, *others = after(found, taken_over(found, [*before(found), *named(found, ["kubectl-set"])]))
    spoken = json.dumps(mine)
    assert "SET_DEBUG" in spoken and "SET_PAYMENTS" in spoken
    assert {"kubectl-set", "kubectl-client-side-apply"}.isdisjoint(one["manager"] for one in others)
    assert "kubectl-patch" in [one["manager"] for one in others]


def test_to_adopt_a_person_alone_leaves_the_annotation() -> None:
    """kubectl still applies: that is not what was asked."""
    found = CAPTURED["ConfigMap"]
    patch = taken_over(found, named(found, ["kubectl-patch"]))
    assert patch is not None
    assert [one["op"] for one in patch] == ["test", "replace"]
    assert {one["manager"] for one in after(found, patch)} == {"runwright", "kubectl-client-side-apply"}


def test_what_we_own_already_is_united_with_it() -> None:
    """A team that went on with kubectl in between."""
    ours = entry("runwright", {"f:spec": {"f:paused": {}, "f:strategy": {}}}, "Apply", time="2026-11-26T12:00:00Z")
    theirs = entry("kubectl-client-side-apply", {"f:spec": {"f:strategy": {"f:type": {}}}}, time="2026-11-26T13:00:00Z")
    found = made(theirs, ours)
    (mine,) = after(found, taken_over(found, before(found)))
    assert mine["fieldsV1"] == {"f:spec": {"f:paused": {}, "f:strategy": {".": {}, "f:type": {}}}}
    assert mine["time"] == "2026-11-26T13:00:00Z"


def test_of_another_version_only_what_leads_somewhere_is_taken() -> None:
    """A name that this version does not have would be refused, or mean something else."""
    theirs = entry(
        "kubectl-client-side-apply", {"f:spec": {"f:paused": {}, "f:rollbackTo": {}}}, apiVersion="extensions/v1beta1"
    )
    found = made(theirs, spec={"paused": True})
    (mine,) = after(found, taken_over(found, before(found)))
    assert (mine["apiVersion"], mine["fieldsV1"]) == ("apps/v1", {"f:spec": {"f:paused": {}}})


NOTHING: list[tuple[Object, list[str]]] = [
    (made(), []),
    (made(dict(reversed(entry("runwright", {"f:spec": {"f:paused": {}}}, "Apply", time="2026").items()))), []),
    (made(entry("kubectl-set", {"f:spec": {"f:paused": {}}})), []),
    (made(entry("kubectl-set", {"f:spec": {"f:paused": {}}})), ["kubectl-edit"]),
    (made(entry("kube-controller-manager", {"f:status": {}}, subresource="status")), ["kube-controller-manager"]),
    ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "odd"}}, ["kubectl-edit"]),
]


@pytest.mark.parametrize(("found", "adopted"), NOTHING)
def test_where_there_is_nothing_to_take_over_there_is_no_patch(found: Object, adopted: list[str]) -> None:
    """A second release says nothing of it."""
    assert taken_over(found, [*before(found), *named(found, adopted)]) is None


def test_what_is_let_go_is_neither_ours_nor_theirs_and_whoever_set_it_keeps_it() -> None:
    """Replicas that an autoscaler, or a person, decides about."""
    scale = entry("kube-controller-manager", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    theirs = entry("kubectl-client-side-apply", {"f:spec": {"f:replicas": {}, "f:paused": {}}})
    found = made(scale, theirs)
    assert [one["fieldsV1"] for one in after(found, taken_over(found, before(found), let_go=[REPLICAS]))] == [
        {"f:spec": {"f:paused": {}}},
        {"f:spec": {"f:replicas": {}}},
    ]
    found = made(entry("runwright", {"f:spec": {"f:replicas": {}, "f:paused": {}}}, "Apply"))
    assert after(found, taken_over(found, [], let_go=[REPLICAS]))[0]["fieldsV1"] == {"f:spec": {"f:paused": {}}}


def test_what_is_freed_is_nobodys_but_ours() -> None:
    """The manifests say another number: no conflict with whoever scaled."""
    scale = entry("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    edit = entry("kubectl-edit", {"f:spec": {"f:replicas": {}, "f:paused": {}}})
    ours = entry("runwright", {"f:spec": {"f:replicas": {}}}, "Apply")
    found = made(scale, edit, ours)
    left = after(found, taken_over(found, [], freed=[REPLICAS]))
    assert [(one["manager"], one["fieldsV1"]) for one in left] == [
        ("runwright", {"f:spec": {"f:replicas": {}}}),
        ("kubectl-edit", {"f:spec": {"f:paused": {}}}),
    ]


def test_an_object_that_nobody_owns_afterwards_is_reset_and_not_ignored() -> None:
    """The cluster takes an empty list for none at all, and would put back what was there."""
    found = made(entry("runwright", {"f:spec": {"f:replicas": {}}}, "Apply"))
    assert after(found, taken_over(found, [], let_go=[REPLICAS])) == [{}]


def test_several_entries_go_from_the_last_to_the_first() -> None:
    """Or a patch would take away the neighbour of the one that it means."""
    names = ("kubectl-client-side-apply", "kubectl-create", "kubectl-edit", "kubectl-replace")
    found = made(*(entry(name, {"f:spec": {f"f:{name}": {}}}) for name in names))
    mine, edit = after(found, taken_over(found, before(found)))
    assert list(mine["fieldsV1"]["f:spec"]) == [f"f:{name}" for name in names if name != "kubectl-edit"]
    assert edit["manager"] == "kubectl-edit"


def test_the_annotation_alone_is_taken_away() -> None:
    """An object whose release of before owns nothing but that."""
    tree = {"f:metadata": {"f:annotations": {".": {}, f"f:{LAST_APPLIED}": {}}}}
    found = made(entry("kubectl-client-side-apply", tree))
    found["metadata"]["annotations"] = {LAST_APPLIED: "{}"}
    patch = taken_over(found, before(found))
    assert patch is not None and patch[1]["op"] == "remove"
    assert after(found, patch) == [{}]
