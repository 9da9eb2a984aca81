"""What a platform answers about the inside of its pods: how a program gets there, what they printed, what they are configured with."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runwright.engine.actions import Action, Do
from runwright.errors import ActionError
from runwright.platforms.kubernetes import enter, preparing, said, settings
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, name_of
from runwright.platforms.kubernetes.manifests import SLOT, WORKLOADS, template
from runwright.platforms.kubernetes.reading import condition, terminating
from runwright.platforms.shape import Checked, KeysSeen, Platform, T, Variables
from runwright.plural import few
from runwright.versions import Version

LASTS = "statefulsets,deployments,daemonsets,persistentvolumeclaims"
"""What is left of a database that was started once."""


@dataclass(frozen=True)
class Pod:
    """A pod of the application. main: the name of the container that runs the component's image."""

    service: str
    found: Object
    main: str

    @property
    def marks(self) -> dict[str, str]:
        """Its labels and annotations."""
        metadata = self.found["metadata"]
        return {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}

    @property
    def ready(self) -> bool:
        """Whether it serves."""
        return condition(self.found, "Ready").get("status") == "True" and not terminating(self.found)


class Inside(Platform):
    """A platform whose services are pods."""

    kubectl: Kubectl

    @abstractmethod
    def pods(self, do: Do) -> tuple[tuple[Pod, ...], tuple[Object, ...]]:
        """Return the pods of the application, and the ReplicaSets and Jobs by which one knows whose they are."""

    def exec_argv(self, service: str) -> tuple[str, ...]:
        """Return the words before a program that is to run in a pod of ``service``: whose it is, is asked as it is run."""
        return (sys.executable, "-I", enter.__file__, service, *self.kubectl.argv(), "--")

    def inside(self, do: Do, service: str, slot: str) -> tuple[str, ...]:
        """Return the words before a program that is to run in a pod of ``service``, of ``slot`` if it has slots. Raise ActionError if
        none of it is ready."""
        there, _ = self.pods(do)
        mine = [pod for pod in there if pod.service == service]
        if not mine:
            return self.exec_argv(service)
        ready = [pod for pod in mine if pod.ready and _of(pod, slot)]
        if not ready:
            raise ActionError(
                f"No pod of {service} is ready{f' in {slot}' if slot else ''}.", state="Nothing was asked."
            )
        return (*self.kubectl.argv("exec", "-i", name_of(ready[0].found), "-c", ready[0].main), "--")

    def lines(
        self,
        do: Do,
        services: Sequence[str],
        slot: str,
        since: datetime,
        *,
        says: str,
        parse: Callable[[tuple[str, ...]], T],
        assume: Any,
    ) -> Action[T]:
        """Return the read of what the main containers of ``services`` printed, and those that were restarted since then before that.

        What a pod printed goes with it. Raise ActionError if there is no pod.
        """
        there, _ = self.pods(do)
        mine = [pod for pod in there if (not services or pod.service in services) and _of(pod, slot)]
        if not mine:
            raise ActionError(f"There is no pod of {few(services) or 'the application'}.", state="Nothing was asked.")
        runs = [run for pod in mine for run in said.runs_of(pod.found, pod.main, since)]
        return said.lines_of(self.kubectl, runs, since, says, parse, assume)

    def health_log(self, do: Do, instances: Sequence[str]) -> dict[str, tuple[Checked, ...]]:
        """Return what the probes of pods that failed said."""
        return said.health_log(do, self.kubectl, instances) if instances else {}

    def keys_seen(self, do: Do, service: str) -> tuple[KeysSeen, ...]:
        """Return which variables the running pods of ``service`` see, by name."""
        there, _ = self.pods(do)
        mine = [(pod.found, pod.main) for pod in there if pod.service == service and not terminating(pod.found)]
        return settings.keys_seen(do, self.kubectl, mine)

    def variables(self, do: Do, versions: Iterable[Version]) -> Variables:
        """Return what the pods of ``versions`` are configured with, as they are applied, and what is in a Secret of theirs."""
        found: list[tuple[str, str]] = []
        for version in versions:
            if not version.extra.get("folder"):
                continue
            made = preparing.read_composed(do, version)
            specs = [
                template(o)["spec"] for o in (*made.objects, *made.jobs.values()) if o["kind"] in (*WORKLOADS, "Job")
            ]
            mine = settings.contents(made.objects)
            wanted = settings.named(specs) - set(mine)
            says = "read what must not be seen in any text"
            held = {**settings.there(do, self.kubectl, wanted, says, ok=frozenset({0, 1})), **mine}
            found += [pair for spec in specs for pair in settings.variables(spec, held)]
        return tuple(dict.fromkeys(found))

    def carried(self, do: Do, names: Collection[str]) -> Variables:  # noqa: ARG002 - a pod has no others than it was given
        """Return what the pods of the application are configured with. May hold secrets."""
        there, _ = self.pods(do)
        return settings.carried(do, self.kubectl, [pod.found for pod in there])

    def is_new(self, do: Do, service: str, *, prepared: bool = False) -> bool:  # noqa: ARG002 - a Job makes no claim
        """Return whether the database ``service`` was never started in the namespace: it has no workload, and nothing has a claim."""
        words = ("get", LASTS, "-o", "json")
        there: tuple[Object, ...] = do(
            self.kubectl.read(*words, says=f"look whether {service} was ever started", parse=items)
        )
        return not any(o["kind"] == "PersistentVolumeClaim" or name_of(o) == service for o in there)


def _of(pod: Pod, slot: str) -> bool:
    return slot in ("", pod.marks.get(SLOT, "")) or not pod.marks.get(SLOT)
