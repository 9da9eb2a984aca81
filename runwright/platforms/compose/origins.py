"""Which image each service of a Compose project is started from: one that is built, and how, or one that is pulled."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runwright.versions import image_name


@dataclass(frozen=True)
class Build:
    """All that decides which image comes out of a build; two services with equal ones are of one build.

    context, dockerfile, contexts: as paths from the top of the repository where they are in it. dockerfile: a line break and its
    whole text, if the Compose file holds it. args: their values may be secrets.
    """

    context: str
    dockerfile: str
    target: str = ""
    args: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    contexts: Mapping[str, str] = field(default_factory=dict)
    platforms: tuple[str, ...] = ()

    def key(self) -> str:
        """Return a SHA-256 of it (hex)."""
        told = [self.context, self.dockerfile, self.target, sorted(self.args.items(), key=str)]
        said = json.dumps([*told, sorted(self.contexts.items()), self.platforms])
        return hashlib.sha256(said.encode()).hexdigest()

    def differences(self, other: Build) -> list[str]:
        """Return in what ``other`` is another build, as phrases; of arguments the names alone."""
        pairs = (
            ("context", self.context, other.context),
            ("Dockerfile", _shown(self.dockerfile), _shown(other.dockerfile)),
            ("target", self.target or "the last one", other.target or "the last one"),
            ("platform", *(", ".join(one.platforms) or "the machine's own" for one in (self, other))),
        )
        args = sorted(n for n in {*self.args, *other.args} if self.args.get(n, "") != other.args.get(n, ""))
        said = [f"{name} {mine} and {theirs}" for name, mine, theirs in pairs if mine != theirs]
        said += [f"the build argument {name}" for name in args]
        said += ["additional contexts"] if self.contexts != other.contexts else []
        return said or ["the text of the Dockerfile"]


@dataclass(frozen=True)
class Origin:
    """What a service is started from.

    image: the name of its image, in full. build: how that is built, None if nothing of the project builds it. own: whether
    the service builds it itself; otherwise ``builders`` do, and if they build it differently, ``build`` is None.
    """

    image: str
    build: Build | None = None
    own: bool = False
    builders: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The same for services that are started from one image."""
        return self.build.key() if self.build is not None else self.image


def origins(services: Mapping[str, Mapping[str, Any]], project: str, top: str | Path) -> dict[str, Origin]:
    """Return what each of ``services``, as Compose renders them, is started from; ``top`` is the repository's folder."""
    built = {name: build for name, said in services.items() if (build := build_of(said, str(top))) is not None}
    called = {name: image_name(said.get("image") or f"{project}-{name}") for name, said in services.items()}
    found = {}
    for name, image in called.items():
        if name in built:
            found[name] = Origin(image, built[name], own=True)
            continue
        builders = tuple(other for other in built if called[other] == image)
        builds = {built[other].key(): built[other] for other in builders}
        found[name] = Origin(image, next(iter(builds.values())) if len(builds) == 1 else None, builders=builders)
    return found


def build_of(said: Mapping[str, Any], top: str) -> Build | None:
    """Return how a service, as Compose renders it, is built; None if it is not."""
    build = said.get("build")
    if not build:
        return None
    if isinstance(build, str):
        build = {"context": build}
    context = str(build.get("context") or ".")
    dockerfile = str(build.get("dockerfile") or "Dockerfile")
    local = "://" not in context
    path = os.path.normpath(Path(context) / dockerfile) if local else dockerfile
    platform = said.get("platform")
    return Build(
        context=_seen(os.path.normpath(context), top) if local else context,
        dockerfile=f"\n{inline}" if (inline := build.get("dockerfile_inline")) else _seen(path, top),
        target=str(build.get("target") or ""),
        args=pairs(build.get("args")),
        contexts={n: _seen(str(at), top) for n, at in pairs(build.get("additional_contexts")).items()},
        platforms=(str(platform),) if platform else tuple(sorted(map(str, build.get("platforms") or ()))),
    )


def awaited(depends_on: Any) -> tuple[str, ...]:
    """Return the services that ``depends_on`` waits for until they have run and ended well."""
    if not isinstance(depends_on, Mapping):
        return ()
    return tuple(n for n, how in depends_on.items() if (how or {}).get("condition") == "service_completed_successfully")


def pairs(said: Any) -> dict[str, str | None]:
    """Return what Compose writes as a mapping or as a list of NAME=VALUE; None is a value that is taken from elsewhere."""
    if isinstance(said, Mapping):
        return {str(name): None if value is None else str(value) for name, value in said.items()}
    split = (str(item).partition("=") for item in said or ())
    return {name: value if equals else None for name, equals, value in split}


def built_twice(known: Mapping[str, Origin]) -> dict[str, list[str]]:
    """Return {image: services} of the names that several services give to what they build differently."""
    names: dict[str, list[str]] = {}
    for name, origin in known.items():
        if origin.own:
            names.setdefault(origin.image, []).append(name)
    return {image: services for image, services in names.items() if len({known[s].key for s in services}) > 1}


def misfits(component: str, services: Iterable[str], known: Mapping[str, Origin]) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, what to do) of a component whose ``services`` are not all started from the image that is its own.

    Services that ``known`` does not hold are passed over.
    """
    there = [name for name in services if name in known]
    first = next((name for name in there if known[name].own), there[0] if there else "")
    for name in there:
        if known[name].builders and known[name].build is None:
            builders = " and ".join(known[name].builders)
            yield (
                f"{name} is started from {known[name].image}, which {builders} build differently: nobody can say which it is.",
                f"Give the images of {builders} names of their own in the Compose file.",
            )
        elif known[name].key != known[first].key:
            yield (
                f"{_both(first, name, known)}, and the component {component} would start both from one image.",
                f"Make {name} a component of its own: `{name}: {{services: [{name}]}}`.",
            )
    if first and known[first].builders and known[first].build is not None and not known[first].own:
        builder = known[first].builders[0]
        yield (
            f"{first} is started from {known[first].image}, which is built for {builder}, and the component {component} "
            f"does not hold {builder}.",
            f"Move {first} to the `services` of the component that holds {builder}.",
        )


def _both(first: str, name: str, known: Mapping[str, Origin]) -> str:
    one, other = known[first].build, known[name].build
    if one is not None and other is not None:
        return f"{first} and {name} are built differently ({'; '.join(one.differences(other))})"
    return " and ".join(
        f"{n} is {'built' if known[n].build is not None else f'started from {known[n].image}'}" for n in (first, name)
    )


def _seen(path: str, top: str) -> str:
    inside = Path(path).is_absolute() and Path(path).is_relative_to(top)
    return os.path.relpath(path, str(top)) if inside else path


def _shown(dockerfile: str) -> str:
    return "in the Compose file" if dockerfile.startswith("\n") else dockerfile
