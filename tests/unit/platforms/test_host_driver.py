"""The host platform on tables: the plan, the words of the process, and what is read from files."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runwright.artifacts import Note, note_file
from runwright.engine.actions import Command, Process, Spawn, Stop
from runwright.engine.performer import Performer
from runwright.engine.planning import Planner
from runwright.errors import ActionError, InputError, ObservationError
from runwright.platforms.host import Host
from runwright.platforms.host.ports import FIRST_PORT, LAST_PORT, free_port, is_free, listens, preferred
from runwright.platforms.host.slots import Answer, Seen, Slot, see
from runwright.runbook.platforms.host import HostTarget
from runwright.testing.replies import Replies
from runwright.traffic import status_of
from runwright.versions import Artifact, Version

SPEC: dict[str, Any] = {
    "platform": "host",
    "process": {
        "command": ["{python}", "-m", "shop", "--port", "{port}", "--note={root}/{other}", '{"port": 1}'],
        "env": {"DATABASE_URL": "sqlite:///{root}/shop.db", "RUNWRIGHT_SLOT": "red", "MODE": "runbook"},
    },
}
VERSION = Version("shop", "local", "v2", "b" * 40, (Artifact("web", "/store/web/b", "t" * 40),))
OLD = Version("shop", "local", "v1", "a" * 40, (Artifact("web", "/store/web/a", "s" * 40),))
PROCESS = Process("here", 4711, 99)


def slot(version: Version = OLD, **changes: Any) -> Slot:
    written = Slot(
        "blue", 20001, "web", version.artifacts[0].identity, "r1", 1, "boot", "/d/r1-1.pid", "/d/r1-1.log",
        version.as_json(),
    )  # fmt: skip
    return replace(written, **changes)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(HostTarget.model_validate(SPEC), tmp_path, {"MODE": "caller", "TOKEN": "s3cret"}, "/opt/py/bin/python")


def replies(seen: Seen | None, **more: Any) -> Replies:
    table = {
        "look at what runs in blue": [seen, None] if seen and seen.runs else seen,
        "look at what runs in green": None,
        "which start of the machine": "boot",
        "find a free port": 20002,
        "ask blue": Answer(200, True),
        "runs in blue before": None,
        **more,
    }
    return Replies(table, lenient=True)


@pytest.mark.parametrize(
    ("seen", "keys"),
    [
        (None, ["d/blue/slot", "d/blue/start"]),
        (Seen(slot(), PROCESS, True), ["d/blue/clear", "d/blue/slot", "d/blue/start"]),
        (Seen(slot(), PROCESS, False), ["d/blue/slot", "d/blue/start"]),
        (Seen(slot(VERSION), PROCESS, True), []),
        (Seen(slot(VERSION, release="r2"), None, False), ["d/blue/start"]),
        (Seen(slot(VERSION, release="r2"), PROCESS, False), ["d/blue/slot-2", "d/blue/start-2"]),
        (Seen(slot(VERSION, release="r2", boot="before"), None, False), ["d/blue/slot-2", "d/blue/start-2"]),
        (Seen(slot(VERSION, release="r2", attempt=4), PROCESS, False), ["d/blue/slot-5", "d/blue/start-5"]),
        (Seen(slot(OLD, release="r2"), PROCESS, False), ["d/blue/slot-2", "d/blue/start-2"]),
        (Seen(replace(slot(VERSION), identity="u" * 40), PROCESS, True), ["d/blue/clear", "d/blue/slot", "d/blue/start"]),
    ],
    ids=["empty", "another runs", "another is dead", "it runs", "written, not started", "died", "rebooted", "died again",
         "another of this release", "another artifact of the commit"],
)  # fmt: skip
def test_a_start_does_what_is_missing(host: Host, seen: Seen | None, keys: list[str]) -> None:
    """Whatever is found in the slot, the slot runs this version afterwards, under keys that were never used before."""
    do = replies(seen)
    host.start(do, VERSION, "blue", "d", "r2")
    assert do.keys == keys


def test_the_words_and_variables_of_a_process(host: Host, tmp_path: Path) -> None:
    """Known placeholders are filled in, others are left; ours override the caller's, which override the runbook's."""
    do = replies(None)
    host.start(do, VERSION, "blue", "d", "r2")
    (spawn,) = [action for action in do.changes if isinstance(action, Spawn)]
    assert spawn.argv == (
        "/opt/py/bin/python", "-m", "shop", "--port", "20002", f"--note={tmp_path}/{{other}}", '{"port": 1}',
    )  # fmt: skip
    wanted = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/shop.db",
        "MODE": "caller",
        "TOKEN": "s3cret",
        "RUNWRIGHT_SLOT": "blue",
        "RUNWRIGHT_RELEASE": "r2",
        "RUNWRIGHT_COMMIT": "b" * 40,
        "RUNWRIGHT_VERSION": "v2",
    }
    assert wanted.items() <= dict(spawn.env).items()
    assert spawn.env["PATH"].startswith("/opt/py/bin:")
    assert spawn.cwd == Path("/store/web/b")
    assert "s3cret" not in repr(do.actions)


def test_the_plan_names_every_change_and_a_port(tmp_path: Path) -> None:
    """A plan asks nobody after its first change, and shows the port that will most likely be taken."""
    folder = tmp_path / "store" / "web"
    folder.mkdir(parents=True)
    note_file(folder).write_bytes(Note("web", "b" * 40, "t" * 40).content())
    version = replace(VERSION, artifacts=(Artifact("web", str(folder), "t" * 40),))
    host = Host(HostTarget.model_validate(SPEC), tmp_path, {}, "python")
    plan = Planner(Performer())
    host.prepare(plan, version, "d")
    host.run_job(plan, version, ("true",), service="web", key="d/migrate", says="m", release_id="r", deadline_seconds=1)
    host.start(plan, version, "blue", "d", "r")
    upstream = host.upstream(plan, "blue")
    assert [step.key for step in plan.steps] == ["d/data", "d/migrate", "d/blue/slot", "d/blue/start"]
    assert upstream is not None and f"--port {upstream.port} " in plan.steps[-1].exact


def test_stopping_what_does_not_run_changes_nothing(host: Host) -> None:
    """Nothing was ever started, or it has ended already."""
    for seen in (None, Seen(slot(), PROCESS, False), Seen(slot(), None, False)):
        do = replies(seen)
        host.stop(do, "blue", "retire")
        assert do.keys == []


def test_a_process_that_survives_its_end_is_an_error(host: Host) -> None:
    """A change is read afterwards: what still runs was not stopped."""
    do = Replies({"look at what runs in blue": Seen(slot(), PROCESS, True)}, lenient=True)
    with pytest.raises(ActionError, match="4711"):
        host.stop(do, "blue", "retire")
    assert isinstance(do.changes[0], Stop)


def test_a_job_takes_the_artifact_of_its_service(host: Host) -> None:
    """Else the first one, which is what the processes run."""
    version = replace(VERSION, artifacts=(*VERSION.artifacts, Artifact("tool", "/store/tool/b", "v" * 40)))
    for service, folder in [("tool", "/store/tool/b"), ("web", "/store/web/b"), ("scheduler", "/store/web/b")]:
        do = Replies({"look": lambda action: b""})
        host.run_job(do, version, ("{python}",), service=service, key=None, says="look", release_id="r", deadline_seconds=1)  # fmt: skip
        (job,) = do.actions
        assert isinstance(job, Command) and job.cwd == Path(folder) and job.argv == ("/opt/py/bin/python",)


def test_a_version_without_artifacts_is_refused(host: Host) -> None:
    """There is nothing that could be started."""
    with pytest.raises(InputError):
        host.start(replies(None), replace(VERSION, artifacts=()), "blue", "d", "r")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"slot": "blue"}', "\x00"])
def test_a_slot_file_that_is_not_ours_is_not_guessed_at(tmp_path: Path, text: str) -> None:
    """It says how to get out of it."""
    file = tmp_path / "blue.json"
    file.write_text(text)
    with pytest.raises(ObservationError) as caught:
        see(file)
    assert caught.value.next


def test_a_pid_file_that_was_cut_is_no_process(tmp_path: Path) -> None:
    """What cannot be read was never started, as far as anybody can prove."""
    (tmp_path / "cut.pid").write_text('{"host": "x", "pi')
    file = tmp_path / "blue.json"
    file.write_bytes(slot(pid_file=str(tmp_path / "cut.pid")).content())
    seen = see(file)
    assert seen is not None and not seen.runs and seen.process is None
    assert json.loads(file.read_text())["version"]["commit"] == seen.slot.commit


def test_a_port_is_the_same_each_time_unless_it_is_taken() -> None:
    """Preferred first, then the next free one; never one that is excluded, never where outgoing connections are."""
    first = free_port("x/blue", [], [])
    assert FIRST_PORT <= preferred("x/blue") < LAST_PORT and first == free_port("x/blue", [], [])
    assert free_port("x/blue", [], [first]) != first
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port) and free_port("x/blue", [port], []) == first
    assert free_port("x/blue", [port], []) == port


def test_nobody_listens_where_nothing_was_started() -> None:
    """No answer is no status; a listener of another session is not ours."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listens(1, port) is not True
    assert status_of(port, "/") is None and listens(1, port) is None
