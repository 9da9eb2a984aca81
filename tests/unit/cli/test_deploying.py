"""`deploy` checks what it is given before it asks anything of Prefect."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.cli.deploying import attestations, checked_minutes
from deployments.cli.places import Place
from runwright.errors import InputError
from runwright.runbook.loader import load
from tests.unit.cli.conftest import Call

PRODUCTION, DEVELOPMENT = Place("shop", "production"), Place("shop", "development")


def test_an_attestation_is_a_gate_and_a_name(shop: Path) -> None:
    """The name may hold spaces and signs."""
    found = attestations(load(shop).runbook, PRODUCTION, ["go-no-go=Ada Lovelace", "team= Zoë=Z "])
    assert found == {"go-no-go": "Ada Lovelace", "team": "Zoë=Z"}


@pytest.mark.parametrize(
    "given",
    [
        ["go"],
        ["go-no-go="],
        ["go-no-go=  "],
        ["=Ada"],
        ["disk=Ada"],
        ["team=A", "team=B"],
        ["team=A\nB"],
        ["team=" + "x" * 201],
    ],
)
def test_a_wrong_attestation_is_refused_with_the_gates_that_there_are(shop: Path, given: list[str]) -> None:
    """A slip in the gate's name would leave the real one open."""
    with pytest.raises(InputError) as found:
        attestations(load(shop).runbook, PRODUCTION, given)
    assert "--attest" in found.value.what


def test_the_gates_are_those_of_the_environment(shop: Path) -> None:
    """Development asks for none here."""
    with pytest.raises(InputError, match="no gate") as found:
        attestations(load(shop).runbook, DEVELOPMENT, ["team=Ada"])
    assert "none" in found.value.next


@pytest.mark.parametrize(
    ("place", "minutes", "right"),
    [
        (DEVELOPMENT, 0.0, True),
        (DEVELOPMENT, 0.5, True),
        (DEVELOPMENT, -1.0, False),
        (DEVELOPMENT, float("nan"), False),
        (DEVELOPMENT, float("inf"), False),
        (PRODUCTION, 29.9, False),
        (PRODUCTION, 30.0, True),
        (PRODUCTION, 90.0, True),
    ],
)
def test_production_is_watched_for_thirty_minutes_or_more(
    shop: Path, place: Place, minutes: float, right: bool
) -> None:
    """Elsewhere for any time that makes sense."""
    runbook = load(shop).runbook
    if right:
        assert checked_minutes(runbook, place, minutes) == minutes
    else:
        with pytest.raises(InputError, match="watch-minutes"):
            checked_minutes(runbook, place, minutes)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("shop/staging", "v1"), "staging"),
        (("shop/later", "v1"), "Amazon ECS"),
        (("shop/production", "v1", "--attest", "nope=Ada"), "go-no-go"),
        (("shop/production", "v1", "--watch-minutes", "5"), "thirty minutes"),
        (("shop/production", "v1", "--deployer", "a\nb"), "--deployer"),
    ],
)
def test_wrong_input_is_refused_without_a_server(call: Call, shop: Path, words: tuple[str, ...], said: str) -> None:
    """There is none in this test, and nobody is told so: the input comes first."""
    found = call("deploy", *words)
    assert found.exit_code == 2
    assert said in found.stderr
    assert "Prefect" not in found.stderr


def test_a_server_that_is_not_there_is_said_with_what_to_do(
    call: Call, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is said to have been done."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    found = call("deploy", "shop/production", "v1")
    assert found.exit_code == 1
    assert "http://127.0.0.1:9/api" in found.stderr
    assert "runwright up" in found.stderr
