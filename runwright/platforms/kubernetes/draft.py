"""The first runbook of a system, drafted from its kustomizations or manifests; guesses are marked ``# check:``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from runwright.engine.actions import Command, Do, Output, Read
from runwright.errors import ActionError
from runwright.git import without_login
from runwright.known_images import POSTGRES, PROXY, STAND_INS, STORES, TOOLS
from runwright.platforms.kubernetes import program
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, name_of, title
from runwright.platforms.kubernetes.manifests import WORKLOADS, template
from runwright.platforms.kubernetes.render import KUSTOMIZATION, MANIFESTS, rendered, resources
from runwright.platforms.shape import Drafted
from runwright.plural import few, plural
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.runbook.yamltext import flow, scalar
from runwright.versions import repository

_TIERS = {"production": ("prod", "live"), "staging": ("stag", "uat", "preprod", "test", "qa")}
_DEEPEST = 6
_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Overlay:
    """What one environment is rendered from. path: relative to the repository. objects: what it renders to."""

    name: str
    path: str
    objects: tuple[Object, ...] = ()


@dataclass
class Found:
    """What an application's manifests say. components: {name: its workloads}. images: {component: repository}."""

    overlays: list[Overlay]
    kustomized: bool
    components: dict[str, list[str]] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, Object] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def drafted(do: Do, directory: Path, files: tuple[str, ...]) -> Drafted | None:
    """Return a runbook for the manifests in ``directory``, None if there are none. files: manifests that a person named.

    Raise InputError or ActionError if what is there cannot be rendered.
    """
    top = _git(do, directory, "rev-parse", "--show-toplevel")
    root = Path(top[0]) if top else directory
    places, kustomized = _places(do, directory, files)
    if not places:
        return None
    overlays = [Overlay(_environment(path, len(places)), str(path.relative_to(root))) for path in places]
    found = Found([_rendered(do, root, one, kustomized) for one in _each_once(overlays)], kustomized)
    if not top:
        found.remarks.append(f"{directory} is in no git repository; a release is always a commit of one.")
    _read(found)
    remote = _git(do, directory, "remote", "get-url", "origin") if top else []
    text = "\n".join(_written(found, root, without_login(remote[0]) if remote else str(root), _contexts(do))) + "\n"
    says = f"{plural(len(found.components), 'component')} of {few([o.path for o in found.overlays])}"
    return Drafted(text, says, tuple(found.remarks))


# ------------------------------------------------------------------------------------------------------ what is there


def _places(do: Do, directory: Path, files: tuple[str, ...]) -> tuple[list[Path], bool]:
    """Return the kustomizations that nobody builds on, or else the folders (or the files) of manifests; and which of the two."""
    if files:
        return [directory / name for name in files], False
    if any((directory / name).is_file() for name in KUSTOMIZATION):
        return [directory], True
    kustomizations = do(
        Read(says=f"look for kustomizations in {directory}", function=lambda: _kustomizations(directory))
    )
    if kustomizations:
        used = {base for folder in kustomizations for base in _bases(folder)}
        return sorted(folder for folder in kustomizations if folder.resolve() not in used), True
    plain = do(Read(says=f"look for manifests in {directory}", function=lambda: list(_folders(directory))))
    return sorted(plain), False


def _kustomizations(directory: Path) -> list[Path]:
    found = []
    for name in KUSTOMIZATION:
        for path in directory.rglob(name):
            inside = path.relative_to(directory).parts
            if len(inside) <= _DEEPEST and not any(
                part.startswith(".") or part == "node_modules" for part in inside[:-1]
            ):
                found.append(path.parent)
    return sorted(set(found))


def _bases(folder: Path) -> Iterator[Path]:
    """Yield the folders that a kustomization builds on."""
    return ((folder / name).resolve() for name in resources(folder) if (folder / name).is_dir())


def _folders(directory: Path) -> Iterator[Path]:
    """Yield the folders with manifests of workloads, the nearest ones first and no other."""
    for folder in (directory, *(directory / name for name in ("k8s", "kubernetes", "deploy", "manifests", "kube"))):
        if folder.is_dir() and any(_is_workload(f) for f in sorted(folder.iterdir()) if f.suffix in MANIFESTS):
            yield folder
            return


def _is_workload(file: Path) -> bool:
    try:
        said = list(yaml.safe_load_all(file.read_bytes()))
    except (yaml.YAMLError, OSError, ValueError, RecursionError):
        return False
    return any(isinstance(one, dict) and one.get("kind") in WORKLOADS and one.get("apiVersion") for one in said)


def _environment(path: Path, several: int) -> str:
    name = _NAME.sub("-", path.name.lower()).strip("-")
    return name if several > 1 and re.match(r"[a-z]", name) else "development"


def _each_once(overlays: Sequence[Overlay]) -> list[Overlay]:
    """Return overlays of which no two have one name."""
    seen: dict[str, Overlay] = {}
    for one in overlays:
        parent = _NAME.sub("-", Path(one.path).parent.name.lower()).strip("-")
        name = one.name if one.name not in seen else f"{parent}-{one.name}".strip("-")
        if name not in seen:
            seen[name] = Overlay(name[:48], one.path)
    return list(seen.values())


