"""The Kubernetes platform: applies a version's own manifests in a namespace, and follows what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runwright.engine.actions import Do
from runwright.errors import ActionError, InputError, RefusedError
from runwright.platforms.kubernetes import applying, hashed, jobs, owning, preparing, watched
from runwright.platforms.kubernetes.adopt import UNREAD, adopt
from runwright.platforms.kubernetes.answers import answers
from runwright.platforms.kubernetes.colours import service_of
from runwright.platforms.kubernetes.compared import compared, mutating
from runwright.platforms.kubernetes.evidence import evidence
from runwright.platforms.kubernetes.faults import kill
from runwright.platforms.kubernetes.from_git import from_git
from runwright.platforms.kubernetes.inside import Inside, Pod
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, name_of, title
from runwright.platforms.kubernetes.manifests import (
    COMMIT,
    COPY_OF,
    RELEASE,
    ROLLED,
    SLOT,
    WORKLOADS,
    Composed,
    containers,
    in_order,
    template,
)
from runwright.platforms.kubernetes.ownership import MANAGER, Kind
from runwright.platforms.kubernetes.pods import image_of, reference_of, statuses, workload_of
from runwright.platforms.kubernetes.reading import controller, number
from runwright.platforms.kubernetes.tidying import tidy
from runwright.platforms.kubernetes.usage import usage
from runwright.platforms.kubernetes.vanished import Vanished, identity, still_ours, vanished
from runwright.platforms.shape import Beside, Finding, Kept, Observed, ServiceFact, Usage
from runwright.plural import few
from runwright.runbook.drill import Break, require_way
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.versions import Version

OBSERVED = ("deployments", "statefulsets", "daemonsets", "cronjobs", "replicasets", "pods")


@dataclass(frozen=True)
class Seen:
    """A pod; the template that it was made by, None if that is not known; and who may have changed it on the way."""

    pod: Object
    template: Object | None
    webhooks: tuple[str, ...] | None


class Kubernetes(Inside):
    """A namespace in which ``services`` ({service: component}) are workloads of ours.

    tree: where the clean checkout of a commit is when `prepare` is called. state: our own folder for this environment.
    version, before: what is released, and what it replaces, as far as that is known. migrates: the workload, or the Job of the
    manifests, whose pod migrates. enters: whether programs are run inside of pods.
    """

    breaks = frozenset({"kill"})

    def __init__(
        self,
        target: KubernetesTarget,
        services: Mapping[str, str],
        tree: Path,
        state: Path,
        kubectl: Kubectl,
        *,
        system: str,
        environment: str,
        version: Version | None = None,
        before: Version | None = None,
        migrates: str = "",
        enters: bool = False,
    ) -> None:
        self.target = target
        self.services = {name: services[name] for name in in_order(target, services)}
        self.kubectl = kubectl
        self._site = preparing.Site(target, self.services, tree, state, kubectl, system, environment, migrates)
        self._version, self._before, self._enters = version, before, enters

    # ------------------------------------------------------------------------------------------------- what is there

    def observe(self, do: Do) -> Observed:
        """Return the pods of the workloads that are ours, and their CronJobs."""
        found = do(look(self.kubectl))
        return Observed(tuple(self._fact(do, found, one) for one in self._those(found, ours=True)))

    def _those(self, found: Sequence[Object], *, ours: bool) -> Iterator[tuple[str, Object]]:
        """Yield (service, pod or CronJob) of what is ours, or of what is not."""
        owners = [o for o in found if o["kind"] in ("ReplicaSet", "Job")]
        for one in found:
            kind, service = "CronJob", name_of(one)
            if one["kind"] == "Pod":
                kind, _, service = workload_of(one, owners).partition("/")
            rolled = (one["kind"], kind) == ("CronJob", "CronJob") or (one["kind"] == "Pod" and kind in ROLLED)
            service = self._called(service)
            if rolled and (service in self._names) is ours:
                yield service, one

    def _fact(self, do: Do, found: Sequence[Object], of: tuple[str, Object]) -> ServiceFact:
        service, one = of
        if one["kind"] == "CronJob":
            return self._scheduled(service, one)
        owner = controller(one).get("uid")
        made_by = next((o for o in found if owner and o["metadata"].get("uid") == owner), None)
        given = template(made_by) if made_by is not None and made_by["kind"] != "Pod" else None
        changed = given is not None and images_in(given) != {
            name: image for name, image in images_in(one).items() if name in images_in(given)
        }
        webhooks = mutating(do, self.kubectl, one) if changed else ()
        return replace(self._pod(service, one), seen=Seen(one, given, webhooks))

    def _called(self, workload: str) -> str:
        """Return the service that a workload of that name is of."""
        return workload

    def _laid_out(self, do: Do, made: Composed) -> Composed:  # noqa: ARG002
        """Return the objects of a version as they are where they take the place of what serves."""
        return made

    @property
    def _names(self) -> frozenset[str]:
        before = self._before.extra.get("workloads", ()) if self._before is not None else ()
        return frozenset({*self.services, *before})

    def _pod(self, service: str, pod: Object) -> ServiceFact:
        status = pod.get("status", {})
        main = self._main(service, [str(c["name"]) for c in pod["spec"]["containers"]])
        states = {s.get("name"): s for s in status.get("containerStatuses") or ()}
        marks = {**(pod["metadata"].get("annotations") or {}), **(pod["metadata"].get("labels") or {})}
        ready = [c.get("status") == "True" for c in status.get("conditions") or () if c.get("type") == "Ready"]
        return ServiceFact(
            service=service,
            instance=name_of(pod),
            identity=_identity(pod, main),
            running=status.get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp"),
            healthy=ready[0] if ready else None,
            restarts=sum(int(s.get("restartCount", 0)) for s in states.values()),
            slot=str(marks.get(SLOT, "")),
            commit=str(marks.get(COMMIT, "")),
            release=str(marks.get(RELEASE, "")),
        )

    def _scheduled(self, service: str, job: Object) -> ServiceFact:
        made = template(job)
        main = self._main(service, [str(c["name"]) for c in made["spec"]["containers"]])
        marks = (made.get("metadata") or {}).get("annotations") or {}
        return ServiceFact(
            service=service,
            instance=f"cronjob/{service}",
            identity=_identity(made, main),
            running=not job["spec"].get("suspend"),
            commit=str(marks.get(COMMIT, "")),
            release=str(marks.get(RELEASE, "")),
        )

    def _main(self, service: str, there: Sequence[str]) -> str:
        """Return the container that runs the component's image: as a version was prepared, or as the runbook says."""
        known = [v.extra.get("main", {}).get(service) for v in (self._version, self._before) if v is not None]
        said = self.target.containers.get(self.services.get(service, ""))
        named = [*known, said, service, self.services.get(service)]
        return next((name for name in named if name in there), there[0])

    def expected(self, version: Version) -> dict[str, str]:
        """Return {service: digest} that `observe` shows when ``version``, which was prepared, runs."""
        images, main = version.extra.get("images", {}), version.extra.get("main", {})
        none = version.extra.get("none", ())
        found = {s: images.get(s, {}).get(name, "") for s, name in main.items() if s not in none}
        return {service: reference_of(image).digest or image for service, image in found.items()}

    def strange(self, version: Version, fact: ServiceFact) -> tuple[str, ...]:
        """Return what of a pod is not as ``version`` was rendered: images, variables, commands; and who may have changed it."""
        runs = version.extra.get("runs", {}).get(fact.service)
        if runs is None or not isinstance(fact.seen, Seen):
            return super().strange(version, fact)
        seen = fact.seen
        known = hashed.template(seen.template) if seen.template is not None else None
        found = compared(hashed.pod(seen.pod), runs, {}, known, seen.webhooks)
        return tuple(f"{fact.instance}: {phrase}" for phrase in found.differs)

    def staying(self, do: Do) -> tuple[ServiceFact, ...]:
        """Return the pods of workloads in the namespace that are none of the application's own."""
        found = do(look(self.kubectl))
        return tuple(self._fact(do, found, one) for one in self._those(found, ours=False) if one[1]["kind"] == "Pod")

    def pods(self, do: Do) -> tuple[tuple[Pod, ...], tuple[Object, ...]]:
        """Return the pods of the workloads that are ours, and what they belong to."""
        found = do(look(self.kubectl))
        ours = [(service, one) for service, one in self._those(found, ours=True) if one["kind"] == "Pod"]
        names = {name_of(one): [str(c["name"]) for c in one["spec"]["containers"]] for _, one in ours}
        owners = tuple(o for o in found if o["kind"] in ("ReplicaSet", "Job"))
        return tuple(Pod(service, one, self._main(service, names[name_of(one)])) for service, one in ours), owners

    def answers(self, do: Do) -> tuple[Finding, ...]:
        """Return whether it is the right cluster, whether it is well, and whether this account may do there what a release does."""
        return answers(do, self._site, self._before, enters=self._enters)

    # ------------------------------------------------------------------------------------------------- new versions

    def prepare(self, do: Do, version: Version, prefix: str) -> Version:
        """Render the manifests of ``version``, set its images by digest, and let the cluster try all of it; change nothing there."""
        if version.extra.get("folder"):
            preparing.read_composed(do, version)
            return version
        if not version.commit or version.adopted:
            raise ActionError(
                f"Version {version.name} was adopted and its manifests are gone.",
                state="Nothing was changed.",
                next="Release another version; this one cannot be started again.",
            )
        self._require_one_place(do)
        return preparing.put_in_place(
            do, self._site, version, prefix, self._before, lambda made: self._laid_out(do, made)
        )

    def _require_one_place(self, do: Do) -> None:
        """Raise RefusedError if the application runs in colours: a Deployment under its own name would be one more beside them."""
        words = ("get", "deployments", "-l", SLOT, "-o", "json")
        there = do(self.kubectl.read(*words, says="look whether it runs in colours", parse=items, untouched=True))
        mine = [name_of(o) for o in there if service_of(name_of(o), self.services) in self.services]
        if mine:
            raise RefusedError(
                f"It runs in colours ({few(mine)}), and `strategy: rolling` would start another one beside them.",
                state="Nothing was changed.",
                next="Say `strategy: blue_green` and `traffic`; or delete those Deployments at a moment without users, and take "
                f"{SLOT} out of the Service's selector.",
            )

    def by_hand(self, do: Do, version: Version) -> tuple[str, ...]:
        """Return what people, and other programs that apply, have set of the objects of ``version``, which was prepared."""
        made = self._laid_out(do, preparing.read_composed(do, version))
        return tuple(s.says for one in owning.settled(do, self.kubectl, made.objects) for s in one.settings)

    def beside(self, do: Do, version: Version) -> Beside:
        """Return what lives beside ``version``, and what becomes of it."""
        made = self._laid_out(do, preparing.read_composed(do, version))
        found = owning.settled(do, self.kubectl, made.objects, self._last(do, version))
        gone = self._vanished(do, version, made)
        services = [o for o in made.base if o["kind"] == "Service"]
        others = owning.strangers(do, self.kubectl, services, [*made.objects, *self._applied_before(do, version)])
        says = [*owning.notes(found), *(f"{one.says}." for one in gone), *(f"{one.says}." for one in others)]
        left = [f"{name} of the manifests is not applied, as the runbook says." for name in made.left]
        applied = from_git(one.found for one in found if one.found is not None)
        return Beside((*says, *applied, *left))

    def _others(self, version: Version) -> list[Version]:
        """Return the other versions that are known: what one of them brought, and ``version`` has not, is taken away."""
        known = [v for v in (self._version, self._before) if v is not None and v.extra.get("folder")]
        return [v for v in known if v.extra["folder"] != version.extra["folder"]]

    def _applied_before(self, do: Do, version: Version) -> list[Object]:
        """Return what the other versions applied, as far as their files are still here: without them nothing is taken away."""
        found: list[Object] = []
        for other in self._others(version):
            with suppress(InputError):
                found += self._laid_out(do, preparing.read_composed(do, other)).objects
        return [o for o in found if COPY_OF not in (o["metadata"].get("labels") or {})]

    def _last(self, do: Do, version: Version) -> dict[str, Object]:
        return {title(o): o for o in self._applied_before(do, version)}

    def _vanished(self, do: Do, version: Version, made: Composed) -> tuple[Vanished, ...]:
        namespace = self.target.namespace
        unread = version.extra.get(UNREAD, ())
        found = vanished(self._applied_before(do, version), made.objects, namespace)
        gone = [one for one in found if one.identity.address not in unread]
        if not gone:
            return ()
        names = [one.identity.address for one in gone]
        words = ("get", *names, "-o", "json", "--show-managed-fields", "--ignore-not-found")
        says = "look what is there of what this version does not have"
        there = do(self.kubectl.read(*words, says=says, parse=items, untouched=True))
        return still_ours(gone, there, namespace, self._site.marks)

    def run_job(
        self,
        do: Do,
        version: Version,
        argv: tuple[str, ...],
        *,
        service: str,
        key: str | None,
        says: str,
        release_id: str,
        deadline_seconds: float,
    ) -> bytes:
        """Run ``argv`` in a Job of its own, of the image and configuration of ``service``, with its sidecars carried along."""
        return jobs.run(
            do,
            self.kubectl,
            preparing.read_composed(do, version),
            argv,
            service=service,
            key=key,
            says=says,
            marks=self._site.marks,
            release_id=release_id,
            folder=self._site.folder / "jobs",
            deadline_seconds=deadline_seconds,
        )

    def start(
        self,
        do: Do,
        version: Version,
        slot: str,  # noqa: ARG002 - each takes the other's place
        prefix: str,
        release_id: str,
        *,
        keep: bool = False,
        anew: bool = False,  # noqa: ARG002 - each release makes pods of its own
        beside: Beside | None = None,  # noqa: ARG002
    ) -> None:
        """Apply ``version``, which was prepared, and wait until nothing but its pods runs and all of them are ready.

        keep: it is applied as the release before had started it, so that pods of it that run still go on. What it does not
        have, and another version of ours brought, is taken away at the end.
        Raise VerificationError as soon as a rollout is in vain, DeadlineError if it takes too long.
        """
        self._require_cluster(do, version)
        made = preparing.read_composed(do, version)
        folder = Path(version.extra["folder"])
        by = applying.newest_start(do, folder, made, release_id) if keep else ""
        files = applying.files_of(folder, by or release_id, made)
        found = owning.settled(do, self.kubectl, made.objects, self._last(do, version))
        gone = self._vanished(do, version, made)
        if keep:
            found = tuple(one.on_the_way_back for one in found)
        else:
            require_known(found, version)
        if by:
            numbers = {name_of(one.rendered): one.scaling.number for one in found if one.scaling is not None}
            files = applying.with_numbers(do, files, numbers, f"{prefix}/file")
        else:
            base, workloads = (
                [one.applied for one in found[: len(made.base)]],
                [o.applied for o in found[len(made.base) :]],
            )
            applying.write(do, files, base, workloads, version, release_id, prefix)
        if keep:
            stay = {(one.rendered["kind"], name_of(one.rendered)) for one in found if one.only_forward}
            files = applying.without(do, files, stay, f"{prefix}/file")
        patches = folder / "own" / release_id
        owning.take_over(do, self.kubectl, found, patches, prefix, {Kind.PERSON, Kind.UNKNOWN} if keep else ())
        if files.base is not None:
            what = f"what {version.name} needs besides its workloads"
            applying.apply(do, self.kubectl, files.base, what, f"{prefix}/apply/base", forced=keep)
        for (service, workload), one in zip(made.workloads.items(), found[len(made.base) :], strict=True):
            what = f"{title(workload)} of {version.name}"
            key = f"{prefix}/apply/{service}{_after(one, release_id)}"
            applying.apply(do, self.kubectl, files.workloads[service], what, key, forced=keep)
            watched.rolled(do, self.kubectl, workload, self.target.ready_timeout, f"{prefix}/unblock")
        applying.take_away(do, self.kubectl, gone, f"{prefix}/gone")

    def stop(self, do: Do, slot: str, prefix: str) -> None:  # noqa: ARG002
        """Let no pod of the application run: its Deployments and StatefulSets at none, its CronJobs suspended."""
        self._require_cluster(do, self._version or self._before)
        known = {
            s: file for v in (self._before, self._version) if v is not None for s, file in self._started(do, v).items()
        }
        for one in do(look(self.kubectl)):
            service, kind = name_of(one), one["kind"]
            if service not in self._names or kind not in WORKLOADS or kind == "DaemonSet":
                continue
            if one["spec"].get("suspend") if kind == "CronJob" else one["spec"].get("replicas") == 0:
                continue
            if service in known:
                applying.stop(do, self.kubectl, known[service], service, f"{prefix}/stop")
                continue
            # as ours: what a person has scaled to nothing, the next release would leave at nothing
            nothing = {"suspend": True} if kind == "CronJob" else {"replicas": 0}
            address, patch = identity(one, self.target.namespace).address, json.dumps({"spec": nothing})
            words = ("patch", address, "--type=merge", f"--field-manager={MANAGER}", "-p", patch)
            do(self.kubectl.change(*words, says=f"stop {title(one)}", key=f"{prefix}/stop/{service}"))

    def _require_cluster(self, do: Do, version: Version | None) -> None:
        """Raise RefusedError if the context leads to another cluster by now than when ``version`` was prepared: days may lie
        between, and a kubeconfig is changed in a moment."""
        if version is not None and version.extra.get("cluster"):
            preparing.require_cluster(do, self._site, version)

    def _started(self, do: Do, version: Version) -> dict[str, Path]:
        """Return {service: the file that it was started with last} of a version, nothing if it never was."""
        if not version.extra.get("folder"):
            return {}
        folder = Path(version.extra["folder"])
        try:
            made = preparing.read_composed(do, version)
        except InputError:
            return {}  # without its files it can be stopped all the same
        by = applying.newest_start(do, folder, made, "")
        return applying.files_of(folder, by, made).workloads if by else {}

    def adopt(self, do: Do, prefix: str, slot: str = "") -> Version | None:  # noqa: ARG002
        """Return what runs now as a version that can be applied again, None if nothing of ours runs."""
        return adopt(do, self._site, do(look(self.kubectl)), self._version, prefix)

    def inject(self, do: Do, slot: str, by: Break, prefix: str) -> None:
        """Break the application's Deployments, those of ``slot`` if it has slots."""
        require_way(self.breaks, by)
        found = do(look(self.kubectl))
        ours = {name_of(o) for o in found if self._called(name_of(o)) in self._names}
        kill(do, self.kubectl, found, {n for n in ours if not slot or n.endswith(f"-{slot}")}, prefix)

    def tidy(self, do: Do, kept: Kept, prefix: str) -> None:
        """Remove what earlier releases left here and in the namespace."""
        tidy(do, self.kubectl, self._site.folder, self._site.marks, kept, prefix)

    def usage(self, do: Do, instances: Sequence[str]) -> dict[str, Usage] | None:
        """Return what the pods ``instances`` use now; None where the cluster has no metrics."""
        return usage(do, self.kubectl, instances)

    def printed(self, do: Do, release_id: str) -> str:
        """Return what the cluster shows of what ``release_id`` started: pods and why they are not ready, events, logs, nodes."""
        names = [f"{self._kind(name)}/{name}" for name in sorted(self._names)]
        return evidence(do, self.kubectl, names, datetime.now(UTC), release_id).text()

    def _kind(self, service: str) -> str:
        for version in (self._version, self._before):
            if version is not None and service in version.extra.get("workloads", {}):
                return str(version.extra["workloads"][service])
        return "Deployment"


