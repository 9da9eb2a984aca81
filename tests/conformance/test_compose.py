"""The Compose platform is held to what every platform must do, and replacing in place to what every cutover must do."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runwright.cutovers.recreate import Recreate
from runwright.platforms.compose import Compose
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.testing.conformance import CutoverCase, CutoverConformance, PlatformCase, PlatformConformance
from runwright.testing.conformance.trial import Trial
from runwright.versions import Artifact, Version
from tests.chaos.choice import SLOW
from tests.fixtures.engine import Docker

pytestmark = pytest.mark.docker

FILE = """
services:
  web:
    image: conformance-web
    stop_signal: SIGKILL
"""
DOCKERFILE = """
FROM python:3.11-slim
LABEL runwright.tests="conformance {own} {number}"
CMD ["sleep", "infinity"]
"""


@dataclass(frozen=True)
class Built:
    """A repository with a commit for each of two versions, and their images."""

    repository: Path
    versions: tuple[Version, Version]


def git(folder: Path, *words: str) -> str:
    """Run git in ``folder``."""
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    words = ("git", *who, "-C", str(folder), *words)
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def built(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Two versions, built once."""
    repository, own = tmp_path_factory.mktemp("conformance") / "repository", secrets.token_hex(4)
    git(repository.parent, "init", "--quiet", "-b", "main", str(repository))
    (repository / "docker-compose.yml").write_text(FILE)
    versions = []
    for number in (1, 2):
        (repository / "Dockerfile").write_text(DOCKERFILE.format(own=own, number=number))
        git(repository, "add", "-A")
        git(repository, "commit", "--quiet", "-m", f"{number} {own}")
        image = docker.run("build", "-q", str(repository))
        commit = git(repository, "rev-parse", "HEAD")
        versions.append(Version("shop", "test", f"v{number}", commit, (Artifact("web", image, image),)))
    yield Built(repository, (versions[0], versions[1]))
    docker.run("image", "rm", "-f", *(v.artifacts[0].identity for v in versions))


@dataclass(frozen=True)
class Project:
    """A Compose project of a test's own."""

    docker: Docker
    name: str
    folder: Path
    built: Built

    def made(self) -> Compose:
        """Return the driver."""
        target = ComposeTarget(
            platform="compose", project=self.name, directory=str(self.folder / "user"), settle=0.2, ready_timeout=60.0
        )
        tree, state = self.folder / "tree", self.folder / "state"
        return Compose(target, {"web": "web"}, tree, state, {}, system="shop", environment="test")

    def check_out(self, version: Version) -> None:
        """Let the worktree be of a version, as it is when a release prepares it."""
        git(self.folder / "tree", "checkout", "--quiet", "--detach", version.commit)

    def seen(self) -> list[str]:
        """Return what the engine knows of the project's containers."""
        label = f"label=com.docker.compose.project={self.name}"
        return sorted(
            self.docker.run("ps", "-a", "--no-trunc", "--filter", label, "--format", "{{.ID}} {{.State}}").splitlines()
        )

    def commit(self) -> str:
        """Return the commit of what runs, "" if nothing does."""
        label = f"label=com.docker.compose.project={self.name}"
        return self.docker.run("ps", "--filter", label, "--format", '{{.Label "runwright.commit"}}')


@pytest.fixture
def project(docker: Docker, built: Built, tmp_path: Path) -> Iterator[Project]:
    """A project in which nothing runs."""
    for folder in ("user", "tree"):
        git(
            built.repository, "worktree", "add", "--quiet", "--detach", str(tmp_path / folder), built.versions[0].commit
        )
    here = Project(docker, f"rwt-conformance-{secrets.token_hex(4)}", tmp_path, built)
    yield here
    if found := [line.split()[0] for line in here.seen()]:
        docker.run("rm", "-f", "-v", *found)
    label = f"label=com.docker.compose.project={here.name}"
    if networks := docker.run("network", "ls", "-q", "--filter", label).split():
        docker.run("network", "rm", *networks)


class TestCompose(PlatformConformance):
    @pytest.fixture
    def case(self, project: Project) -> PlatformCase:
        """A project of its own, and two versions that differ in a label."""
        return PlatformCase(project.made, project.built.versions, outside=project.seen, check_out=project.check_out)

    @SLOW
    def test_failed_at_every_change_it_comes_right_when_it_is_repeated(self, case: PlatformCase, trial: Trial) -> None:
        """Killed there, it comes right as well."""
        super().test_failed_at_every_change_it_comes_right_when_it_is_repeated(case, trial)


class TestRecreate(CutoverConformance):
    @pytest.fixture
    def case(self, project: Project) -> CutoverCase:
        """The same; users reach whatever runs."""
        return CutoverCase(
            lambda: Recreate(project.made()), project.built.versions, project.commit, project.seen, project.check_out
        )

    @SLOW
    def test_killed_at_every_change_it_comes_right_when_it_is_repeated(self, case: CutoverCase, trial: Trial) -> None:
        """It makes the changes of its platform and no other."""
        super().test_killed_at_every_change_it_comes_right_when_it_is_repeated(case, trial)

    @SLOW
    def test_failed_at_every_change_it_comes_right_when_it_is_repeated(self, case: CutoverCase, trial: Trial) -> None:
        """It makes the changes of its platform and no other."""
        super().test_failed_at_every_change_it_comes_right_when_it_is_repeated(case, trial)

    @SLOW
    def test_staging_moves_no_user(self, case: CutoverCase) -> None:
        """Nothing is staged."""
        super().test_staging_moves_no_user(case)

    @SLOW
    def test_what_is_kept_warm_gets_the_users_at_once_and_another_version_never(self, case: CutoverCase) -> None:
        """Nothing is kept warm."""
        super().test_what_is_kept_warm_gets_the_users_at_once_and_another_version_never(case)

    @SLOW
    def test_each_share_on_the_way_is_absolute_and_told_and_all_go_back_at_once(self, case: CutoverCase) -> None:
        """There is one share, which is all: the next version gets it in a case of its own."""
        super().test_each_share_on_the_way_is_absolute_and_told_and_all_go_back_at_once(case)
