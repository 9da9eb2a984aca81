"""Which services of a Compose project are started from one image."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.platforms.compose.origins import misfits, origins
from runwright.versions import image_name

TOP = "/opt/shop"


def groups(**services: dict[str, Any]) -> list[set[str]]:
    """The services by the image that they are started from."""
    known = origins(services, "shop", TOP)
    return [{n for n in known if known[n].key == key} for key in dict.fromkeys(o.key for o in known.values())]


def built(**said: Any) -> dict[str, Any]:
    return {"build": {"context": TOP, **said}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (built(dockerfile="docker/Dockerfile.api"), built(dockerfile="docker/Dockerfile.web")),
        (built(target="api"), built(target="web")),
        (built(), built(target="web")),
        (built(args={"APP": "api"}), built(args={"APP": "web"})),
        (built(args={"APP": "api"}), built()),
        (built(args=["APP=api"]), built(args=["APP"])),
        (built(), {"build": {"context": f"{TOP}/web"}}),
        (built(), built(dockerfile_inline="FROM scratch\n")),
        (built(dockerfile_inline="FROM a\n"), built(dockerfile_inline="FROM b\n")),
        (built(), built(additional_contexts={"lib": f"{TOP}/lib"})),
        (built(), {**built(), "platform": "linux/arm64"}),
        (built(platforms=["linux/amd64"]), built(platforms=["linux/arm64"])),
        ({**built(target="api"), "image": "shop:1"}, {**built(target="web"), "image": "shop:1"}),
        ({"image": "redis:7"}, {"image": "redis:6"}),
        (built(), {"image": "shop-other"}),
    ],
)
def test_services_that_are_built_differently_are_not_started_from_one_image(one: Any, other: Any) -> None:
    """Whatever it is in that they differ; the same tag makes them no same image."""
    assert groups(one=one, other=other) == [{"one"}, {"other"}]
    assert len(list(misfits("app", ["one", "other"], origins({"one": one, "other": other}, "shop", TOP)))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (built(dockerfile="docker/Dockerfile"), built(dockerfile="./docker/../docker/Dockerfile")),
        (built(), built(dockerfile="Dockerfile")),
        (built(), {"build": TOP}),
        (built(), {"build": {"context": f"{TOP}/."}}),
        (built(args={"A": 1, "B": None}), built(args=["B", "A=1"])),
        (built(labels={"traefik.enable": "true"}), built()),
        ({**built(), "image": "acme/app:1"}, {"image": "docker.io/acme/app:1"}),
        ({**built(), "image": "acme/app"}, {"image": "acme/app:latest"}),
        (built(), {"image": "shop-one"}),
        ({**built(), "platform": "linux/amd64"}, built(platforms=["linux/amd64"])),
        ({"image": "registry.example:5000/acme/app"}, {"image": "registry.example:5000/acme/app:latest"}),
    ],
)
def test_services_of_one_build_or_one_tag_are_together(one: Any, other: Any) -> None:
    """However it is written."""
    assert groups(one=one, other=other) == [{"one", "other"}]
    assert not list(misfits("app", ["one", "other"], origins({"one": one, "other": other}, "shop", TOP)))


def test_a_component_is_not_started_from_an_image_that_was_built_for_another() -> None:
    """A service that has no build of its own goes with the one that builds its image."""
    known = origins({"api": built(), "worker": {"image": "shop-api"}}, "shop", TOP)
    said = list(misfits("worker", ["worker"], known))
    assert said[0][0].startswith("worker is started from shop-api:latest, which is built for api")
    assert said[0][1] == "Move worker to the `services` of the component that holds api."
    assert not list(misfits("api", ["worker", "api"], known))


def test_a_tag_that_two_builds_have_belongs_to_nobody() -> None:
    """Compose starts all of them from whichever it has built last."""
    services = {"api": {**built(target="a"), "image": "app"}, "web": {**built(target="b"), "image": "app"}}
    known = origins({**services, "jobs": {"image": "app"}}, "shop", TOP)
    said = [what for what, _ in misfits("jobs", ["jobs"], known)]
    assert said == ["jobs is started from app:latest, which api and web build differently: nobody can say which it is."]


def test_no_value_of_a_build_argument_is_told() -> None:
    """It may be a secret."""
    known = origins({"api": built(args={"TOKEN": "geheim-1"}), "web": built(args={"TOKEN": "geheim-2"})}, "shop", TOP)
    said = next(misfits("api", ["api", "web"], known))
    assert "the build argument TOKEN" in said[0]
    assert "geheim" not in f"{said}{known}"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("redis", "redis:latest"),
        ("docker.io/library/redis:7", "redis:7"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("app@sha256:1", "app@sha256:1"),
    ],
)
def test_an_image_has_one_name(text: str, whole: str) -> None:
    """A port is no tag."""
    assert image_name(text) == whole
