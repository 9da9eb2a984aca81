"""What the image builder asks to be done, on recorded answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from runwright.builders.docker import Docker, recipe
from runwright.engine.actions import Command, Output, WriteFile
from runwright.engine.performer import Performer
from runwright.engine.planning import Planner
from runwright.errors import ActionError, InputError, ObservationError, RefusedError
from runwright.platforms.compose.build import ComposeBuild, parse_build
from runwright.runbook.component import Component
from runwright.runbook.environment import Registry
from runwright.testing.replies import Replies
from runwright.versions import Artifact, valid_tag

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ABSENT = Output(1, b"", b"Error response from daemon: No such image: x")
TREE = Path("/tree")


DOT = Component(context=".")


def call(_: object) -> tuple[str, ...]:
    return ("docker", "compose", "-p", "shop")


def image(spec: Component = DOT, build: str = "", revision: str = COMMIT, digests: list[str] | None = None) -> Output:
    """What Docker tells of an image that was built from ``revision`` as ``spec`` says."""
    told = {"id": "sha256:abc", "digests": digests, "revision": revision, "build": recipe(spec, build)}
    return Output(0, json.dumps(told).encode(), b"")


def builder(registry: str = "", recipes: ComposeBuild | None = None) -> Docker:
    place = Registry(prefix=registry) if registry else None
    return Docker("shop", "production", Path("/state"), registry=place, recipes=recipes)


@pytest.mark.parametrize(
    ("version", "tag"),
    [("v1.4.0", "v1.4.0"), ("feature/x+1", "feature-x-1"), ("..", "unnamed"), ("-x", "x"), ("a" * 200, "a" * 128)],
)
def test_a_version_becomes_a_valid_tag(version: str, tag: str) -> None:
    """A git ref may hold what a tag may not."""
    assert valid_tag(version) == tag


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ('failed to compute cache key: "/data" not found: not found', "copies data, and the commit does not hold it"),
        ('failed to calculate checksum of ref x: "/src/data/a.py": not found', "git check-ignore -v src/data/a.py"),
        ("pip: no such option", ""),
    ],
)
def test_what_only_lies_in_somebodys_folder_is_not_built(said: str, advice: str) -> None:
    """A file that git ignores is there for who builds by hand, and not in a clean copy: the error says what to do."""

    def do(action: Any) -> Any:
        if action.argv[1] == "build":
            raise ActionError(f"failed to solve: {said} (docker exited with 1).", next="Look at it.")
        return None

    with pytest.raises(ActionError) as caught:
        builder().build(do, TREE, "api", DOT, COMMIT, "v1", "build")
    assert said in caught.value.what and (advice or "Look at it.") in caught.value.next


def test_a_context_is_built_with_the_commit_as_a_label() -> None:
    """The exact command is the plan; build arguments and Dockerfile are the runbook's."""
    spec = Component(context="./backend", dockerfile="docker/Dockerfile", build_args={"COLOUR": "blue"})
    do = Replies({"docker image inspect": [ABSENT, image(spec)]}, lenient=True)
    artifact = builder().build(do, TREE, "api", spec, COMMIT, "v1", "build")
    assert artifact == Artifact("api", "sha256:abc", "sha256:abc")
    assert do.keys == ["build/api/build", "build/api/tag"]
    command = do.changes[0]
    assert isinstance(command, Command)
    assert command.argv == (
        "docker", "build", "--tag", f"runwright/shop-api:{COMMIT[:12]}-{recipe(spec)[:8]}",
        "--file", "/tree/backend/docker/Dockerfile",
        "--label", f"org.opencontainers.image.revision={COMMIT}", "--label", "org.opencontainers.image.version=v1",
        "--label", "runwright.system=shop", "--label", f"runwright.build={recipe(spec)}", "--build-arg", "COLOUR=blue", "/tree/backend",
    )  # fmt: skip


BUILT = Component(context="./backend", dockerfile="Dockerfile", build_args={"A": "1", "B": "2"})


