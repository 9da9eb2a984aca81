"""What goes wrong with a ledger leaves as a LedgerError that somebody can act on, and never shows the password."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import OperationalError

from runwright.errors import LedgerError
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.trouble import as_ledger_error, without_password
from tests.unit.ledger.conftest import Open

ADD_NOTE = "INSERT INTO notes (release_id, at, kind, text) VALUES (:id, CURRENT_TIMESTAMP, 'step', 'by hand')"
FILLS_THE_DISK = """
import resource, sys
from runwright.errors import LedgerError
from runwright.ledger import open_ledger
ledger = open_ledger(sys.argv[1])
release = ledger.releases.find()[0]
size = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
written = 0
try:
    while True:
        ledger.records.add_note(release.id, "step", "x" * 20_000)
        written += 1
except LedgerError as error:
    print(f"{written}\\n{error}")
"""


def test_a_ledger_that_works_passes_the_check(ledger: Ledger) -> None:
    """As often as it is asked."""
    ledger.check()
    ledger.check()


def test_a_read_only_ledger_can_be_read_and_says_that_it_cannot_be_written(
    tmp_path: Path, ledger_url: str, ledger: Ledger, opened: Open
) -> None:
    """The check sees it before a change is made."""
    release = opened()
    if ledger.store.on_sqlite:
        read_only = f"sqlite:///file:{tmp_path / 'ledger.db'}?mode=ro&uri=true"
    else:
        read_only = f"{ledger_url}?options=-c%20default_transaction_read_only%3Don"
    with open_ledger(read_only) as same:
        assert same.releases.get(release.id) == release
        with pytest.raises(LedgerError, match=r"(?i)read-?only") as refusal:
            same.check()
    assert "Nothing of this entry was kept" in refusal.value.state and refusal.value.next


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="this system has no limit on the size of files")
def test_a_full_disk_is_said_and_takes_nothing_that_was_kept(tmp_path: Path) -> None:
    """What was committed before is there afterwards, and the ledger goes on when there is room."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with open_ledger(url) as ledger:
        release_id = a_release(ledger)
    words = [sys.executable, "-c", FILLS_THE_DISK, url, "1000000"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    written, *said = done.stdout.splitlines()
    assert "cannot be read or written" in said[0] and "Nothing of this entry was kept" in said[1]
    assert str(tmp_path) in said[2]
    with open_ledger(url) as ledger:
        assert len(ledger.records.notes(release_id)) == int(written) > 0
        ledger.check()


def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_server_that_is_away_is_said_at_once() -> None:
    """Nothing is done, and what to look at is named; how long to hold is for the caller to say."""
    with pytest.raises(LedgerError, match="refused") as refusal:
        open_ledger(f"postgresql://ada:hunter2@127.0.0.1:{closed_port()}/runwright")
    assert "See that the server runs" in refusal.value.next
    assert "hunter2" not in str(refusal.value)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("change", "says", "then"),
    [
        ({"password": "wr@ng/ü word"}, "authentication failed", "Look at the user and the password"),
        ({"database": "nothing"}, "does not exist", ""),
    ],
)
def test_what_the_server_refuses_is_told_without_the_password(
    postgres_database: str, change: dict[str, str], says: str, then: str
) -> None:
    """Neither in its text, nor in what a log would print of it."""
    url = make_url(postgres_database).set(**change)  # type: ignore[arg-type]
    with pytest.raises(LedgerError, match=says) as refusal:
        open_ledger(url.render_as_string(hide_password=False))
    printed = "".join(traceback.format_exception(refusal.value))
    for secret in {str(url.password), quote(str(url.password), safe="")}:
        assert secret not in printed
    assert refusal.value.next


def test_a_password_is_hidden_however_it_is_written() -> None:
    """As it is, and as it is written in a URL."""
    url = make_url("postgresql://ada:p%40ss%2Fw+rd@h/db")
    password = str(url.password)
    said = f"as {password}, as {quote(password)}, as {quote(password, safe='')}"
    assert without_password(said, url) == "as ***, as ***, as ***"
    error = OperationalError("SELECT 1", {}, Exception(f"cannot connect with {password}"))
    assert password not in str(as_ledger_error(error, url))


def end_my_connections(ledger_url: str) -> Callable[[], None]:
    """Return what ends all connections of a database but its own, as a server that restarts does."""

    def work() -> None:
        with open_ledger(ledger_url) as other:
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            other.store.write(lambda c: c.execute(text(end + "AND pid <> pg_backend_pid()")))

    return work


@pytest.fixture
def on_postgresql(postgres_database: str) -> Iterator[Ledger]:
    """A ledger that has a server to lose."""
    with open_ledger(postgres_database) as ledger:
        yield ledger


def a_release(ledger: Ledger) -> str:
    """The id of a release of it."""
    values = {"procedure": "deploy", "run_id": "run-1", "deployer": "ada"}
    return ledger.releases.open("shop", "production", "v1", runbook={}, parameters={}, **values).id


@pytest.mark.docker
def test_a_connection_that_broke_meanwhile_is_made_anew(on_postgresql: Ledger, postgres_database: str) -> None:
    """Between two transactions nobody notices."""
    on_postgresql.check()
    end_my_connections(postgres_database)()
    on_postgresql.check()


@pytest.mark.docker
def test_a_connection_that_breaks_in_a_transaction_begins_it_anew(
    on_postgresql: Ledger, postgres_database: str
) -> None:
    """Nothing of it was kept, so nothing is kept twice."""
    release_id, calls = a_release(on_postgresql), []

    def work(connection: Connection) -> None:
        connection.execute(text(ADD_NOTE), {"id": release_id})
        if not calls:
            calls.append(1)
            end_my_connections(postgres_database)()
        connection.execute(text("SELECT 1"))

    on_postgresql.store.write(work)
    assert [note.text for note in on_postgresql.records.notes(release_id)] == ["by hand"]


@pytest.mark.docker
def test_a_connection_that_breaks_in_the_commit_is_told_as_not_known(
    on_postgresql: Ledger, postgres_database: str
) -> None:
    """It is not tried again behind the caller's back: it may have been kept."""
    release_id, calls = a_release(on_postgresql), []

    def work(connection: Connection) -> None:
        calls.append(1)
        connection.execute(text(ADD_NOTE), {"id": release_id})
        end_my_connections(postgres_database)()

    with pytest.raises(LedgerError) as refusal:
        on_postgresql.store.write(work)
    assert "is not known" in refusal.value.state and calls == [1]


def test_an_error_of_whoever_writes_takes_everything_back(ledger: Ledger, opened: Open) -> None:
    """It leaves as it is; half of a transaction is never kept."""
    release = opened()

    def work(connection: Connection) -> None:
        connection.execute(text(ADD_NOTE), {"id": release.id})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.store.write(work)
    assert ledger.records.notes(release.id) == []


def test_a_folder_that_was_taken_away_is_said(tmp_path: Path) -> None:
    """A ledger whose file is gone is not begun anew behind everybody's back."""
    folder = tmp_path / "home"
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
    ledger.close()
    os.rename(folder, tmp_path / "gone")
    with pytest.raises(LedgerError, match="unable to open"):
        ledger.check()
