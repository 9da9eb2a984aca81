"""How a cluster is reached: by the kubeconfig of the environment's block, in a file that only we can read, or by the worker's own."""

from __future__ import annotations

import atexit
from pathlib import Path

from runwright.engine.effects.files import write_file
from runwright.platforms.kubernetes import program
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.site import Site

KUBECONFIG = "kubeconfig"
"""The secret of an environment's block that is a kubeconfig."""
_written: set[Path] = set()


def reached(site: Site, target: KubernetesTarget) -> Kubectl:
    """Return kubectl for the environment's cluster. Raise ActionError if there is none."""
    found = Kubectl(target.context, target.namespace, config=_config(site))
    return Kubectl(target.context, target.namespace, program.find(found.cluster), found.config)


def _config(site: Site) -> str:
    """Write the block's kubeconfig, if it has one, where each release finds it again; it goes when this process ends."""
    text = site.secrets.get(KUBECONFIG)
    if not text:
        return ""
    # by release: what is recovered after a crash is asked by the words that the journal kept
    path = site.folders.tree.parent.with_name(f"{site.folders.tree.parent.name}.kubeconfig")
    if path not in _written or not path.exists():
        write_file(path, text.encode(), 0o600)
        _written.add(path)
    return str(path)


@atexit.register
def _forget() -> None:
    for path in _written:
        path.unlink(missing_ok=True)
