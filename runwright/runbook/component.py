"""What is built once and deployed."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from runwright import registry
from runwright.runbook.base import (
    REFERENCE,
    Duration,
    EnvironmentKey,
    Model,
    ServiceName,
    Text,
    Words,
    example,
    references,
)
from runwright.runbook.builders import Builder
from runwright.runbook.registered import one_of
from runwright.versions import valid_tag

if TYPE_CHECKING:
    AnyBuilder = Builder
else:
    AnyBuilder = one_of(registry.BUILDERS)

_IMAGE_FACTS = {
    "version": "the version as it was asked for (v1.4.0)",
    "number": "the same without its v (1.4.0)",
    "commit": "the whole commit",
    "short": "its first seven characters",
    "minor": "the number without its last part (1.4)",
}
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._:/-]*[a-z0-9](:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?")


def _require_known(text: str) -> None:
    for kind, name in references(text):
        if kind != "release" or name not in _IMAGE_FACTS:
            there = "; ".join(f"${{release.{n}}} is {meaning}" for n, meaning in _IMAGE_FACTS.items())
            raise ValueError(f"${{{kind}.{name}}} is unknown here. {there}")


def _checked_image(text: str) -> str:
    _require_known(text)
    if not _IMAGE.fullmatch(REFERENCE.sub("0", text)):
        raise ValueError("the name of an image is meant: registry, path, and a tag or a digest")
    return text


ImageName = Annotated[
    str,
    AfterValidator(_checked_image),
    Words("the name of an image, which may hold ${release.…}", "the name of an image"),
]


def _checked_tag(text: str) -> str:
    _require_known(text)
    if not _TAG.fullmatch(REFERENCE.sub("0", text)):
        raise ValueError("a tag of an image is meant: letters, digits, dots, dashes and underscores, at most 128")
    return text


TagName = Annotated[str, AfterValidator(_checked_tag), Words("a tag of an image, which may hold ${release.…}", "a tag")]
DockerPlatform = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$"),
    Words("an operating system and a processor, such as linux/arm64", "a platform"),
]


def _checked_path(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("a path in the repository is meant: relative, and without ..")
    return text


InRepository = Annotated[
    Text, AfterValidator(_checked_path), Words("a path in the repository: relative, and without ..", "a path")
]


class BuildStep(Model):
    """A command that is run in the clean checkout, before the image is built."""

    run: list[Text] = example(
        ["mvn", "-B", "clean", "package"], "The program and its arguments, as a list.", min_length=1
    )
    folder: InRepository | None = example(
        "backend",
        "Where it is run, relative to the repository. Default: the component's `context`, else the top.",
        None,
    )
    makes: list[InRepository] = example(
        ["target/invoice-me-*.jar"],
        "What must have come out of it, relative to its folder; * and ? are wildcards. A file that was there before and is not made anew does not count.",
        [],
    )
    image: Text | None = example(
        "maven:3-eclipse-temurin-21",
        "An image that it is run in, with the checkout mounted: then the program need not be on the worker.",
        None,
    )
    timeout: Duration = example("20m", "How long it may take.", 1800.0)


class Component(Model):
    """What is built once and deployed: one image (or one tree, on the host platform)."""

    services: list[ServiceName] = example(
        ["api", "worker"],
        "The services that run it, in the order in which they are replaced. Default: the component's own name.",
        [],
    )
    context: Text | None = example(
        "./backend", "The folder to build. Default on Compose: as the first service's `build` says.", None
    )
    image: ImageName | None = example(
        "ghcr.io/acme/api:${release.version}",
        "An image that was built elsewhere, by CI, and is pulled; its digest is recorded and is what is deployed. "
        "${release.version} is the version as it was asked for, ${release.number} the same without its v, ${release.commit} "
        "the whole commit, ${release.short} its first seven characters. "
        "Default on Compose, for services without `build`: what the version's Compose files say.",
        None,
        apart=True,
    )
    dockerfile: Text | None = example("docker/Dockerfile", "The Dockerfile, relative to the context.", None)
    build_args: dict[EnvironmentKey, str] = example(
        {"API_URL": "https://api.example.com"}, "Build arguments that are no secrets.", {}
    )
    command: list[Text] = example(
        ["make", "build"], "On the host platform: a command that turns the tree into what runs.", []
    )
    steps: list[BuildStep] = example(
        [{"run": ["npm", "ci"]}, {"run": ["npm", "run", "build"], "makes": [".next"]}],
        "What is run in the clean checkout before the image is built, one after the other: a build of its own, tests.",
        [],
    )
    platforms: list[DockerPlatform] = example(
        ["linux/amd64", "linux/arm64"],
        "What the image is built for. Several need a `registry`. Default: what the engine itself is.",
        [],
    )
    no_cache: bool = example(False, "Whether no layer of an earlier build is used again.", False)
    max_gigabytes: Annotated[float, Field(gt=0)] | None = example(
        1, "How large the image may be at most (10^9 bytes); a larger one is not released.", None
    )
    tags: list[TagName] = example(
        ["${release.number}", "${release.minor}", "sha-${release.short}"],
        "What the image is called in the registry besides the version as it was asked for. They are pushed when nothing stands against "
        "the release any more; what is deployed is the digest.",
        [],
    )
    builder: AnyBuilder | None = example(
        {"kind": "docker"},
        "What makes it, where that is not what its platform needs: a builder of another package.",
        None,
    )
    per_environment: bool = example(
        False, "Whether each environment needs a build of its own (a web front end with addresses baked in).", False
    )

    def image_of(self, commit: str, version: str) -> str:
        """Return the name of the image that was built elsewhere for a version, "" if it is built here."""
        return _filled(self.image or "", commit, version)

    def tags_of(self, commit: str, version: str) -> list[str]:
        """Return what the image of a version is called in the registry, for people: each once."""
        return list(dict.fromkeys([valid_tag(version), *(_filled(tag, commit, version) for tag in self.tags)]))


def _filled(text: str, commit: str, version: str) -> str:
    number = version.removeprefix("v") if version[1:2].isdigit() else version
    facts = {
        "version": valid_tag(version),
        "number": valid_tag(number),
        "minor": valid_tag(number.rpartition(".")[0] if number.count(".") > 1 else number),
        "commit": commit,
        "short": commit[:7],
    }
    return REFERENCE.sub(lambda found: facts[found["name"]], text)