@pytest.mark.parametrize(
    ("now", "build", "same"),
    [
        ({}, "", True),
        ({"build_args": {"B": "2", "A": "1"}}, "", True),
        ({"services": ["api", "jobs"], "per_environment": True, "command": ["x"]}, "", True),
        ({"build_args": {"A": "1", "B": "3"}}, "", False),
        ({"build_args": {}}, "", False),
        ({"dockerfile": "docker/Dockerfile"}, "", False),
        ({"context": "."}, "", False),
        ({}, "another", False),
    ],
)
def test_a_recipe_is_what_the_runbook_says_about_building(now: dict[str, Any], build: str, same: bool) -> None:
    """Whatever else it says about a component makes no other image of it."""
    assert (recipe(BUILT.model_copy(update=now), build) == recipe(BUILT)) is same


def test_an_image_of_another_commit_under_our_tag_is_an_error_after_a_build() -> None:
    """A Dockerfile that sets the label itself would make every commit look alike."""
    do = Replies({"docker image inspect": image(revision="f" * 40)}, lenient=True)
    with pytest.raises(ActionError, match="not the image of commit"):
        builder().build(do, TREE, "api", Component(context="."), COMMIT, "v1", "build")


def test_each_environment_has_its_own_image_where_the_runbook_says_so() -> None:
    """A web front end with addresses baked in."""
    spec = Component(context=".", per_environment=True)
    do = Replies({"docker image inspect": [ABSENT, image(spec)]}, lenient=True)
    builder().build(do, TREE, "web", spec, COMMIT, "v1", "build")
    assert any("runwright/shop-web-production:" in w for a in do.changes if isinstance(a, Command) for w in a.argv)


def test_a_compose_build_moves_every_context_into_the_tree_and_writes_no_secret() -> None:
    """Contexts in the user's folder are the tree's; those elsewhere stay."""
    rendered = {
        "services": {
            "api": {
                "build": {
                    "context": "/opt/shop/back$end",
                    "additional_contexts": {"lib": "/opt/shop/lib", "base": "docker-image://x"},
                },
                "environment": {"SECRET": "geheim-1"},
            }
        }
    }
    compose = ComposeBuild(call, Path("/opt/shop"), {"api": ("api",)}, {"S": "geheim-2"})
    config = Output(0, json.dumps(rendered).encode(), b"")
    spec = Component(services=["api"])
    key = parse_build(config, "api", ("api",), Path("/opt/shop")).build_key
    built = image(spec, key)
    do = Replies({"docker image inspect": [ABSENT, built], "config --format json": config}, lenient=True)
    builder(recipes=compose).build(do, TREE, "api", spec, COMMIT, "v1", "build")
    assert do.keys == ["build/api/override", "build/api/build", "build/api/tag"]
    written, command = do.changes[0], do.changes[1]
    assert isinstance(written, WriteFile)
    assert isinstance(command, Command)
    said = yaml.safe_load(written.content)["services"]["api"]
    assert said["image"] == f"runwright/shop-api:{COMMIT[:12]}-{recipe(spec, key)[:8]}"
    assert said["build"]["context"] == "/tree/back$$end"
    assert said["build"]["additional_contexts"] == {"lib": "/tree/lib", "base": "docker-image://x"}
    assert command.argv[-4:] == ("-f", "/state/build-api.yml", "build", "api")
    assert b"geheim" not in written.content
    assert "geheim" not in repr(do.changes)


