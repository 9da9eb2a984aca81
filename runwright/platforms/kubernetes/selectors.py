"""Whether labels are selected, as the API server decides it; and who selects a pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runwright.platforms.kubernetes.kubectl import Object
from runwright.platforms.kubernetes.reading import at, listed

NAME = "kubernetes.io/metadata.name"
"""Every namespace has its name as a label."""


def selects(selector: Object | None, labels: Mapping[str, Any]) -> bool:
    """Return whether a selector (matchLabels, matchExpressions) takes ``labels``. An empty one takes all, as None does."""
    if not selector:
        return True
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(name) != value for name, value in wanted.items()):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions") or ())


def _holds(one: Object, labels: Mapping[str, Any]) -> bool:
    key, values = one.get("key"), one.get("values") or ()
    there = key in labels
    match one.get("operator"):
        case "In":
            return there and labels[str(key)] in values
        case "NotIn":
            return not there or labels[str(key)] not in values
        case "Exists":
            return there
        case "DoesNotExist":
            return not there
    return False


def labels_of(found: Object) -> dict[str, Any]:
    """Return the labels of an object, {} if it has none."""
    return at(found, "metadata", "labels") or {}


def webhooks_of_pods(
    configurations: list[Object] | tuple[Object, ...], namespace: Object, pod: Object
) -> tuple[str, ...]:
    """Return the names of the webhooks that are asked when a pod like ``pod`` is made in ``namespace``.

    configurations: Mutating- or ValidatingWebhookConfigurations. Conditions in CEL are not evaluated: such a webhook may be asked.
    """
    labels = {NAME: at(namespace, "metadata", "name"), **labels_of(namespace)}
    return tuple(
        str(hook.get("name"))
        for configuration in configurations
        for hook in listed(configuration, "webhooks")
        if any(_pods_made(rule) for rule in listed(hook, "rules"))
        and selects(hook.get("namespaceSelector"), labels)
        and selects(hook.get("objectSelector"), labels_of(pod))
    )


def _pods_made(rule: Object) -> bool:
    def has(name: str, *values: str) -> bool:
        return bool(set(listed(rule, name)) & {*values, "*"})

    named = has("resources", "pods", "*/*", "pods/*")
    return named and has("operations", "CREATE") and has("apiGroups", "") and rule.get("scope") != "Cluster"
