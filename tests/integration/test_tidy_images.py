"""Images that no release needs are removed from a machine when a release is proven; the others, and what runs, stay."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from runwright.builders.images import REVISION, SYSTEM
from runwright.ledger import open_ledger
from runwright.ledger.states import ReleaseState
from runwright.release.tidy import KEPT_RELEASES, tidy
from runwright.release.work import at_work
from runwright.runbook.model import Runbook
from runwright.runbook.snapshot import to_json
from runwright.versions import Artifact, Version
from tasks.lease import holding
from tasks.run import RUN
from tests.fixtures.engine import Docker

pytestmark = pytest.mark.docker

PROVEN = (ReleaseState.PLANNED, ReleaseState.APPROVED, ReleaseState.SWITCHING, ReleaseState.VERIFYING,
          ReleaseState.WATCHING, ReleaseState.PROVEN)  # fmt: skip
RELEASES = KEPT_RELEASES + 4


@pytest.fixture
def system(docker: Docker) -> Iterator[str]:
    """A system's name that nobody else has; its images are removed afterwards."""
    name = f"rwt-{secrets.token_hex(4)}"
    yield name
    if ids := docker.run("image", "ls", "-q", "--filter", f"label={SYSTEM}={name}").split():
        docker.run("image", "rm", "-f", *dict.fromkeys(ids))


def test_old_images_go_and_nothing_that_is_needed_does(
    docker: Docker, system: str, tmp_path: Path, runwright_home: Path
) -> None:
    """Of nine releases the newest and the way back of the oldest of them keep theirs; so do a container, a person and another ledger."""
    target = {"platform": "compose", "project": system, "directory": str(tmp_path)}
    book = Runbook.model_validate(
        {
            "system": system,
            "source": {"repo": str(tmp_path)},
            "components": {"web": {}},
            "environments": {"local": {"tier": "development", "target": target}},
        }
    )
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
    previous, tags = None, []
    for number in range(1, RELEASES + 1):
        commit = f"{number:040x}"
        (tmp_path / "file").write_text(f"{system} {number}")
        tags.append(f"runwright/{system}-web:{commit[-12:]}")
        image = docker.run(
            "build", "-q", "-t", tags[-1], "--label", f"{SYSTEM}={system}", "--label", f"{REVISION}={commit}", str(tmp_path)
        )  # fmt: skip
        with open_ledger() as ledger:
            release = ledger.releases.open(
                system, "local", f"v{number}", procedure="deploy", run_id=f"run-{number}", runbook=to_json(book),
                parameters={}, deployer="ada",
            )  # fmt: skip
            artifact = Artifact("web", image, image)
            version = Version(system, "local", f"v{number}", commit, (artifact,), extra={"images": {"web": image}})
            ledger.releases.record(release.id, version=version, **({"previous_id": previous} if previous else {}))
            for state in PROVEN:
                ledger.releases.advance(release.id, state, "so it went")
        previous = release.id
    docker.run("tag", tags[0], f"{system}-of-mine:1")
    (tmp_path / "file").write_text(f"{system} of another ledger")
    others = f"runwright/{system}-web:other"
    docker.run(
        "build", "-q", "-t", others, "--label", f"{SYSTEM}={system}", "--label", f"{REVISION}={'f' * 40}", str(tmp_path)
    )  # fmt: skip
    docker.run("create", "--name", system, tags[1], "/file")
    try:
        with holding(release.id, "deploy"), at_work(release.id, RUN) as work:
            tidy(work)
            entries = [e for e in work.ledger.journal(work.id).entries() if e.key.startswith("tidy/images/")]
    finally:
        docker.run("rm", "-f", system)
    there = docker.run(
        "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"label={SYSTEM}={system}"
    ).split()  # fmt: skip
    newest = tags[-KEPT_RELEASES - 1 :]  # with the way back of the oldest of them
    assert set(there) == {*newest, tags[1], others, f"{system}-of-mine:1"}
    assert [entry.state for entry in entries] == ["done"]
