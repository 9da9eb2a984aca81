"""How a cluster is reached: by the kubeconfig of the environment's block, in a file that only we can read, or by the worker's own."""

from __future__ import annotations

import atexit
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from runwright.engine.effects.files import write_file
from runwright.platforms.kubernetes import program
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.site import Site

KUBECONFIG = "kubeconfig"
"""The secret of an environment's block that is a kubeconfig."""
_held: dict[Path, int] = {}
"""The files that this process holds, open and locked."""


def reached(site: Site, target: KubernetesTarget) -> Kubectl:
    """Return kubectl for the environment's cluster. Raise ActionError if there is none."""
    found = Kubectl(target.context, target.namespace, config=_config(site))
    return Kubectl(target.context, target.namespace, program.find(found.cluster), found.config)


def _config(site: Site) -> str:
    """Write the block's kubeconfig, if it has one, where each release finds it again; it goes with the last process that needs it."""
    text = site.secrets.get(KUBECONFIG)
    if not text:
        return ""
    # by release: what is recovered after a crash is asked by the words that the journal kept
    path = site.folders.tree.parent.with_name(f"{site.folders.tree.parent.name}.kubeconfig")
    hold(Path(path), text.encode())
    return str(path)


def hold(path: Path, content: bytes) -> None:
    """Let ``path`` hold ``content`` until the last process that holds it ends: whoever looks at a release in its middle must not
    take it away from the release."""
    while not (path in _held and _same(_held[path], path) and path.read_bytes() == content):
        if not path.exists() or path.read_bytes() != content:
            write_file(path, content, 0o600)
        with suppress(FileNotFoundError):  # whoever had it has ended just now
            file = os.open(path, os.O_RDONLY)
            fcntl.flock(file, fcntl.LOCK_SH)
            if path in _held:
                os.close(_held.pop(path))
            _held[path] = file


def _same(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


@atexit.register
def forget() -> None:
    """Remove what no other process holds."""
    for path, file in _held.items():
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        os.close(file)
    _held.clear()
