"""A release as a value, and the judgement whether it may move."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runwright.errors import RefusedError
from runwright.ledger.plain import Row, as_dataclass
from runwright.ledger.states import ENDED, TRANSITIONS, ReleaseState
from runwright.versions import Version


@dataclass(frozen=True)
class Release:
    """One release of a system to an environment.

    ref: what was asked for. commit: the full id that it meant, "" until it is resolved. because: why it is in its state.
    previous_id: the proven release that is the way back. schema_before / schema_after: revisions of the database.
    cleared_*: who let this version out of quarantine, when, and why.
    """

    id: str
    system: str
    environment: str
    ref: str
    commit: str
    state: ReleaseState
    because: str
    procedure: str
    run_id: str | None
    deployer: str
    runbook: dict[str, Any]
    parameters: dict[str, Any]
    previous_id: str | None
    version: Version | None
    adopted: bool
    level: str | None
    plan_hash: str | None
    schema_before: list[str] | None
    schema_after: list[str] | None
    created_at: datetime
    changed_at: datetime
    watch_started_at: datetime | None
    watch_elapsed_seconds: float | None
    cleared_at: datetime | None
    cleared_by: str | None
    cleared_because: str | None

    @property
    def deploys(self) -> bool:
        """Whether it puts a version in place: a deploy, or a drill of what is live. Other procedures are kept here too."""
        return self.procedure in ("deploy", "drill")

    @property
    def whole(self) -> str:
        """What it put in place, as people read it: "v1.5.0", or "v1.5.0, with api of v1.4.0 (1a2b3c4d)"."""
        left = self.version.left_out if self.version is not None else {}
        return ", with ".join(
            [self.ref, *([" and ".join(f"{name} of {of}" for name, of in left.items())] if left else [])]
        )

    @property
    def is_drill(self) -> bool:
        """Whether it is made to be broken and put back: it is never proven."""
        return self.procedure == "drill"

    @property
    def ended(self) -> bool:
        """Whether nobody works on it any more."""
        return self.state in ENDED


@dataclass(frozen=True)
class Transition:
    """One step of a release from state to state. ``before`` is None of the first."""

    at: datetime
    before: ReleaseState | None
    after: ReleaseState
    because: str

    def __str__(self) -> str:
        return f"{self.before or 'new'} → {self.after} because {self.because}"


@dataclass(frozen=True)
class Run:
    """A run that works, or worked, on a release."""

    run_id: str
    release_id: str
    procedure: str
    at: datetime


def release_of(row: Row) -> Release:
    """Return the release in a row."""
    version = Version.from_json(row["version"]) if row["version"] else None
    return as_dataclass(Release, row, version=version, state=ReleaseState(row["state"]))


def transition_of(row: Row) -> Transition:
    """Return the transition in a row."""
    before = ReleaseState(row["before"]) if row["before"] else None
    return as_dataclass(Transition, row, before=before, after=ReleaseState(row["after"]))


def check_move(release: Release, to: ReleaseState, expected: frozenset[ReleaseState] | None) -> None:
    """Return if ``release`` may become ``to``. To stay in a state that has not ended, for a new reason, is allowed.

    Raise RefusedError, with both states, if it may not, or if it is in none of the ``expected`` states.
    """
    if expected is not None and release.state not in expected:
        why = f"it was expected to be {' or '.join(sorted(expected))}"
    elif release.state != to and to not in TRANSITIONS[release.state]:
        after = ", ".join(sorted(TRANSITIONS[release.state]))
        why = f"after {release.state} comes {after}" if after else f"{release.state} is final"
    else:
        return
    raise RefusedError(
        f"{release.id} is {release.state} and cannot become {to}: {why}.",
        state=f"It stays {release.state}, because {release.because}.",
        next="Another run may have gone on with it: `runwright status` shows where it stands.",
    )
