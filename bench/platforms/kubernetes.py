"""What users notice of a change on a cluster, and of the way back: the same application under load, by us and by plain kubectl.

It needs a current context whose nodes are reached at 127.0.0.1, and a registry that this machine and they call by the same name
(``RUNWRIGHT_BENCH_REGISTRY``, default localhost:5000). The rows go to bench/results/kubernetes.json.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.machine import ROOT, load
from bench.numbers import Row, Section, series
from bench.shop import call
from bench.zero.counting import Times, row
from bench.zero.places import APP, clients

RESULTS = Path(__file__).parents[1] / "results" / "kubernetes.json"
REGISTRY = os.environ.get("RUNWRIGHT_BENCH_REGISTRY", "localhost:5000")
QUIET_SECONDS, WATCHED_SECONDS, AFTER_SECONDS = 6.0, 3.0, 4.0
RELEASE_SECONDS = 180.0
SPOILT_BY = 40
"""So many requests reach every pod, as far as chance goes."""
OURS, SET_IMAGE, APPLY = "runwright", "kubectl set image, rollout status", "kubectl apply -k, rollout status"
ROUTER = "the Service"
OVERHEAD, OVERHEAD_SECONDS = 1.05, 2.0
"""What is promised of our own time: this multiple of the plain commands', and so many seconds."""

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 45
      containers:
        - name: web
          image: web
          env: [{name: START_SECONDS, value: "1"}, {name: END_SECONDS, value: "30"}]
          ports: [{name: http, containerPort: 8000}]
          readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1, timeoutSeconds: 3}
          lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
"""
RUNBOOK = """\
system: {name}
source: {{repo: {repo}}}
components: {{web: {{image: "{image}:${{release.version}}"}}}}
environments:
  bench:
    tier: development
    target:
      platform: kubernetes
      context: {context}
      namespace: {name}
      manifests: {{kustomize: k8s}}
      ready_timeout: 90s
{strategy}    urls: {{web: "{url}"}}
verify:
  deadline: 60s
  health: [{{id: ready, get: "${{url.web}}/healthz"}}]
  smoke: [{{id: judged, get: "${{url.web}}/judged"}}]
watch:
  duration: {watch}
  every: 1s
  rules: [{{id: bad, probe: judged, failures: 2}}]
