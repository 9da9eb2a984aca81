"""Objects of any shape: whoever wrote one, looking at it never fails."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runwright.platforms.kubernetes.by_hand import by_hand, contested
from runwright.platforms.kubernetes.fields import fields
from runwright.platforms.kubernetes.ownership import owners
from runwright.platforms.kubernetes.scaling import numbered, scaled
from runwright.platforms.kubernetes.takeover import taken_over
from runwright.platforms.kubernetes.vanished import selected_by, still_ours, vanished

words = st.sampled_from(["a", "name", "value", "env", "spec", "replicas", "template", "labels", "data", "key", ""])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=3)
values = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(words, v, max_size=3), max_leaves=15)
steps = st.one_of(
    words.map(lambda word: f"f:{word}"),
    words.map(lambda word: f'k:{{"name":"{word}"}}'),
    leaves.map(lambda leaf: f"v:{json.dumps(leaf)}"),
    st.sampled_from([".", "i:0", "i:-1", "f:metadata", "f:annotations", "k:{", "x", "f:"]),
)
trees = st.recursive(values, lambda tree: st.dictionaries(steps, tree, max_size=4), max_leaves=20)
managers = st.sampled_from(
    ["kubectl", "kubectl-edit", "kubectl-client-side-apply", "runwright", "helm", "kube-x", "?", 7]
)
entries = st.fixed_dictionaries(
    {"manager": managers, "fieldsV1": trees},
    optional={"operation": st.sampled_from(["Apply", "Update"]), "time": leaves, "apiVersion": leaves, "subresource": leaves},
)  # fmt: skip
objects = st.builds(
    lambda kind, metadata, fields, listed: {
        **fields,
        "kind": kind,
        "apiVersion": "v1",
        "metadata": {**metadata, "name": "shop", "managedFields": listed},
    },
    st.sampled_from(["Deployment", "Secret", "CronJob", "Service", "StatefulSet", "Pod"]),
    st.dictionaries(st.sampled_from(["labels", "annotations", "namespace", "ownerReferences"]), values),
    st.dictionaries(st.sampled_from(["spec", "data", "stringData", "status", "rules"]), values),
    st.lists(entries | values, max_size=4) | values,
)


@given(objects, objects)
def test_no_object_is_too_odd_to_be_looked_at(found: Any, rendered: Any) -> None:
    """What is told is text, on one line each; what is patched is JSON."""
    told = (*by_hand(found, rendered), *contested(found, rendered))
    assert all("\n" not in one.says and one.where for one in told)
    for owner in owners(found):
        assert isinstance(fields({"fieldsV1": owner.tree}), tuple)
    scaling = scaled(found, rendered, [found, rendered])
    assert isinstance(scaling.says, str)
    json.dumps(taken_over(found, owners(found), let_go=scaling.let_go, freed=scaling.freed))
    gone = still_ours(vanished([rendered], [], "here"), [found], "here", {})
    assert all("\n" not in one.says for one in gone)
    selected_by(found, [rendered], [], "here")
    if isinstance(rendered.get("spec"), dict):
        numbered(rendered, scaling)
