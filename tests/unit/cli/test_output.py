"""How commands write: for people, for pipes and for programs."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployments.cli.output import Output
from deployments.cli.wording import ago, moment, one_line, plain, visible
from runwright.ledger.states import ReleaseState

AT = datetime(2026, 11, 21, 7, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("v1.4.0", "v1.4.0"),
        ("Zoë 日本", "Zoë 日本"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("turned \u202e round", "turned \\u202e round"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("half \udcff", "half \\udcff"),
        ("two\nlines\tand\ra", "two lines and a"),
        ("nul\x00", "nul\\x00"),
    ],
)
def test_what_is_not_seen_is_written_out(text: str, shown: str) -> None:
    """A version or a reason cannot move the cursor, hide or turn round what is printed."""
    assert visible(text) == shown


def test_lines_stay_where_they_are_wanted() -> None:
    """An error of several lines is printed as such."""
    assert visible("a\nb\x07", lines=True) == "a\nb\\x07"


def test_one_line_is_cut_with_a_sign() -> None:
    """Nobody takes the half for the whole."""
    assert one_line("a  b\n c", 20) == "a b c"
    assert one_line("abcdefghij", 5) == "abcd…"


def test_a_cell_is_cut_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere there is no width to keep to."""
    out = Output()
    monkeypatch.setattr(out.people, "isatty", lambda: True)
    assert out.cell("abcdefghij", 5) == "abcd…"
    monkeypatch.setattr(out.people, "isatty", lambda: False)
    assert out.cell("abc\ndefghij", 5) == "abc defghij"


def test_times_read_as_people_write_them() -> None:
    """In UTC; a clock that went back makes no negative time."""
    assert moment(AT) == "2026-11-21 07:05:12 UTC"
    assert moment(None) == ""
    assert ago(AT, AT + timedelta(minutes=12)) == "12m ago"
    assert ago(AT, AT - timedelta(minutes=12)) == "0s ago"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AT, "2026-11-21T07:05:12+00:00"),
        (ReleaseState.PROVEN, "proven"),
        ({"a": (1, None, True, 0.5)}, {"a": [1, None, True, 0.5]}),
        (Exception("x"), "x"),
    ],
)
def test_anything_becomes_plain_json(value: Any, expected: Any) -> None:
    """Programs get text, numbers and lists."""
    assert plain(value) == expected


def test_json_is_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """What people read goes to stderr then."""
    out = Output(as_json=True)
    out.line("starting")
    out.table(("a",), [("b",)])
    out.document({"at": AT})
    found = capsys.readouterr()
    assert json.loads(found.out) == {"at": "2026-11-21T07:05:12+00:00"}
    assert "starting" in found.err


def test_an_event_is_one_line_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """Line ends inside of a text are escaped."""
    Output(as_json=True).event({"text": "two\nlines"})
    assert capsys.readouterr().out.splitlines() == ['{"text": "two\\nlines"}']


def test_a_table_in_a_pipe_is_never_wrapped_or_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    """So that grep and awk find what they look for."""
    Output().table(("name", "why"), [("a", "x" * 300), ("longer", "\x1b[1m")], style_by=0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "name    why"
    assert lines[1] == "a       " + "x" * 300
    assert lines[2] == "longer  \\x1b[1m"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "options", "coloured"),
    [
        ({}, {}, True),
        ({"NO_COLOR": "1"}, {}, False),
        ({"TERM": "dumb"}, {}, False),
        ({}, {"as_plain": True}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], options: dict[str, bool], coloured: bool
) -> None:
    """NO_COLOR, a dumb terminal and --plain are respected."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    out = Output(**options)
    out.line("done [not markup]", style="ok")
    out.table(("state",), [("fail",)], style_by=0)
    assert ("\x1b[3" in terminal.getvalue()) is coloured
    assert "[not markup]" in terminal.getvalue()


def test_pairs_that_have_no_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """And the lines of a long one stand under each other."""
    Output().pairs([("why", "a\nb"), ("next", ""), ("level", None)])
    assert capsys.readouterr().out == "why  a\n     b\n"
