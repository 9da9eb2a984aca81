"""Who else has what a project would take, on recorded containers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Output
from runwright.errors import RefusedError
from runwright.platforms.compose.claims import claims, has_data, refuse_claimed
from runwright.platforms.compose.config import ComposeConfig, parse_config
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.testing.replies import Replies
from tests.unit.platforms.test_compose_containers import line


def config(top: Path, **services: Any) -> ComposeConfig:
    said = {
        "services": {
            "db": {"image": "postgres:15", "volumes": [bind("TOP/pgdata", "/var/lib/postgresql/data")]},
            "api": {"image": "x", "volumes": [bind("TOP/media", "/media")]},
            **services,
        },
        "volumes": {"data": {"name": "common_data", "external": True}},
    }
    return parse_config(Output(0, json.dumps(said).replace("TOP", str(top)).encode(), b""))


def bind(source: str, target: str, **more: Any) -> dict[str, Any]:
    return {"type": "bind", "source": source, "target": target, **more}


def container(name: str, project: str, folder: str, *sources: str, writes: bool = True, **more: Any) -> str:
    mounts = [
        {"Type": "bind" if s.startswith("/") else "volume", "Source": s, "Name": s, "Destination": "/x", "RW": writes}
        for s in sources
    ]
    raw = json.loads(line(name=f"/{name}", project=project, directory=folder, release="", system=""))
    return json.dumps({**raw, "files": f"{folder}/compose.yaml" if folder else "", "mounts": mounts, **more})


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in ("pgdata/base", "media", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(".")
    return tmp_path


def found(top: Path, *there: str, files: ComposeConfig | None = None, **target: Any) -> list[tuple[bool, str]]:
    """Return who claims something, as whether that stops everything, and the sentence."""
    listed = Output(0, b"c1\n" if there else b"", b"")
    do = Replies({"docker ps": listed, "container inspect": Output(0, "\n".join(there).encode(), b"")})
    place = ComposeTarget(platform="compose", project="shop", directory=str(top), **target)
    return [(c.stops, c.says) for c in claims(do, place, top, files or config(top))]


def test_what_nobody_else_has_is_claimed_by_nobody(top: Path) -> None:
    """Neither by the project's own containers, nor by others that share nothing with it."""
    assert found(top) == []
    assert found(top, container("shop-db-1", "shop", str(top), f"{top}/pgdata")) == []
    assert found(top, container("x", "x", "/elsewhere", f"{top}/elsewhere")) == []


