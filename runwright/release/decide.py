"""Look at what a release left behind, and decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from runwright.engine.recovery import end_or_await
from runwright.errors import RunwrightError
from runwright.ledger.release import Release
from runwright.ledger.states import ENDED, ReleaseState
from runwright.ledger.way_back import level_between, taken_along
from runwright.migrators.shape import shown
from runwright.policy.levels import Level
from runwright.policy.rollback import Cause, Decision, Migration, Serving, Situation, decide
from runwright.release import at_start, cutover, drivers, schema, unfinished
from runwright.release.login import logged_in, login_file
from runwright.release.pages import show_decision
from runwright.release.plan import migrations_of
from runwright.release.work import Work

UNNOTICED = (unfinished.REMOVE_KEY, "deploy/backup", "deploy/dependencies", "deploy/staged")
"""Of the changes under the lease, those that users cannot notice."""


NEVER_HELD = frozenset({ReleaseState.PREPARING, ReleaseState.PLANNED, ReleaseState.APPROVED, ReleaseState.ABANDONED})


def let_go(work: Work) -> bool:
    """Abandon a release that never changed anything under a lease; return whether it is one, or is over already.

    That needs no lease: another release may hold the environment for an hour, and is not to be waited for. If the run
    lives after all, it cannot go on with a release that is abandoned. Of one that is over (its own run put it back, or
    froze it) the decision stays as it is: it says why, and what to do.
    """
    cause = cause_of(work.fact("asked") or {})
    if cause is not Cause.ASKED and (already := over(work.release, cause)):
        work.say(f"Nothing to do: the release is {already} already.")
        return True
    if work.release.state not in NEVER_HELD or work.ledger.journal(work.id).changed(under_lease=True):
        return False
    recover(work)
    if work.release.state is not ReleaseState.ABANDONED:
        because = "Nothing had been changed when the run ended."
        work.ledger.releases.advance(work.id, ReleaseState.ABANDONED, because, expect=NEVER_HELD)
    return True


def take_over(work: Work) -> str:
    """Make sure that nothing of an earlier run changes anything any more, before this one goes on."""
    recover(work)
    return "nothing of an earlier run is left"


def decide_way(work: Work) -> str:
    """Recover what was interrupted, look at the target, and decide what is done; written down with its evidence."""
    asked = work.fact("asked") or {}
    return decided(work, cause_of(asked), asked).way.value


def decided(work: Work, cause: Cause, asked: dict[str, Any]) -> Decision:
    """Return the decision, after what was interrupted is ended, and write it down."""
    recover(work)
    situation = look(work, cause, asked)
    decision = decide(situation)
    work.write_down("decision", {"way": decision.way.value, "because": decision.because, "next": decision.next})
    work.say(f"Decision: {decision.way.value}. {decision.because}")
    show_decision(work, situation, decision)
    return decision


def cause_of(asked: dict[str, Any]) -> Cause:
    """Return why the way back is asked for."""
    if not asked.get("failed_run_id"):
        return Cause.ASKED
    how = str(asked.get("reason", "")).casefold()
    if how.startswith("cancel"):
        return Cause.CANCELLED
    if how.startswith("crash"):
        return Cause.CRASHED
    return Cause.FAILED


def who_asked(asked: dict[str, Any]) -> str:
    """Return who asks for the way back and why, "" if a run that ended badly does."""
    if cause_of(asked) is not Cause.ASKED:
        return ""
    why = " ".join(str(asked.get("reason") or "").split())
    return f"{asked.get('deployer') or 'A person'} asked for the way back" + (f": {why}" if why else "")


def recover(work: Work) -> None:
    """End or await everything that still runs of changes that have no outcome, and let the router refuse who made them.

    A process that was stopped may wake up at any moment, after its last look at the lease: it must not move traffic
    any more once it was looked at. Without a lease, the release was never changed, and nothing is announced.
    """
    if work.do.token is not None:
        work.cutover.announce(work.do, f"fence{work.do.token}/router")
    login_file(work).unlink(missing_ok=True)
    journal = work.ledger.journal(work.id)
    for entry in journal.entries():
        if entry.state in ("intended", "running"):
            work.say(
                f"It was interrupted: {entry.says}. What still runs of it is {'awaited' if entry.safe_point else 'ended'}."
            )
            left = end_or_await(work.id, entry)
            why = "interrupted" if left is None else f"interrupted; it came to its end by itself, with {left.code}"
            journal.fail(entry, why, ended=True)


def look(work: Work, cause: Cause, asked: dict[str, Any]) -> Situation:
    """Return the situation, as the journal, the ledger and the target show it."""
    aim(work, asked)
    release, previous = work.release, work.previous
    migrated = migration(work)
    broken_off = (_quietly(lambda: unfinished.left(work)) or ()) if migrated is Migration.HALF_DONE else ()
    return Situation(
        cause=cause,
        over=over(release, cause),
        changed=changed(work),
        watching=release.state is ReleaseState.WATCHING,
        breach=str(work.fact("breach") or ""),
        database=left_at(work) if migrated is Migration.HALF_DONE else "",
        unfinished=unfinished.told(broken_off),
        remedy=unfinished.remedy(work, broken_off),
        asked=who_asked(asked),
        level=level(work),
        migration=migrated,
        serving=serving(work),
        previous=previous.name if previous else "",
        previous_kept=kept(work),
        accepted=Level[asked["accept_level"]] if asked.get("accept_level") else Level.L1,
        nothing_before=release.previous_id is None and work.fact("seen") is not None,
    )


def over(release: Release, cause: Cause) -> str:
    """Return how the release has ended, "" if it has not: a person may take back what is proven, or frozen."""
    if release.state in ENDED and not (cause is Cause.ASKED and release.state is ReleaseState.PROVEN):
        return release.state.value
    if release.state is ReleaseState.FROZEN and cause is not Cause.ASKED:
        return "frozen, and waits for a person"
    return ""


def aim(work: Work, asked: dict[str, Any]) -> None:
    """Let the way back be the release that is asked for, if one is; the ledger learns of it when it is gone."""
    if to := asked.get("to"):
        work.release = replace(work.release, previous_id=str(to))


def level(work: Work) -> Level:
    """Return what the way back costs: the worst level of all releases that it takes back."""
    newest_first = work.ledger.releases.walk(work.release.system, work.release.environment)
    return level_between(taken_along(newest_first, work.release, work.release.previous_id))


def schema_moved(work: Work) -> bool:
    """Return whether the database is at another revision than the way back left it at."""
    behind = work.ledger.releases.get(work.release.previous_id) if work.release.previous_id else None
    then = behind.schema_after if behind is not None and behind.schema_after is not None else work.release.schema_before
    now = schema.current_revisions(work, work.do)
    return then is not None and now is not None and set(then) != set(now)


def changed(work: Work) -> bool:
    """Return whether any change was begun that users could notice."""
    begun = [entry.key for entry in work.ledger.journal(work.id).entries() if entry.key.startswith("deploy/")]
    return any(not key.startswith(UNNOTICED) for key in begun)


def migration(work: Work) -> Migration:
    """Return what became of the migrations, seen from the database."""
    plan = migrations_of(work)
    begun = any(e.key.startswith(cutover.MIGRATE_KEY) for e in work.ledger.journal(work.id).entries())
    if work.release.state is ReleaseState.PROVEN:
        moved = _quietly(lambda: schema_moved(work))
        return Migration.UNKNOWN if moved is None else Migration.DONE if moved else migrated_by_itself(work)
    if plan is None or not plan.pending or not begun:
        return migrated_by_itself(work)
    if not plan.versioned:
        return _by_its_end(work)
    revisions = _quietly(lambda: schema.current_revisions(work, work.do))
    if revisions is None:
        return Migration.UNKNOWN
    if set(revisions) == set(plan.heads):
        return Migration.DONE
    if set(revisions) == set(work.release.schema_before or ()):
        same = work.fact("schema") is not None and _quietly(lambda: schema_of(work)) == work.fact("schema")
        return Migration.UNCHANGED if same else Migration.HALF_DONE
    return Migration.HALF_DONE


def _by_its_end(work: Work) -> Migration:
    """Return what became of migrations of which only the journal tells, and the database's schema if it can be read."""
    if any(e.state == "done" for e in work.ledger.journal(work.id).entries() if e.key.startswith(cutover.MIGRATE_KEY)):
        return Migration.DONE
    same = work.fact("schema") is not None and _quietly(lambda: schema_of(work)) == work.fact("schema")
    return Migration.UNCHANGED if same else Migration.HALF_DONE


