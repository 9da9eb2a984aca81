"""How many of something, in a sentence."""

from __future__ import annotations

import pytest

from runwright.plural import few, plural


@pytest.mark.parametrize(
    "number, words, said",
    [
        (0, ("file",), "0 files"),
        (1, ("file",), "1 file"),
        (2, ("file",), "2 files"),
        (1.0, ("request",), "1 request"),
        (3412.0, ("request",), "3,412 requests"),
        (1, ("migration is pending", "migrations are pending"), "1 migration is pending"),
        (2, ("migration is pending", "migrations are pending"), "2 migrations are pending"),
    ],
)
def test_a_number_has_the_form_of_the_word_that_belongs_to_it(number, words, said):
    """One of a thing is no plural, and thousands are set apart."""
    assert plural(number, *words) == said


def test_many_names_are_few_and_a_number() -> None:
    """So that the sentence behind them is read."""
    assert few(["a", "b"]) == "a, b"
    assert few("abcde") == "a, b, c, d, e"
    assert few("abcdefg", "; ") == "a; b; c; d; 3 others"
