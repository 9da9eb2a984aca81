"""How events are shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deployments.cli.following import Event
from deployments.cli.output import Output
from deployments.cli.showing import WATCH_LINE_SECONDS, shown
from tests.unit.cli.test_output import Terminal

STATE = Event("state", "planned: level L0", {"state": "planned", "because": "level L0"})


def watched(seconds: float, state: str = "pass") -> Event:
    rules = {"errors": {"state": state, "reason": "x"}}
    data = {"watched_seconds": seconds, "held_seconds": 0.0, "duration_seconds": 600.0, "rules": rules}
    return Event("watch", f"watched {seconds:g}", data)


def test_outside_of_a_terminal_each_event_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the time; warnings go to stderr."""
    with shown(Output()) as show:
        show(STATE)
        show(Event("warning", "No worker is online."))
    found = capsys.readouterr()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  → planned: level L0\n", found.out)
    assert "No worker" in found.err


def test_a_watch_does_not_fill_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told now and then, when a rule changes, and at the end."""
    steps = [watched(s) for s in (0, 5, 10)]
    steps += [watched(WATCH_LINE_SECONDS), watched(31, "breach"), watched(32, "breach"), watched(33), watched(600)]
    with shown(Output()) as show:
        for step in steps:
            show(step)
    told = re.findall(r"watched (\d+)", capsys.readouterr().out)
    assert told == ["0", "30", "31", "33", "600"]


def test_people_are_not_told_of_housekeeping_that_went_well(
    capsys: pytest.CaptureFixture[str], runwright_home: Path
) -> None:
    """Ten lines of paths hide the one that says what happens; what fails is told, and programs get all."""
    tree = runwright_home / "systems" / "shop" / "production" / "trees" / "r1" / "tree"

    def done(key: str, text: str, kind: str = "done") -> Event:
        return Event(kind, text, {"key": key, "says": text})

    events = [
        done("prepare/tree/HEAD", f"write {tree}/HEAD (0s)"),
        done("prepare/tree/files", f"check out 0e1b6547 into {tree} (0s)"),
        done("prepare/tree/end", f"note that {tree} is at 0e1b6547: failed: no room", "failed"),
        done("prepare/build/web/web/build", "build runwright/shop-web:1 (9s)"),
        done("deploy/labels", "write r1.yml (0s)"),
        done("deploy/up/web", "start web (1s)"),
    ]
    with shown(Output()) as show:
        for event in events:
            show(event)
    told = [line[10:] for line in capsys.readouterr().out.splitlines()]
    assert told == [
        "✓ check out 0e1b6547 into …/trees/r1/tree (0s)",
        "✗ note that …/trees/r1/tree is at 0e1b6547: failed: no room",
        "✓ build runwright/shop-web:1 (9s)",
        "✓ start web (1s)",
    ]
    with shown(Output(as_json=True)) as show:
        for event in events:
            show(event)
    assert len(capsys.readouterr().out.splitlines()) == len(events)


def test_why_nothing_was_changed_is_left_to_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """It is printed a moment later; programs get it with the event."""
    because = "nothing was changed: 1 of 2 gates stop the release"
    event = Event("state", f"abandoned: {because}", {"state": "abandoned", "because": because})
    with shown(Output()) as show:
        show(event)
    assert capsys.readouterr().out[10:] == "→ abandoned\n"
    with shown(Output(as_json=True)) as show:
        show(event)
    assert json.loads(capsys.readouterr().out)["because"] == because


def test_programs_get_every_event_as_a_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With its kind, its time, its text and its own fields."""
    with shown(Output(as_json=True)) as show:
        for event in (STATE, watched(1), watched(2)):
            show(event)
    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["state", "watch", "watch"]
    assert lines[0]["because"] == "level L0"
    assert lines[0]["time"].endswith("+00:00")
    assert lines[2]["watched_seconds"] == 2


def test_on_a_terminal_events_stay_and_the_present_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is being done now is a live line; markup in a text is only text."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    with shown(Output()) as show:
        show(STATE)
        show(Event("begun", "start [bold]web[/nonsense]"))
        show(watched(300))
        show(Event("failed", "start web: failed: [/x]"))
    written = terminal.getvalue()
    assert "planned: level L0" in written
    assert "[/x]" in written