def test_what_lies_around_outside_of_the_repository_is_not_built() -> None:
    """A context above the folder of the Compose file is one of the repository; one beside the repository is refused."""
    spec = Component(services=["api"])

    def built(context: str, top: str) -> WriteFile:
        config = Output(0, json.dumps({"services": {"api": {"build": {"context": context}}}}).encode(), b"")
        key = parse_build(config, "api", ("api",), Path(top)).build_key
        do = Replies({"docker image inspect": [ABSENT, image(spec, key)], "config --format json": config}, lenient=True)
        builder(recipes=ComposeBuild(call, Path(top), {"api": ("api",)})).build(
            do, TREE, "api", spec, COMMIT, "v1", "build"
        )
        written = do.changes[0]
        assert isinstance(written, WriteFile)
        return written

    said = yaml.safe_load(built("/opt/shop", "/opt/shop").content)["services"]["api"]["build"]
    assert said["context"] == "/tree"
    said = yaml.safe_load(built("https://example.com/code.git", "/opt/shop").content)["services"]["api"]["build"]
    assert said["context"] == "https://example.com/code.git"
    with pytest.raises(InputError, match=r"built from /opt/shop, which is not in /opt/shop/deploy"):
        built("/opt/shop", "/opt/shop/deploy")


def config_of(**services: Any) -> Output:
    """What Compose prints of a project with these services."""
    return Output(0, json.dumps({"name": "shop", "services": services}).encode(), b"")


@pytest.mark.parametrize(
    "other",
    [
        {"args": {"URL": "https://two"}},
        {"args": ["URL"]},
        {"target": "production"},
        {"dockerfile": "Other"},
        {"dockerfile_inline": "FROM scratch"},
        {"additional_contexts": {"lib": "/opt/shop/lib"}},
        {"context": "/opt/shop/web"},
    ],
)
def test_whatever_the_compose_file_says_otherwise_makes_another_image(other: dict[str, Any]) -> None:
    """Also what an env file or a second Compose file puts into a build: an image that is made otherwise is not used again."""

    def key(build: dict[str, Any], top: str = "/opt/shop") -> str:
        return parse_build(config_of(web={"build": build}), "web", ("web",), Path(top)).build_key

    usual = {"context": "/opt/shop", "args": {"URL": "https://one"}}
    assert key(usual | other) != key(usual)
    assert key({"context": "/srv/test", "args": ["URL=https://one"]}, "/srv/test") == key(usual), (
        "each place has its folder"
    )
    spec = Component(services=["web"])
    assert recipe(spec, key(usual | other)) != recipe(spec, key(usual))


def test_a_component_is_built_by_the_service_that_has_the_build() -> None:
    """Whichever of those that share its image is named first."""
    config = config_of(jobs={"image": "shop-api"}, api={"build": {"context": "/opt/shop"}})
    assert parse_build(config, "api", ("jobs", "api"), Path("/opt/shop")).service == "api"


def test_what_is_built_and_is_no_component_is_built_once_and_never_again() -> None:
    """A database with a Dockerfile of its own: from the clean tree, under its own name; one that is there stays as it is."""
    config = config_of(
        api={
            "build": {"context": "/opt/shop"},
            "depends_on": {"seed": {"condition": "service_completed_successfully"}},
        },
        db={"build": {"context": "/opt/shop/db"}, "image": "acme/db:15"},
        cache={"build": {"context": "/opt/shop/cache"}},
        seed={"build": {"context": "/opt/shop"}},
        mail={"image": "mailhog"},
    )
    compose = ComposeBuild(call, Path("/opt/shop"), {"api": ("api",)})
    do = Replies(
        {"inspect --format": lambda a: None if "cache" in a.argv[-1] else "there", "config --format json": config},
        lenient=True,
    )
    builder(recipes=compose).build_others(do, TREE, COMMIT, "prepare/others")
    assert do.keys == ["prepare/others/cache/override", "prepare/others/cache/build"]
    written = do.changes[0]
    assert isinstance(written, WriteFile)
    said = yaml.safe_load(written.content)["services"]["cache"]
    assert (said["image"], said["build"]["context"]) == ("shop-cache:latest", "/tree/cache")
    builder().build_others(Replies({}), TREE, COMMIT, "prepare/others")


