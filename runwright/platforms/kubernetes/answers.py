"""What a cluster answers before a release: whether it is the right one, what this account may do there, and whether it is well."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from runwright.engine.actions import Branch, Do, Output, Read, Together
from runwright.errors import ActionError, CancelledError, FencedError, InputError, LedgerError, RunwrightError
from runwright.platforms.kubernetes import preparing, rights
from runwright.platforms.kubernetes.evidence import nodes, system
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, name_of
from runwright.platforms.kubernetes.program import APART, between
from runwright.platforms.kubernetes.quota import short_of
from runwright.platforms.kubernetes.reading import short
from runwright.platforms.kubernetes.render import rendered
from runwright.platforms.kubernetes.surroundings import unwell
from runwright.platforms.shape import Finding
from runwright.plural import few, plural
from runwright.versions import Version

MOST = 6
"""Of more things of one kind the number is told."""


@dataclass(frozen=True)
class Asked:
    """What is released, as far as it is known. objects: of its manifests, or of the release before. renders: what is wrong with
    them. enters: whether programs are run inside of pods."""

    site: preparing.Site
    before: Version | None
    objects: tuple[Object, ...] = ()
    renders: RunwrightError | None = None
    enters: bool = False

    @property
    def kubectl(self) -> Kubectl:
        """The cluster, as it is reached."""
        return self.site.kubectl


def answers(do: Do, site: preparing.Site, before: Version | None, *, enters: bool) -> tuple[Finding, ...]:
    """Return a finding for each thing that a release takes for granted. enters: whether programs are run inside of pods.

    If the cluster cannot be asked at all, that is the only one.
    """
    which = _finding("cluster", partial(_cluster, do, site, before))
    if which is None or which.state == "fail":
        return (which,) if which is not None else ()
    asked = Asked(site, before, *_rendered(do, site, before), enters=enters)
    questions: tuple[tuple[str, Callable[[Do, Asked], Finding | None]], ...] = (
        ("manifests", _manifests),
        ("rights", _rights),
        ("kubectl", _kubectl),
        ("namespace", _namespace),
        ("nodes", _nodes),
        ("kube-system", _system),
        ("quota", _quota),
    )
    branches = tuple(Branch(name=name, run=partial(_one, name, ask, asked)) for name, ask in questions)
    found = do(Together(says=f"ask the cluster {site.target.context} what a release needs of it", branches=branches))
    return (which, *(one for one in found if one is not None))


def _one(name: str, ask: Callable[[Do, Asked], Finding | None], asked: Asked, do: Do) -> Finding | None:
    return _finding(name, partial(ask, do, asked))


def _finding(name: str, ask: Callable[[], Finding | None]) -> Finding | None:
    try:
        return ask()
    except (CancelledError, FencedError, LedgerError):
        raise
    except RunwrightError as error:
        return Finding(name, "fail", short(error.what), error.next)


def _cluster(do: Do, site: preparing.Site, before: Version | None) -> Finding:
    found = preparing.require_cluster(do, site, before)
    named = site.target.cluster or (before is not None and before.extra.get("cluster"))
    known = "as recorded" if named else "it is recorded with this release"
    return Finding("cluster", "ok", f"{site.target.context} is {found}, {known}")


def _rendered(do: Do, site: preparing.Site, before: Version | None) -> tuple[tuple[Object, ...], RunwrightError | None]:
    """Return the objects of the commit's manifests, and what is wrong with them; without a checkout those of the release before."""
    there = do(Read(says=f"look for {site.tree}", function=site.tree.is_dir, assume=False))
    if not there:
        known = before.extra.get("objects", ()) if before is not None else ()
        return tuple({"apiVersion": v, "kind": k, "metadata": {"name": n}} for v, k, n in known), None
    try:
        return rendered(do, site.kubectl, site.target, site.tree), None
    except (InputError, ActionError) as error:
        return (), error


def _manifests(do: Do, asked: Asked) -> Finding | None:  # noqa: ARG001
    if asked.renders is not None:
        return Finding("manifests", "fail", short(asked.renders.what), asked.renders.next)
    return None


def _rights(do: Do, asked: Asked) -> Finding:
    kinds = {str(o["kind"]) for o in asked.objects}
    wanted = rights.needed(
        kinds, jobs=bool(asked.site.migrates), enters=asked.enters, strategy=asked.site.target.strategy
    )
    lacking = rights.missing(do, asked.kubectl, wanted)
    where = asked.site.target.namespace
    if not lacking:
        return Finding("rights", "ok", f"all {len(wanted)} that a release needs in {where}")
    says = "; ".join(f"{r.verb} {r.resource} ({r.why})" for r in lacking[:MOST])
    more = f" and {len(lacking) - MOST} others" if len(lacking) > MOST else ""
    text = f"this account may not, in {where}: {says}{more}"
    return Finding("rights", "fail", text, "Add to its Role: " + " ".join(rights.lines(lacking)))


