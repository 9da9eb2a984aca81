"""The image builder against a real engine and a real registry."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from runwright.builders import engine, several, steps
from runwright.builders.docker import Docker as Builder
from runwright.builders.docker import recipe
from runwright.builders.pulled import Recorded
from runwright.errors import ActionError, DeadlineError, ObservationError
from runwright.platforms.compose.build import ComposeBuild
from runwright.runbook.component import BuildStep, Component
from runwright.runbook.environment import Registry
from runwright.testing.direct import Direct
from tests.fixtures.engine import Docker

pytestmark = pytest.mark.docker

SHOP = Path(__file__).parent.parent / "data" / "compose" / "shop"
PASSWORD = "pushing-1234"
BCRYPTED = "$2b$05$abcdefghijklmnopqrstuuZjmHkw3mSCRO0lwHF/spToAIqwXDNNy"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def system(docker: Docker) -> Iterator[str]:
    """The name of a system of this test's own; its images are removed at the end."""
    name = f"rwt-build-{secrets.token_hex(4)}"
    yield name
    ids = docker.run("images", "-q", "--no-trunc", "--filter", f"label=runwright.system={name}").split()
    if ids:
        docker.run("image", "rm", "-f", *sorted(set(ids)))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(SHOP, tmp_path / "tree")
    return tmp_path / "tree"


@dataclass(frozen=True)
class Login:
    """A registry that asks for a login, without TLS, and the environment that holds one."""

    host: str
    env: dict[str, str]


