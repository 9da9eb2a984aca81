"""Why pods of a workload are not even made: a quota, Pod Security, a webhook that refuses or does not answer."""

from __future__ import annotations

import re
from datetime import datetime

from runwright.platforms.kubernetes.kubectl import Object, title
from runwright.platforms.kubernetes.reading import Events, condition, first_seen, last_seen, number, short, when
from runwright.platforms.kubernetes.troubles import Look, Reason, Trouble

PASSING_SECONDS = 10.0
"""A webhook that is just being replaced answers again within that, and pods that end free a quota."""
TRIED_AGAIN_SECONDS = 180.0
"""A controller that could not make a pod tries again after twice the time of before, whatever has become free meanwhile."""

_WORDS = re.compile(r"^(Error creating: |create Pod \S+ in \S+ \S+ failed error: |Failed to create [^:]*: )+")
_AWAY = re.compile(r'failed calling webhook "([^"]+)"')
_DENIED = re.compile(r'admission (?:webhook|policy) "([^"]+)" denied|ValidatingAdmissionPolicy \'([^\']+)\'')
_QUOTA = re.compile(r"exceeded quota: ([^,]+)")
_LIMITS = re.compile(
    r"failed quota: |(minimum|maximum) \S+ usage per|must specify (limits|requests)|limit to request ratio"
)
_SECURITY = re.compile(r"violates PodSecurity")
_ACCOUNT = re.compile(
    r'serviceaccounts? "[^"]+" (is forbidden|not found)|error looking up service account', re.IGNORECASE
)


def refusal(maker: Object, look: Look) -> Trouble | None:
    """Return why ``maker`` (a ReplicaSet, StatefulSet or DaemonSet that has fewer pods than it wants; a Deployment that cannot make
    its ReplicaSet) cannot make pods, None if nobody refuses them."""
    failing = _failing(maker, look.events)
    if failing is None:
        return None
    words, begun = failing
    long_enough = begun is not None and (look.now - begun).total_seconds() >= PASSING_SECONDS
    about_whom = title(maker)
    said = _WORDS.sub("", short(words)).rstrip(".")
    if found := _AWAY.search(words):
        return Trouble(
            Reason.WEBHOOK_AWAY,
            f"{about_whom}: nobody can make pods here: the webhook {found[1]} does not answer: {said}.",
            "Bring the webhook's server back, or ask its owner to take its configuration away (`kubectl get "
            "mutatingwebhookconfigurations,validatingwebhookconfigurations`). Until then no pod that runs may be deleted: none would follow it.",
            final=long_enough,
        )
    if found := _DENIED.search(words):
        return Trouble(
            Reason.REFUSED,
            f"{about_whom}: its pods are refused by the webhook {found[1] or found[2]}: {said}.",
            "Make the pods as it asks for, or ask its owner.",
            final=True,
        )
    if found := _QUOTA.search(words):
        tried = max((last_seen(e) for e in look.events.about(maker, "FailedCreate")), default=None)
        return Trouble(
            Reason.QUOTA,
            f"{about_whom}: its pods are refused by the quota {found[1]}: {said}.",
            "Raise the quota, lower replicas or requests, or let maxSurge 0 and maxUnavailable 1 replace one pod after the other.",
            final=long_enough and look.no_room(tried, TRIED_AGAIN_SECONDS),
        )
    if _LIMITS.search(words):
        return Trouble(
            Reason.QUOTA,
            f"{about_whom}: its pods are refused by the limits of the namespace: {said}.",
            "Give each container the requests and limits that `kubectl describe quota,limitrange` names.",
            final=True,
        )
    if _SECURITY.search(words):
        return Trouble(
            Reason.REFUSED,
            f"{about_whom}: its pods are refused by Pod Security: {said}.",
            "Set what it names in the pod's securityContext; the namespace's label pod-security.kubernetes.io/enforce says how strict it is.",
            final=True,
        )
    if _ACCOUNT.search(words):
        to_do = "Make the service account, or correct serviceAccountName."
        return Trouble(Reason.MISSING, f"{about_whom}: its pods are refused: {said}.", to_do, final=long_enough)
    to_do = "Correct what the API server names."
    return Trouble(Reason.REFUSED, f"{about_whom}: its pods are refused: {said}.", to_do, final=long_enough)


def _failing(maker: Object, events: Events) -> tuple[str, datetime | None] | None:
    """Return the words of the refusal that holds now, and since when. ReplicaSets keep it as a condition; of StatefulSets and
    DaemonSets the events tell, and one after which a pod was made is past.

    A Deployment's own condition ReplicaFailure may be that of a ReplicaSet of before.
    """
    if maker.get("kind") == "ReplicaSet":
        seen = number(maker, "status", "observedGeneration") >= number(maker, "metadata", "generation")
        failure = condition(maker, "ReplicaFailure")
        return _as_failing(failure) if seen and failure.get("status") == "True" else None
    if maker.get("kind") == "Deployment":
        progressing = condition(maker, "Progressing")
        return _as_failing(progressing) if progressing.get("reason") == "ReplicaSetCreateError" else None
    failed, made = events.about(maker, "FailedCreate"), events.about(maker, "SuccessfulCreate")
    last_made = last_seen(made[-1]) if made else None
    failed = [e for e in failed if last_made is None or last_seen(e) >= last_made]
    if not failed:
        return None
    begun = min(first_seen(e) for e in failed)
    return str(failed[-1].get("message") or ""), max(begun, last_made) if last_made else begun


def _as_failing(found: Object) -> tuple[str, datetime | None]:
    return str(found.get("message") or ""), when(found.get("lastTransitionTime"))
