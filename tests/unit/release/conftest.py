"""A release of a tiny system on the host platform, opened as a step opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from runwright.ledger import open_ledger
from runwright.release.work import Work, at_work
from runwright.runbook.model import Runbook
from runwright.runbook.snapshot import to_json
from runwright.versions import Artifact, Version
from tasks.run import RUN

Opener = Callable[..., Work]


def token(work: Work) -> int:
    """Take the environment for the release, and return the token that its changes carry."""
    lease = work.ledger.leases.take(
        "shop", "local", holder="a", run_id="run", procedure="deploy", release_id=work.release.id
    )
    return lease.token


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """A function that opens a release: ``opened(gates=[...], secrets=..., attestations=...)``."""
    with ExitStack() as stack:

        def open_one(
            *, parameters: dict[str, Any] | None = None, local: dict[str, Any] | None = None, **book: Any
        ) -> Work:
            place = {
                "tier": "development",
                "target": {
                    "platform": "host",
                    "directory": str(tmp_path / "run"),
                    "process": {"command": ["{python}"]},
                },
                "router": {"kind": "caddy"},
                **(local or {}),
            }
            runbook = Runbook.model_validate(
                {
                    "system": "shop",
                    "source": {"repo": str(tmp_path / "repo")},
                    "components": {"web": {}},
                    "environments": {"local": place},
                    **book,
                }
            )
            with open_ledger() as ledger:
                release = ledger.releases.open(
                    "shop", "local", "v1", procedure="deploy", run_id="run", runbook=to_json(runbook),
                    parameters={"attestations": {}, **(parameters or {})}, deployer="somebody",
                )  # fmt: skip
                version = Version("shop", "local", "v1", "a" * 40, (Artifact("web", str(tmp_path / "web"), "b" * 40),))
                ledger.releases.record(release.id, version=version)
            return stack.enter_context(at_work(release.id, RUN))

        yield open_one
