"""What a release changes, in order, as functions of ``do``: the deploy performs them, the plan writes them down."""

from __future__ import annotations

from runwright.engine.actions import Do
from runwright.errors import ActionError, RefusedError, VerificationError
from runwright.migrators.shape import MigrationPlan, shown
from runwright.platforms.compose.driver import Compose
from runwright.runbook.targets import PostgresDatabase
from runwright.traffic import Upstream
from runwright.versions import Version
from tasks import drivers
from tasks.work import DRAIN_KEY, Work

COLOURS = ("blue", "green")
MIGRATE_KEY = "deploy/migrate"
MAKES_DATABASE = "makes-database"


def new_slot(work: Work, do: Do) -> str:
    """Return the slot that the new version goes to: the one that the router does not send traffic to."""
    if work.platform.strategy == "recreate":
        return ""
    if slot := work.fact("slot"):
        return str(slot)
    assert work.router is not None
    live = work.router.target(do)
    return COLOURS[0] if live is None or live.slot == COLOURS[1] else COLOURS[1]


def needs_stop(migrations: MigrationPlan | None) -> bool:
    """Return whether the old version may not run while the schema changes."""
    return migrations is not None and migrations.needs_stop


def start_dependencies(work: Work, do: Do, version: Version) -> None:
    """Start the database, and what else the application needs, where a first release finds nothing running."""
    if isinstance(work.platform, Compose):
        work.platform.start_dependencies(do, version, "deploy")


def migrate(work: Work, do: Do, version: Version, migrations: MigrationPlan | None) -> None:
    """Change the schema: by a one-off job of the new version, with the old one stopped where it must not run meanwhile."""
    if migrations is None or not migrations.pending:
        return
    if needs_stop(migrations):
        stop_serving(work, do)
    job = drivers.job(work.site, do, version, work.id)
    drivers.migrator(work.site).upgrade(do, job, migrations, MIGRATE_KEY)


def stop_serving(work: Work, do: Do) -> None:
    """Stop the old version because the schema is about to change under it. The downtime begins.

    Of two colours both are stopped, first the one that serves, then one that is kept as a warm way back; but never what
    this release has started, which may serve already when its run is started again.
    """
    if work.platform.strategy == "recreate":
        work.platform.stop(do, "", DRAIN_KEY)
        return
    assert work.router is not None
    live, own = work.router.target(do), work.fact("slot")
    for slot in sorted(COLOURS, key=lambda slot: live is None or slot != live.slot):
        if slot != own:
            work.platform.stop(do, slot, DRAIN_KEY)


def stage(work: Work, do: Do, version: Version, slot: str) -> None:
    """Start the new version where no user reaches it, if the platform can."""
    if work.platform.strategy == "two_colours":
        work.platform.stop(do, slot, "deploy/clear")
        work.platform.start(do, version, slot, "deploy", work.id)


def switch(work: Work, do: Do, version: Version, slot: str) -> None:
    """Send the users to the new version."""
    if work.platform.strategy == "recreate":
        if isinstance(work.platform, Compose):
            # asked for real, also where only the plan is written: what lives beside is part of it
            beside, anew = work.platform.beside(work.do, version), made_for_a_drill(work, do)
            work.platform.start(do, version, "", "deploy", work.id, anew=anew, beside=beside)
            if work.release.previous_id is None:
                work.platform.start_rest(do, version, "deploy")  # nothing ran before: not even a proxy
        else:
            work.platform.start(do, version, "", "deploy", work.id)
        return
    assert work.router is not None
    work.router.ensure(do, "deploy/router")
    work.router.switch(do, upstream(work, do, slot), "deploy/switch")


def beside(work: Work) -> tuple[str, ...]:
    """Return what a person should know of what lives beside the version that is released, a sentence each.

    Raise RefusedError if it could not start beside that, or would leave users with a proxy that finds nobody.
    """
    if not isinstance(work.platform, Compose):
        return ()
    found = work.platform.beside(work.do, work.version)
    if found.taken:
        raise RefusedError(
            f"{work.version.name} could not start: {'; '.join(found.taken)}.",
            state="Nothing was changed.",
            next="Stop or rename what is in the way (`docker ps` shows it); if it is an earlier version of this system that "
            "was started by hand, release that version first, by its own services' names: then it is the way back.",
        )
    for proxy in found.proxies:
        if proxy.refuses:
            raise RefusedError(
                f"{proxy.container} ({proxy.program}) refuses its own configuration: {proxy.refuses}",
                state="Nothing was changed; it serves on with what it read when it started.",
                next="Addresses move with this release, and it could not be told. Put its configuration right: "
                f"`{' '.join(proxy.check)}` must succeed.",
            )
    return (*found.anew(work.version), *found.notes)


def made_for_a_drill(work: Work, do: Do) -> bool:
    """Return whether what runs has to be replaced although it may be of the right version.

    What a drill releases runs already, and is made anew, so that there is something to go back from; and what a drill made
    was broken on purpose, and would pass for the version that it is.
    """
    made = {fact.release for fact in work.platform.observe(do).services if fact.release}
    return work.release.is_drill or any(r.is_drill for r in work.ledger.releases.several(made).values())


def upstream(work: Work, do: Do, slot: str) -> Upstream:
    """Return where ``slot`` serves. Raise VerificationError if it does not run."""
    found = work.platform.upstream(do, slot)
    if found is None:
        raise VerificationError(f"Nothing serves in {slot}.", next="`runwright status` shows what runs.")
    return found


def current_revisions(work: Work, do: Do) -> tuple[str, ...] | None:
    """Return the database's revisions; None if there is no database, () if it is new."""
    if work.database is None or work.runbook.migrate is None:
        return None
    return work.database.revisions(do)


def revisions_or_new(work: Work, do: Do) -> tuple[str, ...] | None:
    """Like ``current_revisions``; a database that this very release will make is new, and nobody can be asked yet."""
    try:
        return current_revisions(work, do)
    except ActionError:
        if not makes_database(work, do):
            raise
        # before the first one-off job: Compose makes the project's volumes for it, and they would look like data
        work.write_down(MAKES_DATABASE, True)
        return ()


def new_database(work: Work, do: Do, revisions: tuple[str, ...] | None) -> bool:
    """Return whether there is nothing in the database that could be lost.

    That it has no revision does not say so: somebody else's tables may be there.
    """
    if revisions:
        return False
    if work.fact(MAKES_DATABASE) or makes_database(work, do):
        return True
    return work.database is not None and work.runbook.migrate is not None and not work.database.holds_tables(do)


def makes_database(work: Work, do: Do) -> bool:
    """Return whether the release makes its database itself: the project has one, and was never started here."""
    place, driver, releases = work.place.database, work.platform, work.ledger.releases
    if not (isinstance(place, PostgresDatabase) and place.service is not None and isinstance(driver, Compose)):
        return False
    system, environment = work.release.system, work.release.environment
    if releases.live(system, environment) is not None:
        return False
    earlier = releases.find(system, environment, limit=20)
    return driver.is_new(do, place.service, prepared=any(releases.fact(r.id, MAKES_DATABASE) for r in earlier))


def require_as_planned(work: Work, do: Do) -> None:
    """Raise RefusedError if the database is not where the plan saw it: above all one that was taken for new."""
    revisions = sorted(current_revisions(work, do) or ())
    planned = sorted(work.release.schema_before or ())
    if revisions != planned:
        raise RefusedError(
            f"The database is at {shown(tuple(revisions))}; the plan was made for {shown(tuple(planned))}.",
            state="Nothing was changed; the database runs now.",
            next="Deploy again: the plan is made anew, and a backup is taken.",
        )
