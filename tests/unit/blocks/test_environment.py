"""The environment's block: it gives its values to those who ask for them, and shows them nowhere."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from typing import Any

import cloudpickle
import pytest
from pydantic import SecretStr, ValidationError

from blocks.environment import PLAIN_FIELDS, SECRET_FIELDS, RunwrightEnvironment
from blocks.loading import as_environment
from runwright.engine.redaction import USER_NAMES, Redactor
from runwright.errors import InputError

SENTINEL = "hunter2-correct-horse"


def full() -> RunwrightEnvironment:
    """Return a block in which every secret holds the sentinel."""
    fields: dict[str, Any] = dict.fromkeys(SECRET_FIELDS, SENTINEL)
    return RunwrightEnvironment(**fields, smoke_user="ada", application={"stripe_key": SENTINEL})


def _raised(environment: RunwrightEnvironment) -> str:
    try:
        raise RuntimeError("it failed", environment)
    except RuntimeError:
        return traceback.format_exc()


SURFACES = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "percent": lambda e: "%s %r" % (e, e),  # noqa: UP031
    "model_dump": lambda e: repr(e.model_dump()),
    "model_dump as json": lambda e: repr(e.model_dump(mode="json")),
    "model_dump_json": lambda e: e.model_dump_json(),
    "a copy": lambda e: repr(e.model_copy()) + repr(copy.copy(e)),
    "an exception": _raised,
    "the schema": lambda e: repr(e.model_json_schema()),
    "its parts": lambda e: repr(dict(e)) + repr(e.application) + repr(list(e)),
}


@pytest.mark.parametrize("surface", SURFACES)
def test_no_secret_is_seen(surface: str) -> None:
    """Wherever a block may end up as text, the secrets in it are masked."""
    assert SENTINEL not in SURFACES[surface](full())


def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A block that is logged by mistake shows nothing."""
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").warning("block: %s %r", full(), full(), extra={"block": full()})
    assert SENTINEL not in caplog.text
    assert SENTINEL not in repr([record.__dict__ for record in caplog.records])


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_a_block_is_never_stored(dumps: Any) -> None:
    """Prefect's result storage pickles what a task returns; here that fails instead of writing secrets to disk."""
    with pytest.raises(TypeError, match="never stored"):
        dumps(full())


def test_every_field_is_known_as_secret_or_as_a_name() -> None:
    """A field that is added without a thought would be shown in Prefect's user interface."""
    schema = RunwrightEnvironment.model_json_schema()
    assert set(schema["properties"]) == {*SECRET_FIELDS, *PLAIN_FIELDS, "application"}
    assert set(schema["secret_fields"]) == {*SECRET_FIELDS, "application.*"}
    assert set(PLAIN_FIELDS) - {"registry_block"} == USER_NAMES
    for name in SECRET_FIELDS:
        assert SecretStr in RunwrightEnvironment.model_fields[name].annotation.__args__  # type: ignore[union-attr]


def test_values_are_given_by_the_names_that_runbooks_use() -> None:
    """Fields and the application's own secrets alike; what is not set is not there."""
    environment = RunwrightEnvironment(
        database_password=SENTINEL,
        github_token="",
        registry_block="ghcr",
        smoke_user="ada",
        application={"stripe_key": "sk-live-1234", "unset": ""},
    )
    assert environment.values() == {
        "database_password": SENTINEL,
        "smoke_user": "ada",
        "stripe_key": "sk-live-1234",
    }
    assert RunwrightEnvironment().values() == {}


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("pin", 12345678, "'pin' is a int, not a text"),
        ("nested", {"a": SENTINEL}, "'nested' is a dict"),
        ("database_password", SENTINEL, "the block has a field of that name"),
        ("with space", SENTINEL, "a runbook could not write it"),
    ],
)
def test_what_a_runbook_could_not_use_is_refused(name: str, value: Any, problem: str) -> None:
    """The message names the key and not the value."""
    with pytest.raises(InputError) as caught:
        RunwrightEnvironment(application={name: value}).values()
    assert problem in str(caught.value)
    assert SENTINEL not in str(caught.value)
    assert "12345678" not in str(caught.value)


@pytest.mark.parametrize("data", [{"application": SENTINEL}, {"database_password": [SENTINEL]}])
def test_a_damaged_block_is_told_without_its_values(data: dict[str, Any]) -> None:
    """Neither our error nor what it came from quotes them."""
    with pytest.raises(InputError) as caught:
        as_environment(data, "shop-production")
    told = "".join(traceback.format_exception(caught.value))
    assert next(iter(data)) in str(caught.value)
    assert SENTINEL not in told
    assert caught.value.__context__ is None
    with pytest.raises(ValidationError) as original:
        RunwrightEnvironment(**data)
    assert SENTINEL not in str(original.value)


def test_user_names_of_the_block_are_not_redacted() -> None:
    """What the block gives can be given to a Redactor, whose rule about short values is about secrets alone."""
    redactor = Redactor(full().values())
    assert redactor.clean(f"ada {SENTINEL}").startswith("ada [secret ")
