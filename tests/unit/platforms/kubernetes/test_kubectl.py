"""The words before everything: which cluster, which namespace, by whose account."""

from __future__ import annotations

import pytest

from runwright.platforms.kubernetes.kubectl import IN_CLUSTER, Kubectl


@pytest.mark.parametrize(
    "context, config, words",
    [
        ("production", "", ("--context", "production")),
        ("production", "/x", ("--kubeconfig", "/x", "--context", "production")),
        (IN_CLUSTER, "", ("--kubeconfig", "/dev/null")),
        (IN_CLUSTER, "/x", ("--kubeconfig", "/dev/null")),
    ],
)
def test_neither_the_current_context_nor_the_current_namespace_counts(
    context: str, config: str, words: tuple[str, ...]
) -> None:
    """Given a worker in a pod that has a kubeconfig as well, kubectl would take that one's current context."""
    assert Kubectl(context, "shop", config=config).argv("get") == ("kubectl", *words, "--namespace", "shop", "get")
