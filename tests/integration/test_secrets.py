"""Secrets in a real Prefect server: set, listed and taken away by the command line, loaded by name, shown nowhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, TextIOWrapper
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import get_client
from typer.testing import CliRunner

from blocks import RunwrightEnvironment, load_secrets
from blocks.storing import put
from deployments.cli.secrets import app
from runwright.errors import InputError, ObservationError, RunwrightError
from tests.fixtures.prefect import LOGIN

SECRET = "hunter2-correct-horse"
OTHER = "correct-horse-battery"
AUTH = httpx.BasicAuth(*LOGIN.split(":", 1))

pytestmark = pytest.mark.e2e


@pytest.fixture
def block(prefect_server: str) -> str:
    """The name of a block that nobody else uses."""
    return f"shop-{uuid4().hex[:8]}"


def run(*words: str, value: str | bytes | None = None) -> Any:
    """Run `runwright secrets …` and return how it ended; no output of any kind holds a secret."""
    data = value.encode() if isinstance(value, str) else value
    result = CliRunner().invoke(app, list(words), input=data)
    assert SECRET not in result.output
    assert SECRET not in str(result.exception)
    return result


def runwright(*words: str, value: str | bytes | None = None) -> Any:
    """Run a command that must succeed."""
    result = run(*words, value=value)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refused(*words: str, value: str | bytes | None = None) -> str:
    """Run a command that must be refused, and return why."""
    result = run(*words, value=value)
    assert isinstance(result.exception, RunwrightError), (result.output, result.exception)
    return str(result.exception)


def document(url: str, block: str, **query: Any) -> dict[str, Any]:
    """Return the block as Prefect's API gives it."""
    answer = httpx.get(
        f"{url}/block_types/slug/runwright-environment/block_documents/name/{block}",
        params=query,
        auth=AUTH,
        trust_env=False,
    )
    answer.raise_for_status()
    return dict(answer.json())


def test_what_was_set_is_loaded_by_name(block: str) -> None:
    """The first secret makes the block; each further one leaves the others as they are."""
    first = runwright("set", block, "database_password", value=f"{SECRET}\n")
    assert "which was created" in first.output
    runwright("set", block, "stripe_key", value=OTHER)
    runwright("set", block, "second.key", value=f"  {SECRET}-2  \r\n")
    runwright("set", block, "smoke_user", value="ada\n")
    assert load_secrets(block, "production") == {
        "database_password": SECRET,
        "smoke_user": "ada",
        "stripe_key": OTHER,
        "second.key": f"  {SECRET}-2  ",
    }
    runwright("set", block, "stripe_key", value=f"{OTHER}-new")
    assert load_secrets(block, "production")["stripe_key"] == f"{OTHER}-new"


def test_names_are_listed_and_values_are_not(block: str) -> None:
    """What can be seen is which secrets are there."""
    runwright("set", block, "database_password", value=SECRET)
    runwright("set", block, "stripe_key", value=SECRET)
    assert runwright("list", block).output.split() == ["name", "value", "database_password", "set", "stripe_key", "set"]
    assert '"stripe_key"' in runwright("list", block, "--json").output


def test_what_is_unset_is_gone_and_the_rest_stays(block: str) -> None:
    """Also the last of the application's secrets, and a field."""
    for name in ("database_password", "a_key", "b_key"):
        runwright("set", block, name, value=SECRET)
    runwright("unset", block, "a_key")
    assert set(load_secrets(block, "production")) == {"database_password", "b_key"}
    runwright("unset", block, "b_key")
    assert set(load_secrets(block, "production")) == {"database_password"}
    runwright("unset", block, "database_password")
    assert load_secrets(block, "production") == {}
    assert "has no value 'a_key'" in refused("unset", block, "a_key")


def test_prefect_shows_no_secret_unless_asked(block: str, prefect_server: str) -> None:
    """Its API, and so its user interface, masks everything but the names."""
    runwright("set", block, "database_password", value=SECRET)
    runwright("set", block, "stripe_key", value=SECRET)
    shown = document(prefect_server, block)
    assert SECRET not in str(shown)
    assert set(shown["data"]["application"]) == {"stripe_key"}
    assert SECRET in str(document(prefect_server, block, include_secrets=True))


def test_an_older_block_is_brought_up_to_date(block: str, prefect_server: str) -> None:
    """A block that an older version made gets this version's schema, so that what is new is masked as well."""
    runwright("set", block, "database_password", value=SECRET)
    with get_client(sync_client=True) as client:
        before = client.read_block_document_by_name(block, "runwright-environment")
        older = {**RunwrightEnvironment.model_json_schema(), "secret_fields": []}
        answer = httpx.post(
            f"{prefect_server}/block_schemas/",
            json={"block_type_id": str(before.block_type_id), "fields": older, "capabilities": [], "version": "0.0.1"},
            auth=AUTH,
            trust_env=False,
        )
        answer.raise_for_status()
        httpx.patch(
            f"{prefect_server}/block_documents/{before.id}",
            json={"block_schema_id": answer.json()["id"], "data": {}},
            auth=AUTH,
            trust_env=False,
        ).raise_for_status()
        assert SECRET in str(document(prefect_server, block)), "the older schema knows no secrets"
        put(client, block, "stripe_key", OTHER)
    shown = str(document(prefect_server, block))
    assert SECRET not in shown
    assert OTHER not in shown
    assert load_secrets(block, "production") == {"database_password": SECRET, "stripe_key": OTHER}


