"""Put a version's manifests in place, and try all of them against the cluster, before anything is written to it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runwright.engine.actions import Do, Output, Read, WriteFile
from runwright.engine.effects.reasons import reason
from runwright.errors import ActionError, InputError, RefusedError
from runwright.platforms.kubernetes import hashed, owning
from runwright.platforms.kubernetes.compared import compared, mutating
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, name_of, title
from runwright.platforms.kubernetes.manifests import (
    CLUSTER_WIDE,
    ENVIRONMENT,
    SYSTEM,
    Composed,
    composed,
    named_configuration,
    template,
)
from runwright.platforms.kubernetes.ownership import MANAGER
from runwright.platforms.kubernetes.render import rendered
from runwright.platforms.kubernetes.vanished import of_another
from runwright.plural import few
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.versions import Version

APPLY_SECONDS = 120.0
TRIED = "all.json"
COMPOSED = "composed.json"
"""The file of a version that holds all of its objects. It may hold secrets."""


@dataclass(frozen=True)
class Site:
    """What a version is put in place for. folder: our own for this environment. tree: the clean checkout.

    migrates: the workload, or the Job of the manifests, whose pod migrates; "" where nothing does.
    """

    target: KubernetesTarget
    services: Mapping[str, str]
    tree: Path
    folder: Path
    kubectl: Kubectl
    system: str
    environment: str
    migrates: str = ""

    @property
    def marks(self) -> dict[str, str]:
        """The labels that say whose an object is."""
        return {SYSTEM: self.system[:63], ENVIRONMENT: self.environment[:63]}


def put_in_place(
    do: Do,
    site: Site,
    version: Version,
    prefix: str,
    before: Version | None,
    laid_out: Callable[[Composed], Composed] = lambda made: made,
) -> Version:
    """Return ``version`` with what is needed to start it; its manifests are tried by the cluster, and nothing is changed there.

    laid_out: returns the objects as they are where they take the place of what serves.

    Raise InputError if the manifests are not right, RefusedError if the cluster is another one, or refuses them.
    """
    cluster = require_cluster(do, site, before)
    objects = rendered(do, site.kubectl, site.target, site.tree)
    references = {a.component: a.reference for a in version.artifacts}
    for component, reference in references.items():
        if "@sha256:" not in reference:
            raise InputError(
                f"The image of {component} ({reference[:60]}) has no digest: nodes could pull something else under its name.",
                next="Name a `registry` that it is pushed to, or the image that CI has pushed in the component's `image`.",
            )
    made = composed(objects, site.target, site.services, references, site.marks)
    _require_jobs(made, site.migrates)
    require_configuration(do, site, made)
    folder = site.folder / "releases" / name_of_version(version, made)
    do(
        WriteFile(
            says=f"keep this version's manifests in {folder}",
            key=f"{prefix}/manifests",
            path=folder / COMPOSED,
            content=json.dumps(made.as_json(), indent=1).encode(),
            mode=0o600,
        )
    )
    laid = laid_out(made)
    found = owning.settled(do, site.kubectl, laid.objects)
    _require_ours(site, found)
    tried(do, site, laid, found, folder / TRIED, prefix=prefix)
    by_hand = [setting.says for one in found for setting in one.settings]
    return replace(version, extra={**version.extra, **facts(made, folder, cluster), "by_hand": by_hand})


def _require_ours(site: Site, found: Sequence[owning.Settled]) -> None:
    """Raise RefusedError if an object of the namespace is another system's or environment's that we release: the field manager is
    the same, so that no conflict would tell."""
    others = {
        title(one.rendered): whose
        for one in found
        if one.found is not None
        and one.rendered["kind"] not in CLUSTER_WIDE
        and (whose := of_another(one.found, site.marks))
    }
    if others:
        name, whose = next(iter(others.items()))
        raise RefusedError(
            f"{few(list(others))} in the namespace {site.target.namespace} {'is' if len(others) == 1 else 'are'} of {whose}, and this is "
            f"a release of {site.system}/{site.environment}.",
            state="Nothing was changed.",
            next=f"Correct `context` or `namespace`. If it was renamed, take the marks off: `kubectl label {name.lower()} -n "
            f"{site.target.namespace} {' '.join(f'{key}-' for key in site.marks)}`.",
        )


def _require_jobs(made: Composed, migrates: str) -> None:
    """Raise InputError if it is not said what becomes of a Job of the manifests, or if there is none of the name that is said."""
    if migrates and migrates not in made.jobs and migrates not in made.workloads:
        there = [*made.workloads, *made.jobs]
        raise InputError(
            f"`migrate` names {migrates}, and the manifests have no workload or Job of that name.",
            next=f"They have {few(there)}: correct `service` of `migrate`.",
        )
    for name, job in made.jobs.items():
        if name == migrates:
            continue
        program = [*(template(job)["spec"]["containers"][0].get("command") or ["…"])]
        raise InputError(
            f"Job/{name} is in the manifests, and it is not known what it is for: applied with the rest it would run beside the new "
            "version, if it runs at all, for a Job of that name may be there already.",
            next=f"If it migrates: `migrate: {{tool: command, service: {name}, command: {json.dumps(program)}}}`. "
            f"If a release has nothing to do with it: `leave: [Job/{name}]` in the target.",
        )


def facts(made: Composed, folder: Path, cluster: str) -> dict[str, Any]:
    """Return what a version keeps in ``extra``: enough to start it again, and to tell whether it is what runs. No secrets."""
    return {
        "cluster": cluster,
        "folder": str(folder),
        "objects": [[o["apiVersion"], o["kind"], name_of(o)] for o in made.objects],
        "workloads": {service: o["kind"] for service, o in made.workloads.items()},
        "images": {service: dict(found) for service, found in made.images.items()},
        "main": {s: next(iter(_main_first(o, made.images.get(s, {}))), "") for s, o in made.workloads.items()},
        "runs": {service: hashed.template(template(o)) for service, o in made.workloads.items()},
        "none": [s for s, o in made.workloads.items() if o["spec"].get("replicas") == 0 or o["spec"].get("suspend")],
        "jobs": sorted(made.jobs),
        "left": list(made.left),
    }


def _main_first(workload: Object, images: Mapping[str, str]) -> list[str]:
    names = [str(c["name"]) for c in template(workload)["spec"].get("containers") or ()]
    return sorted(names, key=lambda name: name not in images)


def name_of_version(version: Version, made: Composed) -> str:
    """Return the name of a version's folder: one commit may be rendered otherwise a second time."""
    text = json.dumps(made.as_json(), sort_keys=True, default=str)
    return f"{version.commit[:12]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def read_composed(do: Do, version: Version) -> Composed:
    """Return what ``version``, which was prepared, applies. Raise InputError if its file is not there."""
    if not version.extra.get("folder"):
        raise InputError(
            f"Version {version.name} was not prepared.", next="Call `prepare` first and use what it returns."
        )
    path = Path(version.extra["folder"]) / COMPOSED
    if not do(Read(says=f"look for {path}", function=path.is_file, untouched=True)):
        raise InputError(
            f"The manifests of {version.name} are not in {path} any more.",
            next="Release another version; this one cannot be started again.",
        )
    return do(
        Read(says=f"read {path}", function=lambda: Composed.from_json(json.loads(path.read_bytes())), untouched=True)
    )


