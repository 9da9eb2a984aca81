"""The runbook that is drafted for kustomizations and manifests: it loads, and what is guessed is marked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runwright.platforms.kubernetes.draft import drafted
from runwright.runbook.loader import load
from runwright.testing.direct import Direct

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: shop
        image: registry.example.com/acme/shop:v1
        readinessProbe: {httpGet: {path: /readyz, port: 8000}}
"""
WORKER = DEPLOYMENT.replace("name: shop}", "name: worker}").replace("app: shop", "app: worker")
DATABASE = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "postgres:15", env: [{name: POSTGRES_DB, value: shop}, {name: POSTGRES_USER, value: owner}]}]}
"""
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec: {tls: [{hosts: [shop.example.com]}], rules: [{host: shop.example.com}]}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: db-migrate}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: migrate, image: "registry.example.com/acme/shop:v1", command: [python, manage.py, migrate]}]
"""
SEED = JOB.replace("db-migrate", "seed").replace("manage.py, migrate", "seed.py")


def tree(folder: Path, **files: str) -> Path:
    """Write files by their paths, with `__` for a slash, into a git repository; return its folder."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(("git", "init", "-q", str(folder)), check=True)
    return folder


def draft(folder: Path, where: str = "."):
    """Return the drafted runbook as text, and loaded."""
    found = drafted(Direct(), (folder / where).resolve(), ())
    assert found is not None
    path = folder.parent / "drafted.yaml"
    path.write_text(found.text)
    return found.text, load(path).runbook


def test_each_overlay_that_nobody_builds_on_is_an_environment(tmp_path: Path) -> None:
    folder = tree(
        tmp_path / "shop",
        k8s__base__kustomization="resources: [all.yaml]",
        k8s__base__all="---".join((DEPLOYMENT, WORKER, DATABASE, INGRESS)),
        k8s__overlays__staging__kustomization="namespace: shop-staging\nresources: [../../base]",
        k8s__overlays__production__kustomization="namespace: shop\nresources: [../../base]",
    )
    text, book = draft(folder)
    assert list(book.environments) == ["production", "staging"]
    assert book.components["shop"].services == ["shop", "worker"]
    assert book.components["shop"].image == "registry.example.com/acme/shop:${release.version}"
    place = book.environments["production"]
    assert (place.tier, place.target.namespace) == ("production", "shop")
    assert place.target.manifests.kustomize == "k8s/overlays/production"
    assert place.urls == {"web": "https://shop.example.com"}
    assert (place.database.service, place.database.name, place.database.user) == ("db", "shop", "owner")
    assert book.verify.health[0].get == "${url.web}/readyz"
    assert "check: as `kubectl config get-contexts`" in text


def test_a_job_that_migrates_is_run_by_the_release_and_another_one_is_left(tmp_path: Path) -> None:
    folder = tree(tmp_path / "shop", k8s__app=DEPLOYMENT, k8s__job=JOB, k8s__seed=SEED)
    _, book = draft(folder)
    assert (book.migrate.tool, book.migrate.service, book.migrate.command) == (
        "command",
        "db-migrate",
        ["python", "manage.py", "migrate"],
    )
    target = book.environments["development"].target
    assert target.leave == ["Job/seed"] and target.manifests.files == ["k8s"]


def test_the_folder_of_one_overlay_gives_one_environment(tmp_path: Path) -> None:
    folder = tree(tmp_path / "shop", deploy__kustomization="resources: [all.yaml]", deploy__all=DEPLOYMENT)
    _, book = draft(folder, "deploy")
    assert book.environments["development"].target.manifests.kustomize == "deploy"


@pytest.mark.parametrize(
    "image, ours",
    [
        ("postgres:15", False),
        ("redis:7", False),
        ("nginx:1", False),
        ("registry.example.com/acme/proxy:1", True),
        ("registry.example.com/acme/redis:7", False),
        ("acme/shop:1", True),
    ],
)
def test_what_everybody_runs_is_no_component(tmp_path: Path, image: str, ours: bool) -> None:
    given = DEPLOYMENT.replace("registry.example.com/acme/shop:v1", image)
    found = drafted(Direct(), tree(tmp_path / "shop", all=given), ())
    assert found is not None and ("services: [shop]" in found.text) is ours


def test_where_there_are_no_manifests_nothing_is_drafted(tmp_path: Path) -> None:
    assert drafted(Direct(), tree(tmp_path / "shop", readme="a: 1"), ()) is None