@pytest.fixture(scope="module")
def registry(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Login]:
    """A registry on a free port of this machine, and a DOCKER_CONFIG folder with its login."""
    name, folder = f"rwt-build-registry-{secrets.token_hex(4)}", tmp_path_factory.mktemp("registry")
    (folder / "htpasswd").write_text(f"pusher:{BCRYPTED}\n")
    words = ["run", "--detach", "--name", name, "--publish", "127.0.0.1::5000", "--volume", f"{folder}:/auth:ro"]
    for setting in ("=htpasswd", "_HTPASSWD_REALM=test", "_HTPASSWD_PATH=/auth/htpasswd"):
        words += ["--env", f"REGISTRY_AUTH{setting}"]
    docker.run(*words, "registry:2")
    try:
        host = f"localhost:{docker.run('port', name, '5000/tcp').splitlines()[0].rpartition(':')[2]}"
        login = base64.b64encode(f"pusher:{PASSWORD}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
        (folder / "config.json").chmod(0o600)
        _wait_for(host)
        yield Login(host, {"DOCKER_CONFIG": str(folder)})
    finally:
        docker.run("rm", "--force", "--volumes", name)


class DockerWith:
    """Docker with an environment."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env

    def __call__(self, *words: str) -> None:
        subprocess.run(["docker", *words], check=True, env={**os.environ, **self._env}, capture_output=True)


def _wait_for(host: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://{host}/v2/", trust_env=False).status_code == 401:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail("the registry did not start within 30 s")


def label(docker: Docker, image: str, name: str) -> str:
    return docker.run("image", "inspect", "--format", f'{{{{index .Config.Labels "{name}"}}}}', image)


def test_a_context_is_built_once_and_kept_by_a_tag(docker: Docker, system: str, tree: Path, tmp_path: Path) -> None:
    """The image id is the identity; the same commit again builds nothing, whatever the tree holds by then."""
    do, builder = Direct(), Builder(system, "test", tmp_path)
    spec = Component(context="./app", build_args={"COLOUR": "blue"})
    built = builder.build(do, tree, "api", spec, COMMIT, "feature/x+1", "build")
    assert (
        built.identity
        == built.reference
        == docker.run("image", "inspect", "-f", "{{.Id}}", f"runwright/{system}-api:{COMMIT[:12]}-{recipe(spec)[:8]}")
    )
    assert docker.run("image", "inspect", "-f", "{{.Id}}", f"runwright/{system}-api:feature-x-1") == built.identity
    assert label(docker, built.identity, "org.opencontainers.image.revision") == COMMIT
    assert label(docker, built.identity, "org.opencontainers.image.version") == "feature/x+1"
    (tree / "app" / "VERSION").write_text("other")
    again = Direct()
    assert builder.build(again, tree, "api", spec, COMMIT, "v2", "build") == built
    assert again.keys == ["build/api/tag"]
    assert builder.exists(do, built)
    assert not builder.exists(do, replace(built, reference="sha256:" + "0" * 64))


def test_a_correction_of_the_runbook_makes_another_image_of_the_same_commit(
    docker: Docker, system: str, tree: Path, tmp_path: Path
) -> None:
    """Build arguments, Dockerfile and context count; both images stay, so that either can be gone back to."""
    (tree / "app" / "Dockerfile").write_text("FROM scratch\nARG API=none\nLABEL api=$API\nCOPY VERSION /\n")
    (tree / "app" / "Other").write_text("FROM scratch\nLABEL api=other\nCOPY VERSION /\n")
    (tree / "web").mkdir()
    (tree / "web" / "Dockerfile").write_text("FROM scratch\nLABEL api=web\nCOPY Dockerfile /\n")
    builder = Builder(system, "test", tmp_path)
    specs = [
        Component(context="app", build_args={"API": "https://wrong.example"}),
        Component(context="app", build_args={"API": "https://right.example"}),
        Component(context="app", dockerfile="Other"),
        Component(context="web"),
    ]
    built = [builder.build(Direct(), tree, "api", spec, COMMIT, "v1", "build") for spec in specs]
    said = [label(docker, artifact.reference, "api") for artifact in built]
    assert said == ["https://wrong.example", "https://right.example", "other", "web"]
    again = Direct()
    assert builder.build(again, tree, "api", specs[0], COMMIT, "v1", "build") == built[0]
    assert again.keys == ["build/api/tag"]
    docker.run("image", "prune", "--force", "--filter", f"label=runwright.system={system}")
    assert all(builder.exists(Direct(), artifact) for artifact in built)


def test_an_image_of_an_earlier_runwright_stays_and_is_built_anew(
    docker: Docker, system: str, tree: Path, tmp_path: Path
) -> None:
    """It does not tell how it was built, so it is not taken for a new release; its id is still a way back."""
    labels = ("--label", f"runwright.system={system}", "--label", f"org.opencontainers.image.revision={COMMIT}")
    old = f"runwright/{system}-api:{COMMIT[:12]}"
    docker.run("build", "-q", "-t", old, *labels, str(tree / "app"))
    identity = docker.run("image", "inspect", "-f", "{{.Id}}", old)
    do, builder = Direct(), Builder(system, "test", tmp_path)
    built = builder.build(do, tree, "api", Component(context="app"), COMMIT, "v1", "build")
    assert "build/api/build" in do.keys
    assert built.identity != identity
    docker.run("image", "prune", "--force", "--filter", f"label=runwright.system={system}")
    assert builder.exists(do, replace(built, reference=identity, identity=identity))


def test_an_image_under_our_tag_of_another_commit_is_not_trusted(
    docker: Docker, system: str, tree: Path, tmp_path: Path
) -> None:
    """The tag says twelve digits of the commit, the label says all of it; where they differ it is built anew."""
    docker.run(
        "build",
        "-q",
        "-t",
        f"runwright/{system}-api:{COMMIT[:12]}-{recipe(Component(context='app'))[:8]}",
        "--label",
        f"runwright.system={system}",
        str(tree / "app"),
    )
    do = Direct()
    built = Builder(system, "test", tmp_path).build(do, tree, "api", Component(context="app"), COMMIT, "v1", "build")
    assert "build/api/build" in do.keys
    assert label(docker, built.identity, "org.opencontainers.image.revision") == COMMIT


def test_without_a_context_it_is_built_as_the_compose_file_says_from_the_tree(
    docker: Docker, system: str, tree: Path, tmp_path: Path
) -> None:
    """The user's folder gives the env file, the clean tree gives the code, and both services share one image."""
    user, state = tmp_path / "user", tmp_path / "state"
    shutil.copytree(SHOP, user)
    (user / ".env").write_text("SHOP_SECRET=geheim-1234\n")
    (user / "app" / "VERSION").write_text("edited by hand")
    (tree / "app" / "VERSION").write_text("from the tree")
    call = ("docker", "compose", "-p", system, "--project-directory", str(user), "-f", str(tree / "docker-compose.yml"))
    compose = ComposeBuild(lambda _: call, user, {"api": ("api", "jobs")})
    do = Direct()
    builder = Builder(system, "test", state, recipes=compose)
    built = builder.build(do, tree, "api", Component(services=["api", "jobs"]), COMMIT, "v1", "build")
    assert docker.run("run", "--rm", "--entrypoint", "cat", built.identity, "/srv/VERSION") == "from the tree"
    assert label(docker, built.identity, "org.opencontainers.image.revision") == COMMIT
    assert [k for k in do.keys if k.endswith("/build")] == ["build/api/build"]
    assert "geheim" not in "".join(p.read_text() for p in state.rglob("*.yml"))


def test_a_failed_build_leaves_nothing_that_looks_like_an_artifact(
    docker: Docker, system: str, tree: Path, tmp_path: Path
) -> None:
    """The error shows the last lines of the build; our tag does not exist."""
    (tree / "app" / "Dockerfile").write_text("FROM python:3.11-slim\nRUN echo the-reason >&2; exit 9\n")
    with pytest.raises(ActionError, match="build"):
        Builder(system, "test", tmp_path).build(Direct(), tree, "api", Component(context="app"), COMMIT, "v1", "build")
    assert docker.run("images", "-q", f"runwright/{system}-api") == ""


def test_with_a_registry_the_digest_is_the_identity_and_nobody_builds_again(
    docker: Docker, system: str, tree: Path, tmp_path: Path, registry: Login
) -> None:
    """Pushed under a name of ours, named by digest; a machine that lacks the image takes it from there. The version's own tag is
    there once it is published."""
    # nothing to pack: what is pushed takes seconds otherwise, twice
    (tree / "app" / "Dockerfile").write_text("FROM scratch\nCOPY VERSION /\n")
    do = Direct()
    builder = Builder(system, "test", tmp_path, registry=Registry(prefix=f"{registry.host}/{system}"), env=registry.env)
    spec = Component(context="app", per_environment=True)
    built = builder.build(do, tree, "api", spec, COMMIT, "v1+2", "build")
    assert built.reference == f"{registry.host}/{system}/api-test@{built.identity}"
    assert built.identity.startswith("sha256:")
    assert builder.exists(do, built)
    assert not builder.exists(do, replace(built, reference=f"{registry.host}/{system}/api-test@sha256:{'0' * 64}"))
    named = f"{registry.host}/{system}/api-test:v1-2"
    assert not engine.in_registry(do, named, registry.env)
    builder.publish(do, built, "api", spec, COMMIT, "v1+2", "publish")
    assert engine.in_registry(do, named, registry.env)
    ids = docker.run("images", "-q", "--no-trunc", "--filter", f"label=runwright.system={system}").split()
    docker.run("image", "rm", "-f", *sorted(set(ids)))
    elsewhere = Direct()
    assert builder.build(elsewhere, tree, "api", spec, COMMIT, "v1+2", "build") == built
    assert "build/api/pull" in elsewhere.keys
    assert "build/api/build" not in elsewhere.keys
    corrected = builder.build(
        Direct(), tree, "api", spec.model_copy(update={"build_args": {"COLOUR": "green"}}), COMMIT, "v1+2", "build"
    )
    assert corrected.identity != built.identity
    assert builder.exists(do, built)


def test_a_registry_that_refuses_the_login_is_no_missing_image(
    system: str, tree: Path, tmp_path: Path, registry: Login
) -> None:
    """Without a login nothing is concluded and nothing is built."""
    do = Direct()
    builder = Builder(system, "test", tmp_path, registry=Registry(prefix=f"{registry.host}/{system}"))
    with pytest.raises(ObservationError, match="could not be asked"):
        builder.build(do, tree, "api", Component(context="app"), COMMIT, "v1", "build")
    assert do.keys == []


def test_an_image_of_ci_is_pulled_by_its_tag_and_gone_back_to_by_its_digest(
    docker: Docker, system: str, tree: Path, tmp_path: Path, registry: Login
) -> None:
    """With the login; after the tag has moved, the digest is still the first one. One that is not there is said to be missing."""
    remote = f"{registry.host}/{system}/ci"

    def pushed(text: str) -> str:
        (tree / "app" / "Dockerfile").write_text(
            f"FROM scratch\nLABEL runwright.system={system} is={text}\nCOPY VERSION /\n"
        )
        docker.run("build", "-q", "-t", f"{remote}:v1", str(tree / "app"))
        DockerWith(registry.env)("push", "-q", f"{remote}:v1")
        identity = docker.run("image", "inspect", "-f", "{{.Id}}", f"{remote}:v1")
        docker.run("image", "rm", f"{remote}:v1")
        return identity

    spec = Component(image=f"{remote}:${{release.version}}")
    ids = [pushed("one")]
    first = Builder(system, "test", tmp_path, env=registry.env).build(Direct(), tree, "api", spec, COMMIT, "v1", "a")
    ids.append(pushed("two"))
    second = Builder(system, "test", tmp_path, env=registry.env).build(Direct(), tree, "api", spec, COMMIT, "v1", "b")
    assert first.identity != second.identity
    for artifact, identity in zip((first, second), ids, strict=True):
        assert artifact.reference == f"{remote}@{artifact.identity}"
        assert docker.run("image", "inspect", "-f", "{{.Id}}", artifact.reference) == identity
    recorded = {"api": Recorded(first, "r-1 in staging")}
    again = Builder(system, "test", tmp_path, env=registry.env, recorded=recorded)
    assert again.build(Direct(), tree, "api", spec, COMMIT, "v1", "c") == first
    with pytest.raises(ActionError, match=f"There is no image {remote}:v2 in its registry"):
        Builder(system, "test", tmp_path, env=registry.env).build(Direct(), tree, "api", spec, COMMIT, "v2", "d")
    with pytest.raises(ActionError, match="could not be pulled"):
        Builder(system, "test", tmp_path, env={"DOCKER_CONFIG": str(tmp_path)}).build(
            Direct(), tree, "api", spec, COMMIT, "v1", "e"
        )


def test_a_step_in_an_image_is_ended_with_its_container(docker: Docker, tmp_path: Path) -> None:
    """Given a step that takes too long, its container ends with it, and does not write into the checkout of the next one."""
    step = BuildStep(run=["sleep", "600"], image="python:3.11-slim", timeout=3.0)
    with pytest.raises(DeadlineError):
        steps.run(Direct(), tmp_path, "api", Component(context=".", steps=[step]), {}, "build")
    there = docker.run("ps", "-a", "--filter", f"volume={tmp_path}", "--format", "{{.Names}}")
    assert there == ""


def test_the_images_of_several_platforms_have_one_digest(
    docker: Docker, system: str, tree: Path, tmp_path: Path, registry: Login
) -> None:
    """A list is pushed, deployed and tagged; what has to come out of a step before is in the image."""
    (tree / "app" / "Dockerfile").write_text("FROM scratch\nCOPY made /\n")
    step = BuildStep(run=["cp", "VERSION", "made"], makes=["made"])
    spec = Component(context="app", steps=[step], platforms=["linux/amd64", "linux/arm64"], tags=["${release.number}"])
    do, builder = (
        Direct(),
        Builder(system, "test", tmp_path, registry=Registry(prefix=f"{registry.host}/{system}"), env=registry.env),
    )
    built = builder.build(do, tree, "api", spec, COMMIT, "v1.4.0", "build")
    builder.publish(do, built, "api", spec, COMMIT, "v1.4.0", "publish")
    assert len(several.members_of(do, built.reference, registry.env)) == 2
    for tag in ("v1.4.0", "1.4.0"):
        assert several.digest_of(do, f"{registry.host}/{system}/api:{tag}", registry.env) == built.identity
    again = Direct()
    assert builder.build(again, tree, "api", spec, COMMIT, "v1.4.0", "build") == built
    assert not any("step" in key or key.endswith("/build") for key in again.keys)
