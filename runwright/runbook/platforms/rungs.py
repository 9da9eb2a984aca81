"""The shares of a canary, as a target names them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from runwright.runbook.base import Words
from runwright.runbook.document import Mistake
from runwright.runbook.words import Path

Rungs = Annotated[
    list[Annotated[int, Field(ge=1, le=99)]],
    Words("shares in percent, each from 1 to 99 and more than the one before", "a list"),
]
SAYS = "Canary: the shares of the new requests, in percent, that the new version gets one after the other before it gets all. Default: 10, then 50."


def mistakes(strategy: str, rungs: list[int], path: Path) -> Iterator[Mistake]:
    """Yield what is wrong with the ``rungs`` of a target at ``path`` that is released by ``strategy``."""
    if rungs and strategy != "canary":
        yield Mistake(
            (*path, "rungs"), "`rungs` are the shares of a canary. Leave them out, or say `strategy: canary`."
        )
    if any(higher <= lower for lower, higher in pairwise(rungs)):
        yield Mistake((*path, "rungs"), "each share must be more than the one before.", ("rungs: [5, 25, 50]",))