def _rendered(do: Do, root: Path, one: Overlay, kustomized: bool) -> Overlay:
    said: dict[str, Any] = {"kustomize": one.path} if kustomized else {"files": [one.path]}
    given = {"platform": "kubernetes", "context": "any", "namespace": "any", "manifests": said}
    target = KubernetesTarget.model_validate(given)
    kubectl = Kubectl("any", "any", program.any_one())
    with TemporaryDirectory() as scratch:
        return Overlay(one.name, one.path, rendered(do, kubectl, target, root, Path(scratch)))


def _read(found: Found) -> None:
    """Tell the application's own workloads from what everybody runs."""
    for overlay in found.overlays:
        for one in overlay.objects:
            if one["kind"] == "Job":
                found.jobs.setdefault(name_of(one), one)
            if one["kind"] not in WORKLOADS:
                continue
            image = _image(one)
            if _is_others(image):
                continue
            known = next((name for name, repo in found.images.items() if repo == repository(image)), None)
            component = known or _component(repository(image), found)
            found.images[component] = repository(image)
            if name_of(one) not in found.components.setdefault(component, []):
                found.components[component].append(name_of(one))


def _image(workload: Object) -> str:
    """Return the image of a workload's main container: the one that is called as it, else the first."""
    there = template(workload)["spec"].get("containers") or [{}]
    chosen = next((c for c in there if c.get("name") == name_of(workload)), there[0])
    return str(chosen.get("image", ""))


def _is_others(image: str) -> bool:
    """Return whether an image is one that everybody runs; a proxy of somebody's own registry is his own."""
    text = image.lower()
    public = "/" not in text or not any(sign in text.split("/")[0] for sign in ".:")
    known = (POSTGRES, STORES, STAND_INS, TOOLS, *((PROXY,) if public else ()))
    return not image or any(kind.search(text) for kind in known)


def _component(repo: str, found: Found) -> str:
    name = _NAME.sub("-", repo.rpartition("/")[2].lower()).strip("-")[:40] or "app"
    name = name if re.match(r"[a-z]", name) else f"app-{name}"
    return name if name not in found.images else f"{name}-{len(found.images)}"


# ------------------------------------------------------------------------------------------------------------ writing


def _written(found: Found, root: Path, repo: str, contexts: Sequence[str]) -> Iterator[str]:
    yield "# How this system is released. `runwright docs` explains every key; lines with `check:` are guesses."
    yield f"system: {_NAME.sub('-', root.name.lower()).strip('-')[:40] or 'system'}"
    yield f"source: {{repo: {scalar(repo, inside=True)}}}"
    yield ""
    yield "# What gets the image of a version; all else in the manifests is applied as it is."
    yield "components:"
    for name, services in found.components.items():
        image = found.images[name]
        said: dict[str, Any] = {"services": services, "image": f"{image}:${{release.version}}"}
        doubt = (
            "how CI names the image of a version"
            if "/" in image
            else "the manifests name no registry: say where CI pushes it"
        )
        yield f"  {name}: {flow(said)} # check: {doubt}"
    if not found.components:
        yield "  app: {} # check: no workload is one that a release would give an image; name those that are"
    yield ""
    yield "environments:"
    for overlay in found.overlays:
        yield from _of_environment(found, overlay, contexts)
    yield ""
    probes, databases = list(_probes(found)), any(_database(o) for o in found.overlays)
    if probes or databases:
        yield "gates:"
    if databases:
        yield "  - {id: database, database: true}"
    if probes:
        yield "  - {id: baseline, baseline: true} # what runs now is healthy"
    if probes or databases:
        yield ""
    if databases:
        yield "backup: {directory: backups} # beside this file; check: on a disk with room"
        yield ""
    yield from _of_jobs(found, databases=databases)
    if probes:
        yield "verify:"
        yield "  health:"
        yield from probes
        yield ""
    yield "watch:"
    careful = any(_tier(overlay) == "production" for overlay in found.overlays)
    yield "  duration: 30m" if careful else "  duration: 5m # in production never under 30m"
    yield "  rules:"
    if probes:
        yield "    - {id: down, probe: up, failures: 3}"
    yield "    - {id: restarts, stats: restarts, above: 0, purpose: page}"


