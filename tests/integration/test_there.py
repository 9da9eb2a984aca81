"""Another host over ssh, with a real server: what is promised of an action here holds there."""

from __future__ import annotations

import http.server
import os
import secrets
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Action, Command, Http, Process, WriteFile
from runwright.engine.executor import Executor
from runwright.engine.performer import Performer
from runwright.engine.there import jobs, paths, place
from runwright.engine.there.login import Login
from runwright.errors import ActionError, DeadlineError, InDoubtError, UnreachableError
from runwright.ledger import open_ledger
from runwright.ledger.journal import Journal
from tests.fixtures.ports import lasting_port
from tests.fixtures.ssh import Sshd

MARK = "shop-test-1/deploy/it#1"


@pytest.fixture
def login(sshd: Sshd) -> Iterator[Login]:
    """Things are done on the other host."""
    with place.at(sshd.on) as found:
        assert found is not None
        yield found


def do(action: Action[Any], mark: str = MARK, started: Any = lambda _: None, performer: Performer | None = None) -> Any:
    return (performer or Performer()).perform(action, lambda a: do(a), mark, started)  # type: ignore[arg-type]


def text(output: Any) -> Any:
    return output


def test_a_program_gets_its_words_its_variables_and_its_input_as_they_are(sshd: Sshd, login: Login) -> None:
    odd = "a b'c\"d$HOME\\ \n*é`x`"
    read = Command(
        says="look",
        argv=("sh", "-c", 'printf "%s|" "$1" "$ODD"; cat', "sh", odd),
        env={"ODD": odd},
        stdin=b"\0in\xff",
        parse=text,
    )
    assert do(read).stdout == f"{odd}|{odd}|".encode() + b"\0in\xff"
    change = Command(says="do", key="deploy/it", argv=read.argv, env=read.env, stdin=read.stdin, parse=text)
    assert do(change).stdout == f"{odd}|{odd}|".encode() + b"\0in\xff"


def test_one_login_does_for_everything(sshd: Sshd, login: Login) -> None:
    before = sshd.logins()
    for number in range(3):
        do(Command(says="look", argv=("true",)))
        do(WriteFile(says="write", key="deploy/file", path=sshd.home / f"new{number}" / "file", content=b"x"))
        assert paths.Path(sshd.home).is_dir()
    assert sshd.logins() == before + 1
    assert stat.S_IMODE(login.folder.stat().st_mode) == 0o700


def test_the_exit_code_and_both_streams_come_back(login: Login) -> None:
    for key in (None, "deploy/it"):
        argv = ("sh", "-c", "echo out; echo err >&2; exit 255")
        output = do(Command(says="look", key=key, argv=argv, ok=frozenset({255}), parse=text))
        assert (output.code, output.stdout, output.stderr) == (255, b"out\n", b"err\n")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ({"argv": ("no-such-program",)}, "not on the PATH there"),
        ({"argv": ("true",), "cwd": Path("/nowhere")}, "/nowhere is not there"),
    ],
)
def test_what_cannot_be_started_says_why(login: Login, command: dict[str, Any], says: str) -> None:
    with pytest.raises(ActionError, match=says):
        do(Command(says="look", **command))


def test_a_change_begins_only_once_its_process_is_in_the_journal(sshd: Sshd, login: Login) -> None:
    seen: list[tuple[Process, bool]] = []
    file = sshd.home / "begun"

    def started(process: Process) -> None:
        time.sleep(0.3)
        seen.append((process, file.exists()))

    do(Command(says="do", key="deploy/it", argv=("touch", str(file))), started=started)
    ((process, begun),) = seen
    assert process.host == sshd.on and process.pid > 0 and process.started > 0
    assert not begun and file.exists()


def test_a_change_whose_journal_refuses_it_never_begins(sshd: Sshd, login: Login) -> None:
    file = sshd.home / "never"

    def started(process: Process) -> None:
        raise ActionError("no")

    with pytest.raises(ActionError, match="no"):
        do(Command(says="do", key="deploy/it", argv=("touch", str(file))), started=started)
    assert not file.exists() and not jobs.look(login, MARK).running


def test_on_its_deadline_it_is_ended_there_with_all_that_it_started(login: Login) -> None:
    for key in (None, "deploy/late"):
        mark = f"shop-test-late/{key}#1"
        argv = ("sh", "-c", "sleep 300 & sleep 300")
        with pytest.raises(DeadlineError):
            do(Command(says="wait", key=key, argv=argv, deadline_seconds=1.0), mark)
        assert not jobs.look(login, mark).running