def test_nothing_is_lost_when_many_are_set_at_once(block: str) -> None:
    """A script may set all of them in the background."""
    wanted = {f"key_{number}": f"{OTHER}-{number}" for number in range(8)}

    def one(item: tuple[str, str]) -> None:
        with get_client(sync_client=True) as client:
            put(client, block, *item)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, wanted.items()))
    assert load_secrets(block, "production") == wanted


def test_a_registry_block_gives_its_login(block: str) -> None:
    """A team that has a Docker Registry Credentials block names it instead of writing its password again."""
    from prefect_docker import DockerRegistryCredentials

    registry = f"{block}-registry"
    DockerRegistryCredentials(username="acme", password=SECRET, registry_url="registry.example.com").save(registry)
    runwright("set", block, "registry_block", value=registry)
    assert load_secrets(block, "production") == {"registry_username": "acme", "registry_password": SECRET}
    runwright("set", block, "registry_block", value="no-such-registry")
    with pytest.raises(InputError, match="no-such-registry"):
        load_secrets(block, "production")


def test_an_absent_block_is_empty_in_development_and_an_error_elsewhere(block: str) -> None:
    """The message holds the command that makes it."""
    assert load_secrets(block, "development") == {}
    for tier in ("staging", "production"):
        with pytest.raises(InputError) as caught:
            load_secrets(block, tier)  # type: ignore[arg-type]
        assert f"runwright secrets set {block} database_password" in caught.value.next
    assert "There is no Runwright Environment block" in refused("list", block)
    assert "There is no Runwright Environment block" in refused("unset", block, "a_key")


@pytest.mark.parametrize(
    ("words", "value", "reason"),
    [
        (["database_password", SECRET], None, "was not used"),
        (["database_password", f"--{SECRET}"], None, "was not used"),
        (["database_password", f"-x{SECRET}"], None, "was not used"),
        ([f"database_password={SECRET}"], None, "was not used"),
        (["database_password"], "", "is empty"),
        (["database_password"], "\n", "is empty"),
        (["database_password"], "   ", "is empty"),
        (["database_password"], "1234567\n", "has 7 characters"),
        (["database_password"], "**********", "nothing but asterisks"),
        (["database_password"], b"\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc", "no UTF-8 text"),
        (["database_password"], b"abc\0defghijk", "no UTF-8 text"),
        (["database_password"], "x" * 65537, "more than 64 KiB"),
        (["a name"], SECRET, "no name for a secret"),
        (["application"], SECRET, "no name for a secret"),
    ],
)
def test_what_cannot_be_a_secret_is_refused(
    block: str, words: list[str], value: str | bytes | None, reason: str
) -> None:
    """Nothing is set, and what was given is not repeated."""
    assert reason in refused("set", block, *words, value=value)
    assert load_secrets(block, "development") == {}


def test_a_place_is_found_by_its_runbook(prefect_server: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """SYSTEM/ENVIRONMENT means the block that the runbook names; in development a short secret will do."""
    system = f"shop{uuid4().hex[:6]}"
    (tmp_path / f"{system}.yaml").write_text(
        f"""system: {system}
source: {{repo: /srv/shop}}
components: {{web: {{}}}}
environments:
  development:
    tier: development
    target: {{platform: host, process: {{command: [python, -m, shop, --port, "{{port}}"]}}}}
    router: {{kind: caddy}}
"""
    )
    monkeypatch.setenv("RUNWRIGHT_SYSTEMS", str(tmp_path))
    runwright("set", f"{system}/development", "database_password", value="dev")
    assert load_secrets(f"{system}-development", "development") == {"database_password": "dev"}
    runwright("set", f"{system}-development", "database_password", value="de2")
    assert load_secrets(f"{system}-development", "development") == {"database_password": "de2"}
    assert "nosuch" in refused("set", f"{system}/nosuch", "database_password", value=SECRET)
    assert "neither SYSTEM/ENVIRONMENT" in refused("set", "A_B", "database_password", value=SECRET)


class _Terminal(TextIOWrapper):
    """A standard input that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_value_is_asked_for_without_an_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """getpass turns the echo off; what is typed is the value."""
    from deployments.cli import secrets

    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", _Terminal(BytesIO(b"")))
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or SECRET)
    assert secrets.read_value("database_password") == SECRET
    assert "not shown" in asked[0]


@pytest.fixture
def no_server(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        yield


@pytest.mark.parametrize("tier", ["development", "production"])
def test_a_server_that_does_not_answer_is_no_absent_block(no_server: None, tier: Any) -> None:
    """Not even in development: a release would go on without its secrets."""
    with pytest.raises(ObservationError) as caught:
        load_secrets("shop-production", tier)
    assert "PREFECT_API_URL" in caught.value.next
