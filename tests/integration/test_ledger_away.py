"""While the ledger is away a run holds, wherever it notices; it goes on when the ledger is back, or fails with a LedgerError."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from runwright.engine.actions import Command
from runwright.errors import LedgerError
from runwright.ledger import open_ledger
from runwright.ledger.states import ReleaseState
from runwright.release import begin, lease
from runwright.release.work import Work, at_work
from runwright.runbook.model import Runbook
from runwright.runbook.snapshot import to_json
from tasks.lease import holding
from tasks.run import RUN
from tests.fixtures.engine import Docker
from tests.fixtures.postgres import answers

TTL_SECONDS, AWAY_SECONDS = 2.0, 5.0

FIRED = {"failed_run_id": "run", "reason": "Failed", "deployer": "the automation"}


@dataclass(frozen=True)
class Server:
    """What a ledger needs, and how it is taken away and given back."""

    url: str
    take_away: Callable[[], object]
    give_back: Callable[[], object]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "TTL_SECONDS", TTL_SECONDS)
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.4)
    monkeypatch.setattr("runwright.ledger.patience.RETRY_SECONDS", 0.2)
    monkeypatch.setattr("runwright.ledger.address.BUSY_SECONDS", 0.5)
    monkeypatch.setattr("runwright.ledger.address._CONNECTION", _quickly())
    monkeypatch.setattr("runwright.ledger.hanging.ANSWER_SECONDS", 2.5)


def _quickly() -> dict[str, object]:
    from runwright.ledger import address

    return {**address._CONNECTION, "connect_timeout": 3}


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


# ------------------------------------------------------------------------------------------------ what can be taken away


@pytest.fixture(params=["stopped", "paused"])
def postgres(request: pytest.FixtureRequest, docker: Docker, lasting_postgres: tuple[str, str]) -> Server:
    """A server that refuses connections while it is away, and one that accepts them and does not answer."""
    name, url = lasting_postgres
    away, back = {"stopped": (("stop", "--time", "5"), "start"), "paused": (("pause",), "unpause")}[request.param]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return Server(url, lambda: docker.run(*away, name), lambda: (docker.run(back, name), until(lambda: answers(url))))


def mounted(*words: str) -> None:
    """Run mount or umount; skip the test where only a real root may."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this user cannot {words[0]} a small file system: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder))
    yield folder
    mounted("umount", "--lazy", str(folder))


@pytest.fixture
def full_disk(small_disk: Path) -> Server:
    filler = small_disk / "filler"

    def fill() -> None:
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(b"x" * 4096)
                file.flush()

    return Server(f"sqlite:///{small_disk}/ledger.db", fill, filler.unlink)


@pytest.fixture
def read_only_disk(small_disk: Path) -> Server:
    def remount(how: str) -> Callable[[], None]:
        return lambda: mounted("mount", "-o", f"remount,{how}", str(small_disk))

    return Server(f"sqlite:///{small_disk}/ledger.db", remount("ro"), remount("rw"))


# ------------------------------------------------------------------------------------------------------------- the laws


