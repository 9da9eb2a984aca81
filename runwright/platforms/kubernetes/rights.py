"""What an account has to be allowed in a namespace, and what of it this one is not.

The table is what the docs print as a Role, and a release is tried with exactly that: add to both.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from runwright.engine.actions import Do, Output
from runwright.errors import ActionError
from runwright.platforms.kubernetes.kubectl import Kubectl, Object

READS = ("get", "list", "watch")
WRITES = ("create", "patch", "delete")
API = "authorization.k8s.io/v1"


@dataclass(frozen=True)
class Right:
    """A verb on a resource of an API group, in the namespace. why: what it is for, as a phrase. name: of one object alone."""

    verb: str
    group: str
    resource: str
    why: str = ""
    name: str = ""

    @property
    def rule(self) -> str:
        """The line of a Role that gives it."""
        names = f', resourceNames: ["{self.name}"]' if self.name else ""
        return f'- {{apiGroups: ["{self.group}"], resources: ["{self.resource}"]{names}, verbs: ["{self.verb}"]}}'


@dataclass(frozen=True)
class Kind:
    """A kind of the manifests: the API group and the plural by which rights name it."""

    group: str
    resource: str


KNOWN = {
    "ConfigMap": Kind("", "configmaps"),
    "Secret": Kind("", "secrets"),
    "Service": Kind("", "services"),
    "ServiceAccount": Kind("", "serviceaccounts"),
    "PersistentVolumeClaim": Kind("", "persistentvolumeclaims"),
    "Deployment": Kind("apps", "deployments"),
    "StatefulSet": Kind("apps", "statefulsets"),
    "DaemonSet": Kind("apps", "daemonsets"),
    "CronJob": Kind("batch", "cronjobs"),
    "Job": Kind("batch", "jobs"),
    "HorizontalPodAutoscaler": Kind("autoscaling", "horizontalpodautoscalers"),
    "PodDisruptionBudget": Kind("policy", "poddisruptionbudgets"),
    "NetworkPolicy": Kind("networking.k8s.io", "networkpolicies"),
    "Ingress": Kind("networking.k8s.io", "ingresses"),
}
"""Of other kinds, and of roles, it is left to the cluster's own trial of the manifests."""
WORKLOADS = ("deployments", "statefulsets", "daemonsets")


def needed(kinds: Iterable[str], *, jobs: bool, enters: bool, strategy: str = "rolling") -> tuple[Right, ...]:
    """Return what a release needs. kinds: of the objects that it applies, as far as they are known. jobs: whether it migrates.
    enters: whether a program is run inside of pods (a database, probes)."""
    found = [
        *(Right(verb, "apps", r, "what runs is looked at") for r in (*WORKLOADS, "replicasets") for verb in ("list",)),
        Right("list", "apps", "controllerrevisions", "a rollout is followed"),
        Right("list", "batch", "cronjobs", "what runs is looked at"),
        Right("list", "", "pods", "a rollout is followed"),
        Right("list", "", "events", "why a rollout does not go on"),
        Right("create", "", "pods", "a dry run shows whether the cluster takes the pods; none is made"),
        Right("get", "", "pods/log", "what failed is kept"),
    ]
    for kind in sorted(set(kinds) & set(KNOWN)):
        one = KNOWN[kind]
        found += [Right(verb, one.group, one.resource, f"{kind}s are applied") for verb in ("get", *WRITES)]
    if jobs:
        found += [
            Right(verb, "batch", "jobs", "migrations run in a Job") for verb in ("get", "list", "create", "delete")
        ]
        for held in ("configmaps", "secrets"):
            verbs = ("list", "create", "delete")
            found += [Right(verb, "", held, "a Job brings its own copies") for verb in verbs]
    if enters:
        found += [Right(verb, "", "pods/exec", "programs are run inside of pods") for verb in ("get", "create")]
        found += [Right("get", "", "pods", "programs are run inside of pods")]
    if strategy != "rolling":
        found += [Right(verb, "", "services", "users are moved by a Service's selector") for verb in ("get", "patch")]
        found += [Right("list", "discovery.k8s.io", "endpointslices", "which pods a Service leads to is looked at")]
        found += [Right("create", "", "pods/portforward", "a candidate is asked before users reach it")]
        found += [Right("list", "policy", "poddisruptionbudgets", "what there is of a colour is looked at")]
    if strategy == "canary":
        found += [
            Right(verb, "apps", "deployments/scale", "a share of the users is a share of the pods")
            for verb in ("get", "patch")
        ]
    unique = {(r.verb, r.group, r.resource, r.name): r for r in reversed(found)}
    return tuple(reversed(unique.values()))


