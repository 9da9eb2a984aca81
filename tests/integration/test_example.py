"""The example shop: its repository is the same everywhere, its good releases serve, its bad ones are bad as they say."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from examples.client import Client, checked
from examples.client import main as client_main
from examples.make_repository import RELEASES, make
from runwright.builders.command import CommandBuilder
from runwright.databases.sqlite import Sqlite
from runwright.errors import ActionError, DeadlineError
from runwright.platforms.host import Host
from runwright.routers.caddy.driver import CaddyRouter
from runwright.runbook.component import Component
from runwright.runbook.loader import load
from runwright.runbook.platforms.host import HostTarget
from runwright.runbook.routers.caddy import Caddy
from runwright.testing.direct import Direct
from runwright.traffic import Upstream, status_of
from runwright.versions import Version

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("example") / "shop"
    return folder, make(folder)


class Shop:
    """The shop on the host platform, as its runbook says, with a short patience."""

    def __init__(self, repository: tuple[Path, dict[str, str]], root: Path) -> None:
        self.checkout, self.commits = repository
        self.root = root
        book = load(EXAMPLES / "shop.yaml").runbook
        target = book.environments["local"].target
        assert isinstance(target, HostTarget)
        quick = target.model_copy(update={"ready_timeout": 60.0})
        self.host = Host(quick, root, {"SHOP_ERRORS_AFTER": "0", "SHOP_SLOW_AFTER": "0"}, sys.executable)
        self.router = CaddyRouter(Caddy(kind="caddy"), root / "router", sys.executable)
        self.database = Sqlite(root / "data" / "shop.db", sys.executable)
        self.do = Direct()

    def version(self, tag: str) -> Version:
        builder = CommandBuilder(self.root / "store", sys.executable)
        artifact = builder.build(self.do, self.checkout, "web", Component(), self.commits[tag], tag, "build")
        return self.host.prepare(self.do, Version("shop", "local", tag, self.commits[tag], (artifact,)), tag)

    def migrate(self, tag: str) -> None:
        self.host.run_job(
            self.do, self.version(tag), ("{python}", "-m", "alembic", "upgrade", "head"), service="web",
            key=f"{tag}/migrate", says="migrate", release_id=tag, deadline_seconds=60,
        )  # fmt: skip

    def start(self, tag: str, slot: str) -> Upstream:
        self.host.start(self.do, self.version(tag), slot, tag, tag)
        upstream = self.host.upstream(self.do, slot)
        assert upstream is not None
        return upstream

    def stop(self) -> None:
        self.router.stop(self.do, "end")
        for slot in ("blue", "green"):
            self.host.stop(self.do, slot, "end")


@pytest.fixture
def shop(repository: tuple[Path, dict[str, str]], tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(repository, tmp_path / "root")
    yield shop
    shop.stop()


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def schema(file: Path) -> list[Any]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    finally:
        connection.close()


def test_the_repository_is_the_same_everywhere(
    repository: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder, another user's git configuration and another day give the same commits."""
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody else")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert make(tmp_path / "again") == repository[1]
    assert list(repository[1]) == sorted(release.tag for release in RELEASES)
    assert make(repository[0]) == repository[1], "what is there already is left as it is"