"""
ROLLING, BLUE_GREEN, FIRST = "rolling", "blue_green", ", first time"
SAID = {ROLLING: "", BLUE_GREEN: "      strategy: blue_green\n      traffic: {web: {service: web}}\n"}


class Place:
    """A namespace of its own, the application's repository, and its images in the registry."""

    def __init__(self, folder: Path, versions: int) -> None:
        self.folder, self.name = folder, f"rw-bench-{secrets.token_hex(3)}"
        self.repo, self.plain = folder / "repo", folder / "plain"
        self.image = f"{REGISTRY}/runwright-bench"
        self.context = call("kubectl", "config", "current-context").strip()
        self.digests = {f"v{number}": self._pushed(number) for number in range(1, versions + 1)}
        self._repository(versions)
        call("kubectl", "--context", self.context, "create", "namespace", self.name)

    def _pushed(self, number: int) -> str:
        """Build and push a version, as CI would, and return it by its digest."""
        tree = self.folder / f"image-{number}"
        shutil.copytree(APP, tree)
        (tree / "VERSION").write_text(f"v{number}\n")
        tag = f"{self.image}:v{number}"
        call("docker", "build", "-q", "-t", tag, str(tree))
        call("docker", "push", "-q", tag)
        found = json.loads(call("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", tag))
        return next(str(one) for one in found if one.startswith(f"{self.image}@"))

    def _repository(self, versions: int) -> None:
        (k8s := self.repo / "k8s").mkdir(parents=True)
        (k8s / "web.yaml").write_text(WEB)
        (k8s / "kustomization.yaml").write_text("resources: [web.yaml]\n")
        shutil.copytree(k8s, self.plain)
        git = ("git", "-C", str(self.repo), "-c", "user.name=Bench", "-c", "user.email=bench@example.com")
        call(*git, "init", "-q", "-b", "main")
        for number in range(1, versions + 1):
            (self.repo / "VERSION").write_text(f"v{number}\n")
            call(*git, "add", "-A")
            call(*git, "commit", "-q", "-m", f"v{number}")
            call(*git, "tag", f"v{number}")

    def kubectl(self, *words: str) -> str:
        """Call kubectl in the namespace."""
        return call("kubectl", "--context", self.context, "--namespace", self.name, *words)

    def begin(self) -> None:
        """Let the first version serve, as somebody would have it serve by hand."""
        call("kubectl", "--context", self.context, "-n", self.name, "wait", "--for=create", "serviceaccount/default")
        self.apply("v1")
        self.port = int(self.kubectl("get", "service/web", "-o", "jsonpath={.spec.ports[0].nodePort}"))
        until = time.monotonic() + RELEASE_SECONDS
        while subprocess.run(["curl", "-sfo", "/dev/null", "--noproxy", "*", self.url], check=False).returncode:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.url} does not answer")
            time.sleep(0.2)

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self.port}"

    def apply(self, version: str) -> None:
        """Change by `kubectl apply -k`, as an overlay with an image by its digest, and wait."""
        digest = self.digests[version].partition("@")[2]
        images = f"images: [{{name: web, newName: {self.image}, digest: '{digest}'}}]\n"
        (self.plain / "kustomization.yaml").write_text(f"resources: [web.yaml]\n{images}")
        self.kubectl("apply", "-k", str(self.plain))
        self._rolled()

    def set_image(self, version: str) -> None:
        """Change by `kubectl set image`, and wait."""
        self.kubectl("set", "image", "deployment/web", f"web={self.digests[version]}")
        self._rolled()

    def _rolled(self) -> None:
        self.kubectl("rollout", "status", "deployment/web", "--timeout=120s")

    def runbook(self, strategy: str, watch: str = "60s") -> None:
        """Write how Runwright releases it."""
        (systems := self.folder / "systems").mkdir(exist_ok=True)
        given = {"name": self.name, "repo": self.repo, "image": self.image, "context": self.context, "url": self.url}
        (systems / f"{self.name}.yaml").write_text(RUNBOOK.format(**given, strategy=SAID[strategy], watch=watch))

    def release(self, version: str) -> subprocess.Popen[str]:
        """Start a release by Runwright; what it prints are marks."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RUNWRIGHT_"))}
        home = {"RUNWRIGHT_HOME": str(self.folder / "home"), "RUNWRIGHT_SYSTEMS": str(self.folder / "systems")}
        words = (sys.executable, "-m", "bench.zero.released", self.name, "bench", version)
        with (self.folder / "release.log").open("a") as log:
            return subprocess.Popen(
                words, cwd=ROOT, env=kept | home, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
            )

    def spoil(self) -> None:
        """Make every pod of the version that serves bad in the eyes of whoever judges it."""
        for _ in range(SPOILT_BY):
            call("curl", "-sf", "--noproxy", "*", "-X", "POST", f"{self.url}/spoil")

    def remove(self) -> None:
        """Remove the namespace."""
        call("kubectl", "--context", self.context, "delete", "namespace", self.name, "--wait=false")


def measure(_: int, folder: Path, say: Callable[[str], None]) -> Section:
    """Change the application once with each tool, one after the other, and take each change back."""
    place = Place(folder, versions=5)
    rows: list[dict[str, Any]] = []

    def found(one: dict[str, Any]) -> None:
        one |= {"load": load()}
        say(f"kubernetes: {json.dumps(one)}")
        rows.append(one)
        # at once: what was seen is kept if the next one fails
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps({"rows": rows}, indent=1) + "\n")

    try:
        place.begin()
        found(changed(place, SET_IMAGE, place.set_image, "v2"))
        found(changed(place, APPLY, place.apply, "v2"))
        place.runbook(ROLLING)
        found(released(place, "v3", ROLLING))
        place.runbook(BLUE_GREEN, watch="4s")
        found(released(place, "v4", BLUE_GREEN + FIRST, taken_back=False))
        place.runbook(BLUE_GREEN)
        found(released(place, "v5", BLUE_GREEN))
    finally:
        place.remove()
    return section(rows)


def changed(place: Place, tool: str, change: Callable[[str], object], version: str) -> dict[str, Any]:
    """Change to ``version`` by ``change``, and back to the first one by the same."""
    with clients(place.port, place.folder) as asked:
        quiet = _quiet()
        began = time.time()
        change(version)
        done = time.time()
        time.sleep(WATCHED_SECONDS)
        verdict = time.time()
        change("v1")
        time.sleep(AFTER_SECONDS)
    return row(tool, ROUTER, ROLLING, asked, Times(quiet, began, done, verdict), version)


def released(place: Place, version: str, strategy: str, *, taken_back: bool = True) -> dict[str, Any]:
    """Release ``version``; if it is to be taken back, let it be bad once it is watched."""
    marks: dict[str, float] = {}
    with clients(place.port, place.folder) as asked:
        quiet = _quiet()
        with _ended(place.release(version)) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said = json.loads(line)
                marks[said["mark"]] = said["at"]
                if said["mark"] == "done" and taken_back:
                    time.sleep(WATCHED_SECONDS)
                    place.spoil()
        time.sleep(AFTER_SECONDS)
    if "done" not in marks or ("verdict" in marks) != taken_back:
        last = (place.folder / "release.log").read_text()[-3000:]
        raise RuntimeError(f"the release of {version} went another way: {marks}\n{last}")
    times = Times(quiet, marks["began"], marks["done"], marks.get("verdict"))
    return row(OURS, ROUTER, strategy, asked, times, version)


def _quiet() -> float:
    time.sleep(1)
    began = time.time()
    time.sleep(QUIET_SECONDS)
    return began


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield process
        process.wait(RELEASE_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def section(rows: list[dict[str, Any]]) -> Section:
    """Return the rows for the table: what was lost and how long it took, beside `kubectl set image`."""
    plain = next(one for one in rows if one["tool"] == SET_IMAGE)
    shown = []
    for one in rows:
        mine = one["tool"] == OURS and FIRST not in one["strategy"]
        lost, before = one["failed"] + one["cut"], plain["failed"] + plain["cut"]
        what = f"{one['tool']}, {one['strategy']}"
        shown.append(
            Row(
                f"lost of {one['requests']}: {what}",
                series([float(lost)], ""),
                series([float(before)], ""),
                "none" if mine else "",
                lost == 0 if mine else None,
            )
        )
        within = one["seconds"] <= plain["seconds"] * OVERHEAD + OVERHEAD_SECONDS
        promised = mine and one["strategy"] == ROLLING
        shown.append(
            Row(
                f"seconds: {what}",
                series([one["seconds"]]),
                series([plain["seconds"]]),
                f"5 % and {OVERHEAD_SECONDS:g} s more" if promised else "",
                within if promised else None,
            )
        )
    notes = (
        f"Lost: failed or cut, during the change and the way back. Beside it: `{SET_IMAGE}` of the same change.",
        *(
            f"{one['tool']}, {one['strategy']}: p99 x{one['p99_ratio']}, last new request on the bad version {one['back_seconds']} s "
            "after the verdict."
            for one in rows
        ),
        f"All rows are in {RESULTS.name}.",
    )
    return Section("Kubernetes: the same change of the same application under load", tuple(shown), notes)
