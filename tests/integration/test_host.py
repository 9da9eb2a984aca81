"""The host platform with real processes: two colours, observed truthfully, whatever happened to them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runwright.artifacts import Note, note_file
from runwright.engine.actions import Command
from runwright.errors import ActionError, DeadlineError, InputError, RefusedError, VerificationError
from runwright.platforms.host import Host
from runwright.platforms.host.ports import is_free
from runwright.runbook.platforms.host import HostTarget
from runwright.testing.direct import Direct
from runwright.traffic import status_of
from runwright.versions import Artifact, Version

APP = """
import http.server, json, os, sys, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({k: v for k, v in os.environ.items() if k.startswith(("RUNWRIGHT", "SHOP", "TOKEN"))}).encode()
        self.send_response(STATUS)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
ENDS = "import sys; print('secret-looking last words'); sys.exit(3)"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data folder"


@pytest.fixture
def host(root: Path) -> Iterator[Host]:
    spec = {
        "platform": "host",
        "process": {
            "command": ["{python}", "app.py", "{port}"],
            "env": {"SHOP_DATA": "{root}/data"},
            "health": "/readyz",
        },
        "ready_timeout": "60s",
    }
    host = Host(HostTarget.model_validate(spec), root, {"TOKEN": "s3cret-value"}, sys.executable)
    yield host
    for slot in ("blue", "green"):
        host.stop(Direct(), slot, "end")


def version(tmp_path: Path, number: int, app: str = APP.replace("STATUS", "200")) -> Version:
    commit = f"{number:040x}"
    folder = tmp_path / "store" / "web" / commit
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(app)
    note_file(folder).write_bytes(Note("web", commit, f"{number:08x}" * 5).content())
    return Version("shop", "local", f"v{number}", commit, (Artifact("web", str(folder), f"{number:08x}" * 5),))


def answer(port: int | None) -> dict[str, str]:
    assert port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/")
    return dict(json.loads(connection.getresponse().read()))


def test_two_versions_run_side_by_side(host: Host, root: Path, tmp_path: Path) -> None:
    """Each slot has its port, its version and its environment; stopping one leaves the other alone."""
    do = Direct()
    for slot, number in (("blue", 1), ("green", 2)):
        host.start(do, host.prepare(do, version(tmp_path, number), "deploy"), slot, "deploy", f"r{number}")
    facts = {fact.slot: fact for fact in host.observe(do).services}
    assert {s: (f.running, f.healthy, f.release) for s, f in facts.items()} == {
        "blue": (True, True, "r1"),
        "green": (True, True, "r2"),
    }
    seen = answer(facts["green"].port)
    assert seen["RUNWRIGHT_SLOT"] == "green" and seen["RUNWRIGHT_COMMIT"] == version(tmp_path, 2).commit
    assert seen["SHOP_DATA"] == f"{root}/data" and seen["TOKEN"] == "s3cret-value"
    host.stop(do, "green", "retire")
    host.stop(do, "green", "retire")
    assert host.observe(do).identities() == {"web": version(tmp_path, 1).artifacts[0].identity}
    assert host.upstream(do, "green") is None
    assert (upstream := host.upstream(do, "blue")) and answer(upstream.port)["RUNWRIGHT_SLOT"] == "blue"
    assert do.keys == [
        "deploy/data", "deploy/blue/slot", "deploy/blue/start", "deploy/green/slot", "deploy/green/start",
        "retire/green/stop",
    ]  # fmt: skip


def test_what_a_slot_printed_is_read_without_the_other_ones(host: Host, tmp_path: Path) -> None:
    """Since its process was started: a log begins with it. Where nothing was ever started nothing is known."""

    def said(slot: str) -> tuple[str, ...]:
        now = datetime.now(UTC)
        read = host.lines(Direct(), (), slot, now, says="read", parse=lambda lines: lines, assume=())
        return Direct()(read)

    with pytest.raises(ActionError, match="Nothing was ever started"):
        said("blue")
    app = APP.replace("STATUS", "200").replace("import http", "print('WARN cold', flush=True)\nimport http", 1)
    host.start(Direct(), version(tmp_path, 1, app), "blue", "deploy", "r1")
    host.start(Direct(), version(tmp_path, 2), "green", "deploy", "r2")
    assert said("blue") == ("WARN cold",) and said("green") == () and said("") == ("WARN cold",)


def test_starting_what_runs_changes_nothing(host: Host, tmp_path: Path) -> None:
    """Whoever asks again, also in another release, finds it running and healthy."""
    host.start(Direct(), version(tmp_path, 1), "blue", "deploy", "r1")
    do = Direct()
    host.start(do, version(tmp_path, 1), "blue", "deploy", "r2")
    assert do.keys == []


