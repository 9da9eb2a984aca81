"""Makes rollouts that fail, each in its own way, on the cluster that KUBECONFIG names, and writes what the cluster shows of them.

    python tests/data/kubernetes/capture.py [CASE ...]

Each file beside this one is a case: a list of looks, each with the moment, the workload, its revisions, its pods and the events. Every
case has a namespace of its own, which is removed. The image has to be on the node already (``debian:bookworm-slim``).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
IMAGE = "debian:bookworm-slim"
Object = dict[str, Any]
KINDS = "replicasets,controllerrevisions,pods,events,deployments,statefulsets,daemonsets"


def kubectl(*words: str, given: str = "", check: bool = True) -> str:
    """Run kubectl and return what it printed."""
    done = subprocess.run(["kubectl", *words], input=given, capture_output=True, text=True, timeout=120, check=False)
    if check and done.returncode:
        raise SystemExit(f"kubectl {' '.join(words)}: {done.stderr}")
    return done.stdout


def container(**more: Any) -> Object:
    """Return a container that sleeps, and what is different."""
    words = ["sh", "-c", "trap exit TERM; while :; do sleep 0.2; done"]
    asked = {"memory": "8Mi"}
    return {"name": "web", "image": IMAGE, "command": words, "resources": {"requests": asked}, **more}


def shop(kind: str = "Deployment", replicas: int = 1, pod: Object | None = None, **more: Any) -> Object:
    """Return the workload ``shop``. more: fields of the container; pod: of its pod's spec."""
    selected = {"app": "shop"}
    template = {
        "metadata": {"labels": selected, "annotations": {"runwright.dev/release": "r1"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container(**more)], **(pod or {})},
    }
    spec: Object = {"selector": {"matchLabels": selected}, "template": template}
    if kind != "DaemonSet":
        spec["replicas"] = replicas
    if kind == "Deployment":
        spec["progressDeadlineSeconds"] = 30
    if kind == "StatefulSet":
        spec["serviceName"] = "shop"
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "shop"}, "spec": spec}


def exits(words: str) -> Object:
    """Return the fields of a container that runs ``words`` in a shell."""
    return {"command": ["sh", "-c", words]}


def quota(**hard: str) -> Object:
    """Return a quota."""
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": hard}}


