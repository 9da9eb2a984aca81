"""Run a one-off Job to its end, as a program: apply it, follow the container that matters, print its log, and exit as it did.

    python -I follow.py [--only] [--keep] [--log] NAME CONTAINER FILE KUBECTL WORDS...

A Job alone does not tell: one whose pods are refused, or whose sidecar goes on, becomes neither complete nor failed. So the
container is asked, and, as long as there is none, the events of the Job. Exit 125: it never came to run; why is on standard error.
``--only`` follows what runs already; ``--keep`` leaves the Job, with its pods, where it is; else it is deleted at the end.
``--log`` is for what is run for what it prints: if its log cannot be read it has said nothing, and that is no success.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

JOB = "runwright.dev/job"
"""The label that a Job and its pods carry, with the Job's name."""
NEVER_RAN = 125
EVERY_SECONDS = 0.5
PATIENCE_SECONDS = 25.0
"""How long a pull may fail and a pod may find no node: the next try may be better."""
AWAY_SECONDS = 60.0
"""How long the API server may not answer while a Job is followed."""
_AWAY = (b"connection refused", b"was refused", b"TLS handshake timeout", b"(ServiceUnavailable)")
"""What kubectl says where nothing was taken on."""
TIMED_OUT = 124
LOGS = 5
"""How often the log is asked for: the node's kubelet may be starting again."""
_FINAL = ("InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError")
_SLOW = ("ImagePullBackOff", "ErrImagePull")


