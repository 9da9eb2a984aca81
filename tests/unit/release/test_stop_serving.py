"""What serves is stopped before migrations that it may not meet, on every platform, and comes back if they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runwright.artifacts import Note, note_file
from runwright.cutovers.blue_green import BlueGreen
from runwright.cutovers.recreate import Recreate
from runwright.engine.actions import Do
from runwright.errors import ActionError, RefusedError
from runwright.ledger.states import ReleaseState
from runwright.platforms.compose import Compose
from runwright.platforms.host import Host
from runwright.policy.levels import Level
from runwright.policy.rollback import Cause, Way
from runwright.release import cutover, drivers
from runwright.release.decide import decided
from runwright.release.downtime import downtimes
from runwright.release.plan import changes
from runwright.release.put_back import act
from runwright.release.work import Work, at_work
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version
from tasks.lease import holding
from tasks.migrate import migrate
from tasks.run import RUN
from tasks.stage import stage
from tasks.switch import switch
from tasks.verify import verify_live
from tests.unit.release.conftest import Opener
from tests.unit.release.test_migrate import Database, planned

APP = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["RUNWRIGHT_VERSION"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
PLACE: dict[str, Any] = {"database": {"kind": "sqlite", "path": "data.db"}}
COMPOSE: dict[str, Any] = {
    "target": {"platform": "compose", "project": "shop", "directory": "/opt/shop"},
    "router": None,
    "database": {"kind": "sqlite", "path": "data.db"},
}


@pytest.mark.parametrize(("level", "stops"), [(Level.L1, []), (Level.L3, ["stop deploy/drain"])])
def test_what_is_replaced_in_place_is_stopped_before_migrations_above_l1(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: Level, stops: list[str]
) -> None:
    """The old version may not run on a schema that is half changed; with migrations that only add, it serves on."""
    database, did = Database(tmp_path / "run" / "data.db"), list[str]()
    work = opened(local=COMPOSE, migrate={"tool": "alembic"})
    plan = planned(work, level)
    monkeypatch.setattr(Compose, "stop", lambda _, _do, _slot, key: did.append(f"stop {key}"))
    monkeypatch.setattr(drivers, "job", database.job("b2", did))
    cutover.migrate(work, work.do, work.version, plan)
    assert did == [*stops, "migrate the database from a1 to b2 (1 migration)"]


@pytest.mark.parametrize(
    ("strategy", "level", "first", "told"),
    [
        (Recreate, Level.L1, False, "while the services are replaced"),
        (Recreate, Level.L3, False, "from the first migration until the services are replaced: the old version may not run meanwhile"),
        (BlueGreen, Level.L1, False, "none"),
        (BlueGreen, Level.L3, False, "from the first migration until the new version serves: the old version may not run meanwhile"),
        (BlueGreen, Level.L3, True, "none"),
    ],
)  # fmt: skip
def test_the_plan_says_when_users_are_not_served(
    opened: Opener, strategy: Any, level: Level, first: bool, told: str
) -> None:
    """Whoever approves it decides about that."""
    work = opened()
    where = strategy(work.platform, work.router)
    assert where.downtime(needs_stop=planned(work, level).needs_stop, first=first) == told


class Shop:
    """A tiny shop on the host platform: v0 serves from green, and v1 is about to be released."""

    def __init__(self, work: Work, folder: Path) -> None:
        self.work, self.folder = work, folder
        self.old, self.new = self.version("v0", "c"), self.version("v1", "a")
        releases = work.ledger.releases
        adopted = releases.adopt("shop", "local", self.old, runbook=work.release.runbook, deployer="somebody")
        releases.record(work.id, version=self.new, previous_id=adopted.id, schema_before=["a1"])
        self.do = Direct()
        for slot, version in (("blue", self.version("v-1", "e")), ("green", self.old)):
            work.platform.start(self.do, version, slot, "before", "before")
        assert work.router is not None
        work.router.ensure(self.do, "before")
        work.router.switch(self.do, work.cutover.door(self.do, "green"), "before")

    def version(self, ref: str, digit: str) -> Version:
        """Return a version whose artifact is there."""
        folder = self.folder / "store" / "web" / (digit * 40)
        folder.mkdir(parents=True)
        (folder / "app.py").write_text(APP)
        note_file(folder).write_bytes(Note("web", digit * 40, digit * 40).content())
        return Version("shop", "local", ref, digit * 40, (Artifact("web", str(folder), digit * 40),))

    def answers(self) -> str:
        """What users get: the version that answers, or the status of what answers in its place."""
        url = drivers.front(self.work.site, self.do)
        assert url is not None
        reply = httpx.get(url.url, timeout=10, trust_env=False)
        return reply.text if reply.status_code == 200 else str(reply.status_code)

    def runs(self) -> dict[str, str]:
        """The commit's first digit in each slot in which something runs."""
        return {fact.slot: fact.commit[0] for fact in self.work.platform.observe(self.do).running}

    def job(self, then: Callable[[], None], seen: list[Any]) -> Any:
        """Return what takes the place of ``drivers.job``: it notes what runs and what users get while it migrates."""

        def run(_argv: tuple[str, ...], **_others: Any) -> bytes:
            seen.append((self.runs(), self.answers()))
            then()
            return b""

        return lambda *_: run


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """The shop's database."""
    return Database(tmp_path / "run" / "data.db")