def test_nothing_that_is_there_is_replaced(tmp_path: Path) -> None:
    """A folder with something else in it is refused."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_shop_serves_as_it_says(shop: Shop) -> None:
    """Pages, API, readiness, bounded slowness, metrics and the websocket, on a migrated database."""
    shop.migrate("v1.0.0")
    url = shop.start("v1.0.0", "blue").url
    with httpx.Client(base_url=url, timeout=10) as client:
        assert client.post("/items", json={"name": "<b>tea</b>"}).status_code == 201
        assert "&lt;b&gt;tea" in client.get("/").text and "Shop 1.0.0" in client.get("/").text
        assert client.get("/items").json() == [{"id": 1, "name": "<b>tea</b>"}]
        ready = client.get("/readyz").json()
        assert (ready["status"], ready["release"], ready["commit"]) == ("ok", "v1.0.0", shop.commits["v1.0.0"])
        assert client.get("/slow?ms=20").json() == {"waited_ms": 20}
        for path in ("/slow?ms=99999", "/slow?ms=-1", "/slow?ms=x"):
            assert client.get(path).status_code == 400
        for body in (b"", b"[]", b"{}", b'{"name": ""}', b'{"name": 5}', b'{"name": "\\u0000"}', b"\xff"):
            assert client.post("/items", content=body).status_code == 400
        assert client.post("/items", content=b"x" * 20_000).status_code == 413
        assert client.get("/" + "nowhere" * 10).status_code == 404
        counted = {
            (sample.name, sample.labels.get("path"), sample.labels.get("status")): sample.value
            for family in text_string_to_metric_families(client.get("/metrics").text)
            for sample in family.samples
        }
    assert counted["http_requests_total", "/items", "400"] == 7
    assert counted["http_requests_total", "other", "404"] == 1
    assert ("http_request_duration_seconds_bucket", "/", None) in counted
    with connect(url.replace("http", "ws") + "/ws") as websocket:
        websocket.send("hello")
        assert websocket.recv(5) == "1.0.0:hello"


def test_a_release_goes_out_and_back_without_a_failed_request(shop: Shop) -> None:
    """The schema that the new version added to is newer than the old version knows, and it works with it."""
    shop.migrate("v1.0.0")
    blue = shop.start("v1.0.0", "blue")
    shop.router.ensure(shop.do, "front")
    shop.router.switch(shop.do, blue, "first")
    front = shop.router.facts(shop.do).front
    with Client(f"{front}/items", seconds=120, rate=60) as client:
        shop.migrate("v1.1.0")
        green = shop.start("v1.1.0", "green")
        shop.router.switch(shop.do, green, "forward")
        assert httpx.post(f"{front}/items", json={"name": "tea", "note": "green"}).json()["note"] == "green"
        shop.router.switch(shop.do, blue, "back")
        assert httpx.get(f"{front}/readyz").json()["version"] == "1.0.0"
        shop.host.stop(shop.do, "green", "retire")
        seen = client.counts()["ok"]
        until(lambda: client.counts()["ok"] > seen + 10)
        counts = client.stop()
    assert counts["failed"] == 0 and counts["ok"] == counts["sent"] > 20
    backup = shop.database.backup(shop.do, shop.root / "backups", "one", "backup")
    assert backup is not None and backup.revisions == ("0002_note",)


def test_a_version_whose_schema_is_behind_is_not_ready(shop: Shop) -> None:
    """New code on the old schema says what it needs; so does any code on no schema."""
    with pytest.raises(DeadlineError):
        Host(
            shop.host._target.model_copy(update={"ready_timeout": 2.0}), shop.root, {}, sys.executable
        ).start(shop.do, shop.version("v1.1.0"), "blue", "early", "early")  # fmt: skip
    port = shop.host.observe(shop.do).services[0].port
    assert port
    until(lambda: status_of(port, "/healthz") == 200)
    assert "never migrated" in httpx.get(f"http://127.0.0.1:{port}/readyz").json()["problem"]
    shop.migrate("v1.0.0")
    assert "0001_items" in httpx.get(f"http://127.0.0.1:{port}/readyz").json()["problem"]
    shop.migrate("v1.1.0")
    assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200


def test_the_one_that_never_gets_ready_never_gets_ready(shop: Shop) -> None:
    """It lives, and says why it is not ready."""
    shop.migrate("v1.1.0")
    impatient = Host(shop.host._target.model_copy(update={"ready_timeout": 2.0}), shop.root, {}, sys.executable)
    with pytest.raises(DeadlineError):
        impatient.start(shop.do, shop.version("v1.2.0-never-ready"), "green", "bad", "bad")
    port = shop.host.observe(shop.do).services[0].port
    assert port
    until(lambda: status_of(port, "/healthz") == 200)
    assert "never be warm" in httpx.get(f"http://127.0.0.1:{port}/readyz").json()["problem"]


def test_the_migration_that_fails_half_way_leaves_everything_as_it_was(shop: Shop) -> None:
    """On SQLite too: its first statement is undone with the second."""
    shop.migrate("v1.1.0")
    before = schema(shop.root / "data" / "shop.db")
    with pytest.raises(ActionError, match="price_in_cents"):
        shop.migrate("v1.3.0-migration-fails")
    assert schema(shop.root / "data" / "shop.db") == before
    assert shop.database.revisions(shop.do) == ("0002_note",)


def test_the_one_with_errors_fails_most_requests_and_stays_ready(shop: Shop) -> None:
    """Six of ten, while every health check is content: only the metrics show it."""
    shop.migrate("v1.1.0")
    url = shop.start("v1.4.0-errors", "green").url
    with httpx.Client(base_url=url) as client:
        statuses = [client.get("/items").status_code for _ in range(20)]
        assert (statuses.count(500), statuses.count(200)) == (12, 8)
        assert client.get("/readyz").status_code == 200


def test_the_slow_one_gets_slower(shop: Shop) -> None:
    """The same request takes longer and longer, and is still answered."""
    shop.migrate("v1.1.0")
    url = shop.start("v1.5.0-slow", "green").url

    def seconds() -> float:
        return httpx.get(f"{url}/items", timeout=10).elapsed.total_seconds()

    until(lambda: seconds() > 0.5)


def test_the_last_good_one_needs_no_migration(shop: Shop) -> None:
    """It runs on the schema of v1.1.0."""
    shop.migrate("v1.1.0")
    url = shop.start("v1.6.0", "green").url
    assert "Shop 1.6.0" in httpx.get(url).text


def test_the_scheduler_notes_that_it_lives(shop: Shop) -> None:
    """One row, however long it runs, and the time of a file; asked to end, it ends well."""
    shop.migrate("v1.0.0")
    folder = Path(shop.version("v1.0.0").artifacts[0].reference)
    file = shop.root / "data" / "shop.db"
    alive = shop.root / "alive"
    environment = {"DATABASE_URL": f"sqlite:///{file}", "SHOP_ALIVE": str(alive), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen([sys.executable, "-m", "shop.scheduler"], cwd=folder, env=environment, text=True,
                               stdout=subprocess.PIPE)  # fmt: skip

    def rows() -> int:
        connection = sqlite3.connect(file)
        try:
            return int(connection.execute("SELECT count(*) FROM heartbeats").fetchone()[0])
        finally:
            connection.close()

    try:
        until(lambda: rows() == 1)
        until(alive.exists)
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=15)
    assert process.returncode == 0 and "scheduler ended" in output


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "https://127.0.0.1/", "http://127.0.0.1.example.com/", "http://10.0.0.1/", "ftp://x", "", "http://[::ffff:10.0.0.1]/"],
)  # fmt: skip
def test_the_client_asks_this_machine_only(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every other address is refused before anything is sent."""
    assert client_main([url]) == 2
    assert "client:" in capsys.readouterr().err


