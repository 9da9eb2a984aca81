"""What is the way back: the last proven release, or what runs now, adopted."""

from __future__ import annotations

from runwright.errors import RefusedError
from runwright.ledger.release import Release
from runwright.platforms.shape import Observed
from runwright.release.verify import strange
from runwright.release.work import Work
from runwright.versions import Version


def previous_release(work: Work) -> Release | None:
    """Return the release to go back to; None if nothing ran before. What runs and was never released by us is adopted.

    Raise RefusedError if what runs is not what the ledger says: somebody changed it by hand.
    """
    release = work.release
    live = work.ledger.releases.live(release.system, release.environment)
    observed = work.platform.observe(work.do)
    by_hand = work.platform.by_hand(work.do, work.version) if observed.running else ()
    adopt = bool(release.parameters.get("adopt"))
    if live is not None and live.version is not None:
        if not (found := [*differences(live.version, observed, work), *by_hand]):
            return live
        if not adopt:
            raise RefusedError(
                f"What runs is not what the ledger says: {'; '.join(found)}.",
                state="Nothing was changed.",
                next="Find out who changed it. To take what runs now as the way back, deploy again with `adopt` "
                "(`runwright deploy --adopt`, or the parameter adopt=true).",
            )
    elif by_hand and not adopt:
        raise RefusedError(
            f"Some of what runs was set by hand, and would be gone: {'; '.join(by_hand)}.",
            state="Nothing was changed.",
            next="What is to stay goes into the version's own files. To take what runs now as the way back, and let the release do "
            "away with it, deploy again with `adopt` (`runwright deploy --adopt`, or the parameter adopt=true).",
        )
    if not observed.running:
        return None
    version = adopted(work)
    if version is None:
        return None
    work.say(f"What runs now was not released by Runwright; it is adopted as the way back: {version.name}.")
    return work.ledger.releases.adopt(
        release.system, release.environment, version, runbook=release.runbook, deployer=release.deployer
    )


def adopted(work: Work) -> Version | None:
    """Return what runs as a version that can be started again; where two slots run, the one that the router serves."""
    return work.platform.adopt(work.do, "prepare/adopt", work.cutover.served(work.do) or "")


def differences(version: Version, observed: Observed, work: Work) -> list[str]:
    """Return, as phrases, what runs although it is not of ``version``. What is stopped is no difference."""
    slot = work.cutover.served(work.do) or ""
    return strange(work, version, observed, slot)  # the colour that gets no traffic is replaced by this release anyway
