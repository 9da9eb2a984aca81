"""Loads an environment's secrets by the name of its block, at the moment when they are needed."""

from __future__ import annotations

from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from pydantic import ValidationError

from blocks.environment import RunwrightEnvironment
from runwright.errors import InputError, ObservationError
from runwright.runbook.environment import Tier

REGISTRY_SLUG = "docker-registry-credentials"


def load_secrets(block_name: str, tier: Tier) -> dict[str, str]:
    """Return {name: value} of the environment block ``block_name``, in clear: never return it from a task.

    In development an absent block holds nothing, and where no API is configured there is none. Raise InputError if it
    is absent elsewhere or holds something that cannot be used, ObservationError if Prefect's API does not answer. No
    message holds a value.
    """
    if tier == "development" and not PREFECT_API_URL.value():
        return {}
    data = read_document(RunwrightEnvironment.get_block_type_slug(), block_name)
    if data is None:
        if tier == "development":
            return {}
        raise InputError(
            f"There is no Runwright Environment block {block_name!r} in Prefect; a {tier} environment needs one.",
            next=f"Create it with its first secret: runwright secrets set {block_name} database_password",
        )
    environment = as_environment(data, block_name)
    values = environment.values()
    if environment.registry_block:
        values |= _registry(environment.registry_block, block_name)
    return values


def as_environment(data: dict[str, Any], block_name: str) -> RunwrightEnvironment:
    """Return the block that the document's ``data`` holds. Raise InputError, which names fields and no value."""
    try:
        return RunwrightEnvironment(**data)
    except ValidationError as error:
        fields = ", ".join(sorted({str(problem["loc"][0]) for problem in error.errors(include_input=False)}))
    # outside of the except: the original error must not travel along, it may quote what it could not read
    raise InputError(
        f"The Runwright Environment block {block_name!r} cannot be used: wrong values in {fields}.",
        next="Correct these fields in Prefect's user interface under Blocks, or with `runwright secrets set`.",
    )


def read_document(slug: str, name: str) -> dict[str, Any] | None:
    """Return what the block document ``slug``/``name`` holds, secrets in clear, or None if there is none.

    Raise ObservationError if Prefect's API does not answer.
    """
    try:
        with get_client(sync_client=True) as client:
            return dict(client.read_block_document_by_name(name, slug, include_secrets=True).data)
    except ObjectNotFound:
        return None
    except (httpx.HTTPError, ValueError, RuntimeError) as error:
        raise not_reached(error) from error


def not_reached(error: Exception) -> ObservationError:
    """Return the error for a Prefect API that does not answer, or whose address is not set."""
    status = f"status {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else ""
    return ObservationError(
        f"Prefect's API does not answer as it should ({status or type(error).__name__}).",
        state="The environment's secrets are not known.",
        next="Start it (`runwright up`), or set PREFECT_API_URL (and PREFECT_API_AUTH_STRING, if it asks for a login).",
    )


def _registry(name: str, block_name: str) -> dict[str, str]:
    data = read_document(REGISTRY_SLUG, name)
    if data is None:
        raise InputError(
            f"The environment block {block_name!r} names the registry block {name!r}, which is not there.",
            next="Create a Docker Registry Credentials block of that name in Prefect's user interface under Blocks.",
        )
    return {"registry_username": str(data["username"]), "registry_password": str(data["password"])}