def test_files_that_came_through_a_pipe_are_in_no_folder(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose notes them as "-", and that is not in the folder in which we happen to be."""
    monkeypatch.chdir(top)
    assert found(top, container("x", "x", "/elsewhere", f"{top}/elsewhere", files="-")) == []


@pytest.mark.parametrize(
    ("other", "stops"),
    [
        ({"folder": "TOP"}, True),
        ({"folder": "TOP/link"}, True),
        ({"folder": "TOP", "state": "exited"}, True),
        ({"folder": "TOP", "system": "shop", "environment": "staging"}, False),
    ],
)
def test_the_same_application_under_another_name_is_seen(top: Path, other: dict[str, str], stops: bool) -> None:
    """Running or stopped, also through a link; what was released to another environment is meant to be there."""
    folder = other.pop("folder").replace("TOP", str(top))
    ((found_stops, says),) = found(top, container("other-api-1", "other", folder, **other))
    assert found_stops is stops
    assert "The project other is run from" in says
    assert "Of the project shop there is no container" in says


def test_beside_the_projects_own_containers_another_one_from_its_folder_is_only_told(top: Path) -> None:
    """Then both have been there before, and nothing new is started beside them."""
    own = container("shop-db-1", "shop", str(top))
    ((stops, says),) = found(top, own, container("other-api-1", "other", str(top)))
    assert not stops
    assert "The project other is run from" in says


@pytest.mark.parametrize(
    ("source", "more", "claimed"),
    [
        ("TOP/pgdata", {}, True),
        ("TOP/pgdata/base", {}, True),
        ("TOP/link/pgdata", {}, True),
        ("TOP/pgdata", {"writes": False}, False),
        ("TOP/pgdata", {"state": "exited"}, False),
        ("TOP", {}, False),
        ("common_data", {}, False),
    ],
)
def test_a_folder_that_somebody_writes_to_is_in_use(
    top: Path, source: str, more: dict[str, Any], claimed: bool
) -> None:
    """By whoever it is: `docker run` has no project, and a path may be written in several ways."""
    there = found(top, container("somebody", "", "", source.replace("TOP", str(top)), **more))
    assert [says for _, says in there] == (
        [f"{top}/pgdata, which db would write to (/var/lib/postgresql/data), is in use by somebody."] if claimed else []
    )


def test_a_volume_of_another_project_is_in_use_too(top: Path) -> None:
    """Files name it as external, or by its real name."""
    files = config(
        top, queue={"image": "redis:7", "volumes": [{"type": "volume", "source": "data", "target": "/data"}]}
    )
    ((stops, says),) = found(top, container("somebody", "x", "/x", "common_data"), files=files)
    assert stops
    assert says == "common_data, which queue would write to (/data), is in use by somebody."


def test_what_both_may_write_is_said_in_the_runbook_but_never_of_a_database(top: Path) -> None:
    """Two servers on one folder destroy it, whoever allows that."""
    there = (container("a", "", "", f"{top}/media"), container("b", "", "", f"{top}/pgdata"))
    assert len(found(top, *there)) == 2
    ((_, says),) = found(top, *there, mounts={"./media": "keep", "pgdata": "keep"})
    assert "pgdata" in says


@pytest.mark.parametrize("path", ["/etc/localtime", "/var/run/docker.sock", "/dev/shm", "TOP/settings.ini"])
def test_what_many_share_is_no_claim(top: Path, path: str) -> None:
    """Files of the system, sockets, and settings that everybody reads and nobody has mounted read-only."""
    (top / "settings.ini").write_text("a = 1")
    path = path.replace("TOP", str(top))
    assert found(top, container("a", "", "", path), files=config(top, api={"volumes": [bind(path, "/x")]})) == []


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_an_address_that_answers_is_not_new(top: Path, listening: int) -> None:
    """A process that is no container may serve there; once the project has containers, they are who answers."""
    files = config(top, web={"image": "x", "ports": [{"target": 80, "published": str(listening)}]})
    ((stops, says),) = found(top, files=files)
    assert stops
    assert f"Port {listening}, which web is to publish, is answered by a process that is no container already." in says
    assert found(top, container("shop-web-1", "shop", str(top), service="web"), files=files) == []


def test_all_that_stops_is_told_at_once(top: Path) -> None:
    """With what to do about each of it; what is only told stops nothing."""
    do = Replies(
        {
            "docker ps": Output(0, b"c1\n", b""),
            "container inspect": Output(0, container("other-db-1", "other", str(top), f"{top}/pgdata").encode(), b""),
        }
    )
    target = ComposeTarget(platform="compose", project="shop", directory=str(top))
    with pytest.raises(RefusedError, match=r"is run from .* is in use by other-db-1") as caught:
        refuse_claimed(claims(do, target, top, config(top)))
    assert "project: other" in caught.value.next
    refuse_claimed([])


@pytest.mark.parametrize(
    ("made", "volumes", "data"),
    [("", b"", False), ("pgdata/.gitkeep", b"", False), ("pgdata/PG_VERSION", b"", True), ("", b"common_data\n", True)],
)
def test_a_database_that_finds_data_is_not_new(tmp_path: Path, made: str, volumes: bytes, data: bool) -> None:
    """In a folder that outlived its containers, or in a volume that is not the project's own."""
    if made:
        (tmp_path / "pgdata").mkdir()
        (tmp_path / made).touch()
    more = {"type": "volume", "source": "data", "target": "/more"}
    files = config(
        tmp_path, db={"image": "postgres:15", "volumes": [bind("TOP/pgdata", "/var/lib/postgresql/data"), more]}
    )
    assert has_data(Replies({"docker volume": Output(0, volumes, b"")}), files, "db") is data