def webhook(namespace: str) -> Object:
    """Return a webhook that does not answer, for this namespace alone."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "approved-images.example.com",
                "clientConfig": {"url": "https://127.0.0.1:9/"},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "failurePolicy": "Fail",
            }
        ],
    }


def probe(every: int = 1, failures: int = 2, **what: Any) -> Object:
    """Return a probe."""
    return {
        "periodSeconds": every,
        "failureThreshold": failures,
        **(what or {"exec": {"command": ["sh", "-c", "echo the database is away; exit 1"]}}),
    }


def in_turn(made: Object) -> Object:
    """Return a Deployment that may stop one pod before it makes another, and whose pods take their time to end."""
    made["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    made["spec"]["progressDeadlineSeconds"] = 120
    pod = made["spec"]["template"]["spec"]
    pod["terminationGracePeriodSeconds"] = 20
    pod["containers"][0] |= exits("trap 'sleep 12; exit' TERM; while :; do sleep 0.2; done")
    pod["containers"][0]["readinessProbe"] = probe(exec={"command": ["true"]})
    return made


class Case:
    """What is applied, one step after the other, and at which second after the last step we look.

    A step is a list of objects, or words for kubectl.
    """

    def __init__(self, *steps: Any, looks: tuple[float, ...], label: tuple[str, ...] = ()) -> None:
        self.steps, self.looks, self.label = steps, looks, label


SECRET_ENV = {"env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "password"}}}]}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop"}, "stringData": {"other": "x"}}
NO_REGISTRY = "registry.example.invalid/shop@sha256:" + "ab" * 32
NOT_THERE = "localhost:5000/never-pushed@sha256:" + "cd" * 32

CASES: dict[str, Callable[[str], Case]] = {
    "well": lambda ns: Case(
        [shop(replicas=2)], [shop(replicas=2, env=[{"name": "V", "value": "2"}])], looks=(0.0, 1.0, 20.0)
    ),
    "image-not-found": lambda ns: Case([shop()], [shop(image=NOT_THERE)], looks=(3.0, 20.0)),
    "image-no-registry": lambda ns: Case([shop()], [shop(image=NO_REGISTRY)], looks=(3.0, 26.0)),
    "image-name": lambda ns: Case([shop()], [shop(image="localhost:5000/Shop")], looks=(4.0,)),
    "crash": lambda ns: Case([shop()], [shop(**exits("echo no database; exit 3"))], looks=(0.5, 20.0)),
    "crash-once": lambda ns: Case(
        [
            shop(
                replicas=1,
                pod={"volumes": [{"name": "v", "emptyDir": {}}]},
                volumeMounts=[{"name": "v", "mountPath": "/v"}],
                readinessProbe=probe(exec={"command": ["sh", "-c", "test -e /v/ready"]}),
                **exits("test -e /v/1 || { touch /v/1; exit 7; }; sleep 15; touch /v/ready; sleep 1000"),
            )
        ],
        looks=(8.0, 28.0),
    ),
    "start-error": lambda ns: Case([shop()], [shop(command=["nothing-of-the-kind"])], looks=(4.0,)),
    "out-of-memory": lambda ns: Case(
        [shop()],
        [shop(resources={"limits": {"memory": "24Mi"}}, **exits("sleep 1; head -c 100m /dev/zero | tail -c 90m"))],
        looks=(24.0,),
    ),
    "missing-secret": lambda ns: Case([shop()], [shop(**SECRET_ENV)], looks=(3.0, 20.0)),
    "missing-key": lambda ns: Case([SECRET, shop()], [shop(**SECRET_ENV)], looks=(20.0,)),
    "missing-volume": lambda ns: Case(
        [shop()],
        [
            shop(
                pod={"volumes": [{"name": "v", "configMap": {"name": "nope"}}]},
                volumeMounts=[{"name": "v", "mountPath": "/v"}],
            )
        ],
        looks=(25.0,),
    ),
    "unschedulable": lambda ns: Case([shop()], [shop(resources={"requests": {"cpu": "64"}})], looks=(2.0, 20.0)),
    "no-such-node": lambda ns: Case([shop()], [shop(pod={"nodeSelector": {"disk": "fast"}})], looks=(15.0,)),
    "no-claim": lambda ns: Case(
        [shop(pod={"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]})], looks=(15.0,)
    ),
    "quota": lambda ns: Case([quota(pods="1"), shop()], [shop(env=[{"name": "V", "value": "2"}])], looks=(2.0, 16.0)),
    "quota-in-turn": lambda ns: Case(
        [quota(pods="2"), in_turn(shop(replicas=2))],
        [in_turn(shop(replicas=2, env=[{"name": "V", "value": "2"}]))],
        looks=(16.0, 60.0),
    ),
    "limits": lambda ns: Case(
        [shop()], [quota(**{"limits.memory": "1Gi"})], [shop(env=[{"name": "V", "value": "2"}])], looks=(4.0,)
    ),
    "pod-security": lambda ns: Case(
        [shop()],
        ("label", "namespace", ns, "pod-security.kubernetes.io/enforce=restricted"),
        [shop(env=[{"name": "V", "value": "2"}])],
        looks=(4.0,),
    ),
    "webhook-away": lambda ns: Case(
        [shop()], [webhook(ns)], ("get", "pods"), [shop(env=[{"name": "V", "value": "2"}])], looks=(3.0, 16.0)
    ),
    "no-account": lambda ns: Case([shop(pod={"serviceAccountName": "nobody"})], looks=(14.0,)),
    "never-ready": lambda ns: Case([shop()], [shop(readinessProbe=probe())], looks=(12.0, 45.0)),
    "startup-probe": lambda ns: Case([shop()], [shop(startupProbe=probe())], looks=(6.0, 24.0)),
    "liveness-probe": lambda ns: Case(
        [shop(livenessProbe=probe(httpGet={"path": "/health", "port": 81}))], looks=(28.0,)
    ),
    "init-fails": lambda ns: Case(
        [shop()], [shop(pod={"initContainers": [container(name="prepare", **exits("echo no; exit 4"))]})], looks=(24.0,)
    ),
    "sidecar-probe": lambda ns: Case(
        [shop(pod={"initContainers": [container(name="proxy", restartPolicy="Always", startupProbe=probe())]})],
        looks=(24.0,),
    ),
    "post-start": lambda ns: Case([shop(lifecycle={"postStart": {"exec": {"command": ["false"]}}})], looks=(6.0,)),
    "no-answer": lambda ns: Case([shop(pod={"nodeName": "nowhere"})], looks=(14.0,)),
    "paused": lambda ns: Case(
        [shop()], ("rollout", "pause", "deployment/shop"), [shop(env=[{"name": "V", "value": "2"}])], looks=(3.0,)
    ),
    "stateful": lambda ns: Case(
        [shop("StatefulSet", 2)],
        [shop("StatefulSet", 2, image=NO_REGISTRY)],
        [shop("StatefulSet", 2, env=[{"name": "V", "value": "2"}])],
        looks=(45.0,),
    ),
    "stateful-new": lambda ns: Case(
        [shop("StatefulSet", 2)], [shop("StatefulSet", 2, **exits("exit 3"))], looks=(0.0, 40.0)
    ),
    "stateful-well": lambda ns: Case(
        [shop("StatefulSet", 2)], [shop("StatefulSet", 2, env=[{"name": "V", "value": "2"}])], looks=(1.0, 40.0)
    ),
    "stateful-quota": lambda ns: Case([quota(pods="1"), shop("StatefulSet", 2)], looks=(20.0,)),
    "daemon": lambda ns: Case(
        [shop("DaemonSet")], [shop("DaemonSet", env=[{"name": "V", "value": "2"}])], looks=(0.0, 25.0)
    ),
    "daemon-unplaced": lambda ns: Case(
        [shop("DaemonSet")], [shop("DaemonSet", resources={"requests": {"cpu": "64"}})], looks=(20.0,)
    ),
}


LEFT_OUT = frozenset(
    [
        "tolerations",
        "dnsPolicy",
        "schedulerName",
        "securityContext",
        "enableServiceLinks",
        "preemptionPolicy",
        "terminationMessagePath",
        "hostIPs",
        "podIPs",
        "resourceVersion",
        "priority",
        "qosClass",
        "source",
        "allocatedResources",
        "apiVersion",
        "blockOwnerDeletion",
        "fullyLabeledReplicas",
        "user",
        "reportingInstance",
        "reportingComponent",
        "terminationMessagePolicy",
        "serviceAccount",
        "hostIP",
        "podIP",
    ]
)
USUAL = frozenset({"Scheduled", "Pulled", "Created", "Started", "Pulling", "ScalingReplicaSet"})
"""Events that no sentence comes from."""


def slim(found: Object) -> Object:
    """Return an object without what nobody reads."""
    meta = found["metadata"]
    fields = [{k: v for k, v in e.items() if k != "fieldsV1"} for e in meta.pop("managedFields", ())]
    if found["kind"] in ("Deployment", "StatefulSet", "DaemonSet"):
        meta["managedFields"] = fields
    (meta.get("annotations") or {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    if found["kind"] == "ControllerRevision":
        found.pop("data", None)
    pruned: Object = _pruned(found)
    return pruned


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _pruned(v) for k, v in value.items() if k not in LEFT_OUT}
    if isinstance(value, list):
        return [_pruned(one) for one in value if not _is_token(one)]
    return value


def _is_token(one: Any) -> bool:
    return isinstance(one, dict) and str(one.get("name")).startswith("kube-api-access")


def written(looks: list[Object]) -> str:
    """Return looks as JSON, an object a line."""

    def lines(value: Any) -> str:
        if isinstance(value, list):
            return "[" + ",".join(f"\n  {json.dumps(one)}" for one in value) + "\n ]"
        return json.dumps(value)

    texts = (",\n".join(f" {json.dumps(k)}: {lines(v)}" for k, v in one.items()) for one in looks)
    return "[" + ",\n".join(f"{{\n{text}\n}}" for text in texts) + "]\n"


def look(namespace: str) -> Object:
    """Return what the cluster shows of ``shop`` now."""
    found = json.loads(kubectl("get", KINDS, "-n", namespace, "-o", "json", "--show-managed-fields"))["items"]
    seen: Object = {"now": datetime.now(UTC).isoformat(), "revisions": [], "pods": [], "events": []}
    for one in map(slim, found):
        kind = one["kind"]
        if kind == "Event" and one["reason"] in USUAL:
            continue
        if kind in ("Deployment", "StatefulSet", "DaemonSet"):
            seen["workload"] = one
        else:
            seen[{"Pod": "pods", "Event": "events"}.get(kind, "revisions")].append(one)
    return seen


def settle(namespace: str) -> None:
    """Wait until what was applied first runs, or for a few seconds if it does not."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = look(namespace)
        status = (found.get("workload") or {}).get("status", {})
        good = status.get("availableReplicas", status.get("numberAvailable", 0))
        if good >= status.get("replicas", status.get("desiredNumberScheduled", 1)):
            return
        time.sleep(0.5)


def capture(name: str) -> str:
    """Carry out one case and write its file."""
    namespace = f"rw-look-{name}"
    case = CASES[name](namespace)
    kubectl("create", "namespace", namespace)
    try:
        for number, step in enumerate(case.steps):
            if isinstance(step, tuple):
                kubectl(*step, "-n", namespace)
                continue
            text = json.dumps({"apiVersion": "v1", "kind": "List", "items": step})
            kubectl("apply", "-n", namespace, "-f", "-", given=text)
            if number == 0 and len(case.steps) > 1:
                settle(namespace)
            elif number < len(case.steps) - 1:
                time.sleep(4)
        begun, looks = time.monotonic(), []
        for at in case.looks:
            time.sleep(max(0.0, begun + at - time.monotonic()))
            looks.append(look(namespace))
        (HERE / f"{name}.json").write_text(written(looks))
    finally:
        kubectl("delete", "mutatingwebhookconfiguration", namespace, "--ignore-not-found")
        kubectl("delete", "namespace", namespace, "--wait=false")
    return name


if __name__ == "__main__":
    with ThreadPoolExecutor(5) as pool:
        for done in pool.map(capture, sys.argv[1:] or list(CASES)):
            print(done)