def test_what_cannot_be_built_is_told_before_anything_is_done() -> None:
    """No context and no Compose; a service that is not there; services that are not of one image."""
    do = Replies({"docker image inspect": ABSENT})
    with pytest.raises(InputError, match="no context"):
        builder().build(do, TREE, "api", Component(), COMMIT, "v1", "build")
    with pytest.raises(InputError, match="no service web; they have api"):
        parse_build(config_of(api={"image": "x"}), "api", ("api", "web"), Path("/opt"))
    two = config_of(api={"build": {"context": "/opt"}}, web={"build": {"context": "/opt", "target": "web"}})
    with pytest.raises(RefusedError, match=r"built differently \(target the last one and web\)"):
        parse_build(two, "api", ("api", "web"), Path("/opt"))


def test_pushed_is_what_the_registry_has_under_one_digest() -> None:
    """It has a name there that only we know; the digest of that very repository is the identity."""
    digests = ["other.example.com/api@sha256:1", "r.example.com/shop/api@sha256:2"]
    do = Replies(
        {"docker image inspect": image(digests=digests), "docker manifest inspect": Output(0, b"{}", b"")}, lenient=True
    )
    artifact = builder("r.example.com/shop").build(do, TREE, "api", Component(context="."), COMMIT, "v1", "build")
    assert artifact == Artifact("api", "r.example.com/shop/api@sha256:2", "sha256:2")
    assert do.keys == ["build/api/tag", "build/api/push"]
    assert not any("v1" in word for action in do.changes if isinstance(action, Command) for word in action.argv)
    do = Replies({"docker image inspect": image(digests=digests[:1])}, lenient=True)
    with pytest.raises(ActionError, match="does not have it"):
        builder("r.example.com/shop").build(do, TREE, "api", Component(context="."), COMMIT, "v1", "build")


@pytest.mark.parametrize(
    ("code", "error", "there"),
    [(0, "", True), (1, "no such manifest: r/x:y", False), (1, "manifest unknown", False), (1, "EOF", None)],
)
def test_a_registry_that_does_not_answer_is_not_an_empty_one(code: int, error: str, there: bool | None) -> None:
    """Only its own "no" means that an image is not there."""
    do = Replies({"docker manifest inspect": Output(code, b"", error.encode()), "docker image inspect": ABSENT})
    artifact = Artifact("api", "r.example.com/shop/api@sha256:2", "sha256:2")
    if there is None:
        with pytest.raises(ObservationError, match="could not be asked"):
            builder().exists(do, artifact)
    else:
        assert builder().exists(do, artifact) is there


def test_plain_http_is_allowed_to_this_machine_only() -> None:
    """A registry on the loopback address needs no certificate; every other does."""
    for reference, insecure in (("localhost:5000/x@sha256:1", True), ("localhost.example.com/x@sha256:1", False)):
        do = Replies({"docker manifest inspect": Output(0, b"", b""), "docker image inspect": ABSENT})
        builder().exists(do, Artifact("api", reference, "sha256:1"))
        command = do.actions[1]
        assert isinstance(command, Command)
        assert ("--insecure" in command.argv) is insecure


def test_an_engine_that_does_not_answer_builds_nothing() -> None:
    """No answer is no "there is none"."""
    do = Replies({"docker image inspect": Output(1, b"", b"Cannot connect to the Docker daemon")})
    with pytest.raises(ObservationError):
        builder().build(do, TREE, "api", Component(context="."), COMMIT, "v1", "build")


def test_a_plan_shows_every_build_and_push() -> None:
    """Of two components that are not built yet, both appear, with the exact words."""
    plan = Planner(Performer())
    plan(WriteFile(says="something before", key="before", path=Path("/nowhere"), content=b""))
    compose = ComposeBuild(call, Path("/opt/shop"), {"api": ("api",), "web": ("web",)})
    maker = builder("r.example.com/shop", compose)
    maker.build(plan, TREE, "api", Component(context="."), COMMIT, "v1", "build")
    maker.build(plan, TREE, "web", Component(), COMMIT, "v1", "build")
    keys = [step.key for step in plan.steps]
    assert keys[1:4] == [f"build/api/{k}" for k in ("build", "tag", "push")]
    assert keys[4:6] == ["build/web/override", "build/web/build"]


