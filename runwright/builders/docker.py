"""Images as artifacts: built once from one commit, kept by a tag of ours or pushed to a registry."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runwright.builders import engine, several, steps
from runwright.builders.engine import BUILD, Image
from runwright.builders.images import REVISION, SYSTEM, untag
from runwright.builders.pulled import Pulled, Recorded
from runwright.builders.shape import Making
from runwright.engine.actions import Command, Do, WriteFile
from runwright.errors import ActionError, InputError
from runwright.recipes import Recipe, Recipes
from runwright.runbook.component import Component
from runwright.runbook.environment import Registry
from runwright.versions import Artifact, repository, valid_tag

BUILD_SECONDS = 1800.0
PUSH_SECONDS = 900.0
VERSION = "org.opencontainers.image.version"
_MISSING = re.compile(r'"/([^"\n]+)":? not found')
"""How both builders say that a file which the Dockerfile copies is not in what they were given."""


@dataclass(frozen=True)
class _Source:
    """What an image is made of: a commit, and how it is built (`recipe`). As labels they tell whether one is it."""

    commit: str
    recipe: str

    @property
    def tag(self) -> str:
        """The tag that keeps it, and that the registry knows it by."""
        return f"{self.commit[:12]}-{self.recipe[:8]}"


class Docker:
    """Builds the images of ``system``, or pulls those that were built elsewhere.

    Without a ``registry`` the id of an image that is built is its identity, kept by a tag of ours. state: our own folder.
    recipes: needed for components without a `context`. env: for docker itself, such as a DOCKER_CONFIG with the
    registry's login. recorded: what is known of components that are pulled. remarks: what a person should know about
    what was pulled, a sentence each. push: whether what is built goes to the registry; if not, its id is its identity.
    """

    def __init__(
        self,
        system: str,
        environment: str,
        state: Path,
        *,
        registry: Registry | None = None,
        recipes: Recipes | None = None,
        env: Mapping[str, str] | None = None,
        recorded: Mapping[str, Recorded] | None = None,
        push: bool = True,
    ) -> None:
        self._system = system
        self._environment = environment
        self._state = state
        self._registry = registry
        self._recipes = recipes
        self._env = dict(env or {})
        self._recorded = dict(recorded or {})
        self._push_too = push
        self.remarks: list[str] = []

    def build(
        self, do: Do, tree: Path, component: str, spec: Component, commit: str, version: str, key: str
    ) -> Artifact:
        """Build ``component`` from ``tree``, a clean checkout of ``commit``, and return the image; or pull it, if it has none.

        An image of that commit that is here, or in the registry, is used again if it was built as ``spec`` says now.
        In the registry it has a name that only we know, until it is published. ``version`` becomes a label. Raise ActionError if
        it cannot be built, pushed or pulled, or is too large, RefusedError if the services of the component are not all started
        from the one image.
        """
        key = f"{key}/{component}"
        said = self._recipes.read(do, component) if self._recipes is not None else Recipe()
        if reference := spec.image_of(commit, version) or ("" if spec.context else said.image):
            return self._pulled(do, component, reference, commit, key)
        return self._built(do, tree, component, spec, said, commit, version, key)

    def build_others(self, do: Do, tree: Path, commit: str, key: str) -> None:
        """Build from ``tree`` what is of no component, and is not on this machine under its own name yet.

        What is there stays as it is: a database is not replaced. Raise ActionError if it cannot be built.
        """
        for said in self._recipes.others(do) if self._recipes else ():
            if engine.look(do, said.image) is None:
                self._by_recipe(do, tree, said, Component(), {REVISION: commit}, said.image, f"{key}/{said.service}")

    def publish(
        self, do: Do, artifact: Artifact, component: str, spec: Component, commit: str, version: str, key: str
    ) -> None:
        """Push the tags by which people know ``version``, of what was built and pushed here before. What CI has built has its
        own. Raise ActionError if that fails."""
        remote = f"{self._registry.prefix}/{self._name(component, spec)}" if self._registry else ""
        if not remote or not artifact.reference.startswith(f"{remote}@") or spec.image:
            return
        members = several.members_of(do, artifact.reference, self._env) if len(spec.platforms) > 1 else []
        for number, tag in enumerate(spec.tags_of(commit, version), 1):
            if members:
                several.push_list(
                    do, f"{remote}:{tag}", [f"{remote}@{m}" for m in members], self._env, f"{key}/{component}/{number}"
                )
            else:
                engine.tag(do, artifact.reference, f"{remote}:{tag}", f"{key}/{component}/{number}/tag")
                self._pushed(do, f"{remote}:{tag}", f"{key}/{component}/{number}/push")

    def untag(self, do: Do, old: Collection[str], kept: Collection[str], key: str) -> None:
        """Take our tags from the images of the commits ``old``, but for those whose id is ``kept``."""
        prefixes = ["runwright/", *([f"{self._registry.prefix}/"] if self._registry else [])]
        untag(do, self._system, prefixes, old, kept, key)

    def exists(self, do: Do, artifact: Artifact) -> bool:
        """Return whether ``artifact`` is on this machine, or, if it is named by its digest, in its registry."""
        image = engine.look(do, artifact.reference)
        if "@" in artifact.reference:
            return image is not None or engine.in_registry(do, artifact.reference, self._env)
        return image is not None and image.id == artifact.identity

    def _pulled(self, do: Do, component: str, reference: str, commit: str, key: str) -> Artifact:
        keep_as = f"runwright/{self._system}-{component}:{commit[:12]}"
        pulled = Pulled(self._env, self._recorded.get(component, Recorded()), may_be_local=self._registry is None)
        artifact = pulled.artifact(do, component, reference, commit, keep_as, key)
        self.remarks += pulled.remarks
        return artifact

    def _built(
        self,
        do: Do,
        tree: Path,
        component: str,
        spec: Component,
        said: Recipe,
        commit: str,
        version: str,
        key: str,
    ) -> Artifact:
        name = self._name(component, spec)
        source = _Source(commit, recipe(spec, "" if spec.context else said.build_key))
        keep_as = f"runwright/{self._system}-{name}:{source.tag}"
        remote = f"{self._registry.prefix}/{name}" if self._registry and self._push_too else ""
        # one machine can have one of them
        platforms = spec.platforms if remote or len(spec.platforms) == 1 else []
        image = self._there(do, keep_as, remote, source, several=len(platforms) > 1, key=key)
        if image is None:
            labels = {REVISION: commit, VERSION: version, SYSTEM: self._system, BUILD: source.recipe}
            steps.run(do, tree, component, spec, self._env, key)
            for one in platforms or [""]:
                tag = several.suffixed(keep_as, one) if len(platforms) > 1 else keep_as
                at = f"{key}/{one}" if len(platforms) > 1 else key
                alone = spec.model_copy(update={"platforms": [one] if one else []})
                self._build(do, tree, component, alone, said, labels, tag, at)
                _require_size(do, tag, component, spec)
            if len(platforms) > 1:
                self._push_several(do, keep_as, f"{remote}:{source.tag}", platforms, key)
            image = _known(do, keep_as, source, assume=Image("sha256:(not built yet)", commit, source.recipe))
        if image is None:
            raise ActionError(
                f"{keep_as} was built and is not the image of commit {commit[:12]}.",
                state="Nothing was deployed.",
                next=f"Look at its labels (docker image inspect); a Dockerfile must not set {REVISION} or {BUILD}.",
            )
        if not remote:
            engine.tag(do, keep_as, f"{keep_as.rpartition(':')[0]}:{valid_tag(version)}", f"{key}/tag")
            return Artifact(component, image.id, image.id)
        return self._push(do, component, keep_as, remote, source.tag, spec, key)

    def _there(self, do: Do, keep_as: str, remote: str, source: _Source, *, several: bool, key: str) -> Image | None:
        """Return what was built before: on this machine, or in the registry; of ``several`` platforms only there."""
        image = _known(do, keep_as, source)
        if not remote or (image is not None and not several):
            return image
        there = f"{remote}:{source.tag}"
        if not engine.in_registry(do, there, self._env, assume=False):
            return None
        engine.pull(do, there, self._env, f"pull {there}, which was built before", f"{key}/pull")
        engine.tag(do, there, keep_as, f"{key}/keep")
        return _known(do, keep_as, source)

    def _name(self, component: str, spec: Component) -> str:
        return f"{component}-{self._environment}" if spec.per_environment else component

    # ---------------------------------------------------------------------------------------------------- building

    def _build(
        self,
        do: Do,
        tree: Path,
        component: str,
        spec: Component,
        said: Recipe,
        labels: Mapping[str, str],
        tag: str,
        key: str,
    ) -> None:
        if spec.context is not None:
            # the older builder knows no platform but the engine's
            env = {**self._env, **({"DOCKER_BUILDKIT": "1"} if spec.platforms else {})}
            self._run(do, self._docker_build(tree, spec, spec.context, labels, tag), env, tag, labels, key)
        elif self._recipes is not None:
            self._by_recipe(do, tree, said, spec, labels, tag, key)
        else:
            raise InputError(
                f"Component {component} has no context to build.",
                next="Give it `context` in the runbook; without it only components that the system's own files build can be built.",
            )

    def _by_recipe(
        self,
        do: Do,
        tree: Path,
        said: Recipe,
        spec: Component,
        labels: Mapping[str, str],
        tag: str,
        key: str,
    ) -> None:
        assert self._recipes is not None
        path = self._state / f"build-{said.service}.yml"
        content = self._recipes.override(said, spec, tree, labels, tag)
        do(WriteFile(says=f"write {path}", key=f"{key}/override", path=path, content=content, mode=0o600))
        argv = self._recipes.command(do, said, path)
        self._run(do, argv, {**self._recipes.env, **self._env}, tag, labels, key)

    def _run(
        self, do: Do, argv: tuple[str, ...], env: Mapping[str, str], tag: str, labels: Mapping[str, str], key: str
    ) -> None:
        says = f"build {tag} from commit {labels[REVISION][:12]}"
        try:
            do(Command(says=says, key=f"{key}/build", argv=argv, env=env, deadline_seconds=BUILD_SECONDS))
        except ActionError as error:
            if type(error) is not ActionError or not (missing := _MISSING.search(error.what)):
                raise
            raise ActionError(error.what, state="Nothing was deployed.", next=_not_in_commit(missing[1])) from None

    def _docker_build(
        self, tree: Path, spec: Component, context: str, labels: Mapping[str, str], tag: str
    ) -> tuple[str, ...]:
        folder = tree / context
        words = ["docker", "build", "--tag", tag, *(["--no-cache"] if spec.no_cache else [])]
        words += [word for platform in spec.platforms for word in ("--platform", platform)]
        if spec.dockerfile:
            words += ["--file", str(folder / spec.dockerfile)]
        for flag, pairs in (("--label", labels), ("--build-arg", spec.build_args)):
            for name, value in pairs.items():
                words += [flag, f"{name}={value}"]
        return (*words, str(folder))

    # ---------------------------------------------------------------------------------------------------- registry

    def _push(self, do: Do, component: str, keep_as: str, remote: str, tag: str, spec: Component, key: str) -> Artifact:
        """Push what is kept as ``keep_as`` under a name that only we know, and return it by its digest."""
        if len(spec.platforms) > 1:
            digest = several.digest_of(do, f"{remote}:{tag}", self._env)
            return Artifact(component, f"{remote}@{digest}", digest)
        engine.tag(do, keep_as, f"{remote}:{tag}", f"{key}/tag")
        self._pushed(do, f"{remote}:{tag}", f"{key}/push")
        unknown = f"{remote}@sha256:(not pushed yet)"
        image = engine.look(do, keep_as, assume=Image("", digests=(unknown,)))
        found = [d for d in (image.digests if image else ()) if d.startswith(f"{remote}@")]
        if len(found) != 1 or (found[0] != unknown and not engine.in_registry(do, found[0], self._env)):
            raise ActionError(
                f"{remote}:{tag} was pushed, and the registry does not have it under one digest.",
                state="Nothing was deployed.",
                next=f"Run `docker manifest inspect {remote}:{tag}` by hand and look at the registry's log.",
            )
        return Artifact(component, found[0], found[0].partition("@")[2])

    def _push_several(self, do: Do, keep_as: str, remote: str, platforms: Sequence[str], key: str) -> None:
        """Push the images of all platforms and their list, and keep this machine's own as ``keep_as``."""
        members = []
        for platform in platforms:
            member = several.suffixed(remote, platform)
            engine.tag(do, several.suffixed(keep_as, platform), member, f"{key}/{platform}/tag")
            self._pushed(do, member, f"{key}/{platform}/push")
            # by digest, here and when it is published: docker lists them by their names, and the list is to be the same
            members.append(f"{repository(remote)}@{several.digest_of(do, member, self._env)}")
        several.push_list(do, remote, members, self._env, key)
        several.digest_of(do, remote, self._env)
        engine.tag(do, remote, keep_as, f"{key}/keep")

    def _pushed(self, do: Do, name: str, key: str) -> None:
        argv = ("docker", "push", "--quiet", name)
        do(Command(says=f"push {name}", key=key, argv=argv, env=self._env, deadline_seconds=PUSH_SECONDS))


