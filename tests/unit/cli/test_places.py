"""SYSTEM/ENVIRONMENT: one form, and messages that list what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.cli.places import Place, in_ledger, known, parse, with_runbook, with_runbooks
from runwright.errors import InputError, NotBuiltError, RunbookError
from runwright.ledger import Ledger
from tests.unit.cli.conftest import Opened


def test_a_place_is_a_system_and_an_environment() -> None:
    """And its deployments in Prefect have its name."""
    assert parse("shop/production") == Place("shop", "production")
    assert Place("shop", "production").deployment == "shop-production"


@pytest.mark.parametrize(
    "text", ["shop", "shop production", "shop/", "/production", "a/b/c", "Shop/production", "shop\n/x"]
)
def test_another_form_is_refused_with_all_that_there_are(shop: Path, text: str) -> None:
    """Nobody has to look up how it is written."""
    with pytest.raises(InputError) as found:
        parse(text)
    assert "shop/development" in found.value.next
    assert "\n" not in found.value.what


@pytest.mark.parametrize(
    ("text", "meant"), [("shop-production", "shop/production"), ("shop/producton", "shop/production")]
)
def test_what_was_probably_meant_is_said(shop: Path, text: str, meant: str) -> None:
    """A slip is seen at once."""
    with pytest.raises(InputError, match=f"Did you mean {meant}"):
        known(text, None)


def test_a_broken_runbook_does_not_hide_the_others(shop: Path) -> None:
    """`check` says what is wrong with it."""
    shop.with_name("broken.yaml").write_text("system: [")
    assert Place("shop", "production") in with_runbooks()


def test_what_was_released_is_known_without_a_runbook(ledger: Ledger, opened: Opened) -> None:
    """Its history outlives its runbook."""
    opened("v1")
    opened("v1", environment="old")
    assert in_ledger(ledger) == [Place("shop", "old"), Place("shop", "production")]
    assert known("shop/old", ledger) == Place("shop", "old")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("shop/staging", InputError, "development"),
        ("shopp/production", InputError, "shop"),
        ("shop/later", NotBuiltError, "Amazon ECS"),
    ],
)
def test_what_cannot_be_released_is_refused_at_once(shop: Path, text: str, error: type[InputError], words: str) -> None:
    """Before anything else is asked or started."""
    with pytest.raises(error) as found:
        with_runbook(text)
    assert words in str(found.value)


def test_a_runbook_with_mistakes_is_refused_with_them(shop: Path) -> None:
    """The same text as `check` prints."""
    shop.write_text(shop.read_text() + "nonsense: 1\n")
    with pytest.raises(RunbookError, match="nonsense"):
        with_runbook("shop/production")
