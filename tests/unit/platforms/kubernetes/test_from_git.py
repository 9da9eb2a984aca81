"""Whether a controller applies the same objects from a repository."""

from __future__ import annotations

import pytest

from runwright.platforms.kubernetes.from_git import from_git
from tests.unit.platforms.kubernetes.objects import workload


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD applies Deployment/shop from"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps"}}, "Argo CD applies"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, "Flux applies"),
        ({"managedFields": [{"manager": "kustomize-controller"}]}, "Flux applies"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}, "managedFields": [{"manager": "kubectl"}]}, ""),
    ],
)
def test_the_controller_is_known_by_its_marks(metadata, expected):
    """Each is told once, whatever the number of its marks."""
    one = workload()
    one["metadata"] |= metadata
    found = from_git([one])
    assert len(found) == bool(expected) and expected in "".join(found)