def _of_environment(found: Found, overlay: Overlay, contexts: Sequence[str]) -> Iterator[str]:
    yield f"  {overlay.name}:"
    yield f"    tier: {_tier(overlay)}"
    yield "    target:"
    yield "      platform: kubernetes"
    context = contexts[0] if contexts else "my-cluster"
    others = f" ({few(list(contexts))})" if len(contexts) > 1 else ""
    yield f"      context: {scalar(context)} # check: as `kubectl config get-contexts` names the cluster{others}"
    spaces = sorted({str(o["metadata"]["namespace"]) for o in overlay.objects if o["metadata"].get("namespace")})
    doubt = (
        ""
        if len(spaces) == 1
        else " # check: the manifests name none"
        if not spaces
        else f" # check: they name {few(spaces)}"
    )
    yield f"      namespace: {scalar(spaces[0] if spaces else 'default')}{doubt}"
    said = {"kustomize": overlay.path} if found.kustomized else {"files": [overlay.path]}
    yield f"      manifests: {flow(said)}"
    if left := [f"Job/{n}" for n in found.jobs if n != _migrating(found)]:
        yield f"      leave: {flow(left)} # check: a release does not run {'it' if len(left) == 1 else 'them'}"
    urls = _urls(overlay)
    if urls:
        yield f"    urls: {flow(urls)} # check: as clients reach it, seen from where Runwright runs"
    else:
        yield '    # check: no Ingress names a host, no Service a port of the nodes; name the address that clients use: urls: {web: "https://…"}'
    if database := _database(overlay):
        yield f"    database: {flow(database)} # check: name and user"


def _tier(overlay: Overlay) -> str:
    return next((t for t, words in _TIERS.items() if any(w in overlay.name for w in words)), "development")


def _urls(overlay: Overlay) -> dict[str, str]:
    for one in overlay.objects:
        if one["kind"] == "Ingress":
            secure = {str(h) for part in one["spec"].get("tls") or () for h in part.get("hosts") or ()}
            for rule in one["spec"].get("rules") or ():
                if host := str(rule.get("host") or ""):
                    return {"web": f"{'https' if host in secure else 'http'}://{host}"}
    for one in overlay.objects:
        ports = one["spec"].get("ports") or () if one["kind"] == "Service" else ()
        for port in ports:
            if port.get("nodePort"):
                return {"web": f"http://localhost:{port['nodePort']}"}
    return {}


def _database(overlay: Overlay) -> dict[str, str]:
    for one in overlay.objects:
        if one["kind"] in ("StatefulSet", "Deployment") and POSTGRES.search(_image(one).lower()):
            given = {
                str(v.get("name")): v.get("value")
                for c in template(one)["spec"]["containers"]
                for v in c.get("env") or ()
            }
            user = str(given.get("POSTGRES_USER") or "postgres")
            return {
                "kind": "postgres",
                "service": name_of(one),
                "name": str(given.get("POSTGRES_DB") or user),
                "user": user,
            }
    return {}


def _probes(found: Found) -> Iterator[str]:
    """Yield what the first component's readiness probe asks, where clients can ask it too."""
    if not _urls(found.overlays[0]) and not any(_urls(o) for o in found.overlays):
        return
    for overlay in found.overlays:
        for one in overlay.objects:
            if one["kind"] != "Deployment" or not any(name_of(one) in s for s in found.components.values()):
                continue
            for container in template(one)["spec"].get("containers") or ():
                path = ((container.get("readinessProbe") or {}).get("httpGet") or {}).get("path")
                if path:
                    yield f'    - {{id: up, get: "${{url.web}}{path}"}} # check: whether clients reach this path'
                    return
    yield '    - {id: up, get: "${url.web}/"} # check: no readiness probe names a path'


def _migrating(found: Found) -> str:
    """Return the Job that migrates, as far as its name or its program says so; "" if none does."""
    for name, job in found.jobs.items():
        if re.search(r"migrat|alembic|schema|flyway|liquibase", f"{name} {_program(job)}"):
            return name
    return ""


def _program(job: Object) -> list[str]:
    first: Mapping[str, Any] = (template(job)["spec"].get("containers") or [{}])[0]
    return [str(word) for word in (*(first.get("command") or ()), *(first.get("args") or ()))]


def _of_jobs(found: Found, *, databases: bool) -> Iterator[str]:
    name = _migrating(found)
    if not name:
        return
    command = _program(found.jobs[name])
    component = next((c for c, repo in found.images.items() if repo == repository(_image(found.jobs[name]))), None)
    said: dict[str, Any] = {"tool": "command", "service": name, "command": command or ["…"]}
    if component is not None and component != next(iter(found.components), None):
        said["component"] = component
    if "alembic" in command and databases:
        said = {"tool": "alembic", "service": name}
    yield f"migrate: {flow(said)} # check: run as a Job of its own, before the new pods; {title(found.jobs[name])} is not applied"
    yield ""


def _contexts(do: Do) -> list[str]:
    """Return the contexts of the kubeconfig, the current one first."""

    def read(output: Output) -> list[str]:
        rows = [line.split() for line in output.text.splitlines()[1:]]
        marked = [row[1] for row in rows if row[:1] == ["*"] and len(row) > 1]
        return [*marked, *(row[0] for row in rows if row and row[0] not in ("*", *marked))]

    argv = (program.any_one(), "config", "get-contexts")
    try:
        return do(Command(says="look which clusters are known here", argv=argv, parse=read))
    except ActionError:
        return []


def _git(do: Do, directory: Path, *words: str) -> list[str]:
    argv = ("git", "-C", str(directory), *words)
    says = f"ask git about {directory}"
    read = Command(
        says=says, argv=argv, ok=frozenset(range(256)), parse=lambda o: o.text.split("\n")[:1] if o.code == 0 else []
    )
    try:
        return [line for line in do(read) if line]
    except ActionError:
        return []
