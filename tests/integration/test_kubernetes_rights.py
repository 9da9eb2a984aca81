"""Least privilege: a release with exactly the Role that the docs print, by a kubeconfig of the environment's block."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from runwright.platforms.kubernetes import rights
from runwright.testing.direct import Direct
from tests.fixtures.kubernetes import REGISTRY, Cluster, Namespace
from tests.fixtures.kubernetes_shop import deployment, service
from tests.integration.test_kubernetes_inside import postgres_image, stateful  # noqa: F401 - a fixture

pytestmark = pytest.mark.kubernetes
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "kubernetes.md"
CONTEXT = "of-the-block"


def roles() -> list[dict[str, Any]]:
    """Return the Roles that the page prints."""
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    return [block for block in blocks if block.get("kind") == "Role"]


def test_the_table_of_rights_is_within_the_role_of_the_docs() -> None:
    """What the checklist asks for is what the page gives: neither may grow alone."""
    (here, _) = roles()
    wanted = rights.needed(rights.KNOWN, jobs=True, enters=True, strategy="blue_green")
    given = [{"resourceNames": (), **rule} for rule in here["rules"]]
    assert [right for right in wanted if not any(rights.allows(rule, right) for rule in given)] == []


def account(namespace: Namespace, tmp_path: Path) -> str:
    """Make an account with nothing but what the page prints; return a kubeconfig of it."""
    for role in roles():
        text = json.dumps(role).replace('"shop"', f'"{namespace.name}"')
        made = json.loads(text)
        made["metadata"]["name"] = f"runwright-{namespace.name}"
        where = made["metadata"]["namespace"]
        namespace.cluster.run("apply", "-f", "-", stdin=json.dumps(made))
        binds = (f"--role=runwright-{namespace.name}", f"--serviceaccount={namespace.name}:runwright")
        namespace.cluster.run("-n", where, "create", "rolebinding", f"runwright-{namespace.name}", *binds)
    namespace.run("create", "serviceaccount", "runwright")
    token = namespace.run("create", "token", "runwright", "--duration=1h").strip()
    seen = namespace.cluster.run("config", "view", "--minify", "--flatten", "--raw", "-o", "json")
    cluster = json.loads(seen)["clusters"][0]["cluster"]
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": "c", "user": "u"}}],
        }
    )


def repository(folder: Path, image: Callable[[str], str]) -> None:
    """Make a repository of two versions: v2 cannot start."""
    git("init", "-q", "-b", "main", at=folder)
    for version in ("v1", "v2"):
        image(version)
        shop = deployment(f"{REGISTRY}/runwright-tests:{version}", replicas=2)
        (container,) = shop["spec"]["template"]["spec"]["containers"]
        container["envFrom"] = [{"configMapRef": {"name": "app"}}]
        data = {"SET_WORD": version, **({"SET_BROKEN": "1"} if version == "v2" else {})}
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app"}, "data": data}
        (folder / "k8s").mkdir(exist_ok=True)
        for one in (shop, service(), config):
            (folder / "k8s" / f"{one['kind'].lower()}.yaml").write_text(yaml.safe_dump(one))
        git("add", "-A", at=folder)
        git("commit", "-qm", version, at=folder)
        git("tag", version, at=folder)


def git(*words: str, at: Path) -> None:
    who = ("-c", "user.name=T", "-c", "user.email=t@example.com")
    subprocess.run(["git", *who, *words], cwd=at, check=True, capture_output=True)


RELEASES = """
import json, os, sys
from tests.conformance import releasing


class Run(releasing.Quiet):
    def secrets(self, block, tier):
        return json.loads(os.environ["BLOCK"])


