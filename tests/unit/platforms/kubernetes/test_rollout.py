"""How far a rollout is, told from what a real cluster showed of rollouts that went well and that failed, each in its own way."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from runwright.errors import ObservationError
from runwright.platforms.kubernetes.rollout import newest
from runwright.platforms.kubernetes.troubles import Reason
from tests.unit.platforms.kubernetes.looks import DATA, Look, last, looks

IN_VAIN: dict[str, tuple[Reason, tuple[str, ...], str]] = {
    "image-not-found": (Reason.IMAGE, ("container web", "localhost:5000/never-pushed", "not found"), "Push the image"),
    "image-no-registry": (Reason.IMAGE, ("registry.example.invalid", "no such host"), "registry answers"),
    "image-name": (Reason.IMAGE, ("InvalidImageName", "must be lowercase"), "Correct the name"),
    "crash": (Reason.CRASH, ("container web", "exit code 3", "times so far"), "--previous"),
    "start-error": (Reason.CRASH, ("StartError", "executable file not found"), "Correct command"),
    "out-of-memory": (Reason.MEMORY, ("OOMKilled (exit code 137)", "memory limit of 24Mi"), "limits.memory"),
    "missing-secret": (
        Reason.MISSING,
        ("CreateContainerConfigError", 'secret "shop" not found'),
        "Make what is missing",
    ),
    "missing-key": (Reason.MISSING, ("couldn't find key password",), "the key in the manifest"),
    "missing-volume": (Reason.MISSING, ("FailedMount", 'configmap "nope" not found'), "Make what is missing"),
    "unschedulable": (Reason.UNSCHEDULABLE, ("Insufficient cpu",), "requests"),
    "no-such-node": (Reason.UNSCHEDULABLE, ("didn't match Pod's node affinity/selector",), "nodeSelector"),
    "no-claim": (Reason.UNSCHEDULABLE, ('persistentvolumeclaim "data" not found',), "pvc"),
    "quota": (Reason.QUOTA, ("the quota small", "exceeded quota", "used: pods=1"), "Raise the quota"),
    "limits": (Reason.QUOTA, ("must specify limits.memory",), "requests and limits"),
    "pod-security": (Reason.REFUSED, ("Pod Security", "restricted"), "securityContext"),
    "webhook-away": (
        Reason.WEBHOOK_AWAY,
        ("nobody can make pods here", "the webhook approved-images.example.com does not answer", "connection refused"),
        "no pod that runs may be deleted",
    ),
    "no-account": (Reason.MISSING, ('serviceaccount "nobody" not found',), "serviceAccountName"),
    "startup-probe": (Reason.PROBE, ("Startup probe failed", "the database is away"), "failureThreshold"),
    "liveness-probe": (Reason.PROBE, ("Liveness probe failed", "connection refused"), "--previous"),
    "never-ready": (
        Reason.PROBE,
        ("ProgressDeadlineExceeded", "Readiness probe failed", "the database is away"),
        "path",
    ),
    "init-fails": (Reason.INIT, ("init container prepare", "exit code 4"), "-c prepare --previous"),
    "sidecar-probe": (Reason.INIT, ("init container proxy: killed, for its probe failed", "Startup"), "-c proxy"),
    "post-start": (Reason.CRASH, ("killed, for its postStart hook failed",), "--previous"),
    "stateful": (Reason.ORDINAL, ("pod shop-1", "OrderedReady", "no such host"), "kubectl delete pod shop-1"),
    "stateful-new": (Reason.CRASH, ("Pod shop-1", "exit code 3"), "only once it is deleted"),
    "stateful-quota": (Reason.QUOTA, ('pods "shop-1" is forbidden', "exceeded quota"), "Raise the quota"),
    "daemon-unplaced": (Reason.UNSCHEDULABLE, ("Insufficient cpu",), "requests"),
}
PASSES = frozenset({"well", "crash-once", "stateful-well", "daemon"})
"""Those whose last look is at a rollout that came to its end."""


@pytest.mark.parametrize("case", IN_VAIN)
def test_what_is_in_vain_is_told_with_its_reason_its_words_and_what_to_do(case: str) -> None:
    """Given a rollout that fails on a real cluster, the sentence has who, the cluster's own words, and a next step."""
    reason, words, to_do = IN_VAIN[case]
    found = last(case).progress
    assert (found.done, found.reason) == (False, reason)
    assert all(word in found.stalled for word in words), found.stalled
    assert to_do in found.next
    assert found.stalled.endswith(".") and not found.stalled.endswith("..")