def require_cluster(do: Do, site: Site, before: Version | None) -> str:
    """Return the identity of the cluster that the context leads to. Raise RefusedError if it is another one than was released to."""
    found = identity(do, site.kubectl)
    wanted = site.target.cluster or (before.extra.get("cluster") if before is not None else None)
    if wanted and found != wanted:
        whose = (
            "the runbook names" if site.target.cluster else f"{before.name if before else 'the release before'} went to"
        )
        raise RefusedError(
            f"The context {site.target.context} leads to the cluster {found}, and {whose} {wanted}.",
            state="Nothing was changed there.",
            next="Look at the kubeconfig: `kubectl config view --minify`. If the cluster was made anew, say so: `cluster: "
            f"{found}` in the target.",
        )
    return found


def identity(do: Do, kubectl: Kubectl) -> str:
    """Return the uid of kube-system, which is a cluster's own. Raise ActionError if it cannot be had."""
    found: str = do(
        kubectl.read(
            *("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"),
            says=f"ask which cluster {kubectl.context} is",
            parse=lambda output: output.text.strip(),
            untouched=True,
        )
    )
    if not found:
        raise ActionError(f"The cluster {kubectl.context} does not tell its identity.", state="Nothing was changed.")
    return found


# ------------------------------------------------------------------------------------------------- what pods will need


