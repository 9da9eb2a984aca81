"""Writes single secrets to an environment's block, and keeps everything else that it holds."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound

from blocks.environment import PLAIN_FIELDS, SECRET_FIELDS, RunwrightEnvironment
from runwright.errors import InputError
from runwright.home import home, make_folder

FIELDS = (*SECRET_FIELDS, *PLAIN_FIELDS)


def put(client: SyncPrefectClient, block_name: str, name: str, value: str) -> bool:
    """Set one value in the environment block ``block_name``; return whether the block was made for it.

    Nothing else in the block changes: a field is sent alone. The application's own secrets are one field to Prefect, so
    two people who set two of them in the same instant on two machines may lose one; on one machine they wait.
    """
    with _one_at_a_time():
        document = _document(client, block_name)
        if document is None:
            data: dict[str, Any] = {name: value} if name in FIELDS else {"application": {name: value}}
            RunwrightEnvironment(**data).save(block_name)
            return True
        if name in FIELDS:
            _update(client, document, {name: value})
        else:
            _update(client, document, {"application": {**_application(document), name: value}})
        return False


def remove(client: SyncPrefectClient, block_name: str, name: str) -> None:
    """Take one value out of the block. Raise InputError, which lists the names, if it is not there."""
    with _one_at_a_time():
        document = _existing(client, block_name)
        there = _names(document)
        if name not in there:
            raise InputError(
                f"The block {block_name!r} has no value {name!r}.",
                next=f"It has {', '.join(there)}." if there else "It has none at all.",
            )
        if name in FIELDS:
            _update(client, document, {name: None})
        else:
            _update(client, document, {"application": {k: v for k, v in _application(document).items() if k != name}})


def names(client: SyncPrefectClient, block_name: str) -> tuple[str, ...]:
    """Return the names that are set in the block, fields first. Raise InputError if there is no such block."""
    return _names(_existing(client, block_name))


def _existing(client: SyncPrefectClient, block_name: str) -> BlockDocument:
    document = _document(client, block_name)
    if document is None:
        raise InputError(
            f"There is no Runwright Environment block {block_name!r} in Prefect.",
            next=f"Create it with its first secret: runwright secrets set {block_name} NAME",
        )
    return document


def _document(client: SyncPrefectClient, block_name: str) -> BlockDocument | None:
    slug = RunwrightEnvironment.get_block_type_slug()
    try:
        return client.read_block_document_by_name(block_name, slug, include_secrets=True)
    except ObjectNotFound:
        return None


def _application(document: BlockDocument) -> Mapping[str, Any]:
    return document.data.get("application") or {}


def _names(document: BlockDocument) -> tuple[str, ...]:
    return (*(name for name in FIELDS if document.data.get(name)), *sorted(_application(document)))


def _update(client: SyncPrefectClient, document: BlockDocument, changed: dict[str, Any]) -> None:
    """Send what changed; Prefect merges it into the document, one field at a time."""
    # a document of an older version gets this version's schema: what it does not know as secret, Prefect would show
    RunwrightEnvironment.register_type_and_schema()
    schema = RunwrightEnvironment._block_schema_id
    empty = not changed.get("application", True)
    if empty:
        # Prefect takes an empty mapping for no change, so that everything is sent
        update = BlockDocumentUpdate(
            block_schema_id=schema, data={**document.data, "application": {}}, merge_existing_data=False
        )
    else:
        update = BlockDocumentUpdate(block_schema_id=schema, data=changed)
    client.update_block_document(document.id, update)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    path = home() / "secrets.lock"
    make_folder(path.parent)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