releasing.Quiet = Run
releasing.main(sys.argv[1], sys.argv[2], sys.argv[3:])
"""


def released(tmp_path: Path, block: dict[str, str], *versions: str) -> tuple[list[dict[str, Any]], str]:
    """Return what became of each, and all that was said."""
    env = {**os.environ, "BLOCK": json.dumps(block), "KUBECONFIG": str(tmp_path / "none")}
    env |= {"RUNWRIGHT_HOME": str(tmp_path / "home"), "RUNWRIGHT_SYSTEMS": str(tmp_path / "systems")}
    argv = [sys.executable, "-c", RELEASES, "rights", "dev", *versions]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.mark.timeout(600)
def test_a_release_a_bad_one_and_a_way_back_with_exactly_the_role_of_the_docs(
    namespace: Namespace,
    app_image: Callable[[str], str],
    postgres_image: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    """With a migration by a Job and a database that is asked by exec. The kubeconfig is the block's, and the worker has none; its
    token is in no text, and no file of it is left."""
    repo = tmp_path / "repo"
    repo.mkdir()
    repository(repo, app_image)
    apply = json.dumps({"apiVersion": "v1", "kind": "List", "items": stateful(postgres_image)})
    namespace.run("apply", "-f", "-", stdin=apply)
    namespace.run("rollout", "status", "statefulset/postgresql", "--timeout=120s")
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "rights.yaml").write_text(
        f"""
system: rights
source: {{repo: {repo}}}
components: {{shop: {{image: "{REGISTRY}/runwright-tests:${{release.version}}"}}}}
environments:
  dev:
    tier: development
    target:
      platform: kubernetes
      context: {CONTEXT}
      namespace: {namespace.name}
      manifests: {{files: [k8s]}}
      ready_timeout: 1m
    database: {{kind: postgres, service: postgresql, name: shop, user: shop}}
backup: {{directory: {tmp_path / "backups"}, when: always}}
migrate:
  tool: command
  component: shop
  command: [python, -c, "print('it migrates')"]
  pending: [python, -c, "pass"] # run in a Job, as the migration would be
verify: {{deadline: 30s, health: [{{id: up, inside: shop, get: "http://localhost:8000/"}}]}}
watch: {{duration: 1s, every: 1s}}
"""
    )
    config = account(namespace, tmp_path)
    token = yaml.safe_load(config)["users"][0]["user"]["token"]
    found, said = released(tmp_path, {"kubeconfig": config}, "v1", "v2")
    states = [one["state"] for one in found]
    assert states == ["proven", "rolled_back"], f"{found}\n{said[-6000:]}"
    assert "rights: pass - all" in said and "nobody could tell: this account may not list them" in said
    assert "Error from server (Forbidden)" not in said.partition("Decision:")[0], said[-6000:]
    assert namespace.get("deployment/shop")["status"]["readyReplicas"] == 2
    assert token not in said and token not in json.dumps(found)
    assert not list((tmp_path / "home").rglob("*.kubeconfig")), "it is gone with the process"
    for path in (p for p in (tmp_path / "home").rglob("*") if p.is_file() and p.suffix != ".db"):
        assert token.encode() not in path.read_bytes(), path


def test_what_is_missing_is_named_with_the_line_of_the_role(
    cluster: Cluster, namespace: Namespace, tmp_path: Path
) -> None:
    """An account that may nothing learns of each right that it lacks at once, and in one call more than it takes to ask."""
    namespace.run("create", "serviceaccount", "nobody")
    limited = namespace.kubectl
    nobody = Direct()
    argv = ("--as", f"system:serviceaccount:{namespace.name}:nobody")
    wanted = rights.needed(["Deployment"], jobs=True, enters=False)
    acting = type(limited)(limited.context, limited.namespace, limited.program, limited.config)
    object.__setattr__(acting, "argv", lambda *words: (*limited.argv(), *argv, *words))
    lacking = rights.missing(nobody, acting, wanted)
    assert set(lacking) == set(wanted)
    assert '- {apiGroups: ["batch"], resources: ["jobs"], verbs: [get, list, create, delete]}' in list(
        rights.lines(lacking)
    )
    assert rights.missing(Direct(), limited, wanted) == ()