@pytest.fixture
def shop(opened: Opener, database: Database, tmp_path: Path) -> Iterator[Shop]:
    """A shop that is ended afterwards."""
    target = {
        "platform": "host",
        "directory": str(tmp_path / "run"),
        "process": {"command": ["{python}", "app.py", "{port}"], "health": "/"},
        "ready_timeout": "30s",
    }
    router = {"kind": "caddy", "listen": 0, "drain_timeout": "1s"}
    work = opened(local={**PLACE, "target": target, "router": router}, migrate={"tool": "alembic"})
    try:
        yield Shop(work, tmp_path)
    finally:
        ending = Direct()
        if work.router is not None:
            drivers.router(work.site).stop(ending, "end")  # type: ignore[union-attr]
        for slot in work.platform.slots:
            work.platform.stop(ending, slot, "end")


@pytest.mark.parametrize(
    ("level", "meanwhile"), [(Level.L1, ({"blue": "e", "green": "c"}, "v0")), (Level.L3, ({}, "502"))]
)
def test_two_colours_are_stopped_before_migrations_above_l1(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch, level: Level, meanwhile: Any
) -> None:
    """Also the warm one, which users do not reach; then the new version serves, and how long nobody did is told."""
    seen: list[Any] = []
    moved = lambda: database.ask("UPDATE alembic_version SET version_num = 'b2'")  # noqa: E731
    monkeypatch.setattr(drivers, "job", shop.job(moved, seen))
    planned(shop.work, level)
    with holding(shop.work.id, "deploy"):
        for step in (migrate, stage, switch, verify_live):
            step.fn(shop.work.id)
    assert seen == [meanwhile]
    assert shop.answers() == "v1"
    assert shop.runs() == ({"blue": "a"} if level is Level.L3 else {"blue": "a", "green": "c"})
    assert shop.work.cutover.kept_warm(shop.work.do) is (level is Level.L1), (
        "nothing is left that has to be ended later"
    )
    told = downtimes(shop.work)
    assert [line.rpartition(", ")[2] for line in told] == (["until v1 (aaaaaaaa) served."] if level is Level.L3 else [])


def test_what_was_stopped_for_a_migration_that_failed_serves_again_in_its_slot(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is as it was, so the old version may run on it; the time without it is told."""

    def fails() -> None:
        raise ActionError("Migration b2 failed")

    monkeypatch.setattr(drivers, "job", shop.job(fails, []))
    planned(shop.work, Level.L3)
    with holding(shop.work.id, "deploy"):
        with pytest.raises(ActionError):
            migrate.fn(shop.work.id)
        assert shop.answers() == "502"
        with at_work(shop.work.id, RUN) as work:
            decision = decided(work, Cause.CRASHED, {})
            assert decision.way is Way.PUT_BACK
            act(work, decision.way, decision.because)
            assert work.release.state is ReleaseState.ROLLED_BACK
    assert shop.answers() == "v0"
    assert shop.runs() == {"green": "c"}
    assert [line.rpartition(", ")[2] for line in downtimes(shop.work)] == ["until v0 (cccccccc) served."]


@pytest.mark.parametrize(
    ("level", "begins"),
    [(Level.L1, ["deploy/migrate"]), (Level.L3, ["deploy/drain/green/stop", "deploy/migrate"])],
)
def test_the_plan_lists_that_what_serves_is_stopped(shop: Shop, level: Level, begins: list[str]) -> None:
    """Before the migrations, and nothing is stopped by planning it."""
    steps, depends = changes(shop.work, planned(shop.work, level), "blue")
    assert [step.key for step in steps][: len(begins)] == begins and depends == ""
    assert shop.runs() == {"blue": "e", "green": "c"}


def test_a_run_that_is_started_again_never_stops_what_it_has_started(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new version may serve by then."""
    did: list[str] = []

    def stop(_self: Host, _do: Do, slot: str, _prefix: str) -> None:
        did.append(slot)

    with monkeypatch.context() as patch:
        patch.setattr(Host, "stop", stop)
        shop.work.cutover.darken(shop.do, "")
        shop.work.cutover.darken(shop.do, "green")
    assert did == ["green", "blue", "blue"], "first the one that serves"


def test_nothing_else_may_end_what_serves(shop: Shop) -> None:
    """Only for migrations is it ended on purpose."""
    with holding(shop.work.id, "deploy"), at_work(shop.work.id, RUN) as work:
        with pytest.raises(RefusedError, match="It would end the process that the router sends traffic to"):
            work.platform.stop(work.do, "green", "deploy")
        work.platform.stop(work.do, "green", "deploy/drain")
    assert shop.answers() == "502"
