"""Compose with slots is held to what every platform must do, and two colours behind the switch to what every cutover must do."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runwright.cutovers.blue_green import BlueGreen
from runwright.cutovers.rolling import Rolling
from runwright.engine.actions import Do
from runwright.errors import RefusedError
from runwright.platforms.compose import Compose
from runwright.routers.caddy import CaddySwitch
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.runbook.routers.caddy import Caddy
from runwright.testing.conformance import CutoverCase, CutoverConformance, PlatformCase, PlatformConformance
from runwright.testing.conformance.router import asked
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version
from tests.chaos.choice import EVERYTHING
from tests.conformance.test_compose import Built, git
from tests.fixtures.engine import Docker
from tests.fixtures.ports import lasting_port

pytestmark = pytest.mark.docker

APP = """
import http.server, os, pathlib, signal
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["COMMIT"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
pathlib.Path("/tmp/listens").touch()
server.serve_forever()
"""
FILE = """
services:
  web:
    image: conformance-web
    ports: ["127.0.0.1:{port}:8000"]
    healthcheck: {{test: [CMD, test, -e, /tmp/listens], interval: 300ms}}
"""
TWO = "services: {web: {deploy: {replicas: 2}}}\n"
DOCKERFILE = """
FROM python:3.11-slim
LABEL runwright.tests="conformance {own}"
ARG COMMIT
ENV COMMIT=$COMMIT
COPY app.py /
CMD ["python3", "-S", "/app.py"]
"""


@dataclass
class Project:
    """A Compose project that the tests of this file have one after the other. folder: of one test. latest: what was prepared
    last, which a release gives its platform."""

    docker: Docker
    name: str
    port: int
    built: Built
    places: Path
    folder: Path = Path()
    latest: list[Version] = field(default_factory=list)

    def made(self, strategy: str = "blue_green") -> Compose:
        """Return the driver."""
        files = ["docker-compose.yml", *(["two.yml"] if strategy == "rolling" else [])]
        target = ComposeTarget.model_validate(
            {
                "platform": "compose", "project": self.name, "directory": str(self.places / "user"), "settle": 0.2,
                "ready_timeout": 60.0, "files": files, "strategy": strategy, "traffic": {"web": {"port": 8000}},
            }
        )  # fmt: skip
        made = Remembering(
            target, {"web": "web"}, self.places / "tree", self.folder / "state", {}, system="shop", environment="test",
            version=self.latest[-1] if self.latest else None,
        )  # fmt: skip
        made.latest = self.latest
        return made

    def behind(self, cutover: type[BlueGreen]) -> BlueGreen:
        """Return the colours with the switch before them."""
        platform = self.made(cutover.strategy)
        stand = platform.stand()
        assert stand is not None
        spec = Caddy(kind="caddy", drain_timeout=5.0)
        return cutover(platform, CaddySwitch(spec, self.folder / "switch", sys.executable, stand))

    def check_out(self, version: Version) -> None:
        """Let the worktree be of a version, as it is when a release prepares it."""
        git(self.places / "tree", "checkout", "--quiet", "--detach", version.commit)

    def seen(self) -> list[str]:
        """Return what the engine knows of the project's containers, and of the switch."""
        return sorted(line for label in self._labels for line in self._found(label))

    def reached(self) -> str:
        """Return what a client is answered."""
        return asked(f"http://127.0.0.1:{self.port}/")

    @property
    def _labels(self) -> tuple[str, str]:
        return f"com.docker.compose.project={self.name}", f"runwright.switch={self.name}"

    def _found(self, label: str) -> list[str]:
        words = ("ps", "-a", "--no-trunc", "--filter", f"label={label}", "--format", "{{.ID}} {{.State}}")
        return self.docker.run(*words).splitlines()

    def empty(self) -> None:
        """Remove its containers; its networks stay."""
        self.latest.clear()
        if found := [line.split()[0] for line in self.seen()]:
            self.docker.run("rm", "-f", "-v", *dict.fromkeys(found))


class Remembering(Compose):
    """It lets the next one of the same place know which version was prepared last, as a release lets it."""

    latest: list[Version]

    def prepare(self, do: Do, version: Version, prefix: str) -> Version:
        made = super().prepare(do, version, prefix)
        self.latest.append(made)
        return made


@pytest.fixture(scope="module")
def shared(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project, with two versions that are built once."""
    folder, own, port = tmp_path_factory.mktemp("colours"), secrets.token_hex(4), lasting_port()
    repository = folder / "repository"
    git(folder, "init", "--quiet", "-b", "main", str(repository))
    for name, text in {
        "docker-compose.yml": FILE.format(port=port), "two.yml": TWO, "app.py": APP, "Dockerfile": DOCKERFILE.format(own=own),
    }.items():  # fmt: skip
        (repository / name).write_text(text)
    versions = []
    for number in (1, 2):
        git(repository, "add", "-A")
        git(repository, "commit", "--quiet", "--allow-empty", "-m", f"{number} {own}")
        commit = git(repository, "rev-parse", "HEAD")
        image = docker.run("build", "-q", "--build-arg", f"COMMIT={commit}", str(repository))
        versions.append(Version("shop", "test", f"v{number}", commit, (Artifact("web", image, image),)))
    for place in ("user", "tree"):
        git(repository, "worktree", "add", "--quiet", "--detach", str(folder / place), versions[0].commit)
    name = f"rwt-conformance-{own}"
    made = Project(docker, name, port, Built(repository, (versions[0], versions[1])), folder)
    yield made
    made.empty()
    for network in docker.run("network", "ls", "-q", "--filter", f"name={name}_").split():
        docker.run("network", "rm", network)
    docker.run("image", "rm", "-f", *(v.artifacts[0].identity for v in versions))


@pytest.fixture
def project(shared: Project, tmp_path: Path) -> Iterator[Project]:
    """The project, in which nothing runs."""
    shared.empty()
    yield replace(shared, folder=tmp_path)
    shared.empty()


class Sampled:
    """CI runs what is named; `make chaos` runs all."""

    sample: ClassVar[frozenset[str]] = frozenset()

    @pytest.fixture(autouse=True)
    def _sampled(self, request: pytest.FixtureRequest) -> None:
        if not EVERYTHING and request.node.originalname not in self.sample:
            pytest.skip("it takes more time than CI has: `make chaos` runs it")


class TestSlots(Sampled, PlatformConformance):
    sample = frozenset({"test_another_version_is_started_beside_the_first_or_in_its_place"})

    @pytest.fixture
    def case(self, project: Project) -> PlatformCase:
        """Two versions that differ in what they answer."""
        return PlatformCase(project.made, project.built.versions, outside=project.seen, check_out=project.check_out)

    def test_what_was_adopted_is_the_way_back(self, case: PlatformCase) -> None:
        """A colour is not adopted: Compose was given its file by us, and only who released it knows what that was made of."""
        case.started(0, "blue")
        with pytest.raises(RefusedError, match="web runs in a colour"):
            case.make().adopt(Direct(), "adopt", "blue")


class TestBlueGreen(Sampled, CutoverConformance):
    cutover: ClassVar[type[BlueGreen]] = BlueGreen
    sample = frozenset({"test_what_gets_no_users_is_retired_and_can_be_gone_back_to"})

    @pytest.fixture
    def case(self, project: Project) -> CutoverCase:
        """The same behind the switch, which has the published port."""
        made: Any = lambda: project.behind(self.cutover)  # noqa: E731
        return CutoverCase(made, project.built.versions, project.reached, project.seen, project.check_out)


class TestRolling(TestBlueGreen):
    cutover: ClassVar[type[BlueGreen]] = Rolling
    sample = frozenset({"test_each_share_on_the_way_is_absolute_and_told_and_all_go_back_at_once"})
