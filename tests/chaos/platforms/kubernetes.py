"""The shop in a namespace of its own: replaced pod by pod, with PostgreSQL in a pod that no release touches."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import time
from pathlib import Path
from typing import Any, ClassVar

from examples.make_repository import RELEASES, tree_of
from runwright.platforms.kubernetes import Kubernetes
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.runbook.loader import load
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.testing.direct import Direct
from tests.chaos.platforms.compose import _COLUMNS, _RESTORE
from tests.chaos.world import NEW, OLD, Mode, Scene, World
from tests.fixtures.example import EXAMPLES, exchanged
from tests.fixtures.kubernetes import CONTEXT, REGISTRY

SECONDS = 120.0
IMAGES = f"{REGISTRY}/runwright-tests-shop"
POSTGRES = f"{REGISTRY}/runwright-tests-postgres:15"
DB = EXAMPLES / "shop" / "base" / "k8s" / "db" / "db.yaml"
FRONT = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "front"},
    "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]},
}
"""By which users reach the shop, whoever serves: it is the namespace's, and no release knows of it."""
Object = dict[str, Any]


class KubernetesWorld(World):
    """Its data are kept as a dump; the namespace, its database and its port stay from one case to the next."""

    environment = "kubernetes"
    switched = "deploy/apply/web"
    not_switched = "break@unsettled:deploy/apply/web"
    needs_docker = True
    needs_cluster = True
    modes: ClassVar[tuple[Mode, ...]] = ("fail", "hang", "kill-before", "kill-during", "kill-unsettled", "kill-after")
    elsewhere = ("prepare/", "publish/", "deploy/backup/", "deploy/file/", "deploy/migrate/job", "back*/printed")
    """What is written here is written on a host too."""
    scenes: ClassVar[tuple[Scene, ...]] = ("deploy", "first", "in-run", "warm", "cold")
    sample = frozenset({"kill-during-deploy/migrate", "kill-unsettled-deploy/apply/web"})

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.system = f"shop-{secrets.token_hex(3)}"
        self.namespace = f"rwt-chaos-{self.system}"
        self.watched = f".runwright/systems/{self.system}/kubernetes/state"
        self.context = os.environ.get(CONTEXT) or self._run("kubectl", "config", "current-context").strip()
        self._as_started: dict[str, Any] = {}

    def runbook(self, text: str) -> str:
        """Return the example's for a cluster, in a namespace of this world's own, which is made; its images are pushed."""
        self._images()
        self._make_namespace()
        text = (EXAMPLES / "kubernetes" / "shop.yaml").read_text()
        for old, new in (
            ("system: shop-kubernetes", f"system: {self.system}"),
            ("../../.runwright", "../.runwright"),
            ("    context: .\n", f"    image: {IMAGES}:${{release.version}}\n"),
            ("    registry: {prefix: localhost:5000/runwright-example}\n", ""),
            ("context: here", f"context: {self.context}"),
            ("namespace: runwright-example", f"namespace: {self.namespace}"),
            ("http://127.0.0.1:30080", self.front_url()),
            ("within: 20s", "within: 60s"),
        ):
            text = exchanged(text, old, new)
        return text

    def _images(self) -> None:
        """Build and push the versions, as somebody's CI would. What is there already costs next to nothing."""
        self._run("docker", "tag", "postgres:15", POSTGRES)
        self._run("docker", "push", "--quiet", POSTGRES)
        for release in RELEASES:
            if release.tag in (OLD, NEW, "v1.6.0"):
                folder = self.root.with_name(f"{self.root.name}-{release.tag}")
                tree_of(release, folder)
                tag = f"{IMAGES}:{release.tag}"
                self._run("docker", "build", "--quiet", "--tag", tag, str(folder))
                self._run("docker", "push", "--quiet", tag)

    def _make_namespace(self) -> None:
        self._run("kubectl", "--context", self.context, "create", "namespace", self.namespace)
        self.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
        self.kubectl("create", "secret", "generic", "shop-db", f"--from-literal=password={secrets.token_hex(12)}")
        database = exchanged(DB.read_text(), "image: postgres:15", f"image: {POSTGRES}")
        self.kubectl("apply", "-f", "-", stdin=database)
        self.kubectl("apply", "-f", "-", stdin=json.dumps(FRONT))
        self.kubectl("rollout", "status", "deployment/db", "--timeout=110s")

    def keep(self) -> None:
        """Dump the database beside the files that are kept."""
        dump = self.kubectl("exec", "deployment/db", "--", "pg_dump", "-U", "shop", "-d", "shop")
        (self.root / "shop.sql").write_text(dump)

    def put_right(self, *, empty: bool) -> None:
        """Forget what was started if it was touched."""
        if empty or not self._untouched():
            self._as_started = {}
            self.kubectl("delete", "jobs", "--all", "--cascade=foreground", "--timeout=60s")
        if empty:
            self._data("")
            self.clear()

    def start_again(self) -> None:
        """Put the data back, and let the live version run, with nothing else there."""
        if self._as_started:
            return
        self._data((self.root / "shop.sql").read_text())
        live = self.live()
        assert live.version is not None
        self._driver().start(Direct(), live.version, "", "again", live.id, keep=True)
        self._settled()
        self._as_started = self._told()

    def _data(self, dump: str) -> None:
        words = ("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-U", "shop", "-d", "postgres")
        self.kubectl("exec", "-i", "deployment/db", "--", *words, stdin=_RESTORE + dump)

    def _driver(self) -> Kubernetes:
        book = load(self.root / "examples" / "shop.yaml").runbook
        target = book.environments[self.environment].target
        assert isinstance(target, KubernetesTarget)
        live = self.live().version
        state = self.root / self.watched
        kubectl = Kubectl(self.context, self.namespace)
        return Kubernetes(
            target,
            book.services(),
            self.root,
            state,
            kubectl,
            system=self.system,
            environment=self.environment,
            version=live,
        )

    def _untouched(self) -> bool:
        return bool(self._as_started) and self._as_started == self._told()

    def _told(self) -> dict[str, Any]:
        databases = self._sql("SELECT datname FROM pg_database ORDER BY datname")
        return {"running": self.running(), "databases": databases, "revision": self.revision(), "schema": self.schema()}

    def _settled(self) -> None:
        """Wait until no pod is on its way out: it would answer for a while."""
        until = time.monotonic() + SECONDS
        while any(pod["metadata"].get("deletionTimestamp") for pod in self._pods()):
            assert time.monotonic() < until, "a pod does not end"
            time.sleep(0.2)

    def clear(self) -> None:
        """Remove what releases have made."""
        kinds = "deployments,services,configmaps,jobs"
        self.kubectl("delete", kinds, "-l", "runwright.dev/system", "--timeout=60s")
        self.kubectl("delete", "pods", "-l", "app in (web, scheduler)", "--force", "--grace-period=0")

    def end(self) -> None:
        """Remove the namespace; nobody waits for that."""
        self.end_everything()
        with contextlib.suppress(AssertionError):
            self._run("kubectl", "--context", self.context, "delete", "namespace", self.namespace, "--wait=false")

    def cool(self) -> None:
        """Delete every pod of the shop, and every ReplicaSet that an `undo` would lead back to."""
        self.kubectl("delete", "pods", "-l", "app in (web, scheduler)", "--force", "--grace-period=0")
        sets = json.loads(self.kubectl("get", "replicasets", "-l", "app in (web, scheduler)", "-o", "json"))["items"]
        for one in sets:
            if not one["spec"].get("replicas"):
                self.kubectl("delete", "replicaset", one["metadata"]["name"], "--ignore-not-found")

    # ------------------------------------------------------------------------------------------------------- looking

    def _pods(self) -> list[Object]:
        """Return the application's pods, and those of its jobs."""
        words = ("get", "pods", "-l", "app!=db", "-o", "json")
        found: list[Object] = json.loads(self.kubectl(*words))["items"]
        return found

    @property
    def serves(self) -> bool:
        """Whether any pod of the application runs, or is about to."""
        return any(
            not pod["metadata"].get("deletionTimestamp") and pod["status"]["phase"] in ("Pending", "Running")
            for pod in self._pods()
        )

    def running(self) -> dict[str, Any]:
        """Return the pods that are there to stay, and in which generation the workloads are."""
        found = json.loads(self.kubectl("get", "deployments,jobs", "-o", "json"))["items"]
        objects = {f"{o['kind']}/{o['metadata']['name']}": o["metadata"].get("generation") for o in found}
        pods = [p["metadata"] for p in self._pods() if not p["metadata"].get("deletionTimestamp")]
        return {**objects, "pods": sorted(f"{p['name']} {p['uid']}" for p in pods)}

    def front_url(self) -> str:
        """Return the address of the node's port."""
        port = self.kubectl("get", "service/front", "-o", "jsonpath={.spec.ports[0].nodePort}")
        return f"http://127.0.0.1:{port}"

    def revision(self) -> str:
        """Return the revision, as psql tells it."""
        return self._sql("SELECT version_num FROM alembic_version")

    def schema(self) -> dict[str, list[str]]:
        """Return {table: columns}, as psql tells them."""
        found: dict[str, list[str]] = {}
        for line in self._sql(_COLUMNS).splitlines():
            table, column = line.split("|")
            found.setdefault(table, []).append(column)
        return found

    def _sql(self, query: str) -> str:
        words = ("psql", "-XAt", "-U", "shop", "-d", "shop", "-c", query)
        return self.kubectl("exec", "deployment/db", "--", *words).strip()

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """Run ``kubectl WORDS`` in the namespace and return what it printed. Fails the test, with its words, if it fails."""
        return self._run("kubectl", "--context", self.context, "--namespace", self.namespace, *words, stdin=stdin)

    def _run(self, *argv: str, stdin: str = "") -> str:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, f"{' '.join(argv[:9])}: {done.stderr.strip()}"
        return done.stdout