def test_another_version_takes_the_slot_and_its_port(host: Host, tmp_path: Path) -> None:
    """What ran there is ended first; the port stays, so that nothing else needs to learn a new one."""
    host.start(Direct(), version(tmp_path, 1), "blue", "deploy", "r1")
    before = host.upstream(Direct(), "blue")
    do = Direct()
    host.start(do, version(tmp_path, 2), "blue", "deploy", "r2")
    assert do.keys == ["deploy/blue/clear", "deploy/blue/slot", "deploy/blue/start"]
    assert host.upstream(do, "blue") == before


def test_a_process_that_was_killed_is_started_again_under_a_key_of_its_own(host: Host, tmp_path: Path) -> None:
    """A journal that has settled the first start must not keep the second one from happening."""
    do = Direct()
    host.start(do, version(tmp_path, 1), "blue", "deploy", "r1")
    os.kill(pid_of(host), signal.SIGKILL)
    until(lambda: [fact.running for fact in host.observe(do).services] == [False])
    host.start(do, version(tmp_path, 1), "blue", "deploy", "r1")
    assert do.keys[-2:] == ["deploy/blue/slot-2", "deploy/blue/start-2"]
    assert len(do.keys) == len(set(do.keys))


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def pid_of(host: Host, slot: str = "blue") -> int:
    seen = Direct()(host._see(slot))
    assert seen is not None and seen.process is not None
    return seen.process.pid


def test_a_process_that_ends_is_noticed_at_once(host: Host, tmp_path: Path) -> None:
    """The deadline is not waited for; the log is named, its content is not shown."""
    do = Direct()
    with pytest.raises(VerificationError) as caught:
        host.start(do, version(tmp_path, 1, ENDS), "blue", "deploy", "r1")
    assert "secret-looking" not in str(caught.value)
    log = Path(str(caught.value).rpartition(" of ")[2].rstrip("."))
    assert "secret-looking last words" in log.read_text()
    assert not host.observe(do).running


def test_a_version_that_never_gets_ready_ends_in_a_deadline(root: Path, tmp_path: Path) -> None:
    """It says what it waited for and where the log is, and what was started can be stopped."""
    spec = {"platform": "host", "process": {"command": ["{python}", "app.py", "{port}"]}, "ready_timeout": "1s"}
    host = Host(HostTarget.model_validate(spec), root, {}, sys.executable)
    do = Direct()
    with pytest.raises(DeadlineError, match="answers 200"):
        host.start(do, version(tmp_path, 1, APP.replace("STATUS", "503")), "blue", "deploy", "r1")
    port = host.observe(do).services[0].port
    until(lambda: port and status_of(port, "/") == 503)
    assert [(f.running, f.healthy) for f in host.observe(do).services] == [(True, False)]
    host.stop(do, "blue", "deploy")
    assert not host.observe(do).running


def test_an_answer_of_somebody_else_is_not_health(host: Host, tmp_path: Path) -> None:
    """A stranger who listens on the port of a dead slot, or of a living one, makes nothing healthy."""
    do = Direct()
    deaf = "import time; time.sleep(60)"
    host.start(do, version(tmp_path, 1), "green", "deploy", "r1")
    with pytest.raises(DeadlineError):
        impatient = Host(host._target.model_copy(update={"ready_timeout": 0.5}), host._root, {}, sys.executable)
        impatient.start(do, version(tmp_path, 2, deaf), "blue", "deploy", "r2")
    blue = host._root / "slots" / "blue.json"
    taken = json.loads(blue.read_text())
    taken["port"] = next(f.port for f in host.observe(do).services if f.slot == "green")
    blue.write_text(json.dumps(taken))
    assert {f.slot: f.healthy for f in host.observe(do).services} == {"blue": False, "green": True}


def test_after_a_reboot_nothing_is_said_to_run(host: Host, root: Path, tmp_path: Path) -> None:
    """A process id of an earlier start of the machine means nothing, even if one like it is there now."""
    do = Direct()
    host.start(do, version(tmp_path, 1), "blue", "deploy", "r1")
    file = root / "slots" / "blue.json"
    slot = json.loads(file.read_text())
    file.write_text(json.dumps({**slot, "boot": "another start of the machine"}))
    try:
        assert host.upstream(do, "blue") is None and not host.observe(do).running
        count = len(do.keys)
        host.stop(do, "blue", "retire")
        assert len(do.keys) == count, "a process of somebody else is left alone"
    finally:
        file.write_text(json.dumps(slot))