class Cluster:
    """kubectl, with the words before everything."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    def run(self, *words: str, seconds: float = 30.0) -> subprocess.CompletedProcess[bytes]:
        """Run it and return what it left, whatever its exit code; 124 if it hung and was ended."""
        argv = (*self._words, *words, "--request-timeout=20s")
        try:
            return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            says = f"kubectl did not end within {seconds:g} s: {words[0]}.\n".encode()
            return subprocess.CompletedProcess(argv, TIMED_OUT, b"", says)

    def patient(self, *words: str, seconds: float = 30.0) -> subprocess.CompletedProcess[bytes]:
        """Run it; where the API server is not there, and so nothing was done, try again for a while."""
        until = time.monotonic() + AWAY_SECONDS
        while True:
            done = self.run(*words, seconds=seconds)
            if done.returncode == 0 or not any(word in done.stderr for word in _AWAY) or time.monotonic() > until:
                return done
            time.sleep(EVERY_SECONDS)

    def items(self, *words: str) -> list[dict[str, Any]] | None:
        """Return objects, None if the cluster does not answer."""
        try:
            done = self.run("get", *words, "-o", "json")
            return list(json.loads(done.stdout)["items"]) if done.returncode == 0 else None
        except (OSError, subprocess.SubprocessError, ValueError, KeyError):
            return None


def main(argv: list[str]) -> int:
    """Do it; return the exit code."""
    flags = {word for word in argv if word in ("--only", "--keep", "--log")}
    name, container, file, *words = [word for word in argv if word not in flags]
    cluster, uid = Cluster(words), ""
    if "--only" not in flags:
        made = cluster.patient("create", "-f", file, "-o", 'jsonpath={.kind}={.metadata.uid}{"\\n"}')
        uid = _uid(made.stdout)
        if made.returncode != 0 and (b"AlreadyExists" in made.stderr or not (uid := _there(cluster, name))):
            sys.stderr.buffer.write(made.stderr)
            if b"AlreadyExists" not in made.stderr:
                _remove(cluster, name)
            return NEVER_RAN
    code, why, pod = _followed(cluster, name, container, uid)
    if pod:
        log = _log(cluster, pod, container)
        if log.returncode != 0 and code == 0 and "--log" in flags:
            code, why = NEVER_RAN, f"Its log cannot be read: {log.stderr.decode('utf-8', 'replace').strip()}"
        sys.stdout.buffer.write(log.stdout)
        if code != 0:
            sys.stderr.buffer.write(log.stdout[-20_000:])
    if why:
        sys.stderr.write(f"{why}\n")
    sys.stdout.flush()
    if "--keep" not in flags:
        _remove(cluster, name)
    return code


def _uid(made: bytes) -> str:
    """Return the uid of the Job among what was made: its configuration is made with it. "" if it was not."""
    lines = made.decode().split()
    return next((uid for kind, _, uid in (line.partition("=") for line in lines) if kind == "Job"), "")


def _there(cluster: Cluster, name: str) -> str:
    """Return the uid of the Job, "" if there is none: whether it was made is not known of one whose making was not answered."""
    until = time.monotonic() + AWAY_SECONDS
    while (found := cluster.items("jobs", "-l", f"{JOB}={name}")) is None and time.monotonic() < until:
        time.sleep(EVERY_SECONDS)
    return next((str(one["metadata"]["uid"]) for one in found or ()), "")


def _log(cluster: Cluster, pod: str, container: str) -> subprocess.CompletedProcess[bytes]:
    """Return the log of a container that has ended."""
    for left in reversed(range(LOGS)):
        log = cluster.patient("logs", pod, "-c", container, seconds=120.0)
        if log.returncode == 0 or not left:
            break
        time.sleep(EVERY_SECONDS)
    return log


def _remove(cluster: Cluster, name: str) -> None:
    """Delete the Job, and the configuration that was made for it."""
    words = ("jobs,configmaps,secrets", "-l", f"{JOB}={name}", "--cascade=background", "--wait=false")
    cluster.patient("delete", *words)


def _followed(cluster: Cluster, name: str, container: str, uid: str) -> tuple[int, str, str]:
    """Return (exit code, why it never ran, the pod) as soon as it is known how the container ended.

    uid: the Job's, "" where the one that is there is meant. A pod of an earlier Job of that name, on its way out, tells nothing.
    """
    begun, answered, seen = time.monotonic(), time.monotonic(), ""
    while True:
        found = cluster.items("jobs,pods", "-l", f"{JOB}={name}")
        now = time.monotonic()
        if found is None:
            if now - answered > AWAY_SECONDS:
                return NEVER_RAN, f"The API server has not answered for {AWAY_SECONDS:g} s.", ""
        else:
            answered = now
            jobs = [one for one in found if one["kind"] == "Job" and uid in ("", one["metadata"]["uid"])]
            uid = uid or next((str(one["metadata"]["uid"]) for one in jobs), "")
            pods = [one for one in found if one["kind"] == "Pod" and (not uid or uid in _owners(one))]
            for pod in pods:
                seen = str(pod["metadata"]["name"])
                code = ended(pod, container)
                if code is not None:
                    return code, _besides(pod, container, code), seen
                if why := stuck(pod, now - begun > PATIENCE_SECONDS):
                    return NEVER_RAN, why, ""
            if not jobs or (not pods and seen):
                return NEVER_RAN, f"Job/{name} or its pod was deleted while it ran: nobody knows how far it came.", ""
            if over := _over(jobs[0]):
                return NEVER_RAN, over, seen if pods else ""
            if not pods and now - begun > 2 and (why := _refused(cluster, name)):
                return NEVER_RAN, why, ""
        time.sleep(EVERY_SECONDS)


def _owners(pod: dict[str, Any]) -> list[str]:
    return [str(one.get("uid")) for one in pod["metadata"].get("ownerReferences") or ()]


def ended(pod: dict[str, Any], container: str) -> int | None:
    """Return the exit code of the container, None while it runs or waits."""
    for status in pod.get("status", {}).get("containerStatuses") or ():
        over = status.get("state", {}).get("terminated")
        if status.get("name") == container and over is not None:
            return int(over.get("exitCode", NEVER_RAN))
    return None


def _besides(pod: dict[str, Any], container: str, code: int) -> str:
    """Return what Kubernetes says of an end that is no success, such as OOMKilled."""
    if code == 0:
        return ""
    for status in pod["status"].get("containerStatuses") or ():
        if status.get("name") == container:
            reason = status["state"]["terminated"].get("reason", "")
            return f"The container {container} of the Job exited with {code}" + (
                f" ({reason})." if reason not in ("", "Error") else "."
            )
    return ""


def stuck(pod: dict[str, Any], patient: bool) -> str:
    """Return why a pod will not run, "" if it may. patient: whether it was waited for long enough."""
    status = pod.get("status", {})
    name = pod["metadata"]["name"]
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = one.get("state", {}).get("waiting") or {}
        reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
        final = reason in _SLOW and any(
            word in message.lower() for word in ("not found", "unauthorized", "denied", "forbidden")
        )
        if reason in _FINAL or final or (reason in _SLOW and patient):
            return f"{reason}: {message or 'nothing more is known'} (pod {name}, container {one.get('name')})."
        over = one.get("state", {}).get("terminated") or {}
        if one in (status.get("initContainerStatuses") or ()) and over.get("exitCode"):
            return (
                f"The container {one.get('name')}, which starts before it, exited with {over['exitCode']} (pod {name})."
            )
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False" and patient:
            return f"{condition.get('reason', 'Unschedulable')}: {condition.get('message', '')} (pod {name})."
    if status.get("phase") == "Failed" and not status.get("containerStatuses"):
        return f"{status.get('reason', 'Failed')}: {status.get('message', 'the pod failed')} (pod {name})."
    return ""


def _over(job: dict[str, Any]) -> str:
    for condition in job.get("status", {}).get("conditions") or ():
        if condition.get("type") == "Failed" and condition.get("status") == "True":
            return f"{condition.get('reason', 'Failed')}: {condition.get('message', '')}"
    return ""


def _refused(cluster: Cluster, name: str) -> str:
    """Return why no pod of the Job is made, as its events say."""
    for event in (
        cluster.items("events", "--field-selector", f"involvedObject.kind=Job,involvedObject.name={name}") or ()
    ):
        if event.get("type") == "Warning" and event.get("reason") == "FailedCreate":
            return f"The cluster refuses its pod: {event.get('message', '')}"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