FIRST = {
    "image-no-registry": "no such host",
    "missing-secret": 'secret "shop" not found',
    "unschedulable": "Insufficient cpu",
    "quota": "exceeded quota",
    "webhook-away": "approved-images.example.com",
    "never-ready": "Readiness probe failed",
    "startup-probe": "Startup probe failed",
    "crash-once": "exit code 7, and was started again",
}


@pytest.mark.parametrize("case", FIRST)
def test_what_may_pass_is_told_before_it_is_in_vain(case: str) -> None:
    """What may pass within seconds (a registry, a Secret that is just being made, one crash) is no reason to give up at once."""
    found = looks(case)[0].progress
    assert (found.done, found.stalled) == (False, "")
    assert FIRST[case] in found.says


def test_an_image_that_is_not_there_is_told_at_once() -> None:
    """A registry that says "not found" will say it again: nobody waits for that."""
    assert "not found" in looks("image-not-found")[0].progress.stalled


@pytest.mark.parametrize("case", sorted(PASSES))
def test_done_is_all_of_the_new_template_and_ready(case: str) -> None:
    """Given a rollout that came to its end, it is done, and nothing is wrong."""
    found = last(case).progress
    assert found.done and not found.stalled and found.reason is None
    assert "ready in the new version" in found.says


@pytest.mark.parametrize("case", ["well", "stateful-well", "daemon"])
def test_on_its_way_is_neither_done_nor_stalled(case: str) -> None:
    """Given the first seconds of a rollout that goes well, it is not done, and nobody gives up."""
    found = looks(case)[0].progress
    assert not found.done and not found.stalled


def test_every_case_that_was_looked_at_is_held_to_something() -> None:
    """A file that no test reads would be proof of nothing."""
    assert {file.stem for file in DATA.glob("*.json")} == {*IN_VAIN, *PASSES, "paused", "no-answer", "quota-in-turn"}


# ---------------------------------------------------------------------------------------------------------- by hand


def test_a_pause_is_told_and_is_not_in_vain() -> None:
    """Its own deadline stands still: whoever waits has to bring his own; the person may resume it."""
    found = last("paused").progress
    assert (found.done, found.stalled, found.reason) == (False, "", Reason.PAUSED)
    assert "DeploymentPaused since" in found.says and "rollout resume deployment/shop" in found.next


def test_what_stays_the_same_is_told_in_the_same_words() -> None:
    """Whoever waits is told each new sentence: no count of tries, and no seconds, are in it."""
    look = looks("never-ready")[0]
    before = look.progress.says
    for event in look.events:
        event["count"] = 99
    assert replace(look, now=look.now + timedelta(seconds=9)).progress.says == before
    look = last("no-answer")
    assert replace(look, now=look.now + timedelta(seconds=9)).progress.says == look.progress.says


def test_a_pause_after_all_is_there_takes_nothing_back() -> None:
    """Given a Deployment whose pods are all of its template, that it is paused changes nothing."""
    look = last("well")
    look.workload["spec"]["paused"] = True
    assert look.progress.done


def test_a_change_that_the_controller_has_not_seen_is_not_done() -> None:
    """What it says then is about the version before."""
    look = last("well")
    look.workload["metadata"]["generation"] += 1
    found = look.progress
    assert not found.done and not found.stalled and "has not looked at this change yet" in found.says


@pytest.mark.parametrize("kind", ["staying", "ending"])
def test_old_pods_count_until_they_end(kind: str) -> None:
    """A pod of another version that stays keeps it from being done; one that is ending is told."""
    look = last("well")
    old = deepcopy(look.pods[0])
    sets = [r for r in look.revisions if r is not newest(look.workload, look.revisions)]
    old["metadata"]["ownerReferences"][0]["uid"] = sets[0]["metadata"]["uid"]
    if kind == "ending":
        old["metadata"]["deletionTimestamp"] = look.now.isoformat()
    look.pods.append(old)
    found = look.progress
    assert found.done is (kind == "ending")
    assert ("1 ending" if kind == "ending" else "1 left of another version") in found.says