def opened(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Open a release in the server's ledger, which is the ledger of all steps from now on; return its id."""
    monkeypatch.setenv("RUNWRIGHT_LEDGER_URL", server.url)
    target = {"platform": "host", "directory": str(tmp_path / "run"), "process": {"command": ["{python}"]}}
    place = {"tier": "development", "target": target, "router": {"kind": "caddy"}}
    book = {"system": "shop", "source": {"repo": str(tmp_path)}, "components": {"web": {}}}
    runbook = to_json(Runbook.model_validate({**book, "environments": {"local": place}}))
    with open_ledger() as ledger:
        values = {"procedure": "deploy", "run_id": "run", "deployer": "ada"}
        return ledger.releases.open("shop", "local", "v1", runbook=runbook, parameters={}, **values).id


def touch(work: Work, path: Path) -> None:
    work.do(
        Command(argv=("sh", "-c", 'echo x >> "$0"', str(path)), says=f"make {path.name}", key=f"deploy/{path.name}")
    )


@contextlib.contextmanager
def away(server: Server, nothing_yet: Path) -> Iterator[None]:
    """The ledger is away for a while, for longer than a lease lives; ``nothing_yet`` must not be made meanwhile."""
    seen: list[bool] = []

    def back() -> None:
        time.sleep(AWAY_SECONDS)
        seen.append(nothing_yet.exists())
        server.give_back()

    server.take_away()
    returning = threading.Thread(target=back)
    returning.start()
    try:
        yield
    finally:
        returning.join(90)
    assert seen == [False], "it was done while nobody could write it down"


def holds_and_goes_on(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release_id = opened(server, tmp_path, monkeypatch)
    with holding(release_id, "deploy"):
        begun = lease.held(release_id)
        assert begun is not None
        token = begun.lease.token
        with at_work(release_id, RUN) as work:
            with away(server, tmp_path / "one"):
                touch(work, tmp_path / "one")  # noticed in the middle of a step, by a change
            with away(server, tmp_path / "two"):
                work.write_down("note", "x" * 20_000)  # noticed by what a step writes down
                touch(work, tmp_path / "two")
        with away(server, tmp_path / "three"), at_work(release_id, RUN) as work:  # noticed when a step begins
            touch(work, tmp_path / "three")
        mine = lease.held(release_id)
        assert mine is not None and mine.lost is None and mine.lease.token == token
    with open_ledger() as ledger:
        states = [(e.key, e.state) for e in ledger.journal(release_id).entries() if e.state != "ended"]
    assert states == [(f"deploy/{name}", "done") for name in ("one", "two", "three")]
    assert [(tmp_path / name).read_text() for name in ("one", "two", "three")] == ["x\n"] * 3


@pytest.mark.docker
def test_a_run_holds_until_its_server_is_back(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a PostgreSQL that is away for longer than the lease lives, each change is made once, after it is back, under
    the lease that the run had."""
    holds_and_goes_on(postgres, tmp_path, monkeypatch)


def test_a_run_holds_until_there_is_room_on_the_disk(
    full_disk: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where the ledger's disk is full for a while."""
    holds_and_goes_on(full_disk, tmp_path, monkeypatch)


def test_a_step_holds_until_its_file_can_be_written(
    read_only_disk: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a file system that is read-only for a while, the lease is taken, and the change made, when it is not."""
    release_id = opened(read_only_disk, tmp_path, monkeypatch)
    with (
        away(read_only_disk, tmp_path / "one"),
        holding(release_id, "deploy"),
        at_work(release_id, RUN) as work,
    ):
        touch(work, tmp_path / "one")
    assert (tmp_path / "one").read_text() == "x\n"


@pytest.mark.docker
def test_a_run_whose_patience_is_over_fails_and_has_done_nothing(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a server that stays away, every way into the ledger ends in a LedgerError; when it is back, nothing was done
    that it does not know, and the rollback closes the release."""
    release_id = opened(postgres, tmp_path, monkeypatch)
    with pytest.raises(LedgerError, match="cannot be read or written"), holding(release_id, "deploy"):
        with at_work(release_id, RUN) as work:
            monkeypatch.setattr("runwright.ledger.patience.PATIENCE_SECONDS", 1.0)
            postgres.take_away()
            with pytest.raises(LedgerError):
                touch(work, tmp_path / "one")
        with at_work(release_id, RUN):
            pytest.fail("a step began without its ledger")
    try:
        with pytest.raises(LedgerError), holding(release_id, "rollback"):
            pytest.fail("an environment is held without a ledger")
        with pytest.raises(LedgerError):
            begin.taken_up(RUN, "shop", "local", "rollback", release_id=None, asked=FIRED)
    finally:
        postgres.give_back()
    monkeypatch.setattr("runwright.ledger.patience.PATIENCE_SECONDS", 60.0)
    assert not (tmp_path / "one").exists()
    assert begin.taken_up(RUN, "shop", "local", "rollback", release_id=None, asked=FIRED) == release_id
    from tasks.decide import let_go

    assert let_go.fn(release_id) is True
    with open_ledger() as ledger:
        assert ledger.releases.get(release_id).state is ReleaseState.ABANDONED


def test_what_waiting_does_not_help_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file that is no ledger, or an address that means nothing, nobody is kept waiting for it."""
    (tmp_path / "ledger.db").write_text("This is no database. " * 100)
    began = time.monotonic()
    for url in (f"sqlite:///{tmp_path}/ledger.db", "mysql://here/it"):
        monkeypatch.setenv("RUNWRIGHT_LEDGER_URL", url)
        with pytest.raises(LedgerError), at_work("any", RUN):
            pytest.fail("it was opened")
    assert time.monotonic() - began < 60