def require_configuration(do: Do, site: Site, made: Composed) -> None:
    """Raise RefusedError if the pods name a ConfigMap, a Secret, a key of one, a pull secret, an account or a claim that is not there."""
    given = {(o["kind"], name_of(o)): o for o in made.objects}
    wanted: dict[tuple[str, str], set[str]] = {}
    for workload in (*made.workloads.values(), *made.jobs.values()):
        spec = template(workload)["spec"]
        for (kind, name), keys in _named(spec).items():
            if (kind, name) not in given:
                wanted.setdefault((kind, name), set()).update(keys)
            elif absent := keys - _keys(given[kind, name]):
                raise RefusedError(
                    f"{title(workload)} needs {few(sorted(absent))} of {kind}/{name}, and the manifests do not set it.",
                    state="Nothing was changed.",
                    next=f"Add the key to {kind}/{name}, or take it out of the pods.",
                )
    coming = _made_by_others(made)
    wanted = {(kind, name): keys for (kind, name), keys in wanted.items() if (kind, name) not in coming}
    if not wanted:
        return
    missing = list(_missing(do, site, wanted))
    if missing:
        raise RefusedError(
            f"The pods would not start: {'; '.join(missing)}.",
            state="Nothing was changed.",
            next=f"Make what is missing in the namespace {site.target.namespace}, then deploy again.",
        )


def _made_by_others(made: Composed) -> set[tuple[str, str]]:
    """Return what an operator will make of the manifests' own objects (an ExternalSecret, a SealedSecret, a Certificate): whether
    that comes in time the pods tell."""
    found: set[tuple[str, str]] = set()
    for one in made.base:
        if not str(one["apiVersion"]).partition("/")[0].count("."):
            continue
        spec: dict[str, Any] = one.get("spec") or {}
        parts = [spec.get(key) for key in ("target", "destination")]
        metadata = (spec.get("template") or {}).get("metadata") if isinstance(spec.get("template"), dict) else None
        names = {
            name_of(one),
            spec.get("secretName"),
            *(p.get("name") for p in (*parts, metadata) if isinstance(p, dict)),
        }
        found |= {("Secret", str(name)) for name in names if name}
    return found


def _missing(do: Do, site: Site, wanted: Mapping[tuple[str, str], set[str]]) -> Iterable[str]:
    names = [f"{kind.lower()}/{name}" for kind, name in sorted(wanted)]
    words = ("get", *names, "-o", "json", "--ignore-not-found")
    says = f"look for what the pods name: {few(names)}"
    try:
        there = do(site.kubectl.read(*words, says=says, parse=_keys_there, untouched=True))
    except ActionError as error:
        if "forbidden" in error.what.lower():
            return  # who may not read secrets learns it from the pods
        raise
    for (kind, name), keys in sorted(wanted.items()):
        if (kind, name) not in there:
            yield f"there is no {kind}/{name}"
        elif lacking := keys - set(there[kind, name]):
            yield f"{kind}/{name} has no {few(sorted(lacking))}"


def _keys_there(output: Output) -> dict[tuple[str, str], list[str]]:
    """Return {(kind, name): its keys}; the values of Secrets are forgotten here."""
    return {(o["kind"], name_of(o)): sorted(_keys(o)) for o in items(output)}


def _keys(one: Object) -> set[str]:
    return {key for part in ("data", "stringData", "binaryData") for key in one.get(part) or {}}


def _named(spec: Mapping[str, Any]) -> dict[tuple[str, str], set[str]]:
    """Return {(kind, name): keys} of what a pod cannot start without."""
    found: dict[tuple[str, str], set[str]] = {}
    for kind, holder, key in named_configuration(spec):
        if not holder.get("optional"):
            keys = (
                {str(holder["key"])}
                if holder.get("key")
                else {str(i["key"]) for i in holder.get("items") or () if "key" in i}
            )
            found.setdefault((kind, str(holder[key])), set()).update(keys)
    for pull in spec.get("imagePullSecrets") or ():
        found.setdefault(("Secret", str(pull.get("name"))), set())
    if spec.get("serviceAccountName", "default") != "default":
        found.setdefault(("ServiceAccount", str(spec["serviceAccountName"])), set())
    for volume in spec.get("volumes") or ():
        if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            found.setdefault(("PersistentVolumeClaim", str(claim)), set())
    return found