def test_what_belongs_to_another_workload_is_not_counted() -> None:
    """Pods with the same labels that somebody else owns, or nobody, are none of it."""
    look = last("well")
    stranger = deepcopy(look.pods[0])
    stranger["metadata"]["ownerReferences"] = []
    look.pods.append(stranger)
    assert look.progress.done


def test_without_a_readiness_probe_it_has_to_run_for_a_while() -> None:
    """A pod that nothing asks is ready as soon as it runs: it counts after ten seconds, with a probe at once."""
    look = last("well")
    just_now = (look.now - timedelta(seconds=3)).isoformat()
    for pod in look.pods:
        for condition in pod["status"]["conditions"]:
            condition["lastTransitionTime"] = just_now
    found = look.progress
    assert not found.done and not found.stalled and "has to run for 10 s" in found.says
    probe = {"exec": {"command": ["true"]}}
    for one in (look.workload, next(r for r in look.revisions if r["status"].get("replicas"))):
        one["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = probe
    assert look.progress.done


def test_a_quota_that_ending_pods_will_free_is_waited_for() -> None:
    """Given pods that are ending, the quota may hold the next moment."""
    look = last("quota")
    look.pods[0]["metadata"]["deletionTimestamp"] = look.now.isoformat()
    found = look.progress
    assert not found.stalled and "exceeded quota" in found.says


def test_a_quota_under_which_pods_are_replaced_in_turn_is_waited_for() -> None:
    """The controller tries again after ever longer times, whatever has become free meanwhile: that is not in vain, until it had
    time enough, or has tried since."""
    first, second = looks("quota-in-turn")
    assert "exceeded quota" in first.progress.says and not first.progress.stalled
    assert "exceeded quota" in second.progress.says and not second.progress.stalled
    over = replace(second, now=second.now + timedelta(seconds=240))
    assert "exceeded quota" in over.progress.stalled
    refused = newest(second.workload, second.revisions)
    assert refused is not None
    tried = [e for e in second.events if e["reason"] == "FailedCreate"]
    for event in tried:
        event["lastTimestamp"] = (second.now + timedelta(seconds=40)).isoformat()
    assert "exceeded quota" in replace(second, now=second.now + timedelta(seconds=41)).progress.stalled


@pytest.mark.parametrize(("ready", "seconds", "stalled"), [(False, 60, False), (True, 5, False), (True, 11, True)])
def test_while_another_pod_gets_ready_room_may_come(ready: bool, seconds: float, stalled: bool) -> None:
    """Given two new pods of which one has a place, an old one ends as soon as that is ready."""
    look = last("unschedulable")
    other = deepcopy(next(p for p in look.pods if p["status"]["phase"] == "Running"))
    mine = newest(look.workload, look.revisions)
    assert mine is not None
    other["metadata"] |= {"name": "shop-other", "uid": "other"}
    other["metadata"]["ownerReferences"][0]["uid"] = mine["metadata"]["uid"]
    since = (look.now - timedelta(seconds=seconds)).isoformat()
    for condition in other["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition |= {"status": "True" if ready else "False", "lastTransitionTime": since}
        if condition["type"] == "ContainersReady":
            condition |= {"status": "True" if ready else "False"}
    look.workload["spec"]["replicas"] = 2
    look.pods.append(other)
    assert bool(look.progress.stalled) is stalled
    assert "Insufficient cpu" in look.progress.says


def test_a_pod_that_does_not_end_frees_nothing() -> None:
    """Given a node that does not answer, its pods may be ending for hours: that is not waited for."""
    look = last("quota")
    look.pods[0]["metadata"]["deletionTimestamp"] = (look.now - timedelta(seconds=31)).isoformat()
    assert "exceeded quota" in look.progress.stalled


@pytest.mark.parametrize(
    ("event", "stalled"), [({}, True), ({"reason": "TriggeredScaleUp", "message": "a node is coming"}, False)]
)
def test_a_node_that_is_coming_is_waited_for(event: dict[str, Any], stalled: bool) -> None:
    """An autoscaler of nodes says so by an event about the pod."""
    look = last("unschedulable")
    pod = next(p for p in look.pods if p["status"]["phase"] == "Pending")
    if event:
        told = {"involvedObject": {"kind": "Pod", "uid": pod["metadata"]["uid"]}, "lastTimestamp": look.now.isoformat()}
        look.events.append({**told, **event})
    assert bool(look.progress.stalled) is stalled


def test_a_deadline_of_before_says_nothing_of_a_way_back() -> None:
    """The controller leaves "ProgressDeadlineExceeded" as it was when an older version is applied again; one that is older than the
    last change is not believed, until the time is over again."""
    look = last("never-ready")
    told = next(c for c in look.workload["status"]["conditions"] if c["type"] == "Progressing")
    assert told["reason"] == "ProgressDeadlineExceeded" and look.progress.stalled
    for entry in look.workload["metadata"]["managedFields"]:
        if not entry.get("subresource"):
            entry["time"] = look.now.isoformat()
    assert not look.progress.stalled
    assert "ProgressDeadlineExceeded" in replace(look, now=look.now + timedelta(seconds=31)).progress.stalled


def test_a_container_that_a_webhook_added_is_told_apart() -> None:
    """What fails may be none of ours: then it is not our version that is bad."""
    look = last("crash")
    for pod in look.pods:
        for spec in (*pod["spec"]["containers"], *pod["status"]["containerStatuses"]):
            spec["name"] = "mesh-proxy"
    assert "container mesh-proxy (none of ours" in look.progress.stalled


def test_a_passing_warning_of_a_volume_is_nothing() -> None:
    """Given that a cache was not there yet, which comes with many a pod that starts, nothing is told."""
    look = last("missing-volume")
    for event in look.events:
        event["message"] = 'MountVolume.SetUp failed for volume "v" : failed to sync configmap cache: timed out'
    found = look.progress
    assert not found.stalled and "configmap" not in found.says


def test_other_mounts_get_a_minute() -> None:
    """A volume that is used elsewhere, or a server that does not answer, may come; for ever nobody waits."""
    look = last("missing-volume")
    for event in look.events:
        event["message"] = 'Multi-Attach error for volume "v" Volume is already used by pod(s) shop-1'
    assert not look.progress.stalled and "Multi-Attach" in look.progress.says
    look.workload["status"]["conditions"] = []
    found = replace(look, now=look.now + timedelta(seconds=60)).progress
    assert "Multi-Attach" in found.stalled and found.reason is Reason.VOLUME


def _evicted(look: Look, number: int, minutes: float = 1) -> None:
    born = (look.now - timedelta(minutes=minutes)).isoformat()
    mine = newest(look.workload, look.revisions)
    assert mine is not None
    for count in range(number):
        pod = deepcopy(look.pods[0])
        pod["metadata"] |= {"name": f"shop-evicted-{count}", "creationTimestamp": born}
        pod["metadata"]["ownerReferences"][0]["uid"] = mine["metadata"]["uid"]
        message = "The node was low on resource: memory."
        pod["status"] = {"phase": "Failed", "reason": "Evicted", "message": message}
        look.pods.append(pod)


@pytest.mark.parametrize(("number", "minutes", "stalled"), [(3, 1, True), (2, 1, False), (5, 60, False)])
def test_a_pod_that_a_node_gave_up_is_told_and_three_are_no_chance(number: int, minutes: float, stalled: bool) -> None:
    """One eviction is replaced by the controller; if it goes on, waiting is in vain. Those of last week are forgotten."""
    look = looks("never-ready")[0]
    _evicted(look, number, minutes)
    found = look.progress
    assert bool(found.stalled) is stalled
    if stalled:
        assert "Evicted by node here: The node was low on resource: memory" in found.stalled
        assert found.reason is Reason.NODE


def test_pods_that_were_given_up_do_not_keep_it_from_being_done() -> None:
    """They stay in the list for weeks; the controller has made others."""
    look = last("well")
    _evicted(look, 4)
    assert look.progress.done


def test_a_webhook_that_refuses_is_named() -> None:
    """Its own words are the reason, and it will say them again."""
    look = looks("webhook-away")[0]
    said = 'admission webhook "policy.example.com" denied the request: no latest here'
    for one in look.revisions:
        for condition in one["status"].get("conditions", ()):
            condition["message"] = said
    found = look.progress
    assert "refused by the webhook policy.example.com" in found.stalled and "no latest here" in found.stalled
    assert found.reason is Reason.REFUSED


def test_a_refusal_that_the_controller_has_not_looked_at_again_is_not_believed() -> None:
    """Given a ReplicaSet of the way back that once could not make pods, what it says is of then until it is looked at."""
    look = last("webhook-away")
    mine = newest(look.workload, look.revisions)
    assert mine is not None
    mine["metadata"]["generation"] += 1
    assert not look.progress.stalled


def test_a_stateful_set_on_delete_waits_for_somebody() -> None:
    """Nobody replaces its pods, so that waiting is in vain."""
    look = last("stateful-well")
    look.workload["spec"]["updateStrategy"] = {"type": "OnDelete"}
    look.workload["status"]["updateRevision"] = "shop-next"
    found = look.progress
    assert found.reason is Reason.BY_HAND and "OnDelete" in found.stalled


def test_a_partition_is_told() -> None:
    """Those below it stay as they are, by the manifest's own word."""
    look = last("stateful-well")
    look.workload["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    look.pods[0]["metadata"]["labels"]["controller-revision-hash"] = "shop-before"
    found = look.progress
    assert found.done and "1 of them as before, by its partition" in found.says


def test_the_pod_that_blocks_a_stateful_set_is_named() -> None:
    """Whoever takes back a version has to delete it: the controller waits for it for ever. Where pods are managed side by side
    nothing is blocked."""
    look = last("stateful")
    assert look.progress.blocked_by == "shop-1"
    look.workload["spec"]["podManagementPolicy"] = "Parallel"
    assert look.progress.blocked_by == ""


def test_a_pod_that_does_not_end_blocks_what_follows_it() -> None:
    """Its node does not answer: nobody makes another of its name."""
    look = looks("stateful-well")[0]
    ending = [p for p in look.pods if p["metadata"].get("deletionTimestamp")] or look.pods[:1]
    ending[0]["metadata"]["deletionTimestamp"] = (look.now - timedelta(seconds=90)).isoformat()
    found = look.progress
    assert "should have ended 90 s ago" in found.stalled and found.reason is Reason.NODE


def test_no_pod_wanted_and_none_there_is_done() -> None:
    """Given replicas 0, it is done once nothing runs, and before that it is not."""
    look = last("well")
    look.workload["spec"]["replicas"] = 0
    assert not look.progress.done
    assert replace(look, pods=[]).progress.done


@pytest.mark.parametrize(
    ("reason", "message", "words"),
    [
        ("", "", "its node here does not answer"),
        (
            "ReadinessGatesNotReady",
            'the condition "target-health" is "False"',
            'a gate is not: the condition "target-health"',
        ),
    ],
)
def test_containers_that_are_ready_may_not_be_enough(reason: str, message: str, words: str) -> None:
    """A node that does not answer, and a gate that somebody else opens, are told; both may pass."""
    look = last("well")
    ready = next(c for c in look.pods[0]["status"]["conditions"] if c["type"] == "Ready")
    ready |= {"status": "False", "reason": reason, "message": message}
    found = look.progress
    assert not found.done and not found.stalled and words in found.says


def test_a_node_that_does_not_take_a_pod_is_told() -> None:
    """Nobody writes an event about it: its kubelet is away, or there is no such node."""
    look = last("no-answer")
    found = look.progress
    assert not found.stalled and "its node nowhere has not taken it" in found.says and found.reason is Reason.NODE
    assert replace(look, now=look.now - timedelta(seconds=10)).progress.reason is None


def test_what_has_no_rollout_is_an_error() -> None:
    """A Job is judged otherwise."""
    look = last("well")
    look.workload["kind"] = "Job"
    with pytest.raises(ObservationError, match="Job/shop has no rollout"):
        look.progress  # noqa: B018 - it is asked
