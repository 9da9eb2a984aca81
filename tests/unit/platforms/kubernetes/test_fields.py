"""What a manager owns, read from its tree: as paths for people, and joined, shortened and followed into an object."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.platforms.kubernetes.fields import (
    MISSING,
    Tree,
    at,
    fields,
    only,
    owned,
    part,
    spoken,
    tree_of,
    union,
    without,
)

CONTAINER = 'k:{"name":"shop"}'
PORT = 'k:{"containerPort":8000,"protocol":"TCP"}'

READ = [
    ({"f:spec": {"f:replicas": {}}}, ("spec.replicas",)),
    ({"f:data": {".": {}, "f:app.conf": {}}}, ("data", "data[app.conf]")),
    ({"f:metadata": {"f:labels": {"f:app.kubernetes.io/name": {}}}}, ("metadata.labels[app.kubernetes.io/name]",)),
    (
        {"f:spec": {"f:template": {"f:spec": {"f:containers": {CONTAINER: {"f:env": {'k:{"name":"SET_DEBUG"}': {".": {}, "f:value": {}}}}}}}}},
        (
            "spec.template.spec.containers[shop].env[SET_DEBUG]",
            "spec.template.spec.containers[shop].env[SET_DEBUG].value",
        ),
    ),
    ({"f:ports": {PORT: {"f:name": {}}}}, ("ports[8000/TCP].name",)),
    (
        {"f:rules": {'k:{"topologyKey":"zone","whenUnsatisfiable":"ScheduleAnyway"}': {".": {}}}},
        ("rules[topologyKey=zone,whenUnsatisfiable=ScheduleAnyway]",),
    ),
    ({"f:finalizers": {'v:"kubernetes.io/pvc"': {}, "v:7": {}, "v:null": {}}}, ("finalizers[kubernetes.io/pvc]", "finalizers[7]", "finalizers[null]")),
    ({"f:args": {"i:0": {}}}, ("args[0]",)),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "said"), READ)
def test_each_kind_of_step_is_read_as_people_write_it(tree: Tree, said: tuple[str, ...]) -> None:
    """Names, items by their keys, by their value and by their place."""
    assert fields({"fieldsV1": tree}) == said


ODD: list[Any] = [
    None,
    7,
    [],
    {},
    {"fieldsV1": None},
    {"fieldsV1": ["f:spec"]},
    {"fieldsV1": {"spec": {}, "": {}, "f:": {}, "x:1": {}, "k:{": {}, "k:[]": {}, "k:{}": {}, "k:7": {}, "v:": {}, "i:x": {}, "i:true": {}}},
    {"fieldsV1": {7: {}}},
]  # fmt: skip


@pytest.mark.parametrize("entry", ODD)
def test_what_is_no_step_owns_nothing(entry: Any) -> None:
    """An entry comes from whoever wrote the object: nothing in it is trusted to be what it should."""
    assert fields(entry) == ()


def test_what_is_below_a_wrong_step_is_not_taken_for_something_else() -> None:
    """Only the wrong step is left out, with what is below; a step whose inside is no tree is owned whole."""
    tree = {"f:spec": {"x": {"f:replicas": {}}, "f:paused": "yes", "f:strategy": 7}}
    assert fields({"fieldsV1": tree}) == ("spec.paused", "spec.strategy")


def test_a_tree_of_any_depth_is_read() -> None:
    """Where no object is so deep, what is above is owned whole."""
    tree: Tree = {}
    for _ in range(5000):
        tree = {"f:a": tree}
    assert len(fields({"fieldsV1": tree})) == 1


steps = st.sampled_from(["f:a", "f:b", CONTAINER, 'v:"x"', "i:0"])
trees = st.recursive(
    st.just({}), lambda below: st.dictionaries(st.one_of(steps, st.just(".")), below, max_size=3), max_leaves=12
).map(lambda tree: tree_of({"fieldsV1": {step: below for step, below in tree.items() if step != "."}}))


@given(trees, trees)
def test_a_union_owns_exactly_what_either_owns(one: Tree, other: Tree) -> None:
    """Also where one owns a field whole and the other something in it."""
    assert set(owned(union(one, other))) == set(owned(one)) | set(owned(other))


@given(trees, st.data())
def test_without_a_path_nothing_at_or_below_it_is_owned(tree: Tree, data: st.DataObject) -> None:
    """And everything else still is."""
    every = owned(tree)
    if not every:
        return
    path = data.draw(st.sampled_from(every))
    left = {one for one in every if one[: len(path)] != path}
    assert set(owned(without(tree, path))) == left


@given(
    trees, st.recursive(st.integers(), lambda v: st.lists(v, max_size=2) | st.dictionaries(st.sampled_from("ab"), v))
)
def test_only_what_leads_somewhere_is_kept(tree: Tree, found: Any) -> None:
    """Of another version's names those remain that this version has."""
    kept = owned(only(tree, found))
    assert set(kept) == {path for path in owned(tree) if at(found, path) is not MISSING}


SHOP = {
    "ports": [{"containerPort": 8000}, {"containerPort": 8000, "protocol": "UDP"}],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}],
    "args": ["-v", "--all"],
    "on": True,
    "none": None,
}
LEADS = [
    (("f:ports", PORT), {"containerPort": 8000}),
    (("f:ports", 'k:{"containerPort":8000,"protocol":"UDP"}', "f:protocol"), "UDP"),
    (("f:env", 'k:{"name":"B"}', "f:value"), ""),
    (("f:env", 'k:{"name":"C"}'), MISSING),
    (("f:args", 'v:"-v"'), "-v"),
    (("f:args", "i:1"), "--all"),
    (("f:args", "i:-1"), MISSING),
    (("f:args", "f:length"), MISSING),
    (("f:none",), None),
    (("f:none", "f:more"), MISSING),
    (("f:on", "f:more"), MISSING),
]


@pytest.mark.parametrize(("path", "value"), LEADS)
def test_a_path_leads_to_what_the_object_has(path: tuple[str, ...], value: Any) -> None:
    """A manifest may leave out the protocol of a port; null is a value, nothing is none."""
    assert at(SHOP, path) == value


def test_the_part_that_a_manager_owns_of_a_value_has_nothing_of_another() -> None:
    """What is told of a setting is what its manager set."""
    tree = {"f:env": {'k:{"name":"A"}': {".": {}, "f:value": {}}}, "f:args": {}}
    assert part(SHOP, tree) == {"env": [{"value": "1"}], "args": ["-v", "--all"]}
    assert spoken(()) == ""