def missing(do: Do, kubectl: Kubectl, wanted: Sequence[Right]) -> tuple[Right, ...]:
    """Return those of ``wanted`` that this account is not given. Raise ActionError if the cluster does not say.

    First all of its rules are asked for at once (`kubectl auth can-i --list`); some clusters do not list those of all their
    authorizers, so that each that is not among them is asked for by itself, in one call (`kubectl auth can-i VERB RESOURCE`).
    """
    listed = _asked(
        do, kubectl, [_review("SelfSubjectRulesReview", {"namespace": kubectl.namespace})], "what may be done"
    )
    rules = [rule for one in listed for rule in one.get("status", {}).get("resourceRules") or ()]
    open_ = [right for right in wanted if not any(allows(rule, right) for rule in rules)]
    if not open_:
        return ()
    says = f"whether {len(open_)} things may be done that are not listed"
    answers = _asked(do, kubectl, [_of(right, kubectl.namespace) for right in open_], says)
    if len(answers) != len(open_):
        raise ActionError(f"The cluster did not say {says}.", state="Nothing was changed.")
    return tuple(r for r, one in zip(open_, answers, strict=True) if not one.get("status", {}).get("allowed"))


def allows(rule: Object, right: Right) -> bool:
    """Return whether a rule gives a right."""
    names = rule.get("resourceNames") or ()
    return (
        _among(rule.get("verbs"), right.verb)
        and _among(rule.get("apiGroups"), right.group)
        and _matches(rule.get("resources"), right.resource)
        and (not names or right.name in names)
    )


def _among(given: Collection[str] | None, word: str) -> bool:
    return bool(given) and bool({"*", word} & set(given or ()))


def _matches(given: Collection[str] | None, resource: str) -> bool:
    part = resource.partition("/")[2]
    return _among(given, resource) or bool(part and f"*/{part}" in (given or ()))


def _review(kind: str, spec: Object) -> Object:
    return {"apiVersion": API, "kind": kind, "spec": spec}


def _of(right: Right, namespace: str) -> Object:
    resource, _, part = right.resource.partition("/")
    what = {"namespace": namespace, "verb": right.verb, "group": right.group, "resource": resource}
    more = {**({"subresource": part} if part else {}), **({"name": right.name} if right.name else {})}
    return _review("SelfSubjectAccessReview", {"resourceAttributes": {**what, **more}})


def _asked(do: Do, kubectl: Kubectl, reviews: Sequence[Object], what: str) -> tuple[Object, ...]:
    """Return the reviews with their answers: they are objects that one creates, and nothing is kept of them."""
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(reviews)}).encode()

    def parse(output: Output) -> tuple[Object, ...]:
        return _answers(output)

    read = kubectl.read(
        *("create", "-f", "-", "-o", "json"),
        says=f"ask {what} in {kubectl.namespace}", parse=parse, assume=(), untouched=True, stdin=content, deadline_seconds=60.0,
    )  # fmt: skip
    found: tuple[Object, ...] = do(read)
    return found


def _answers(output: Output) -> tuple[Object, ...]:
    """Return the objects of what kubectl prints: one after the other, or as a list."""
    text, found, decoder = output.text.strip(), [], json.JSONDecoder()
    while text:
        try:
            one, end = decoder.raw_decode(text)
        except ValueError as error:
            raise ActionError(
                "kubectl answered with something that is no JSON.", state="Nothing was changed."
            ) from error
        found += list(one["items"]) if str(one.get("kind", "")).endswith("List") and "items" in one else [one]
        text = text[end:].strip()
    return tuple(found)


def lines(lacking: Iterable[Right]) -> Iterator[str]:
    """Yield the lines of a Role that give what is ``lacking``, the verbs of a resource together."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in lacking:
        verbs.setdefault((right.group, right.resource), []).append(right.verb)
    for (group, resource), given in verbs.items():
        yield f'- {{apiGroups: ["{group}"], resources: ["{resource}"], verbs: [{", ".join(given)}]}}'
