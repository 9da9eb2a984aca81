"""The way up: a share of the users, judged by what they meet, and then a larger one; or a new instance, verified, and then one more."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from runwright.cutovers.shape import ALL
from runwright.errors import BreachError, VerificationError
from runwright.policy.canary import Judged, judge, measured, since
from runwright.release import cutover
from runwright.release.lease import renewed
from runwright.release.verify import verify_staged
from runwright.release.work import Work
from runwright.traffic import Counted

EVERY_SECONDS = 1.0
FACT = "rungs"
"""The fact with what each share was judged by: [{"share", "at", "measured", "reason"}]."""


def climb(work: Work, slot: str) -> None:
    """Send users to the new version share by share, but for the last one. Nothing where the strategy has but one."""
    (_grow if work.cutover.grows else _judge)(work, slot)


def _grow(work: Work, slot: str) -> None:
    """Start what each share needs, ask it at the door, and send the users there. Raise VerificationError if it is not right: then
    users are where they were."""
    shares, now = cutover.shares(work), work.cutover.shares(work.do).get(slot, 0)
    for number, share in enumerate(shares):
        if share < now:  # a run that is started again: old instances were stopped for more than that
            continue
        if number:  # the first is what was staged, and has been asked
            _verified(work, slot, share)
        cutover.shift(work, work.do, work.version, slot, share)
        work.say(f"{number + 1} of {len(shares) + 1}: {share} % of new requests go to {work.version.name}.")
    if shares:
        _verified(work, slot, ALL)


def _verified(work: Work, slot: str, share: int) -> None:
    renewed(work.id)
    cutover.grow(work, work.do, work.version, slot, share)
    verify_staged(work)


def _judge(work: Work, slot: str) -> None:
    """Hold each share until it can be judged.

    Raise BreachError as soon as it does worse than the old one, VerificationError if too few requests came to judge it.
    """
    rungs, done = cutover.shares(work), work.fact(FACT) or []
    past = dict(work.cutover.counted(work.do)) if rungs else {}
    for share in rungs:
        if any(rung["share"] == share for rung in done):
            continue
        cutover.shift(work, work.do, work.version, slot, share)
        work.say(f"{share} % of new requests go to {work.version.name}.")
        judged, told = _held(work, slot, share, past)
        done = [*done, {"share": share, "at": datetime.now(UTC).isoformat(), "measured": told, "reason": judged.reason}]
        work.write_down(FACT, done)
        work.ledger.records.add_note(work.id, "canary", f"{share} %: it really had {told}; {judged.reason}.")
        work.say(f"{share} % is passed: it really had {told}; {judged.reason}.")


def _held(work: Work, slot: str, share: int, past: dict[str, Counted]) -> tuple[Judged, str]:
    """Hold a share until it can be judged, and return the verdict and what the share really was."""
    wanted = work.runbook.canary
    first, began = dict(work.cutover.counted(work.do)), time.monotonic()
    while True:
        # a canary changes nothing for minutes: nothing else would tell it that it lost the lease
        renewed(work.id)
        now, held = work.cutover.counted(work.do), time.monotonic() - began
        new = since(now.get(slot, Counted()), first.get(slot, Counted()))
        others = [name for name in now if name != slot]
        old = sum((since(now[name], first.get(name, Counted())) for name in others), Counted())
        before = sum((past.get(name, Counted()) for name in others), Counted())
        judged = judge(new, old, before, wanted, held)
        if judged.step == "breach":
            raise BreachError(
                f"With {share} % of the users, {judged.reason}.",
                state="The old version is put back now.",
                next="The run's log shows each share and what it was judged by.",
            )
        if judged.step == "on":
            return judged, measured(new, old)
        if held >= max(wanted.wait, wanted.hold) and new.requests < wanted.min_requests:
            raise VerificationError(
                f"With {share} % of the users it could not be judged: after {held:.0f} s {judged.reason}.",
                next="Release when there is traffic, lower `canary.min_requests`, or use `strategy: blue_green`.",
            )
        time.sleep(EVERY_SECONDS)