def look(kubectl: Kubectl) -> Any:
    """Return the read of all workloads, ReplicaSets and pods of the namespace."""
    words = ("get", ",".join(OBSERVED), "-o", "json")
    return kubectl.read(*words, says=f"look what runs in {kubectl.namespace}", parse=items)


def require_known(found: Sequence[owning.Settled], version: Version) -> None:
    """Raise RefusedError if something was set by hand since the version was prepared: the plan has not said that it goes."""
    known = version.extra.get("by_hand", ())
    new = [s.says for one in found for s in one.settings if s.says not in known]
    if new:
        raise RefusedError(
            f"It was changed by hand while the release was under way: {'; '.join(new)}.",
            state="Nothing more was applied.",
            next="Find out who works on it, then deploy again.",
        )


def _after(one: owning.Settled, release_id: str) -> str:
    """Return what tells the key of an apply from that of an earlier one, by the same release, of what was stopped since; "" if it
    was not: a journal that has settled that one must not keep this one from happening."""
    live = one.found
    if live is None or live["spec"].get("replicas") != 0 or one.rendered["spec"].get("replicas") == 0:
        return ""
    mine = ((template(live).get("metadata") or {}).get("annotations") or {}).get(RELEASE) == release_id
    return f"-after-{number(live, 'metadata', 'generation')}" if mine else ""


def images_in(made: Object) -> dict[str, str]:
    """Return {container: image} of a pod, or of a template."""
    return {str(c.get("name")): str(c.get("image")) for c in containers(made.get("spec") or {})}


def _identity(pod: Object, main: str) -> str:
    """Return the digest of what runs. What a pod was made with counts, if it is one: a node may know an image by two."""
    asked = next((str(c.get("image", "")) for c in pod["spec"]["containers"] if c.get("name") == main), "")
    wanted, runs = reference_of(asked), image_of(statuses(pod).get(main, {}).get("imageID"))
    if wanted.digest and number(pod, "metadata", "generation") <= 1:
        return wanted.digest
    return runs.digest or wanted.digest or asked
