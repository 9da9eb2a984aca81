"""What is shown of a probe's values: no secret, and nothing that a probe saved, however the target spells it."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from runwright.probes.values import Values

PASSWORD, TOKEN = 'pass "word"/ü&1', "eyJh.saved-token"
VALUES = Values(
    secrets={"password": PASSWORD, "pin": "4711", "smoke_user": "ada@shop.test"}, saved={"token": TOKEN, "id": "7"}
)


@pytest.mark.parametrize(
    "spelled",
    [
        PASSWORD,
        quote(PASSWORD),
        quote(PASSWORD, safe=""),
        json.dumps(PASSWORD)[1:-1],
        PASSWORD.replace("&", "&amp;").replace('"', "&quot;"),
        base64.b64encode(f"ada:{PASSWORD}".encode()).decode(),
        PASSWORD.encode().hex(),
        TOKEN,
        base64.urlsafe_b64encode(TOKEN.encode()).decode(),
    ],
)
def test_a_secret_is_hidden_in_every_usual_spelling(spelled: str) -> None:
    """As targets repeat what they were sent: quoted, escaped, or in a header that was encoded."""
    shown = VALUES.redact(f"answered 400: no such thing: {spelled}!")
    assert spelled not in shown and "[secret " in shown
    assert shown.startswith("answered 400: no such thing: ")


def test_a_short_secret_is_hidden_as_a_word_and_short_saved_values_stay() -> None:
    """A reason must stay readable: "7" is in every other answer, and a user's name is no secret."""
    shown = VALUES.redact("answered 500: pin 4711 of order 7 (14711 tries) by ada@shop.test")
    assert shown == "answered 500: pin [secret pin] of order 7 (14711 tries) by ada@shop.test"


def test_the_values_of_a_later_probe_are_hidden_too() -> None:
    """What was saved after the values were used once is a secret from then on."""
    assert "later-token" in VALUES.redact("later-token")
    assert "later-token" not in VALUES.with_saved({"next": "later-token"}).redact("later-token")
