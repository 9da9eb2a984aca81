"""Regular expressions that somebody else wrote take no time, and say what is wrong with them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwright.patterns import LONGEST_TEXT, begins, compiled, found, is_whole
from tests.fixtures.properties import examples


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+$", "a" * 16_000 + "!"),
        ("(a|aa)+$", "a" * 16_000 + "!"),
        ("(.*)*x", "a" * 16_000),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 16_000),
        ("(a|b)*a(a|b){490}c", "ab" * 8_000),
        ("(((a?){30}){30})c", "a" * 16_000),
        ("(a?){500}a{500}", "a" * 16_000),
    ],
)
def test_no_pattern_takes_long(pattern: str, text: str) -> None:
    """Those for which Python's own would take years are among them."""
    begun = time.process_time()
    found(pattern, text)
    is_whole(pattern, text)
    assert time.process_time() - begun < 20


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "missing )"),
        (r"^(?=.*\d).{8}", r"(?="),
        (r"(?<!x)y", "(?<"),
        (r"(a)\1", r"\1"),
        (r"end\Z", r"\Z"),
        ("a{2000}", "{2000}"),
        ("(a{1000}){1000}", "repetition"),
        ("a" * 1001, "1001 characters"),
        ("\ud800", "broken"),
    ],
)
def test_what_is_no_pattern_is_told_with_the_reason(pattern: str, why: str) -> None:
    """What other engines know and this one does not is named."""
    with pytest.raises(ValueError, match="regular expression") as caught:
        compiled(pattern)
    assert why in str(caught.value)


def test_where_a_pattern_must_match() -> None:
    """Anywhere, at the beginning, or all of it; half a character in a text is no reason to fail."""
    assert found("b+", "abba") and not begins("b+", "abba") and begins("a", "abba")
    assert is_whole("5..|5xx", "503") and not is_whole("5..|5xx", "5031")
    assert found("a", "\ud800a")
    with pytest.raises(ValueError, match="too long"):
        found("a", "a" * (LONGEST_TEXT + 1))


@settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=30), st.text(max_size=50))
def test_nothing_but_a_mistake_is_raised(pattern: str, text: str) -> None:
    """Whatever is given, it matches, or it does not, or it is no pattern."""
    try:
        assert found(pattern, text) in (True, False)
    except ValueError as error:
        assert "regular expression" in str(error)
