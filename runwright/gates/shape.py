"""What a gate is given to ask with: it knows neither the release nor the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from runwright.engine.actions import Do
from runwright.metrics.shape import Source
from runwright.platforms.shape import Platform
from runwright.policy.gates import Answer
from runwright.probes.shape import World
from runwright.probes.values import Values
from runwright.runbook.environment import Environment
from runwright.runbook.model import Runbook


@dataclass(frozen=True)
class Asking:
    """One release that is asked for, and how each thing of it is looked at. What takes long is only done when it is called.

    fill: fills in secrets and addresses. clean: takes secrets out. proven_backup: when the last one was taken, None if there
    is none. database: what is to be said of it. released: whether a version was released here before. frozen: the version
    that waits for a person, "" if none does. ahead: whether the schema is ahead of what runs, since a release was taken back.
    beside: whether one version runs beside another. attestations: what people stated, by the gate's id.
    """

    do: Do
    now: datetime
    book: Runbook
    environment: str
    commit: Callable[[], str]
    platform: Platform
    secrets: Mapping[str, str] = field(repr=False)
    application_secrets: Mapping[str, str] = field(repr=False)
    fill: Callable[[str], str]
    clean: Callable[[str], str]
    probing: Callable[[], Values]
    world: Callable[[], World]
    env_file: Callable[[], Path | None]
    metrics: Callable[[], Source | None]
    proven_backup: Callable[[], datetime | None]
    database: Callable[[], Answer]
    released: Callable[[], bool]
    frozen: Callable[[], str]
    ahead: Callable[[], bool]
    beside: Callable[[], bool]
    attestations: Mapping[str, Any]
    is_drill: bool = False

    @property
    def place(self) -> Environment:
        """The environment."""
        return self.book.environments[self.environment]