def test_a_change_whose_connection_is_cut_comes_to_its_end_and_is_found_again(sshd: Sshd, login: Login) -> None:
    do(Command(says="look", argv=("true",)))
    threading.Timer(0.8, sshd.cut).start()
    argv = ("sh", "-c", "echo one; sleep 2; echo two; exit 3")
    output = do(
        Command(says="do", key="deploy/cut", argv=argv, ok=frozenset({3}), parse=text), "shop-test-cut/deploy/cut#1"
    )
    assert (output.code, output.stdout) == (3, b"one\ntwo\n")


def test_a_read_whose_connection_is_cut_is_asked_again(sshd: Sshd, login: Login) -> None:
    do(Command(says="look", argv=("true",)))
    threading.Timer(0.5, sshd.cut).start()
    output = do(Command(says="look", argv=("sh", "-c", "sleep 1; echo here"), parse=text))
    assert output.stdout == b"here\n"


def test_a_file_is_written_whole_with_its_mode(sshd: Sshd, login: Login) -> None:
    file = sshd.home / "a folder" / "it's.env"
    do(WriteFile(says="write", key="deploy/file", path=file, content=b"A=1\n", mode=0o640))
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"A=1\n", 0o640)
    assert os.listdir(file.parent) == [file.name]
    with pytest.raises(ActionError, match="could not be written"):
        do(WriteFile(says="write", key="deploy/file", path=file / "below", content=b""))


def test_paths_tell_there_what_they_tell_here(sshd: Sshd, login: Login) -> None:
    top = sshd.home / "look"
    (top / "sub" / ".hidden").mkdir(parents=True)
    (top / "a file\n").write_bytes(b"1\0" * 50_000)
    (top / "link").symlink_to("sub")
    (top / "gone").symlink_to("nowhere")
    for name in (".", "sub", "a file\n", "link", "gone", "none", "sub/none/x"):
        here, there = top / name, paths.Path(top / name)
        for ask in ("exists", "is_file", "is_dir", "is_symlink"):
            assert getattr(there, ask)() == getattr(here, ask)(), (name, ask)
        assert str(there.resolve()) == str(here.resolve())
    assert sorted(p.name for p in paths.Path(top).iterdir()) == sorted(os.listdir(top))
    file = paths.Path(top / "a file\n")
    assert file.read_bytes() == (top / "a file\n").read_bytes()
    assert file.stat().st_size == 100_000 and int(file.stat().st_mtime) == int((top / "a file\n").stat().st_mtime)
    with file.open("rb") as opened:
        assert opened.read(3) == b"1\x001"
    walked = {(str(f), tuple(sorted(d)), tuple(sorted(n))) for f, d, n in paths.walk(paths.Path(top))}
    assert walked == {(f, tuple(sorted(d)), tuple(sorted(n))) for f, d, n in os.walk(top)}
    for error, call in (
        (FileNotFoundError, lambda: (file / "..").with_name("none").read_bytes()),
        (IsADirectoryError, lambda: paths.Path(top).read_bytes()),
    ):
        with pytest.raises(error):
            call()
    with pytest.raises(TypeError, match="another host"):
        os.listdir(paths.Path(top))


def test_a_host_that_nobody_vouches_for_is_not_logged_in_to(sshd: Sshd, login: Login) -> None:
    sshd.known("")
    with pytest.raises(UnreachableError, match="is not known here") as refused:
        do(Command(says="look", argv=("true",)))
    assert "ssh-keyscan" in refused.value.next
    assert not (sshd.folder / "known_hosts").read_text()


def test_a_host_with_another_key_is_not_logged_in_to(sshd: Sshd, login: Login) -> None:
    kind, key, *_ = (sshd.folder / "key.pub").read_text().split()
    sshd.known(f"{kind} {key}")
    with pytest.raises(UnreachableError, match="is not the one that is known of it") as refused:
        do(Command(says="look", argv=("true",)))
    assert f"ssh-keygen -R [127.0.0.1]:{sshd.port}" in refused.value.next


def test_a_login_that_is_refused_says_what_to_do(sshd: Sshd) -> None:
    with place.at(sshd.on.replace("@", "x@")), pytest.raises(UnreachableError, match="does not let us log in"):
        do(Command(says="look", argv=("true",)))


