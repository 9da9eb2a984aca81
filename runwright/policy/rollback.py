"""What is done about a release that did not end well: a pure function of what the journal and the target show.

The rollback flow recovers what still runs, observes, and asks ``decide``. Whoever fires it, and however often, the
answer follows from the situation alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runwright.policy.levels import Level


class Cause(StrEnum):
    """Why somebody asks what to do."""

    FAILED = "failed"
    """The run ended with an error: an action, a verification or a rule."""
    CRASHED = "crashed"
    """The run's process died. That is no evidence against the release."""
    CANCELLED = "cancelled"
    """A person stopped the run."""
    ASKED = "asked"
    """A person asks for the way back."""


class Migration(StrEnum):
    """What became of the release's migrations."""

    NONE = "none"
    """There are none, or they had not begun."""
    UNCHANGED = "unchanged"
    """They were begun, and the database is at the revision that it was at before."""
    DONE = "done"
    """The database is at the revision of the new version."""
    HALF_DONE = "half-done"
    """The database is at neither, or at the revision before with another schema than before."""
    UNKNOWN = "unknown"
    """The database cannot be asked, or what changed cannot be told."""


class Serving(StrEnum):
    """Which version the users reach."""

    OLD = "old"
    NEW = "new"
    NOTHING = "nothing"
    OTHER = "other"
    """Something that is neither: somebody changed it by hand."""
    UNKNOWN = "unknown"


class Way(StrEnum):
    """What is done."""

    NOTHING = "nothing"
    """It is over already."""
    ABANDON = "abandon"
    """Nothing was changed: the release is closed, the target is left as it is."""
    WATCH_ON = "watch on"
    """The new version serves and nothing speaks against it: the watch goes on with the time that was left."""
    PUT_BACK = "put back"
    """The old version serves again, the schema stays."""
    STOP_NEW = "stop new"
    """There was nothing before: the new version is stopped."""
    FREEZE = "freeze"
    """A person must decide."""


@dataclass(frozen=True)
class Situation:
    """All that the decision depends on.

    over: the release has ended already (the state's name), or "". changed: any change was begun that users could notice.
    watching: the release was live, verified, and under watch. breach: the rule or probe that failed, with its numbers.
    database: where a half-done migration left the database, as a phrase. unfinished: what it left of statements that ended
    too early, as a phrase; remedy: what a person does about that.
    asked: who asks for the way back, and why, as far as it was said.
    level: what the migrations did to data. previous: the name of the way back, or "" if nothing ran before.
    previous_kept: its artifacts are still there. accepted: up to which level a person says that the old version may
    meet the schema as it is now; nobody has to say it for migrations that only add.
    """

    cause: Cause
    over: str = ""
    changed: bool = False
    watching: bool = False
    breach: str = ""
    database: str = ""
    unfinished: str = ""
    remedy: str = ""
    asked: str = ""
    level: Level = Level.L0
    migration: Migration = Migration.NONE
    serving: Serving = Serving.UNKNOWN
    previous: str = ""
    previous_kept: bool = True
    nothing_before: bool = False
    accepted: Level = Level.L1


@dataclass(frozen=True)
class Decision:
    """What is done, why, and what a person should do next (always given when something is left to a person)."""

    way: Way
    because: str
    next: str = ""


_LOOK = "`runwright status` shows what is live; `runwright show` of this release lists what was begun, and its backup."


def decide(now: Situation) -> Decision:
    """Return what is done in this situation. The first sentence that applies wins."""
    if now.over:
        return Decision(Way.NOTHING, f"The release is {now.over} already.")
    if not now.changed:
        said = f"{_why(now)} " if now.breach else ""
        return Decision(Way.ABANDON, f"{said}Nothing had been changed when the run ended.")
    if now.watching and not now.breach and now.cause is Cause.CRASHED and now.serving is Serving.NEW:
        return Decision(
            Way.WATCH_ON,
            "The run died while it watched; the new version serves and nothing speaks against it.",
        )
    return _database(now) or _way_back(now)


def _database(now: Situation) -> Decision | None:
    """What the database forbids, if anything."""
    match now.migration:
        case Migration.HALF_DONE:
            return Decision(
                Way.FREEZE,
                f"{_why(now)} A migration was left half-done: the database is "
                f"{now.database or 'at neither the old nor the new revision'}. "
                f"{f'It left {now.unfinished}. ' if now.unfinished else ''}{_users(now)}",
                f"{_LOOK} {f'{now.remedy} Else finish' if now.remedy else 'Finish'} or undo the migration by hand, or restore the release's backup into a new database; "
                f"then run `runwright rollback` again, or deploy a fixed version{_adopting(now)}.",
            )
        case Migration.UNKNOWN:
            return Decision(
                Way.FREEZE,
                f"{_why(now)} It cannot be told what the migrations did to the database. {_users(now)}",
                f"{_LOOK} Make the database reachable and run `runwright rollback` again.",
            )
        case Migration.DONE if now.level > now.accepted:
            return Decision(
                Way.FREEZE,
                f"{_why(now)} The migrations are done and of level {now.level.name}: {now.level.meaning}. "
                f"The old version may not run on this schema. {_users(now)}",
                f"{_LOOK} Roll forward with a fixed version{_adopting(now)}; or restore the release's backup (what was written "
                "since is lost); or, if you know that the old version runs on this schema, run `runwright rollback` with "
                f"`--accept-level {now.level.name}`.",
            )
    return None


def _way_back(now: Situation) -> Decision:
    if now.serving is Serving.OTHER:
        return Decision(
            Way.FREEZE,
            f"{_why(now)} What serves is neither the old nor the new version: somebody changed it by hand.",
            f"{_LOOK} If it is right as it is, deploy again with `--adopt`: then it is the way back.",
        )
    if now.nothing_before:
        return Decision(Way.STOP_NEW, f"{_why(now)} Nothing ran before this release.")
    if not now.previous or not now.previous_kept:
        gone = (
            f"{now.previous} can no longer be started: its artifacts are gone."
            if now.previous
            else "No earlier version is known."
        )
        return Decision(
            Way.FREEZE,
            f"{_why(now)} {gone} {_users(now)}",
            f"{_LOOK} Deploy a version that is known to be good{_adopting(now)}.",
        )
    schema = (
        " The schema keeps the additions of the new version."
        if now.migration is Migration.DONE and now.level is Level.L1
        else ""
    )
    return Decision(Way.PUT_BACK, f"{_why(now)} {now.previous} is the way back.{schema}")


def _users(now: Situation) -> str:
    """Whether users are served: what somebody has to know first who is woken by a freeze."""
    return {
        Serving.OLD: f"{now.previous or 'The old version'} serves meanwhile.",
        Serving.NEW: "The new version serves meanwhile.",
        Serving.NOTHING: "Nothing serves: users are without service.",
    }.get(now.serving, "Whether users are served is not known.")


def _adopting(now: Situation) -> str:
    """How the next deploy is asked for: it refuses to replace what serves, if that is not the proven version."""
    if now.serving is Serving.OLD or now.serving is Serving.NOTHING or not now.previous:
        return ""
    return " (`runwright deploy` with `--adopt`: what serves is not what was proven last)"


def _why(now: Situation) -> str:
    if now.breach:
        return f"{now.breach.rstrip('.')}."
    return {
        Cause.FAILED: "The run failed after it had begun to change things.",
        Cause.CRASHED: "The run died after it had begun to change things.",
        Cause.CANCELLED: "The run was cancelled after it had begun to change things.",
        Cause.ASKED: f"{now.asked.rstrip('.') or 'A person asked for the way back'}.",
    }[now.cause]
