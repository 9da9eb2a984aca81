"""No error leaves a command as a traceback, and every exit code tells the truth."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from deployments.cli.exits import Exit, code_of
from deployments.cli.guard import Guarded
from runwright import errors, home
from tests.unit.cli.conftest import Call


def ran(error: BaseException) -> Result:
    """Run a command that raises ``error``."""
    app = typer.Typer(cls=Guarded, pretty_exceptions_enable=False)

    @app.command()
    def works() -> None:
        raise error

    @app.command()
    def other() -> None: ...

    return CliRunner().invoke(app, ["works"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputError("x"), 2),
        (errors.RunbookError("x"), 2),
        (errors.NotBuiltError("x"), 2),
        (errors.RefusedError("x"), 3),
        (errors.LeaseHeldError("x"), 3),
        (errors.FrozenError("x"), 4),
        (errors.ActionError("x"), 1),
        (errors.LedgerError("x"), 1),
        (errors.BreachError("x"), 1),
        (errors.RunwrightError("x"), 1),
        (KeyboardInterrupt(), 130),
        (typer.Exit(7), 7),
        (typer.BadParameter("x"), 2),
        (ZeroDivisionError("x"), 70),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    """A script can tell wrong input from a refusal, and both from a failure."""
    assert ran(error).exit_code == code


def test_every_error_of_the_tree_has_a_code() -> None:
    """Also one that is added later."""
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.RunwrightError)]
    assert len(kinds) > 10
    assert {code_of(kind) for kind in kinds} == {Exit.INPUT, Exit.REFUSED, Exit.PERSON, Exit.FAILED}


def test_an_error_says_what_happened_the_state_and_what_to_do() -> None:
    """In that order, on stderr, and nothing else."""
    found = ran(errors.RefusedError("The window is closed.", state="Nothing was done.", next="Come back at ten."))
    assert found.stderr == "The window is closed.\nNothing was done.\nCome back at ten.\n"
    assert found.stdout == ""


def test_a_full_disk_is_told_with_whatever_error_it_leads_to(
    monkeypatch: pytest.MonkeyPatch, runwright_home: Path
) -> None:
    """Prefect says "500" then, and git something else; the reason is the same."""
    monkeypatch.setattr(home, "NO_ROOM_BYTES", 2**80)
    found = ran(errors.RunwrightError("Prefect answered 500."))
    assert found.stderr.startswith(f"Prefect answered 500.\nThe disk of {runwright_home} is full (")
    assert "Make room there first." in found.stderr


def test_what_was_not_expected_is_one_sentence_and_a_private_file(runwright_home: Path) -> None:
    """The traceback is kept for the report, without the password of a URL, where only this user can read it."""
    found = ran(ValueError("cannot open postgres://ada:pa55word-of-ada@db/shop"))
    (log,) = (runwright_home / "logs").iterdir()
    assert found.stderr == (
        f"Something happened that Runwright did not expect (ValueError). {log} holds the traceback; please report it.\n"
    )
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert "ValueError" in log.read_text()
    assert "pa55word-of-ada" not in log.read_text()


def test_a_traceback_that_cannot_be_kept_is_said(runwright_home: Path) -> None:
    """A full or read-only disk does not hide the error behind another one."""
    runwright_home.write_text("a file where the folder should be")
    found = ran(ValueError("no such thing"))
    assert found.exit_code == 70
    assert "no such thing" in found.stderr
    assert "Traceback" not in found.stderr


def test_control_characters_of_an_error_do_not_reach_the_terminal() -> None:
    """Text from outside may be in it."""
    found = ran(errors.InputError("\x1b[2Jgone \u202e reversed"))
    assert "\x1b" not in found.stderr
    assert "\u202e" not in found.stderr
    assert "gone" in found.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("status", "--nonsense"),
        ("deploy",),
        ("deploy", "shop/production"),
        ("history", "--limit", "0"),
        ("history", "--limit", "many"),
        ("deploy", "shop/production", "v1", "--watch-minutes", "soon"),
    ],
)
def test_wrong_usage_exits_with_two(call: Call, words: tuple[str, ...]) -> None:
    """As every Unix tool does, with the usage on stderr."""
    found = call(*words)
    assert found.exit_code == 2
    assert "Usage" in found.stderr


HOSTILE = [
    "a/b\nc/d",
    "../../etc/passwd",
    "shop/production; rm -rf /",
    "$(id)",
    "shöp/prod",
    "/",
    "",
    "a" * 5000,
    "\udcff/x",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("command", ["status", "history", "plan", "deploy", "rollback", "secrets"])
def test_a_hostile_name_is_refused_in_words(call: Call, command: str, text: str) -> None:
    """No form of a name crashes a command or reaches a shell."""
    more = {"plan": ["v1"], "deploy": ["v1"]}.get(command, [])
    words = ["secrets", "list"] if command == "secrets" else [command]
    found = call(*words, *more[:0], "--", text, *more)
    assert found.exit_code == 2, found.output
    assert "Traceback" not in found.output


@pytest.mark.parametrize("text", ["-x", "--force", "v1;id", "v1\nv2", "", "a..b", "é", "x" * 300, "@{-1}", "v1 "])
@pytest.mark.parametrize("command", ["plan", "deploy"])
def test_a_hostile_version_is_refused_before_anything_is_started(
    call: Call, shop: Path, command: str, text: str
) -> None:
    """Nothing is asked of Prefect or git before the version is known to be one."""
    found = call(command, "shop/production", "--", text)
    assert found.exit_code == 2
    assert "version" in found.stderr.lower()


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("command", ["show", "follow", "cancel", "clear", "accept", "abandon"])
def test_a_hostile_release_is_refused_in_words(call: Call, ledger: object, command: str, text: str) -> None:
    """The id of a release goes into a query, never into a statement or a path."""
    reason = {"clear": ["--why", "x"], "accept": ["--why", "x", "--name", "Ada"], "abandon": ["--why", "x"]}
    found = call(command, *reason.get(command, []), "--", text)
    assert found.exit_code == 2, found.output
    assert "Traceback" not in found.output


def test_the_command_line_starts_without_what_it_does_not_need() -> None:
    """Prefect alone takes two seconds to import; `runwright --help` must not."""
    heavy = "prefect sqlalchemy pydantic matplotlib httpx alembic docker"
    code = f"import sys, deployments.cli.main; print([m for m in {heavy.split()!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_told(call: Call) -> None:
    """``runwright --version`` prints one line."""
    found = call("--version")
    assert found.exit_code == 0
    assert found.stdout.startswith("runwright 0.")