KILLED = """
import os, signal, sys, threading
from runwright.engine.executor import Executor
from runwright.engine.actions import Command
from runwright.engine.executor import Executor
from runwright.engine.performer import Performer
from runwright.engine.there import place
from runwright.ledger import open_ledger
on, release_id, script, safe, seconds = sys.argv[1:]
def faults(point, action):
    if point == "during":
        end = lambda: os.kill(os.getpid(), signal.SIGKILL)
        threading.Timer(float(seconds), end).start() if float(seconds) else end()
with place.at(on), open_ledger() as ledger:
    Executor(ledger.journal(release_id), Performer(), faults=faults)(
        Command(says="do it", key="deploy/it", argv=("sh", "-c", script), repeatable=False, safe_point=safe == "safe")
    )
"""


@dataclass
class Killed:
    """A release of which one change was begun by a process that was killed as soon as it ran."""

    journal: Journal
    script: str
    safe: str = ""

    def again(self) -> Any:
        """Do the same change again, as a run that takes the release up."""
        action = Command(
            says="do it",
            key="deploy/it",
            argv=("sh", "-c", self.script),
            repeatable=False,
            safe_point=self.safe == "safe",
        )
        return Executor(self.journal, Performer())(action)


@pytest.fixture
def killed(sshd: Sshd) -> Iterator[Callable[..., Killed]]:
    """Begin a change, and be killed."""
    with open_ledger() as ledger:

        def begun(script: str, safe: str = "", seconds: float = 1.0) -> Killed:
            release = ledger.releases.open(
                "shop",
                "test",
                "v1",
                procedure="deploy",
                run_id=secrets.token_hex(4),
                runbook={},
                parameters={},
                deployer="a",
            )
            words = [sys.executable, "-c", KILLED, sshd.on, release.id, script, safe, str(seconds)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == -9, done.stderr
            return Killed(ledger.journal(release.id), script, safe)

        yield begun


def test_what_was_never_told_to_begin_does_not(sshd: Sshd, killed: Callable[..., Killed]) -> None:
    """The run was killed between the journal and the word to begin."""
    file = sshd.home / f"begun-{secrets.token_hex(4)}"
    found = killed(f"touch {file}", seconds=0)
    with pytest.raises(InDoubtError):
        found.again()
    assert not file.exists()
    assert [e.state for e in found.journal.entries()] == ["ended"]


def test_what_still_runs_of_a_killed_run_is_ended(sshd: Sshd, killed: Callable[..., Killed]) -> None:
    """It may not be repeated, and nobody knows how far it came."""
    file = sshd.home / f"late-{secrets.token_hex(4)}"
    found = killed(f"sleep 3; touch {file}")
    with pytest.raises(InDoubtError):
        found.again()
    (entry,) = found.journal.entries()
    assert (entry.state, entry.host) == ("ended", sshd.on)
    time.sleep(3)
    assert not file.exists()


def test_what_has_a_safe_point_is_awaited_and_what_became_of_it_is_found_out(
    sshd: Sshd, killed: Callable[..., Killed]
) -> None:
    """It came to its end, and that is written there: it is settled, and not done again though it may not be repeated."""
    file = sshd.home / f"safe-{secrets.token_hex(4)}"
    found = killed(f"sleep 3; echo x >>{file}", "safe")
    found.again()
    assert file.read_text() == "x\n"
    assert [(e.attempt, e.state) for e in found.journal.entries()] == [(1, "done")]


def test_while_the_host_is_away_what_may_run_there_stays_in_doubt(sshd: Sshd, killed: Callable[..., Killed]) -> None:
    """It is neither taken for ended nor begun again before somebody can look."""
    found = killed("sleep 2")
    sshd.known("")
    with pytest.raises(UnreachableError):
        found.again()
    assert [e.state for e in found.journal.entries()] == ["running"]


def test_a_loopback_address_is_asked_there(sshd: Sshd, login: Login) -> None:
    """Nothing of this machine's own answers in its place: what asks comes through the ssh server."""
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_port
        action = Http(says="ask", method="HEAD", url=f"http://localhost:{port}/", parse=lambda reply: reply.status)
        assert do(action) == 200
        sshd.cut()
        assert do(action) == 200
        assert login.answers("127.0.0.1", port)
        server.shutdown()
    assert len(list(login.folder.iterdir())) == 2  # the connection, and what leads to the server
    with pytest.raises(ActionError, match="No answer"):
        do(Http(says="ask", method="GET", url=f"http://localhost:{lasting_port()}/"))
    assert not login.answers("127.0.0.1", lasting_port())
