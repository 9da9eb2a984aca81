"""Which rights a release needs, and which of them rules give."""

from __future__ import annotations

import pytest

from runwright.platforms.kubernetes.rights import Right, allows, lines, needed


def rule(groups="", resources="pods", verbs="get", names=()):
    given = {"apiGroups": groups.split(","), "resources": resources.split(","), "verbs": verbs.split(",")}
    return {**given, "resourceNames": list(names)} if names else given


@pytest.mark.parametrize(
    ("given", "right", "expected"),
    [
        (rule(), Right("get", "", "pods"), True),
        (rule(), Right("list", "", "pods"), False),
        (rule(), Right("get", "apps", "pods"), False),
        (rule("*", "*", "*"), Right("patch", "apps", "deployments"), True),
        (rule(resources="pods"), Right("get", "", "pods/log"), False),
        (rule(resources="*/log"), Right("get", "", "pods/log"), True),
        (rule(names=["a"]), Right("get", "", "pods"), False),
        (rule(names=["a"]), Right("get", "", "pods", name="a"), True),
        ({"verbs": ["get"]}, Right("get", "", "pods"), False),
    ],
)
def test_a_rule_gives_what_it_says(given, right, expected):
    """A rule of a resource gives nothing of its parts, and one of named objects gives nothing of all."""
    assert allows(given, right) is expected


def test_what_is_needed_follows_from_what_is_applied():
    least = {(r.verb, r.group, r.resource) for r in needed([], jobs=False, enters=False)}
    assert ("create", "batch", "jobs") not in least and ("create", "", "pods/exec") not in least
    more = {(r.verb, r.group, r.resource) for r in needed(["Ingress", "Deployment", "Odd"], jobs=True, enters=True)}
    assert least < more
    assert {
        ("patch", "apps", "deployments"),
        ("create", "networking.k8s.io", "ingresses"),
        ("delete", "batch", "jobs"),
    } <= more


def test_what_is_missing_is_shown_as_lines_of_a_role():
    lacking = [Right("get", "", "secrets"), Right("patch", "apps", "deployments"), Right("create", "", "secrets")]
    assert list(lines(lacking)) == [
        '- {apiGroups: [""], resources: ["secrets"], verbs: [get, create]}',
        '- {apiGroups: ["apps"], resources: ["deployments"], verbs: [patch]}',
    ]
