"""Objects as manifests have them, for tests."""

from __future__ import annotations

from typing import Any

from runwright.runbook.platforms.kubernetes import KubernetesTarget

DIGEST = "sha256:" + "a" * 64
REFERENCE = f"localhost:5000/shop@{DIGEST}"


def target(**more: Any) -> KubernetesTarget:
    """Return a target of the namespace `shop`."""
    given = {"context": "here", "namespace": "shop", "manifests": {"kustomize": "k8s"}, **more}
    return KubernetesTarget.model_validate({"platform": "kubernetes", **given})


def container(name: str = "shop", image: str = "localhost:5000/shop:v1", **more: Any) -> dict[str, Any]:
    """Return a container."""
    return {"name": name, "image": image, **more}


def workload(*containers: dict[str, Any], name: str = "shop", kind: str = "Deployment", **spec: Any) -> dict[str, Any]:
    """Return a workload whose pods have ``containers``. spec: of its pods."""
    pods = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": list(containers) or [container()], **spec},
    }
    if kind == "CronJob":
        return _object(kind, name, "batch/v1", {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": pods}}})
    if kind == "Job":
        return _object(kind, name, "batch/v1", {"template": pods})
    return _object(kind, name, "apps/v1", {"selector": {"matchLabels": {"app": name}}, "template": pods})


def configuration(name: str, kind: str = "ConfigMap", **data: str) -> dict[str, Any]:
    """Return a ConfigMap or Secret."""
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": data}


def _object(kind: str, name: str, version: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