def _kubectl(do: Do, asked: Asked) -> Finding:
    def parse(output: Output) -> tuple[str, str, int | None]:
        said = json.loads(output.stdout)
        names = [str((said.get(side) or {}).get("gitVersion", "?")) for side in ("clientVersion", "serverVersion")]
        return names[0], names[1], between(said)

    words = ("version", "-o", "json")
    client, server, apart = do(
        asked.kubectl.read(*words, says="ask for the versions", parse=parse, assume=("", "", 0), untouched=True)
    )
    text = f"{client} for a cluster of {server}"
    if apart is not None and apart > APART:
        next_ = f"Kubernetes promises that they understand each other one minor version apart. Install a kubectl near {server}."
        return Finding("kubectl", "warn", f"{text}: {plural(apart, 'minor version')} apart", next_)
    return Finding("kubectl", "ok", text)


def _namespace(do: Do, asked: Asked) -> Finding | None:
    name = asked.site.target.namespace
    words = ("get", "namespace", name, "-o", "json", "--ignore-not-found")
    try:
        found: tuple[Object, ...] = do(
            asked.kubectl.read(*words, says=f"look for the namespace {name}", parse=items, assume=(), untouched=True)
        )
    except ActionError as error:
        if "forbidden" in error.what.lower():
            return None  # its rights there are looked at
        raise
    made = any(o["kind"] == "Namespace" and name_of(o) == name for o in asked.objects)
    if found:
        ending = found[0].get("status", {}).get("phase") == "Terminating"
        if not ending:
            return Finding("namespace", "ok", f"{name} is there")
        return Finding("namespace", "fail", f"{name} is being deleted", "Wait until it is gone, and make it anew.")
    next_ = f"Make it: `kubectl --context {asked.site.target.context} create namespace {name}`."
    if made:
        text = f"{name} is not there; the manifests make it, but they can only be tried once it is there"
        return Finding("namespace", "fail", text, next_)
    return Finding("namespace", "fail", f"{name} is not there", next_)


def _nodes(do: Do, asked: Asked) -> Finding:
    try:
        found = nodes(do, asked.kubectl)
    except ActionError as error:
        return _unseen("nodes", error)
    bad = [one.line for one in found if not one.well]
    if bad:
        return Finding("nodes", "warn", _some(bad), "Pods may not come up: `kubectl describe node`.")
    taking = [one for one in found if not one.unschedulable]
    if not taking:
        return Finding("nodes", "warn", "every node is cordoned: no pod will find one", "`kubectl uncordon NODE`.")
    return Finding("nodes", "ok", f"{plural(len(taking), 'node')} ready")


def _system(do: Do, asked: Asked) -> Finding:
    try:
        found = unwell(system(do, asked.kubectl), datetime.now(UTC))
    except ActionError as error:
        return _unseen("kube-system", error)
    if found:
        return Finding("kube-system", "warn", _some(found), "The cluster's own parts are not well: look at them first.")
    return Finding("kube-system", "ok", "its pods are ready")


def _quota(do: Do, asked: Asked) -> Finding | None:
    words = ("get", "resourcequotas,deployments,statefulsets", "-o", "json")
    says = f"look at what may be used in {asked.site.target.namespace}"
    there: tuple[Object, ...] = do(asked.kubectl.read(*words, says=says, parse=items, assume=(), ok=frozenset({0, 1})))
    quotas = [o for o in there if o["kind"] == "ResourceQuota"]
    if not quotas:
        return None
    twice = frozenset(asked.site.target.traffic)
    found = short_of(quotas, asked.objects, there, twice)
    if not found:
        return Finding(
            "quota", "ok", f"{few([name_of(q) for q in quotas])}: room for the pods that come before others go"
        )
    stalls = any(one.stalls for one in found)
    next_ = "Raise the quota, or let the Deployment's `strategy` take pods away first (maxUnavailable)."
    return Finding("quota", "fail" if stalls else "warn", _some([one.says for one in found]), next_)


def _unseen(about: str, error: ActionError) -> Finding:
    forbidden = "forbidden" in error.what.lower()
    text = "nobody could tell: " + ("this account may not list them" if forbidden else short(error.what))
    return Finding(about, "warn", text, "A ClusterRole lets it look; a release does not need it." if forbidden else "")


def _some(says: Sequence[str]) -> str:
    more = [f"and {len(says) - MOST} more"] if len(says) > MOST else []
    return "; ".join([*(one.rstrip(".") for one in says[:MOST]), *more])
