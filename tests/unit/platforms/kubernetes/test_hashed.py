"""What of a version's pods is kept in the ledger: enough to tell whether they run, and no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runwright.platforms.kubernetes import hashed
from runwright.platforms.kubernetes.compared import compared
from tests.unit.platforms.kubernetes.objects import container

SECRETS: list[dict[str, Any]] = [
    {"env": [{"name": "DB_PASSWORD", "value": "s3cr3t-word"}]},
    {"env": [{"name": "DATABASE_URL", "value": "postgres://shop:s3cr3t-word@db/shop"}]},
    {"command": ["serve", "--password", "s3cr3t-word"]},
    {"args": ["--token=s3cr3t-word"]},
    {"args": ["--database", "postgres://shop:s3cr3t-word@db/shop"]},
]


@pytest.mark.parametrize("more", SECRETS, ids=str)
def test_no_secret_is_kept_and_another_one_is_seen(more: dict[str, Any]) -> None:
    """By a name, or by what the value itself is; a pod with the same one is the same, one with another is not."""
    pod = {"spec": {"containers": [container(**more)]}}
    other = json.loads(json.dumps(pod).replace("s3cr3t-word", "an-0ther-word"))
    kept = hashed.template(pod)
    assert "s3cr3t-word" not in json.dumps(kept)
    assert compared(hashed.pod(pod), kept, {}).differs == ()
    assert compared(hashed.pod(other), kept, {}).differs


def test_what_is_no_secret_is_kept_as_it_is() -> None:
    more = {
        "command": ["serve", "--port", "8000", "--workers=2"],
        "env": [{"name": "LOG_LEVEL", "value": "debug"}, {"name": "EMPTY"}],
    }
    assert hashed.template({"spec": {"containers": [container(**more)]}})["spec"]["containers"] == [container(**more)]