def test_an_interrupted_start_is_taken_up_on_the_same_port(host: Host, root: Path, tmp_path: Path) -> None:
    """What was written down but never started is started as written; no second port is chosen."""
    do = Direct()

    class Crash(Exception):
        pass

    def crashing(action):
        if action.key and action.key.endswith("/start"):
            raise Crash
        return do(action)

    with pytest.raises(Crash):
        host.start(crashing, version(tmp_path, 1), "blue", "deploy", "r1")
    written = json.loads((root / "slots" / "blue.json").read_text())
    assert not host.observe(do).running
    host.start(do, version(tmp_path, 1), "blue", "deploy", "r1")
    assert json.loads((root / "slots" / "blue.json").read_text()) == written
    assert do.keys == ["deploy/blue/slot", "deploy/blue/start"]


def test_a_port_that_was_taken_meanwhile_is_left_to_its_owner(host: Host, root: Path, tmp_path: Path) -> None:
    """Another one is chosen, and the slot says which."""
    do = Direct()
    host.start(do, version(tmp_path, 1), "blue", "deploy", "r1")
    port = host.upstream(do, "blue").port
    host.stop(do, "blue", "retire")

    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        host.start(do, version(tmp_path, 2), "blue", "deploy", "r2")
        assert host.upstream(do, "blue").port != port


def test_what_runs_can_be_adopted(host: Host, tmp_path: Path) -> None:
    """It comes back complete from the slot's own file; with two running the router must be asked first."""
    do = Direct()
    assert host.adopt(do, "adopt") is None
    host.start(do, version(tmp_path, 1), "blue", "deploy", "r1")
    adopted = host.adopt(do, "adopt")
    assert adopted is not None and adopted.adopted and adopted.artifacts == version(tmp_path, 1).artifacts
    host.start(do, version(tmp_path, 2), "green", "deploy", "r2")
    with pytest.raises(RefusedError):
        host.adopt(do, "adopt")
    green = host.adopt(do, "adopt", "green")
    assert green is not None and green.commit == version(tmp_path, 2).commit


def test_a_job_runs_with_the_versions_own_files_and_environment(host: Host, tmp_path: Path) -> None:
    """As a read its output comes back; as a change it is safe from a cancel, never repeated, and returns nothing."""
    do = Direct()
    code = "import os; print(os.environ['RUNWRIGHT_RELEASE'], os.environ['TOKEN'], os.path.exists('app.py'))"
    job = {"service": "web", "says": "ask", "release_id": "r1", "deadline_seconds": 30}
    words = ("{python}", "-c", code)
    assert host.run_job(do, version(tmp_path, 1), words, key=None, **job) == b"r1 s3cret-value True\n"
    assert host.run_job(do, version(tmp_path, 1), words, key="migrate/web", **job) == b""
    (action,) = do.done
    assert isinstance(action, Command) and action.safe_point and not action.repeatable
    assert "s3cret-value" not in repr(action)
    with pytest.raises(ActionError):
        host.run_job(do, version(tmp_path, 1), ("{python}", "-c", "exit(4)"), key="migrate/again", **job)


@pytest.mark.parametrize("spoil", ["note", "folder", "identity"])
def test_a_version_without_its_artifact_is_not_prepared(host: Host, tmp_path: Path, spoil: str) -> None:
    """A folder that is gone, not whole, or something else is found before anything is started."""
    given = version(tmp_path, 1)
    folder = Path(given.artifacts[0].reference)
    if spoil == "note":
        note_file(folder).unlink()
    elif spoil == "folder":
        folder.rename(folder.with_name("elsewhere"))
    else:
        note_file(folder).write_bytes(Note("web", given.commit, "f" * 40).content())
    with pytest.raises(ActionError, match="artifact"):
        host.prepare(Direct(), given, "deploy")


def test_a_slot_that_does_not_exist_is_refused(host: Host, tmp_path: Path) -> None:
    """There are two colours, and no way to name a file elsewhere."""
    with pytest.raises(InputError):
        host.start(Direct(), version(tmp_path, 1), "../red", "deploy", "r1")


def test_a_slot_is_killed_for_a_drill_and_starts_again(host: Host, tmp_path: Path) -> None:
    """At once, and without its last words; the other slot lives on. What only a router can do is refused."""
    do = Direct()
    for slot in ("blue", "green"):
        host.start(do, version(tmp_path, 1), slot, "deploy", "r1")
    host.inject(do, "green", "kill", "drill")
    assert {fact.slot: fact.running for fact in host.observe(do).services} == {"blue": True, "green": False}
    with pytest.raises(ActionError, match="nothing to break"):
        host.inject(do, "green", "kill", "drill")
    with pytest.raises(InputError, match="'latency'"):
        host.inject(do, "green", "latency", "drill")
    host.start(do, version(tmp_path, 1), "green", "back", "r2")
    assert all(fact.healthy for fact in host.observe(do).services)
