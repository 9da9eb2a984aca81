"""The env gate: what an env file must hold, told without any of its values."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runwright.gates.env import env_holds, read_env_file
from runwright.policy.gates import GateResult, GateState
from runwright.runbook.environment import EnvFile
from runwright.testing.direct import Direct

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "hunter2-hunter2"


def asked(tmp_path: Path, content: bytes | str, *, secrets: dict[str, str] | None = None, **spec: Any) -> GateResult:
    path = tmp_path / "shop.env"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return env_holds(Direct(), "env", EnvFile.model_validate(spec), path=path, secrets=secrets or {}, now=NOW)


@pytest.mark.parametrize(
    "content",
    [
        "KEY=value\nOTHER=x\n",
        "KEY=value\r\nOTHER=x\r\n",
        b"\xef\xbb\xbfKEY=value\nOTHER=x",
        "export KEY=value\nexport OTHER='x'\n",
        '# KEY=\n\nKEY = "value"  # a remark\nOTHER=x # y\n',
        'KEY="several\nlines"\nOTHER=x',
        "KEY=${HOME}\nOTHER=x",
        "KEY=a#b\nOTHER==",
    ],
)
def test_required_keys_are_found_however_they_are_written(tmp_path: Path, content: bytes | str) -> None:
    """Windows line ends, a byte order mark, ``export``, quotes, remarks and several lines are all common."""
    result = asked(tmp_path, content, required=["KEY", "OTHER"])
    assert result.state is GateState.PASS
    assert "all 2 required keys are set" in result.reason
    assert "the required key is set" in asked(tmp_path, content, required=["KEY"]).reason


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("OTHER=x\n", "KEY is missing"),
        ("#KEY=x\n", "KEY is missing"),
        ("KEY_2=x\nMY_KEY=x\n", "KEY is missing"),
        ("key=x\n", "KEY is missing"),
        ("KEY=\n", "KEY is empty"),
        ("KEY=''\n", "KEY is empty"),
        ('KEY="  "\n', "KEY is empty"),
        ("KEY= # to do\n", "KEY is empty"),
        ("KEY\n", "KEY is empty"),
        ("KEY=Change-Me-please\n", "KEY still holds a placeholder"),
        ("KEY=<your key>\n", "KEY still holds a placeholder"),
        ("KEY=$(openssl rand -hex 32)\n", "KEY holds a shell command"),
        ("KEY=good\nKEY=\n", "KEY is empty"),
        ("KEY=x\nthis is no setting\n", "no KEY=VALUE in line 2"),
        ("\n\n\nKEY=x\n\n  KEY: x\n", "no KEY=VALUE in line 6"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(tmp_path: Path, content: str, problem: str) -> None:
    """Missing, empty, a placeholder, a command that nobody runs, a line that is no setting."""
    result = asked(tmp_path, content, required=["KEY"])
    assert result.state is GateState.FAIL
    assert problem in result.reason


def test_a_key_must_have_its_form(tmp_path: Path) -> None:
    """The form is a regular expression for the beginning; one that also fits nothing lets a key be left out."""
    forms = {"DATABASE_URL": r"^postgresql\+psycopg://", "CACHE_URL": "^(redis://|$)"}
    good = asked(tmp_path, f"DATABASE_URL=postgresql+psycopg://a:{SECRET}@db/shop", forms=forms)
    assert good.state is GateState.PASS
    bad = asked(tmp_path, f"DATABASE_URL=postgres://a:{SECRET}@db/shop", forms=forms)
    assert bad.state is GateState.FAIL
    assert r"DATABASE_URL does not have the form ^postgresql\+psycopg://" in bad.reason


@pytest.mark.parametrize(
    "content", ["", "STRIPE_SECRET_KEY=", "STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY=''", "#STRIPE_SECRET_KEY=sk_live_1"]
)
@pytest.mark.parametrize("required", [[], ["STRIPE_SECRET_KEY"]])
def test_an_environment_that_gives_a_key_a_form_needs_the_key(
    tmp_path: Path, content: str, required: list[str]
) -> None:
    """A key that is not there has no form that begins with something; it is told once, and the block may hold it."""
    spec = {"required": required, "forms": {"STRIPE_SECRET_KEY": "^sk_live_"}}
    result = asked(tmp_path, content, **spec)
    assert result.state is GateState.FAIL
    assert result.reason.count("STRIPE_SECRET_KEY") == 1
    assert asked(tmp_path, content, secrets={"STRIPE_SECRET_KEY": f"sk_live_{SECRET}"}, **spec).state is GateState.PASS
    assert asked(tmp_path, content, secrets={"STRIPE_SECRET_KEY": f"sk_test_{SECRET}"}, **spec).state is GateState.FAIL


def test_all_problems_are_told_at_once_and_no_value(tmp_path: Path) -> None:
    """Somebody who repairs the file should need one try; and what they read may be copied anywhere."""
    content = f"A=change_me_{SECRET}\nB=\nC={SECRET}\n{SECRET}\n{SECRET} = {SECRET} x\n"
    result = asked(tmp_path, content, required=["A", "B", "D"], forms={"C": "^https://"})
    for problem in ("A still holds", "B is empty", "D is missing", "C does not have the form", "in line 4"):
        assert problem in result.reason
    assert SECRET not in result.reason
    assert SECRET not in repr(read_env_file(tmp_path / "shop.env"))


def test_a_secret_of_the_block_stands_for_a_key(tmp_path: Path) -> None:
    """It also replaces a placeholder in the file; but an empty secret or one that is a placeholder does not."""
    spec = {"required": ["A", "B"]}
    assert asked(tmp_path, "B=change_me", secrets={"A": SECRET, "B": SECRET}, **spec).state is GateState.PASS
    assert asked(tmp_path, "B=good", secrets={"A": ""}, **spec).state is GateState.FAIL
    assert asked(tmp_path, "B=good", secrets={"A": "changeme"}, **spec).state is GateState.FAIL


def test_without_a_file_the_secrets_are_all_there_is() -> None:
    """A system may get its whole configuration from the block."""
    spec = EnvFile(required=["A"])
    assert env_holds(Direct(), "env", spec, path=None, secrets={"A": "x"}, now=NOW).state is GateState.PASS
    assert env_holds(Direct(), "env", spec, path=None, secrets={}, now=NOW).state is GateState.FAIL


def test_a_key_that_is_set_twice_is_worth_a_remark(tmp_path: Path) -> None:
    """Which of the two counts is easily mistaken; the lines are told."""
    result = asked(tmp_path, "A=1\n\nB=2\nA=3\n", required=["A"])
    assert result.state is GateState.WARN
    assert "A in lines 1, 4" in result.reason


def test_nothing_gets_into_our_own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is the application's; and what is set for us does not change what it holds."""
    monkeypatch.setenv("KEY", "from-outside")
    monkeypatch.delenv("RWT_ONLY_IN_FILE", raising=False)
    asked(tmp_path, "RWT_ONLY_IN_FILE=1\n")
    import os

    assert "RWT_ONLY_IN_FILE" not in os.environ
    assert asked(tmp_path, "OTHER=x\n", required=["KEY"]).state is GateState.FAIL


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "There is no env file"), (b"\xff\xfe\x00", "is not UTF-8"), ("folder", "cannot be")]
)
def test_a_file_that_cannot_be_read_is_blind(tmp_path: Path, content: bytes | str | None, reason: str) -> None:
    """Its keys may well be there; nobody can tell."""
    path = tmp_path / "shop.env"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    result = env_holds(Direct(), "env", EnvFile(required=["A"]), path=path, secrets={}, now=NOW)
    assert result.state is GateState.BLIND
    assert reason in result.reason
    assert str(path) in result.reason


