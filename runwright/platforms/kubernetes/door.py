"""A way to a candidate that no user knows: a port of this machine that leads to its pods, for as long as this process lives."""

from __future__ import annotations

import atexit
import select
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from runwright.errors import ActionError
from runwright.platforms.kubernetes.kubectl import Kubectl

COMES_SECONDS = 30.0
_PROGRAM = Path(__file__).with_name("forward.py")
_lock = threading.Lock()


@dataclass
class _Way:
    uid: str
    child: subprocess.Popen[str]
    port: int


_open: dict[tuple[str, ...], _Way] = {}
"""The ways that are open, by the command."""


def led(kubectl: Kubectl, deployment: str, uid: str, target: str) -> int:
    """Return a port of 127.0.0.1 that leads to a pod of ``deployment``, the one that is ``uid``. target: the pods' port.

    One that is open already is given again. Raise ActionError if none can be opened.
    """
    words = (target, *kubectl.argv("port-forward", "--address", "127.0.0.1", f"deployment/{deployment}"))
    with _lock:
        way = _open.get(words)
        if way is not None and way.uid == uid and way.child.poll() is None:
            return way.port
        if way is not None:
            _end(_open.pop(words))
        # it ends with its standard input, which is ours to hold
        argv = [sys.executable, "-I", str(_PROGRAM), *words]
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], COMES_SECONDS)
        said = child.stdout.readline().strip() if ready else "nothing came of it in time"
        if not said.isdecimal():
            child.kill()
            child.wait()
            raise ActionError(
                f"No way leads to the pods of deployment/{deployment}: {said}",
                state="No user has reached them.",
                next="`kubectl port-forward` must be allowed there: `create` of `pods/portforward`.",
            )
        _open[words] = _Way(uid, child, int(said))
        return int(said)


def _end(way: _Way) -> None:
    if way.child.stdin is not None:
        way.child.stdin.close()
    try:
        way.child.wait(2.0)
    except subprocess.TimeoutExpired:
        way.child.kill()
        way.child.wait()
    if way.child.stdout is not None:
        way.child.stdout.close()


@atexit.register
def close() -> None:
    """End all of them."""
    with _lock:
        while _open:
            _end(_open.popitem()[1])