def migrated_by_itself(work: Work) -> Migration:
    """Return whether what the version does when it starts changed the schema; where that cannot be seen, it counts as done."""
    if work.release.version is None or not at_start.not_ours(work.version, work.runbook.migrate):
        return Migration.NONE
    before = work.fact("schema")
    if before is None and not changed(work):
        return Migration.NONE
    same = before is not None and _quietly(lambda: schema_of(work)) == before
    return Migration.NONE if same else Migration.DONE


def left_at(work: Work) -> str:
    """Return where half-done migrations left the database, as a phrase, "" if it does not answer."""
    revisions = _quietly(lambda: schema.current_revisions(work, work.do))
    if revisions is None:
        return ""
    before = tuple(sorted(work.release.schema_before or ()))
    if set(revisions) == set(before):
        return f"at {shown(before)}, where it was before, and its schema is not as it was, or could not be compared"
    plan = migrations_of(work)
    after = f", nor at {shown(tuple(sorted(plan.heads)))}, where it was to be" if plan else ""
    return f"at {shown(tuple(sorted(revisions)))}, not at {shown(before)}, where it was before{after}"


def schema_of(work: Work) -> str:
    """Return a fingerprint of the database's schema."""
    assert work.database is not None
    return work.database.schema(work.do)


def serving(work: Work) -> Serving:
    """Return which version users reach."""
    facts = _quietly(lambda: work.platform.observe(work.do))
    if facts is None:
        return Serving.UNKNOWN
    slot = work.cutover.served(work.do)
    if slot is None:
        return Serving.NOTHING
    running = facts.identities(slot)
    if not running:
        return Serving.NOTHING
    new = work.platform.expected(work.version) if work.release.version else {}
    old = work.platform.expected(work.previous) if work.previous else {}
    # what only the old version has may be left running beside the new one
    shared = {service: identity for service, identity in running.items() if service in new or service not in old}
    if shared and all(new.get(service) == identity for service, identity in shared.items()):
        return Serving.NEW
    if all(old.get(service) == identity for service, identity in running.items()):
        return Serving.OLD
    mixed = all(identity in (new.get(service), old.get(service)) for service, identity in running.items())
    return Serving.UNKNOWN if mixed else Serving.OTHER


def kept(work: Work) -> bool:
    """Return whether the artifacts of the way back are still there."""
    if work.previous is None:
        return False
    with logged_in(work):
        builders = drivers.builders(work.site)
        usual = next(iter(builders.values()))  # of a component that the runbook has no more
        return all(
            builders.get(artifact.component, usual).exists(work.do, artifact) for artifact in work.previous.artifacts
        )


def _quietly(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RunwrightError:
        return None