# ------------------------------------------------------------------------------------------------- tried by the cluster


def tried(do: Do, site: Site, made: Composed, found: Sequence[owning.Settled], file: Path, *, prefix: str) -> None:
    """Let the cluster try everything as it is to be applied, and keep nothing of it. What is taken over first is no conflict.

    Raise RefusedError, in the cluster's own words, if it would refuse an object, or a pod of one.
    """
    # apart: what is forced for the one would hide a conflict of the other, until it is applied
    for forced in (False, True):
        if some := [one.applied for one in found if one.taken is forced]:
            _tried_all(do, site, some, file.with_name(f"taken-{file.name}") if forced else file, prefix, forced)
    for number, (service, workload) in enumerate(made.workloads.items()):
        # a dry run of a Deployment does not show that its pods will be refused, or changed: by a quota, by a webhook
        pod = _pod_of(workload, f"{service[:40]}-try-{number}", site.target.namespace)
        words = ("create", "--dry-run=server", "-o", "json", "-f", "-")
        says, what = f"let the cluster try a pod of {service}", f"the pods of {service}"
        _require_unchanged(do, site, _try(do, site, words, says, what, json.dumps(pod).encode()), pod)


def _tried_all(do: Do, site: Site, objects: Sequence[Object], file: Path, prefix: str, forced: bool) -> None:
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}, indent=1).encode()
    key = f"{prefix}/all/taken" if forced else f"{prefix}/all"
    do(WriteFile(says=f"write {file}", key=key, path=file, content=content, mode=0o600))
    force = ("--force-conflicts",) if forced else ()
    words = ("apply", "--server-side", f"--field-manager={MANAGER}", *force, "--dry-run=server", "-f", str(file))
    _try(do, site, words, "let the cluster try the manifests", "the manifests")


def _require_unchanged(do: Do, site: Site, printed: bytes, wanted: Object) -> None:
    """Raise RefusedError if a pod as the cluster would make it is not what it was asked for: another image, variable or command. What a
    webhook adds (a container, a variable of a cloud's identity) is none of that."""
    try:
        pod = json.loads(printed)
    except ValueError:
        return  # it could not be tried
    rendered = hashed.template(wanted)
    if not compared(hashed.pod(pod), rendered, {}, rendered).differs:
        return
    found = compared(hashed.pod(pod), rendered, {}, rendered, mutating(do, site.kubectl, pod))
    raise RefusedError(
        f"The pods would not be what is released: {'; '.join(found.differs)}.",
        state="Nothing was changed.",
        next="Ask whoever runs the webhook that changes pods here; what it sets for good belongs into the manifests.",
    )


def _pod_of(workload: Object, name: str, namespace: str) -> Object:
    made = template(workload)
    labels = dict((made.get("metadata") or {}).get("labels") or {})
    spec = {**made["spec"]}
    if workload["kind"] != "CronJob":
        spec["restartPolicy"] = "Always"
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "labels": labels}
    if annotations := (made.get("metadata") or {}).get("annotations"):
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


_CANNOT_TRY = re.compile(r'does not support dry run|cannot create resource "pods"')
"""What is said where it cannot be tried: a webhook with side effects, or no right to make pods. The rollout shows it then."""


def _try(do: Do, site: Site, words: Sequence[str], says: str, what: str, content: bytes | None = None) -> bytes:
    """Return what the cluster says that it would make. Raise RefusedError, in its own words, if it would not."""

    def parse(output: Output) -> tuple[str, bytes]:
        if not output.code:
            return "", output.stdout
        said = output.stderr.decode("utf-8", "replace").strip()
        # of many objects one may not be tried, and another may be refused
        lines = [line for line in said.splitlines() if line.strip() and not line.startswith("Warning:")]
        refused = [line for line in lines if not _CANNOT_TRY.search(line)]
        return "\n".join(refused) if lines else "no reason was given", output.stdout

    refused, printed = do(
        site.kubectl.read(
            *words,
            says=says,
            parse=parse,
            assume=("", b""),
            ok=frozenset({0, 1}),
            stdin=content,
            deadline_seconds=APPLY_SECONDS,
        )
    )
    if refused:
        raise RefusedError(
            f"The cluster refuses {what}: {reason(refused) or refused[:1000]}",
            state="Nothing was changed.",
            next="Mend what it says, then deploy again.",
        )
    return bytes(printed)
