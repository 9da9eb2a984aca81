"""Break what runs on purpose, for a drill. Applying a version again ends it: nothing is left behind."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from runwright.engine.actions import Do
from runwright.errors import ActionError
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, name_of


def kill(do: Do, kubectl: Kubectl, found: Iterable[Object], services: Collection[str], prefix: str) -> None:
    """Delete the Deployments ``services`` with their pods, at once.

    Pods alone would be made again within seconds, before any watch has looked. A StatefulSet stays: its claims may go with it.
    Raise ActionError if there is no Deployment.
    """
    mine = [o for o in found if o["kind"] == "Deployment" and name_of(o) in services]
    if not mine:
        raise ActionError(
            "There is nothing to break: the application has no Deployment here.", state="Nothing was broken."
        )
    names = [f"deployment.apps/{name_of(one)}" for one in mine]
    words = ("delete", *names, "--ignore-not-found", "--cascade=background", "--wait=false")
    says = f"delete {', '.join(names)}, on purpose"
    do(kubectl.change(*words, says=says, key=f"{prefix}/kill"))
    pods = [name_of(o) for o in found if o["kind"] == "Pod" and _of(o, mine)]
    if pods:
        words = ("delete", "pods", *pods, "--ignore-not-found", "--grace-period=0", "--force", "--wait=false")
        do(kubectl.change(*words, says=f"kill {', '.join(pods)}, on purpose", key=f"{prefix}/pods"))


def _of(pod: Object, workloads: Iterable[Object]) -> bool:
    labels = pod["metadata"].get("labels") or {}
    wanted = [one["spec"]["selector"].get("matchLabels") or {} for one in workloads]
    return any(one and all(labels.get(key) == value for key, value in one.items()) for one in wanted)
