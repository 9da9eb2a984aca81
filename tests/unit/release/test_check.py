"""The checklist: every kind of gate is really asked, and what is not proven blocks."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runwright.ledger.states import ReleaseState
from runwright.platforms.shape import Observed, ServiceFact
from runwright.policy.gates import GateState
from runwright.registry import GATES
from runwright.release.check import asked
from runwright.runbook.checks import Gate
from runwright.versions import Version
from tests.unit.release.conftest import Opener

SQLITE = {"database": {"kind": "sqlite", "path": "data.db"}}


def one(opened: Opener, gate: dict[str, Any], **more: Any) -> tuple[GateState, str]:
    work = opened(gates=[{"id": "it", **gate}], **more)
    (result,) = asked(work).results
    return result.state, result.reason


def test_every_kind_of_gate_of_the_schema_is_asked() -> None:
    """A kind that the schema takes and nobody asks would stop every release, or worse, none."""
    kinds = {name for name in Gate.model_fields if name not in ("id", "on_fail", "environments")}
    assert set(GATES) == kinds


CASES: list[tuple[str, dict[str, Any], GateState, str]] = [
    ("room on the disk", {"disk": {"path": "/", "gigabytes": 0.001}}, GateState.PASS, "free"),
    ("no room on the disk", {"disk": {"path": "/", "gigabytes": 10**9}}, GateState.FAIL, "free"),
    ("a tool that is there", {"tool": {"name": "git", "at_least": "2.0"}}, GateState.PASS, "git"),
    ("a tool that is too old", {"tool": {"name": "git", "at_least": "99.0"}}, GateState.FAIL, "99"),
    ("a command that passes", {"command": {"argv": ["echo", "clean"], "equals": "clean"}}, GateState.PASS, "echo"),
    ("a command that prints something else", {"command": {"argv": ["echo", "dirty"], "equals": "clean"}}, GateState.FAIL, "dirty"),
    ("a command that fails", {"command": {"argv": ["false"]}}, GateState.FAIL, "1"),
    ("a command that is not there", {"command": {"argv": ["no-such-program-of-ours"]}}, GateState.BLIND, "no-such-program"),
    ("nobody attested", {"attest": "Checklist done"}, GateState.NEEDS_PERSON, "Checklist done"),
    ("no database", {"database": True}, GateState.FAIL, "no database"),
    ("no backup yet", {"backup": {"at_most": "24h"}}, GateState.FAIL, "no proven backup"),
    ("nothing runs yet", {"baseline": True}, GateState.PASS, "first release"),
    ("no source of metrics", {"metrics": True}, GateState.FAIL, "no source"),
    ("an address that does not answer", {"tls": {"url": "https://127.0.0.1:1"}}, GateState.BLIND, "127.0.0.1"),
    ("no GitHub at all", {"ci": {"github": "acme/shop", "api": "http://127.0.0.1:1"}}, GateState.BLIND, "answer"),
    ("the window is never open", {"window": {"timezone": "UTC", "days": ["MO"], "from": "00:00", "to": "00:01", "except_dates": []}}, GateState.FAIL, ""),
]  # fmt: skip


@pytest.mark.parametrize(("gate", "state", "evidence"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_gate_says_what_it_saw(opened: Opener, gate: dict[str, Any], state: GateState, evidence: str) -> None:
    """Given each kind in each case, the state and a part of the evidence are these."""
    if "window" in gate and datetime.now(UTC).strftime("%a %H:%M") == "Mon 00:00":
        pytest.skip("the one minute of the week in which this window is open")
    found, reason = one(opened, gate)
    assert (found, evidence.casefold() in reason.casefold()) == (state, True), reason


def test_an_attestation_counts_with_a_name_and_is_kept(opened: Opener) -> None:
    """Given the name of a person, the gate passes and the ledger keeps who stated what."""
    work = opened(
        gates=[{"id": "list", "attest": "Checklist done"}], parameters={"attestations": {"list": "Ada Lovelace"}}
    )
    assert asked(work).passed
    (approval,) = work.ledger.records.approvals(work.id)
    assert (approval.gate, approval.name, approval.text) == ("list", "Ada Lovelace", "Checklist done")


def test_a_database_that_answers_is_named_with_its_revision(opened: Opener, tmp_path: Path) -> None:
    """Given a SQLite file at a revision, the evidence names engine and revision."""
    (tmp_path / "run").mkdir()
    with sqlite3.connect(tmp_path / "run" / "data.db") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001_items')")
    connection.close()
    migrate = {"tool": "alembic"}
    state, reason = one(opened, {"database": True}, local=SQLITE, migrate=migrate)
    assert state is GateState.PASS
    assert "SQLite" in reason and "0001_items" in reason


@pytest.mark.parametrize(
    ("volumes", "state", "evidence"),
    [("", GateState.PASS, "makes its database"), ("shop_data", GateState.BLIND, "is not running")],
)
def test_a_database_that_the_release_makes_itself_need_not_answer(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, volumes: str, state: GateState, evidence: str
) -> None:
    """Given a Compose project that was never started, its database cannot answer yet; one that is stopped has to."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(
        f'#!/bin/sh\ncase "$1" in volume) echo {volumes};; compose) echo \'service "db" is not running\' >&2; exit 1;; esac\n'
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    local = {
        "target": {"platform": "compose", "project": "shop", "directory": str(tmp_path)}, "router": None,
        "database": {"kind": "postgres", "service": "db", "name": "shop", "user": "shop"},
    }  # fmt: skip
    found, reason = one(opened, {"database": True}, local=local)
    assert (found, evidence in reason) == (state, True), reason


