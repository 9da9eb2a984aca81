"""Images as artifacts: built once from one commit, kept by a tag of ours or pushed to a registry."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from runwright.actions import UNKNOWN, Command, Do, Output, WriteFile
from runwright.builders.compose_build import ComposeBuild, ComposeService, override
from runwright.builders.images import REVISION, SYSTEM
from runwright.errors import ActionError, InputError, ObservationError
from runwright.runbook.model import Component
from runwright.runbook.targets import Registry
from runwright.versions import Artifact

BUILD_SECONDS = 1800.0
PUSH_SECONDS = 900.0
VERSION = "org.opencontainers.image.version"
BUILD = "runwright.build"
"""The label that tells how the runbook said to build: the same commit built otherwise is another image."""
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?/")
# .ID and not .Id: with the latter docker falls back to untyped data, where what is empty is an error
_FORMAT = (
    '{"id":{{json .ID}},"digests":{{json .RepoDigests}},'
    f'"revision":{{{{json (index .Config.Labels "{REVISION}")}}}},'
    f'"build":{{{{json (index .Config.Labels "{BUILD}")}}}}}}'
)


@dataclass(frozen=True)
class _Source:
    """What an image is made of: a commit, and how it is built (`recipe`). As labels they tell whether one is it."""

    commit: str
    recipe: str

    @property
    def tag(self) -> str:
        """The tag that keeps it, and that the registry knows it by."""
        return f"{self.commit[:12]}-{self.recipe[:8]}"


@dataclass(frozen=True)
class _Image:
    id: str
    source: _Source
    digests: tuple[str, ...]


class Docker:
    """Builds the images of ``system``. Without a ``registry`` an image's id is its identity, kept by a tag of ours.

    state: our own folder. compose: needed for components without a `context`. env: for docker itself, such as a
    DOCKER_CONFIG with the registry's login.
    """

    def __init__(
        self,
        system: str,
        environment: str,
        state: Path,
        *,
        registry: Registry | None = None,
        compose: ComposeBuild | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._system = system
        self._environment = environment
        self._state = state
        self._registry = registry
        self._compose = compose
        self._env = dict(env or {})

    def build(
        self, do: Do, tree: Path, component: str, spec: Component, commit: str, version: str, key: str
    ) -> Artifact:
        """Build ``component`` from ``tree``, a clean checkout of ``commit``, and return the image.

        An image of that commit that is here, or in the registry, is used again if it was built as ``spec`` says now.
        ``version`` becomes a label and a tag. Raise ActionError if it cannot be built or pushed.
        """
        key = f"{key}/{component}"
        name = component if not spec.per_environment else f"{component}-{self._environment}"
        said = self._said(do, component, spec)
        source = _Source(commit, recipe(spec, self._service(component, spec), said.args))
        keep_as = f"runwright/{self._system}-{name}:{source.tag}"
        remote = f"{self._registry.prefix}/{name}" if self._registry else ""
        image = self._known(do, keep_as, source)
        if image is None and remote and self._in_registry(do, f"{remote}:{source.tag}", assume=False):
            self._fetch(do, f"{remote}:{source.tag}", keep_as, key)
            image = self._known(do, keep_as, source)
        if image is None:
            labels = {REVISION: commit, VERSION: version, SYSTEM: self._system, BUILD: source.recipe}
            self._build(do, tree, component, spec, said, labels, keep_as, key)
            image = self._known(do, keep_as, source, assume=_Image("sha256:(not built yet)", source, ()))
        if image is None:
            raise ActionError(
                f"{keep_as} was built and is not the image of commit {commit[:12]}.",
                state="Nothing was deployed.",
                next=f"Look at its labels (docker image inspect); a Dockerfile must not set {REVISION} or {BUILD}.",
            )
        if not remote:
            self._tag(do, keep_as, f"{keep_as.rpartition(':')[0]}:{valid_tag(version)}", f"{key}/tag")
            return Artifact(component, image.id, image.id)
        return self._push(do, component, keep_as, remote, (source.tag, valid_tag(version)), key)

    def exists(self, do: Do, artifact: Artifact) -> bool:
        """Return whether ``artifact`` is on this machine (an image id) or in its registry (a digest)."""
        if "@" in artifact.reference:
            return self._in_registry(do, artifact.reference)
        image = self._image(do, artifact.reference)
        return image is not None and image.id == artifact.identity

    def _service(self, component: str, spec: Component) -> str:
        return self._compose.services[component] if self._compose and spec.context is None else ""

    def _said(self, do: Do, component: str, spec: Component) -> ComposeService:
        """Return how Compose would build ``component``; nothing if it is not built by Compose."""
        if spec.context is not None or self._compose is None:
            return ComposeService()
        return self._compose.read(do, self._compose.services[component])

    # ---------------------------------------------------------------------------------------------------- building

    def _build(
        self,
        do: Do,
        tree: Path,
        component: str,
        spec: Component,
        said: ComposeService,
        labels: Mapping[str, str],
        tag: str,
        key: str,
    ) -> None:
        if spec.context is not None:
            argv, env = self._docker_build(tree, spec, spec.context, labels, tag), self._env
        elif self._compose is not None:
            path = self._state / f"build-{component}.yml"
            service = self._compose.services[component]
            content = override(service, said, spec, self._compose.top, tree, labels, tag)
            do(WriteFile(says=f"write {path}", key=f"{key}/override", path=path, content=content, mode=0o600))
            argv = (*self._compose.argv, "-f", str(path), "build", "--quiet", service)
            env = {**self._compose.env, **self._env}
        else:
            raise InputError(
                f"Component {component} has no context to build.",
                next="Give it `context` in the runbook; without it only components of a Compose target can be built.",
            )
        do(
            Command(
                says=f"build {tag} from commit {labels[REVISION][:12]}",
                key=f"{key}/build",
                argv=argv,
                env=env,
                deadline_seconds=BUILD_SECONDS,
            )
        )

    def _docker_build(
        self, tree: Path, spec: Component, context: str, labels: Mapping[str, str], tag: str
    ) -> tuple[str, ...]:
        folder = tree / context
        words = ["docker", "build", "--quiet", "--tag", tag]
        if spec.dockerfile:
            words += ["--file", str(folder / spec.dockerfile)]
        for flag, pairs in (("--label", labels), ("--build-arg", spec.build_args)):
            for name, value in pairs.items():
                words += [flag, f"{name}={value}"]
        return (*words, str(folder))

    # ---------------------------------------------------------------------------------------------------- looking

    def _image(self, do: Do, reference: str, assume: _Image | None = None) -> _Image | None:
        return do(
            Command(
                says=f"look for image {reference}",
                argv=("docker", "image", "inspect", "--format", _FORMAT, reference),
                ok=frozenset({0, 1}),
                parse=_parse_image,
                assume=assume,
            )
        )

    def _known(self, do: Do, tag: str, source: _Source, assume: _Image | None = None) -> _Image | None:
        image = self._image(do, tag, assume)
        return image if image is not None and image.source == source else None

    def _in_registry(self, do: Do, reference: str, assume: bool | None = None) -> bool:
        insecure = ("--insecure",) if _LOOPBACK.match(reference) else ()
        return do(
            Command(
                says=f"ask the registry for {reference}",
                argv=("docker", "manifest", "inspect", *insecure, reference),
                env=self._env,
                ok=frozenset({0, 1}),
                parse=_parse_manifest,
                assume=UNKNOWN if assume is None else assume,
                deadline_seconds=60.0,
            )
        )

    # ---------------------------------------------------------------------------------------------------- registry

    def _fetch(self, do: Do, reference: str, keep_as: str, key: str) -> None:
        do(
            Command(
                says=f"pull {reference}, which was built before",
                key=f"{key}/pull",
                argv=("docker", "pull", "--quiet", reference),
                env=self._env,
                deadline_seconds=PUSH_SECONDS,
            )
        )
        self._tag(do, reference, keep_as, f"{key}/keep")

    def _tag(self, do: Do, image: str, tag: str, key: str) -> None:
        do(Command(says=f"call it {tag}", key=key, argv=("docker", "tag", image, tag)))

    def _push(self, do: Do, component: str, keep_as: str, remote: str, tags: tuple[str, ...], key: str) -> Artifact:
        for number, tag in enumerate(dict.fromkeys(tags), 1):
            self._tag(do, keep_as, f"{remote}:{tag}", f"{key}/tag/{number}")
            do(
                Command(
                    says=f"push {remote}:{tag}",
                    key=f"{key}/push/{number}",
                    argv=("docker", "push", "--quiet", f"{remote}:{tag}"),
                    env=self._env,
                    deadline_seconds=PUSH_SECONDS,
                )
            )
        unknown = f"{remote}@sha256:(not pushed yet)"
        image = self._image(do, keep_as, assume=_Image("", _Source("", ""), (unknown,)))
        found = [d for d in (image.digests if image else ()) if d.startswith(f"{remote}@")]
        if len(found) != 1 or (found[0] != unknown and not self._in_registry(do, found[0])):
            raise ActionError(
                f"{remote}:{tags[0]} was pushed, and the registry does not have it under one digest.",
                state="Nothing was deployed.",
                next=f"Run `docker manifest inspect {remote}:{tags[0]}` by hand and look at the registry's log.",
            )
        return Artifact(component, found[0], found[0].partition("@")[2])


def recipe(spec: Component, service: str = "", args: Mapping[str, str | None] = MappingProxyType({})) -> str:
    """Return a SHA-256 of how ``spec`` says to build.

    ``service``: the Compose service whose `build` it is built by; ``args``: the arguments that this has.
    """
    said: list[Any] = [spec.context, spec.dockerfile, sorted(spec.build_args.items()), service]
    said += [sorted(args.items())] if args else []
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def valid_tag(version: str) -> str:
    """Return ``version`` as a tag of an image: a git ref may hold "/" and "+", a tag may not."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", version).lstrip(".-")[:128] or "unnamed"


def _parse_image(output: Output) -> _Image | None:
    error = output.stderr.decode("utf-8", "replace").lower()
    if output.code:
        if "no such image" in error:
            return None
        raise ObservationError(
            "Docker could not tell about an image.",
            next="Run `docker images` by hand; if it fails too, the engine is not running or may not be used by this user.",
        )
    raw = json.loads(output.stdout)
    source = _Source(raw["revision"] or "", raw["build"] or "")
    return _Image(raw["id"], source, tuple(raw["digests"] or ()))


def _parse_manifest(output: Output) -> bool:
    if output.code == 0:
        return True
    error = output.stderr.decode("utf-8", "replace").lower()
    if "no such manifest" in error or "manifest unknown" in error or "not found" in error:
        return False
    raise ObservationError(
        "The registry could not be asked.",
        state="Nothing was built or pushed.",
        next="Check that it is reachable from here and that the environment's block holds a login that it accepts.",
    )