class DockerKind:
    """Images, by Docker."""

    name = "docker"
    makes: Literal["image", "folder"] = "image"

    def made(self, making: Making) -> Docker:
        """Return the builder."""
        site = making.site
        return Docker(
            site.book.system,
            site.environment,
            site.folders.state,
            registry=site.place.registry,
            recipes=making.recipes,
            env=making.env,
            recorded=making.recorded,
            push=making.push,
        )


BUILDER = DockerKind()


def _not_in_commit(path: str) -> str:
    return (
        f"The Dockerfile copies {path}, and the commit does not hold it: an image is built from a clean copy of the commit, not from "
        f"the folder that somebody works in. Commit it (`git check-ignore -v {path}` tells what keeps it out of git), see that no .dockerignore leaves it out, "
        f"or copy it no more."
    )


def _require_size(do: Do, tag: str, component: str, spec: Component) -> None:
    image = engine.look(do, tag, assume=Image("")) if spec.max_gigabytes is not None else None
    if image is not None and spec.max_gigabytes is not None and image.size > spec.max_gigabytes * 1e9:
        raise ActionError(
            f"The image of {component} has {image.size / 1e9:.2f} GB; it may have {spec.max_gigabytes:g}.",
            state="It was built, and nothing else was done with it.",
            next=f"`docker history {tag}` shows which layer it is; or allow more by `max_gigabytes` of the component.",
        )


def _known(do: Do, tag: str, source: _Source, assume: Image | None = None) -> Image | None:
    image = engine.look(do, tag, assume)
    return image if image is not None and (image.commit, image.recipe) == (source.commit, source.recipe) else None


def recipe(spec: Component, build_key: str = "") -> str:
    """Return a SHA-256 of how ``spec`` says to build; ``build_key``: of how the Compose files do (`Build.key`)."""
    said: list[Any] = [spec.context, spec.dockerfile, sorted(spec.build_args.items()), build_key]
    # only where there are any, so that what was built before these could be said is still the same
    more = [[step.model_dump(mode="json") for step in spec.steps], sorted(spec.platforms), spec.no_cache]
    said += [more] if any(more) else []
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