def test_a_fixed_version_is_not_refused_because_what_is_frozen_is_not_healthy(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What serves fails its health probe: that blocks a release, unless the newest one is frozen and waits for the next."""
    live = {"id": "live", "get": "http://127.0.0.1:1/healthz"}
    work = opened(gates=[{"id": "it", "baseline": True}], verify={"deadline": "5s", "health": [live]})
    fact = ServiceFact("web", "web-1", "sha256:x", running=True, healthy=None, restarts=0)
    monkeypatch.setattr(type(work.platform), "observe", lambda *_: Observed((fact,)))
    assert asked(work).results[0].state is GateState.FAIL

    states = (ReleaseState.PLANNED, ReleaseState.APPROVED, ReleaseState.SWITCHING, ReleaseState.FAILING)
    before = work.ledger.releases.open(
        "shop", "local", "v0", procedure="deploy", run_id="before", runbook={}, parameters={}, deployer="Ada"
    )
    for state in (*states, ReleaseState.FROZEN):
        work.ledger.releases.advance(before.id, state, "it went wrong")
    (result,) = asked(work).results
    assert (result.state, "v0 is frozen" in result.reason) == (GateState.WARN, True), result.reason


def test_a_service_that_does_not_run_before_a_release_is_named(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ended, or is restarted again and again, is no first release, and a way back would not bring it."""
    work = opened(gates=[{"id": "it", "baseline": True}])
    down = ServiceFact("jobs", "jobs-1", "sha256:x", running=False, healthy=None, restarts=3)
    monkeypatch.setattr(type(work.platform), "observe", lambda *_: Observed((down,)))
    (result,) = asked(work).results
    assert (result.state, "jobs" in result.reason) == (GateState.WARN, True), result.reason


@pytest.mark.parametrize(("hours", "state"), [(1, GateState.PASS), (30, GateState.FAIL)])
def test_a_backup_counts_while_it_is_young_and_only_if_it_was_proven(
    opened: Opener, hours: int, state: GateState
) -> None:
    """Given a proven backup, its age decides."""
    work = opened(gates=[{"id": "it", "backup": {"at_most": "24h"}}], local=SQLITE)
    taken = work.ledger.records.add_backup(
        "shop", "local", release_id=None, location="/dump", bytes=1, sha256="0", seconds=1.0, engine="SQLite",
        revisions=[], created_at=datetime.now(UTC) - timedelta(hours=hours),
    )  # fmt: skip
    assert asked(work).results[0].state is GateState.FAIL  # not proven yet
    work.ledger.records.prove_backup(taken.id, {"proof": "read back"})
    assert asked(work).results[0].state is state


def test_all_gates_are_asked_and_all_failures_are_told(opened: Opener) -> None:
    """Given three gates of which two fail and one only warns, all are in the result and one blocks."""
    gates = [
        {"id": "a", "command": {"argv": ["false"]}},
        {"id": "b", "command": {"argv": ["false"]}, "on_fail": "warn"},
        {"id": "c", "command": {"argv": ["true"]}},
    ]
    found = asked(opened(gates=gates))
    assert [r.state for r in found.results] == [GateState.FAIL, GateState.FAIL, GateState.PASS]
    assert [r.id for r in found.blocking] == ["a"]
    assert [r.id for r in found.warnings] == ["b"]
    assert not found.passed


@pytest.mark.parametrize(
    ("at", "state", "evidence"),
    [
        ("0001", GateState.PASS, "at revision 0001"),
        ("0002", GateState.PASS, "at revision 0002"),
        ("0003", GateState.WARN, "v0 left it at 0002: somebody else migrated it"),
        ("0004", GateState.FAIL, "does not name this revision"),
    ],
)
def test_a_revision_is_known_if_a_release_here_or_the_code_knows_it(
    opened: Opener, tmp_path: Path, at: str, state: GateState, evidence: str
) -> None:
    """Who migrated by hand to where the version goes has only done its work before; anywhere else nobody knows what the
    schema is."""
    (tmp_path / "run").mkdir()
    with sqlite3.connect(tmp_path / "run" / "data.db") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute(f"INSERT INTO alembic_version VALUES ('{at}')")
    connection.close()
    work = opened(gates=[{"id": "it", "database": True}], local=SQLITE, migrate={"tool": "alembic"})
    releases = work.ledger.releases
    before = releases.adopt("shop", "local", Version("shop", "local", "v0", "b" * 40), runbook={}, deployer="ada")
    releases.record(before.id, schema_before=["0001"], schema_after=["0002"])
    mirror = work.folders.mirror
    git = ["git", "-C", str(mirror), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    mirror.mkdir(parents=True)
    (mirror / "0003.py").write_text("revision = '0003'\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["config", "core.bare", "true"]):
        subprocess.run([*git, *words], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    (mirror / ".git").rename(tmp_path / "mirror")
    shutil.rmtree(mirror)
    (tmp_path / "mirror").rename(mirror)
    releases.record(work.id, version=replace(work.version, commit=done.stdout.strip()))
    work.refresh()
    (result,) = asked(work).results
    assert (result.state, evidence in result.reason) == (state, True), result.reason


def test_a_router_that_lacks_something_stops_the_release_before_anything_is_changed(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One of the team's own: what its configuration needs once, or that it does not answer."""
    own = {
        "kind": "haproxy",
        "socket": str(tmp_path / "no.sock"),
        "map": str(tmp_path / "m"),
        "front": "http://127.0.0.1:1",
    }
    (result,) = asked(opened(gates=[], local={"router": own})).results
    assert (result.id, result.state) == ("router", GateState.FAIL)
    assert "HAProxy does not answer" in result.reason and "level admin" in result.reason
