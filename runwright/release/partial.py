"""A release of some of a system's components: the others stay as they were released last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from runwright.errors import InputError, RefusedError
from runwright.ledger import Ledger
from runwright.ledger.release import Release
from runwright.migrators.shape import MigrationPlan
from runwright.plural import few
from runwright.release import two_live
from runwright.release.schema import needs_stop
from runwright.release.statements import how, stated
from runwright.release.work import Work
from runwright.runbook.model import Runbook
from runwright.versions import Artifact, Version

COMPONENTS = "components"
"""The parameter of a release that names what is released; without it everything is."""


def chosen(runbook: Runbook, given: Iterable[str] | None) -> list[str]:
    """Return the components that are released, in the runbook's order; none if all are. Raise InputError for an unknown name."""
    asked = {name.strip() for name in given or ()}
    if unknown := sorted(asked - set(runbook.components)):
        raise InputError(
            f"{runbook.system} has no component {few(repr(name) for name in unknown)}.",
            next=f"It has {', '.join(runbook.components)}.",
        )
    return [] if asked == set(runbook.components) else [name for name in runbook.components if name in asked]


def require_recorded(ledger: Ledger, runbook: Runbook, environment: str, released: Sequence[str]) -> None:
    """Raise RefusedError unless the ledger knows what each component that is left out has to stay."""
    if released:
        _recorded(ledger.releases.live(runbook.system, environment), runbook, environment, released)


def left_out(work: Work) -> dict[str, Artifact]:
    """Return what the components that are left out stay, by component. Raise RefusedError if that is not known of one."""
    released: list[str] = work.release.parameters.get(COMPONENTS) or []
    if not released:
        return {}
    live = work.ledger.releases.live(work.release.system, work.release.environment)
    return _recorded(live, work.runbook, work.release.environment, released)


def _recorded(live: Release | None, runbook: Runbook, environment: str, released: Sequence[str]) -> dict[str, Artifact]:
    where, wanted = f"{runbook.system}/{environment}", [name for name in runbook.components if name not in released]
    if live is None or live.version is None:
        raise RefusedError(
            f"Nothing was released to {where} yet: {few(wanted)} would not be there at all.",
            state="Nothing was done.",
            next="Release all components first, then some of them.",
        )
    there = {artifact.component: artifact for artifact in live.version.artifacts}
    if missing := [name for name in wanted if name not in there]:
        raise RefusedError(
            f"{few(missing)} {'was' if len(missing) == 1 else 'were'} not part of {live.ref}, which serves in {where}: there is "
            "nothing recorded that could stay.",
            state="Nothing was done.",
            next=f"Release {'it' if len(missing) == 1 else 'them'} too, or all components.",
        )
    found = {name: there[name] for name in wanted}
    return {
        name: one if one.ref else replace(one, ref=live.ref, commit=live.version.commit) for name, one in found.items()
    }


def require_current(work: Work, previous: Release | None) -> None:
    """Raise RefusedError if what the components that are left out should stay is not what serves any more."""
    if not (left := work.version.left_out):
        return
    serves = {a.component: a.identity for a in previous.version.artifacts} if previous and previous.version else {}
    changed = [
        a.component for a in work.version.artifacts if a.component in left and serves.get(a.component) != a.identity
    ]
    if changed:
        raise RefusedError(
            f"{few(changed)} {'was' if len(changed) == 1 else 'were'} released by another release while this one was prepared.",
            state="Nothing was changed.",
            next="Deploy again: what is left out stays what it is then.",
        )


def migrations(work: Work, found: MigrationPlan) -> MigrationPlan | None:
    """Return which of ``found`` are for this release to run; None if none ever are.

    Raise RefusedError if some belong to a component that is left out, or one that is left out may not live with them.
    """
    version, component = work.version, work.runbook.migrates()
    if not version.left_out:
        return found
    if component not in version.left_out:
        if needs_stop(found) and found.pending and not stated(work, two_live.BOTH):
            raise RefusedError(
                f"The migrations do more than add, and {few(version.left_out)}, which is left out, would live with them as it is.",
                state="Nothing was changed.",
                next="Release all components. If what is left out can live with the new schema, somebody says so by name: "
                f"{how(work, two_live.BOTH)}.",
            )
        return found
    files = two_live.changed_since(work, [version.artifact(component).commit])
    if files is None or files or (found.versioned and found.pending):
        why = (
            f"{few(files)} changed since {version.left_out[component]}"
            if files
            else f"{few(m.revision for m in found.pending)} is pending"
            if files is not None
            else f"which migrations came since {version.left_out[component]} is not known"
        )
        raise RefusedError(
            f"{component}, which is left out, moves the schema, and {why}.",
            state="Nothing was changed.",
            next=f"Release {component} too, or all components.",
        )
    return found if found.versioned else None


def notes(version: Version) -> list[str]:
    """Return what the plan says of a release of some components."""
    left = version.left_out
    if not left:
        return []
    mine = [artifact.component for artifact in version.artifacts if artifact.component not in left]
    stays = "; ".join(f"{name} stays {of}, {version.artifact(name).identity[:19]}" for name, of in left.items())
    return [f"Only {few(mine)} {'is' if len(mine) == 1 else 'are'} released: {stays}."]
