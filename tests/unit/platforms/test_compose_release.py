"""What a version is put in place from, compared with what runs."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from runwright.engine.actions import Output
from runwright.errors import RefusedError
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.copies import Place
from runwright.platforms.compose.release import InTree, env_of, started_from_others
from runwright.platforms.compose.sources import BY_ITSELF, Named, Sources
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.testing.replies import Replies
from tests.unit.platforms.test_compose_containers import line

PRODUCTION = ("docker-compose.yml", "docker-compose.prod.yml")


def started(*files: str, folder: str = "/opt/shop", release: str = "", name: str = "shop-api-1") -> str:
    names = ",".join(f"{folder}/{f}" for f in files)
    return line(name=f"/{name}", service="api", files=names, directory=folder, release=release)


@pytest.mark.parametrize(
    ("names", "by", "container", "told"),
    [
        (PRODUCTION, "COMPOSE_FILE", started(*PRODUCTION), ""),
        (PRODUCTION[:1], "the runbook's `files`", started(*PRODUCTION), "docker-compose.prod.yml"),
        (PRODUCTION[:1], BY_ITSELF, started(*PRODUCTION), "refused"),
        (PRODUCTION[:1], BY_ITSELF, started(PRODUCTION[0], folder="/home/ada/shop"), ""),
        (PRODUCTION[:1], BY_ITSELF, started("tree/docker-compose.yml", "override.yml", release="r1"), ""),
        (PRODUCTION[:1], BY_ITSELF, started(*PRODUCTION, name="0123456789ab_shop-api-1"), ""),  # left half-way
    ],
)
def test_files_that_nobody_has_named_are_not_taken_in_place_of_those_that_it_runs_from(
    names: tuple[str, ...], by: str, container: str, told: str
) -> None:
    """Somebody has started it with `-f`, or with COMPOSE_FILE in a shell: a choice is told, and no choice is refused."""
    target = ComposeTarget(platform="compose", project="shop", directory="/opt/shop")
    place = Place(target, Path("/tree"), Path("/state/a"), {}, Path("/scratch"))
    project = Project("shop", Path("/opt/shop"), tuple(Path("/tree", name) for name in names))
    found = InTree(project, Sources({}), Named(names, Path("/opt/shop"), by))
    do = Replies({"docker ps": Output(0, b"c1\n", b""), "container inspect": Output(0, container.encode(), b"")})
    with pytest.raises(RefusedError, match="nobody has given up") if told == "refused" else nullcontext():
        said = started_from_others(do, place, found, {"api": "api"})
        assert told in said
        assert bool(said) == bool(told)


def test_compose_fetches_nothing_from_elsewhere() -> None:
    """Files of other repositories are no part of the commit: Compose is told not to take them, whatever the block says."""
    target = ComposeTarget(platform="compose", project="shop", directory="/opt/shop")
    env = env_of(target, {"COMPOSE_EXPERIMENTAL_GIT_REMOTE": "true", "TAG": "1"})
    assert env == {"TAG": "1", "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false", "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false"}
