"""The way up of a canary: a share of the users, judged, and then a larger one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runwright.cutovers.shape import ALL
from runwright.errors import ActionError, BreachError, CancelledError, ObservationError, VerificationError
from runwright.policy.canary import Judged, judge, measured, since
from runwright.release import by_hand, cutover
from runwright.release.lease import renewed
from runwright.release.notify import notify
from runwright.release.work import Work
from runwright.traffic import Counted

EVERY_SECONDS = 1.0
FACT = "rungs"
"""The fact with what each share was judged by: [{"share", "at", "measured", "reason"}]."""


def climb(work: Work, slot: str) -> None:
    """Hold each share until it can be judged. Nothing where the strategy has but one.

    At each look it does what a person has asked for meanwhile. Raise BreachError as soon as it does worse than the old one, or
    somebody asks for the way back; VerificationError if too few requests came to judge it.
    """
    rungs = cutover.shares(work)
    if not rungs:
        return
    done: list[dict[str, Any]] = work.fact(FACT) or []
    past, at = dict(work.cutover.counted(work.do)), _passed(done)
    while at < ALL and (share := next((rung for rung in rungs if rung > at), None)) is not None:
        # after a person had set a lower one, what was set before is set again: that is a change of its own
        again = f"/again{len(done)}" if work.fact(by_hand.PASSED) else ""
        held = Rung(work, slot, share, past, f"deploy{again}").held()
        done = [*done, held.as_json()]
        at = _passed(done)
        work.write_down(FACT, done)
        work.ledger.records.add_note(work.id, "canary", f"{held}.")
        work.say(f"{held}.")
    work.write_down(by_hand.AT, None)


def _passed(done: list[dict[str, Any]]) -> int:
    """Return the share that was passed last: all, where a person wants no other one."""
    if not done:
        return 0
    return ALL if done[-1].get("promoted") else int(done[-1]["share"])


@dataclass(frozen=True)
class Held:
    """A share that was passed: what the new version really had, and why it was passed. promoted: a person wants no other one."""

    share: int
    measured: str
    reason: str
    promoted: bool = False

    def __str__(self) -> str:
        return f"{self.share} % is passed: it really had {self.measured}; {self.reason}"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "share": self.share,
            "at": datetime.now(UTC).isoformat(),
            "measured": self.measured,
            "reason": self.reason,
            "promoted": self.promoted,
        }


class Rung:
    """One share, until it is passed. past: what was counted of the old version before the release. key: starts those of its change."""

    def __init__(self, work: Work, slot: str, share: int, past: dict[str, Counted], key: str) -> None:
        self._work, self._slot, self._past, self._key = work, slot, past, key
        self._wanted = work.runbook.canary
        self._asked = by_hand.share_by_hand(work)
        self._manual = share in self._wanted.manual  # whatever share a person sets meanwhile
        self._told = self._blind = False
        self._set(self._asked.share if self._asked else share)

    def _set(self, share: int) -> None:
        """Send ``share`` to the new version, and count from here on."""
        work, self.share = self._work, share
        key = f"deploy/by-hand/{self._asked.id}" if self._asked else self._key
        cutover.shift(work, work.do, work.version, self._slot, share, key)
        work.write_down(by_hand.AT, share)
        work.say(f"{share} % of new requests go to {work.version.name}.")
        self._counted: dict[str, Counted] = {}
        self._last, self._began = self._look(), time.monotonic()

    def held(self) -> Held:
        """Hold the share until it can be judged, and by whom the runbook wants; return how it was passed."""
        while True:
            # a canary changes nothing for minutes: nothing else would tell it that it lost the lease
            renewed(self._work.id)
            judged, told, few = self._judged()
            if judged.step == "breach":  # before what a person asks for, who has not seen that yet
                raise BreachError(
                    f"With {self.share} % of the users, {judged.reason}.",
                    state="The old version is put back now.",
                    next="The run's log shows each share and what it was judged by.",
                )
            if (asked := by_hand.taken(self._work)) is not None and (passed := self._done(asked, told)) is not None:
                return self._passed(passed)
            if judged.step == "on" and not self._waits(judged):
                return self._passed(Held(self.share, told, judged.reason))
            if few:
                raise VerificationError(
                    f"With {self.share} % of the users it could not be judged: {judged.reason}, for {self._wanted.wait:.0f} s.",
                    next="Release when there is traffic, lower `canary.min_requests`, or use `strategy: blue_green`.",
                )
            time.sleep(EVERY_SECONDS)

    def _look(self) -> dict[str, Counted] | None:
        """Return what is counted now; None if who sends the users does not answer: that is no evidence against a version."""
        try:
            seen = dict(self._work.cutover.counted(self._work.do))
        except CancelledError:
            raise
        except (ActionError, ObservationError) as error:
            if not self._blind:
                self._work.say(
                    f"{self.share} % is held: nobody can be asked what was answered. {error.what}", level="warning"
                )
            self._blind = True
            return None
        self._blind = False
        return seen

    def _judged(self) -> tuple[Judged, str, bool]:
        """Return the verdict, what the share really was, and whether it was waited for requests for long enough."""
        now, held = self._look(), time.monotonic() - self._began
        wanted = self._wanted
        if now is not None:
            # look by look: a router that is started anew between two of them counts from nothing
            for name, counted in now.items() if self._last is not None else ():
                more = since(counted, (self._last or {}).get(name, Counted()))
                self._counted[name] = self._counted.get(name, Counted()) + more
            self._last = now
        new = self._counted.get(self._slot, Counted())
        others = [name for name in self._counted if name != self._slot]
        old = sum((self._counted[name] for name in others), Counted())
        before = sum((self._past.get(name, Counted()) for name in others), Counted())
        late = held >= max(wanted.wait, wanted.hold)
        if now is None:
            return Judged("hold", "who sends the users does not answer"), measured(new, old), late
        return judge(new, old, before, wanted, held), measured(new, old), late and new.requests < wanted.min_requests

    def _waits(self, judged: Judged) -> bool:
        """Return whether a person has to decide at this share; they are told once."""
        if not self._manual:
            return False
        if not self._told:
            self._told, release = True, self._work.release
            where = f"{release.system}/{release.environment}"
            text = (
                f"{where}: {self.share} % of the users have {release.ref}, and a person decides: {judged.reason}. "
                f"`runwright canary {where} on`, `promote` or `back`."
            )
            self._work.say(text, level="warning")
            notify(self._work, text)
        return True

    def _done(self, asked: by_hand.Asked, told: str) -> Held | None:
        """Do what a person asks for; return how the share was passed, None if it is held on. Raise BreachError to go back."""
        match asked.what:
            case "back":
                raise BreachError(
                    f"With {self.share} % of the users, {asked}.", state="The old version is put back now."
                )
            case "share":
                self._asked = asked
                self._set(asked.share)
                return None
            case _:
                return Held(self.share, told, str(asked), promoted=asked.what == "promote")

    def _passed(self, held: Held) -> Held:
        if self._asked is not None:
            self._work.write_down(by_hand.PASSED, self._asked.id)
        return held
