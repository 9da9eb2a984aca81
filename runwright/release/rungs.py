"""The way up: a share of the users, judged by what they meet, and then a larger one; or a new instance, verified, and then one more."""

from __future__ import annotations

from runwright.cutovers.shape import ALL
from runwright.release import canary, cutover
from runwright.release.lease import renewed
from runwright.release.verify import verify_staged
from runwright.release.work import Work


def climb(work: Work, slot: str) -> None:
    """Send users to the new version share by share, but for the last one. Nothing where the strategy has but one."""
    (_grow if work.cutover.grows else canary.climb)(work, slot)


def _grow(work: Work, slot: str) -> None:
    """Start what each share needs, ask it at the door, and send the users there. Raise VerificationError if it is not right: then
    users are where they were."""
    shares, now = cutover.shares(work), work.cutover.shares(work.do).get(slot, 0)
    for number, share in enumerate(shares):
        if share < now:  # a run that is started again: old instances were stopped for more than that
            continue
        if number and share != now:  # the first was staged, and has been asked; so was the one that users reach already
            _verified(work, slot, share)
        cutover.shift(work, work.do, work.version, slot, share)
        work.say(f"{number + 1} of {len(shares) + 1}: {share} % of new requests go to {work.version.name}.")
    if shares:
        _verified(work, slot, ALL)


def _verified(work: Work, slot: str, share: int) -> None:
    renewed(work.id)
    cutover.grow(work, work.do, work.version, slot, share)
    verify_staged(work)