def test_the_client_tells_failures_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody who listens is a refused connection, and the whole time is a gap."""
    assert checked("http://localhost:81/a?b=c") == ("127.0.0.1", 81, "/a?b=c")
    assert client_main(["http://127.0.0.1:9/", "--seconds", "0.5", "--rate", "20"]) == 1
    counts = json.loads(capsys.readouterr().out)
    assert counts["ok"] == 0 and counts["failures"] == {"refused": counts["sent"]}
    assert counts["worst_gap_seconds"] > 0.3


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"seconds": 10**9}, {"rate": 10**6}, {"workers": 0}])
def test_the_client_is_bounded(wrong: dict[str, Any]) -> None:
    """It cannot be told to load for ever, or without measure."""
    with pytest.raises(ValueError, match="at most"):
        Client("http://127.0.0.1:9/", **{"seconds": 1.0, "rate": 1.0, **wrong})


@pytest.mark.docker
def test_the_compose_application_is_one_that_compose_takes(
    repository: tuple[Path, dict[str, str]], tmp_path: Path, docker: object
) -> None:
    """It interpolates from the example's env file, publishes on this machine only, and mounts no source."""
    folder = tmp_path / "compose"
    shutil.copytree(repository[0], folder)
    shutil.copy(folder / ".env.example", folder / ".env")
    words = ["docker", "compose", "-p", "rwt-host-example", "config", "--format", "json"]
    data = json.loads(subprocess.run(words, cwd=folder, check=True, capture_output=True).stdout)
    assert set(data["services"]) == {"db", "web", "scheduler", "proxy"}
    (port,) = data["services"]["proxy"]["ports"]
    assert (port["host_ip"], port["published"]) == ("127.0.0.1", "8080")
    mounts = [v["type"] for service in data["services"].values() for v in service.get("volumes", [])]
    assert mounts == ["volume"]
