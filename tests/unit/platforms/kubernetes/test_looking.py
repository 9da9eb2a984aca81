"""What `check` and `doctor` see before there is a release."""

from __future__ import annotations

import pytest
import yaml

from runwright.platforms.kubernetes.looking import checked, examined
from runwright.runbook.model import Runbook
from runwright.testing.direct import Direct
from tests.unit.platforms.kubernetes.objects import container, workload


def book(repo, services=("shop",)):
    target = {"platform": "kubernetes", "context": "here", "namespace": "shop", "manifests": {"files": ["k8s"]}}
    return Runbook.model_validate(
        {
            "system": "shop",
            "source": {"repo": str(repo)},
            "components": {"shop": {"image": "localhost:5000/shop:${release.version}", "services": list(services)}},
            "environments": {"dev": {"tier": "development", "target": target, "urls": {"api": "http://localhost:1"}}},
            "verify": {"health": [{"id": "up", "get": "${url.api}/"}]},
            "watch": {"duration": "1m"},
        }
    )


@pytest.mark.parametrize(
    ("objects", "services", "mistake", "warning"),
    [
        ([workload()], ["shop"], "", ""),
        ([workload()], ["api"], "", "no workload api; they have shop"),
        ([workload(container("a", "a:1"), container("b", "b:1"))], ["shop"], "", "dev: "),
        (["no object"], ["shop"], "cannot be rendered", ""),
    ],
    ids=["right", "another name", "which container", "no manifests"],
)
def test_manifests_in_the_folder_are_held_against_the_runbook(tmp_path, objects, services, mistake, warning):
    """Nothing is written beside the user's folder."""
    repo = tmp_path / "repo"
    (repo / "k8s").mkdir(parents=True)
    (repo / "k8s" / "all.yaml").write_text(yaml.safe_dump_all(objects))
    seen = checked(Direct(), book(repo, services), "dev")
    assert len(seen.mistakes) == bool(mistake) and mistake in "".join(seen.mistakes)
    assert len(seen.warnings) == bool(warning) and warning in "".join(seen.warnings)
    assert [p.name for p in tmp_path.iterdir()] == ["repo"]


def test_a_repository_that_is_not_here_is_not_looked_at():
    seen = checked(Direct(), book("github:acme/shop"), "dev")
    assert not seen.mistakes and not seen.warnings


def test_doctor_tells_which_kubectl_is_used():
    (found,) = examined(Direct(), needed=True)
    assert (found.about, found.state) == ("kubectl", "ok") and found.text.startswith("v1.")
