"""A runbook as JSON, as the ledger keeps it with each release: read back it is exactly the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from runwright.errors import RunbookError
from runwright.plural import plural
from runwright.runbook.model import Runbook


def to_json(runbook: Runbook) -> dict[str, Any]:
    """Return ``runbook`` as plain JSON values, with every default written out: a later version's defaults change nothing.

    Keep the order of keys: the order of components is the order in which services are replaced.
    """
    return runbook.model_dump(mode="json", by_alias=True)


def from_json(data: Mapping[str, Any]) -> Runbook:
    """Return the runbook that ``to_json`` gave. Raise RunbookError if this version's schema does not know it."""
    try:
        return Runbook.model_validate(dict(data))
    except ValidationError as error:
        raise RunbookError(
            f"The runbook that was kept with the release does not fit this version of Runwright ({plural(error.error_count(), 'place')}).",
            next="Continue that release with the version of Runwright that began it.",
        ) from None
