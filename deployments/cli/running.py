"""What really runs on a target, beside what the ledger says: as far as this machine can see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runwright.ledger import Release
    from runwright.platforms.shape import ServiceFact
    from runwright.site import Site

SHORT = 19  # of "sha256:" and a hexadecimal number, as Docker shows it


def what_runs(live: Release, others: Sequence[Release] = ()) -> dict[str, Any]:
    """Return what runs, as JSON values: the ``release`` that it is of (None if it is of neither, or was not seen), whether
    it was ``seen`` from this machine, in words (``text``), and by service (``services``).

    live: the release that should serve. others: those that may serve as well, since they have not ended. Nothing is
    changed, and nothing raised: a target may be away.
    """
    from runwright.engine.there.place import at
    from runwright.errors import RunwrightError

    nothing: dict[str, Any] = {"release": None, "seen": False, "services": []}
    try:
        with at(host_of(live)):
            (facts, wrong_in_front), wanted = _look(live), _wanted((live, *others))
    except RunwrightError as error:
        return nothing | {"text": f"could not be looked at: {error.what.splitlines()[0]} {error.next}".strip()}
    if not facts:
        return nothing | {"text": "nothing of it is seen from this machine"}
    services = [
        {"service": f.service, "runs": f.running, "identity": f.identity, "healthy": f.healthy, "restarts": f.restarts}
        for f in facts
    ]
    wrong = {id: differences(facts, of) for id, of in wanted.items()}
    of = next((release for release in (live, *others) if wrong.get(release.id) == []), None)
    if of is not None:
        text = f"{of.ref}: {', '.join(sorted(wanted[of.id]))}" + ("" if of is live else f" ({of.state})")
    else:
        text = "; ".join(wrong.get(live.id, ["what was released is not known in enough detail to compare"]))
    text = f"{wrong_in_front} {text}".strip()
    return {"release": of.id if of else None, "seen": True, "text": text, "services": services}


def differences(facts: Sequence[ServiceFact], wanted: Mapping[str, str]) -> list[str]:
    """Return a sentence for each service that is not as it was released. ``wanted``: {service: identity}."""
    wrong = []
    for service, identity in sorted(wanted.items()):
        running = [fact for fact in facts if fact.service == service and fact.running]
        others = {fact.identity[:SHORT] for fact in running if fact.identity != identity}
        if not running:
            wrong.append(f"{service} does not run")
        elif others:
            wrong.append(f"{service} runs {', '.join(sorted(others))}, and {identity[:SHORT]} was released")
        elif any(fact.healthy is False for fact in running):
            wrong.append(f"{service} is unhealthy")
    return wrong


def host_of(release: Release) -> str | None:
    """Return the host that a release runs on, None for this one; whatever version of Runwright has kept its runbook."""
    places = release.runbook.get("environments")
    place = places.get(release.environment) if isinstance(places, dict) else None
    target = place.get("target") if isinstance(place, dict) else None
    on = target.get("on") if isinstance(target, dict) else None
    return str(on) if on else None


def _site(release: Release) -> Site:
    from runwright.runbook.snapshot import from_json
    from runwright.site import Folders, Site

    folders = Folders.of(release.system, release.environment, release.id)
    return Site(from_json(release.runbook), release.environment, folders, {})


def _look(live: Release) -> tuple[list[ServiceFact], str]:
    """Return the services that users may reach, and what is wrong with the router before them, "" if nothing is."""
    from deployments.cli.looking import Looking
    from runwright.release import drivers

    site, do = _site(live), Looking()
    services, router = drivers.platform(site).observe(do).services, drivers.router(site)
    if router is None:
        return list(services), ""
    front = router.facts(do)
    return [f for f in services if not front.named or f.slot in front.named], front.problem


def _wanted(releases: Sequence[Release]) -> dict[str, dict[str, str]]:
    """Return {id: {service: identity}} as each was released, without those that have nothing that could run yet."""
    from runwright.release import drivers

    found = {r.id: drivers.platform(_site(r)).expected(r.version) for r in releases if r.version is not None}
    return {id: services for id, services in found.items() if services}
