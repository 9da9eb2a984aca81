"""What a release changes of what users reach, in order, as functions of ``do``: the deploy performs them, the plan writes
them down."""

from __future__ import annotations

from runwright.cutovers.shape import ALL
from runwright.engine.actions import Do
from runwright.migrators.shape import MigrationPlan
from runwright.platforms.shape import Going
from runwright.release import drivers, two_live
from runwright.release.work import Work
from runwright.versions import Version

MIGRATE_KEY = "deploy/migrate"


def new_slot(work: Work, do: Do) -> str:
    """Return the slot that the new version goes to: one that users do not reach."""
    return work.cutover.candidate(do, str(work.fact("slot") or ""))


def going(work: Work) -> Going:
    """Return this release as its cutover needs to know it."""
    anew = not work.cutover.stages and made_for_a_drill(work, work.do)
    return Going(work.id, work.do, previous=work.previous, anew=anew)


def migrate(work: Work, do: Do, version: Version, migrations: MigrationPlan | None) -> None:
    """Change the schema: by a one-off job of the new version, with the old one stopped where it must not run meanwhile."""
    if two_live.goes_dark(work, migrations):
        work.cutover.darken(do, str(work.fact("slot") or ""))
    if migrations is None or not migrations.pending:
        return
    job = drivers.job(work.site, do, version, work.id)
    drivers.migrator(work.site).upgrade(do, job, migrations, MIGRATE_KEY)


def stage(work: Work, do: Do, version: Version, slot: str) -> None:
    """Start the new version where no user reaches it, if there is such a place."""
    work.cutover.stage(do, version, slot, going(work), "deploy")


def shares(work: Work) -> list[int]:
    """Return the shares of the users that the new version gets one after the other before it gets all; none where nothing serves
    beside it: at a first release, or after what served was stopped for migrations."""
    read = work.fact("migrations")
    if work.release.previous_id is None or two_live.goes_dark(work, MigrationPlan.from_json(read) if read else None):
        return []
    slot = new_slot(work, work.do)
    return [share for share in work.cutover.shares_of(work.do, work.version, slot, work.id) if share < ALL]


def grow(work: Work, do: Do, version: Version, slot: str, share: int) -> None:
    """Start, where no user reaches it, what a share needs besides what is staged."""
    work.cutover.grow(do, version, slot, going(work), "deploy", share)


def shift(work: Work, do: Do, version: Version, slot: str, share: int, key: str = "deploy") -> None:
    """Send a share of the users to the new version."""
    work.cutover.shift(do, version, slot, going(work), key, share)


def switch(work: Work, do: Do, version: Version, slot: str) -> int | None:
    """Send the users to the new version; return how many requests were left in flight on the old one, if that is known."""
    return work.cutover.shift(do, version, slot, going(work), "deploy")


def made_for_a_drill(work: Work, do: Do) -> bool:
    """Return whether what runs has to be replaced although it may be of the right version.

    What a drill releases runs already, and is made anew, so that there is something to go back from; and what a drill made
    was broken on purpose, and would pass for the version that it is.
    """
    made = {fact.release for fact in work.platform.observe(do).services if fact.release}
    return work.release.is_drill or any(r.is_drill for r in work.ledger.releases.several(made).values())
