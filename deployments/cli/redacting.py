"""What a person writes may hold a secret: a line of a log is easily pasted. It is taken out before it is kept anywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from runwright.errors import RunwrightError, UnreachableError

if TYPE_CHECKING:
    from runwright.ledger import Release
    from runwright.runbook.model import Runbook


def written(runbook: Runbook, environment: str) -> Callable[[str], str]:
    """Return what takes the environment's secrets out of a text.

    What this machine does not know (no Prefect answers, the application runs elsewhere) is left to the run, which knows.
    """
    from deployments.cli.connecting import api_url

    secrets: dict[str, str] = {}
    with contextlib.suppress(RunwrightError):
        api_url()
        from blocks import load_secrets

        secrets = load_secrets(runbook.block_of(environment), runbook.environments[environment].tier)
    from runwright.engine.redaction import Redactor
    from runwright.release.redacting import written_in

    try:
        return written_in(runbook, environment, secrets)
    except UnreachableError:  # the host that the application runs on
        return Redactor(secrets).clean_printed


def written_about(release: Release) -> Callable[[str], str]:
    """Return what takes the secrets of a release's environment out of a text; passwords in addresses alone, if its runbook
    is of another version of Runwright."""
    from runwright.engine.redaction import Redactor
    from runwright.runbook.snapshot import from_json

    try:
        return written(from_json(release.runbook), release.environment)
    except RunwrightError:
        return Redactor({}).clean_printed
