"""Run a program where a service runs, as a program: find a pod of its that serves, and put kubectl's place into ours.

    python -I enter.py SERVICE KUBECTL WORDS... [-e VARIABLE]... -- PROGRAM WORDS...

SERVICE is the name of a StatefulSet, a Deployment, a DaemonSet or a pod: which it is, is asked, for `kubectl exec deployment/NAME`
has to be told, and takes a pod that may not be ready. Standard input is passed on, and the exit code is the program's own.
``-e``: the program gets this variable of ours; its value, a password, is in no argument, here or there: it goes first by standard
input. Exit 125: there is no pod that it could run in; why is on standard error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

NOWHERE = 125
KINDS = ("statefulsets", "deployments", "daemonsets")
CONTAINER = "kubectl.kubernetes.io/default-container"
SECONDS = 30.0


def main(argv: list[str]) -> int:
    """Do it. Only returns if there is nowhere to run it."""
    service, rest = argv[0], argv[1:]
    at = rest.index("--")
    kubectl, program, given = rest[:at], rest[at + 1 :], []
    while kubectl[-2:-1] == ["-e"]:
        given.append(kubectl[-1])
        kubectl = kubectl[:-2]
    try:
        workloads = _asked(kubectl, ",".join(KINDS))
        found = chosen(service, workloads, _pods(kubectl, service, workloads))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        said = getattr(error, "stderr", b"") or b""
        sys.stderr.write(
            f"It cannot be seen where {service} runs: {said.decode('utf-8', 'replace').strip() or error}\n"
        )
        return NOWHERE
    if found is None:
        sys.stderr.write(f"No pod of {service} is ready: there is none that a program could run in.\n")
        return NOWHERE
    pod, container = found
    words = [*kubectl, "exec", "-i", pod, "-c", container, "--"]
    values = [(name, os.environ[name]) for name in given if "\n" not in os.environ.get(name, "\n")]
    if values:
        return _with(values, words, program)
    os.execvp(words[0], [*words, *program])  # noqa: S606 - the program is the point
    return NOWHERE


def _with(values: list[tuple[str, str]], words: list[str], program: list[str]) -> int:
    """Run it with variables, and with what is on our standard input after them. Return its exit code."""
    reads = "".join(f"IFS= read -r {name}; export {name}; " for name, _ in values)
    running = subprocess.Popen([*words, "sh", "-c", f'{reads}exec "$@"', "sh", *program], stdin=subprocess.PIPE)
    assert running.stdin is not None
    try:
        running.stdin.write("".join(f"{value}\n" for _, value in values).encode())
        while chunk := os.read(0, 2**16):
            running.stdin.write(chunk)
            running.stdin.flush()
        running.stdin.close()
    except BrokenPipeError:
        pass  # it has ended, and says itself why
    return running.wait()


def _asked(kubectl: list[str], *words: str) -> list[dict[str, Any]]:
    argv = [*kubectl, "get", *words, "-o", "json", "--ignore-not-found", "--request-timeout=20s"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=True)
    if not done.stdout.strip():
        return []
    found = json.loads(done.stdout)
    return list(found["items"] if str(found.get("kind", "")).endswith("List") else [found])


def _pods(kubectl: list[str], service: str, workloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pods that the workload of that name selects; if there is none of that name, the pod of that name."""
    mine = next((one for one in _in_order(workloads) if one["metadata"]["name"] == service), None)
    if mine is None:
        return _asked(kubectl, f"pod/{service}")
    return _asked(kubectl, "pods", "-l", selector(mine))


def _in_order(workloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    order = ("StatefulSet", "Deployment", "DaemonSet")
    return sorted(workloads, key=lambda one: order.index(one["kind"]))


def selector(workload: dict[str, Any]) -> str:
    """Return the selector of a workload's pods as kubectl takes it."""
    wanted = workload["spec"]["selector"]
    words = [f"{key}={value}" for key, value in (wanted.get("matchLabels") or {}).items()]
    for one in wanted.get("matchExpressions") or ():
        key, listed = one["key"], ",".join(one.get("values") or ())
        forms = {
            "In": f"{key} in ({listed})",
            "NotIn": f"{key} notin ({listed})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        words.append(forms[one["operator"]])
    return ",".join(words)


def chosen(service: str, workloads: list[dict[str, Any]], pods: list[dict[str, Any]]) -> tuple[str, str] | None:
    """Return (pod, container) to run in: of those that are ready the oldest, of a StatefulSet the first, which is mostly the one
    that writes; None if none is ready."""
    there = [pod for pod in pods if _serves(pod)]
    if not there:
        return None
    stateful = any(one["kind"] == "StatefulSet" and one["metadata"]["name"] == service for one in workloads)
    pod = min(there, key=lambda one: ("" if stateful else one["metadata"].get("creationTimestamp", ""), _name(one)))
    names = [str(c["name"]) for c in pod["spec"]["containers"]]
    said = (pod["metadata"].get("annotations") or {}).get(CONTAINER)
    return str(pod["metadata"]["name"]), next((name for name in (said, service) if name in names), names[0])


def _name(pod: dict[str, Any]) -> tuple[int, str]:
    """Return what sorts the pods of a StatefulSet by their numbers."""
    name = str(pod["metadata"]["name"])
    return len(name), name


def _serves(pod: dict[str, Any]) -> bool:
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions") or ())
    return ready and not pod["metadata"].get("deletionTimestamp")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