PUSHED = Artifact("api", "r.example.com/shop/api@sha256:2", "sha256:2")


def test_a_release_gets_its_tags_in_the_registry_when_nothing_stands_against_it() -> None:
    """The version as it was asked for, and those of the runbook: each is pushed, of what was pushed before."""
    spec = Component(context=".", tags=["${release.number}", "${release.minor}", "sha-${release.short}"])
    do = Replies({}, lenient=True)
    builder("r.example.com/shop").publish(do, PUSHED, "api", spec, COMMIT, "v1.4.0", "publish")
    words = [action.argv for action in do.changes if isinstance(action, Command)]
    names = [f"r.example.com/shop/api:{tag}" for tag in ("v1.4.0", "1.4.0", "1.4", "sha-0123456")]
    assert [argv[-1] for argv in words if argv[1] == "push"] == names
    assert [argv[2:] for argv in words if argv[1] == "tag"] == [(PUSHED.reference, name) for name in names]


@pytest.mark.parametrize(
    "artifact", [Artifact("api", "sha256:1", "sha256:1"), Artifact("api", "ghcr.io/ci/api@sha256:1", "sha256:1")]
)
def test_what_was_not_pushed_here_gets_no_tag_there(artifact: Artifact) -> None:
    """What is on this machine alone, and what CI has built, which has its own."""
    do = Replies({})
    builder("r.example.com/shop").publish(do, artifact, "api", DOT, COMMIT, "v1", "publish")
    assert do.changes == []


def test_a_plan_pushes_nothing() -> None:
    """What nobody has allowed yet is on this machine alone."""
    do = Replies({"docker image inspect": [ABSENT, image()]}, lenient=True)
    place = Registry(prefix="r.example.com/shop")
    artifact = Docker("shop", "production", Path("/state"), registry=place, push=False).build(
        do, TREE, "api", DOT, COMMIT, "v1", "build"
    )
    assert artifact == Artifact("api", "sha256:abc", "sha256:abc")
    assert do.keys == ["build/api/build", "build/api/tag"]


def test_too_large_an_image_is_not_released() -> None:
    """By how much is said."""
    large = Output(
        0,
        json.dumps(
            {"id": "sha256:abc", "digests": None, "revision": COMMIT, "build": "x", "size": 2_500_000_000}
        ).encode(),
        b"",
    )
    spec = Component(context=".", max_gigabytes=1)
    do = Replies({"docker image inspect": [ABSENT, large]}, lenient=True)
    with pytest.raises(ActionError, match=r"api has 2\.50 GB; it may have 1"):
        builder().build(do, TREE, "api", spec, COMMIT, "v1", "build")


def test_how_it_is_built_is_said_to_docker_and_to_compose() -> None:
    """For which platform, and without the cache; another platform makes another image."""
    spec = Component(context=".", platforms=["linux/arm64"], no_cache=True)
    do = Replies({"docker image inspect": [ABSENT, image(spec)]}, lenient=True)
    builder().build(do, TREE, "api", spec, COMMIT, "v1", "build")
    command = do.changes[0]
    assert isinstance(command, Command)
    assert command.argv[4:7] == ("--no-cache", "--platform", "linux/arm64") and command.env["DOCKER_BUILDKIT"] == "1"
    compose = ComposeBuild(call, Path("/opt/shop"), {"api": ("api",)})
    said = parse_build(config_of(api={"build": {"context": "/opt/shop"}}), "api", ("api",), Path("/opt/shop"))
    made = yaml.safe_load(compose.override(said, spec, TREE, {}, "x"))["services"]["api"]["build"]
    assert (made["platforms"], made["no_cache"]) == (["linux/arm64"], True)
    assert recipe(spec) != recipe(DOT)