def test_a_form_that_is_no_regular_expression_is_blind(tmp_path: Path) -> None:
    """The mistake is in the runbook, and is told as such."""
    spec = EnvFile.model_construct(required=[], forms={"A": "("}, placeholders=[])
    (tmp_path / "e").write_text("A=1")
    result = env_holds(Direct(), "env", spec, path=tmp_path / "e", secrets={}, now=NOW)
    assert result.state is GateState.BLIND
    assert "this regular expression is broken" in result.reason


def with_running(tmp_path: Path, names: set[str], since: datetime, **more: Any) -> GateResult:
    """Ask with ``api`` running since then, which sees variables of these names."""
    path = tmp_path / "shop.env"
    path.write_text(f"A={SECRET}\nB={SECRET}\n")
    spec = EnvFile(required=["A", "B"], seen_in=["api"])
    seen = {"api": [(frozenset({"A", "B"}), since), (frozenset(names), since)]}
    return env_holds(Direct(), "env", spec, path=path, now=NOW, seen=seen.__getitem__, **{"secrets": {}, **more})


LATER, EARLIER = datetime(2100, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("names", "since", "secrets", "state", "reason"),
    [
        ({"A", "B", "PATH"}, LATER, {}, GateState.PASS, "api sees all of them"),
        ({"A"}, LATER, {}, GateState.FAIL, "does not see B: nothing passes it on"),
        (set(), LATER, {}, GateState.FAIL, "does not see A, B"),
        ({"A"}, EARLIER, {}, GateState.WARN, "may have been set after it was started"),
        ({"A"}, LATER, {"B": SECRET}, GateState.WARN, "may have been set after it was started"),
        (set(), LATER, {"B": SECRET}, GateState.FAIL, "does not see A, B"),
    ],
    ids=["all", "one is not passed on", "none is", "the file is newer", "a secret may be newer", "one of both may be"],
)
def test_what_runs_must_see_the_required_keys(
    tmp_path: Path, names: set[str], since: datetime, secrets: dict[str, str], state: GateState, reason: str
) -> None:
    """Every instance of each service in ``seen_in``; but what was set after it was started, it cannot see yet."""
    result = with_running(tmp_path, names, since, secrets=secrets)
    assert (result.state, reason in result.reason) == (state, True), result.reason
    assert SECRET not in result.reason


def test_before_the_first_release_nothing_sees_anything(tmp_path: Path) -> None:
    """Nothing runs: that is no failure. A file that lacks a key is one, whatever runs."""
    spec = EnvFile(required=["A"], seen_in=["api"])
    (tmp_path / "e").write_text("A=1\n")
    first = env_holds(Direct(), "env", spec, path=tmp_path / "e", secrets={}, now=NOW)
    assert (first.state, "Nothing of api runs yet" in first.reason) == (GateState.PASS, True)
    (tmp_path / "e").write_text("B=1\n")
    worse = env_holds(
        Direct(), "env", spec, path=tmp_path / "e", secrets={}, now=NOW, seen=lambda _: [(frozenset("A"), LATER)]
    )
    assert (worse.state, "A is missing" in worse.reason) == (GateState.FAIL, True)
