"""Two places: the new version runs beside the old one, and a router sends users to one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from runwright.cutovers.shape import ALL, DRAIN_KEY, Cutover
from runwright.engine.actions import Do, Read
from runwright.errors import InputError, VerificationError
from runwright.platforms.shape import Going, Platform, ServiceFact
from runwright.routers.shape import Router
from runwright.traffic import Counted, Upstream
from runwright.versions import Version


class BlueGreen(Cutover):
    """The new version is started beside the old one, and the router sends users to one of the two."""

    strategy: ClassVar[str] = "blue_green"
    stages: ClassVar[bool] = True
    warm: ClassVar[bool] = True

    def __init__(self, platform: Platform, router: Router | None, rungs: Sequence[int] = ()) -> None:  # noqa: ARG002
        if router is None or len(platform.slots) < 2:
            raise InputError(
                f"{self.strategy} needs a router, and a platform that can run two versions side by side.",
                next="Name a `router` in the environment, or another `strategy`.",
            )
        super().__init__(platform)
        self.router = router

    def candidate(self, do: Do, chosen: str) -> str:
        """Return the slot that the router does not send users to."""
        if chosen:
            return chosen
        first, second = self.platform.slots[:2]
        live = self.router.target(do)
        if live is None:
            return second if self.platform.plain(do, running=False) else first
        return self._beside(live.slot)

    def stage(self, do: Do, version: Version, slot: str, going: Going, key: str) -> None:
        """Start ``version`` in ``slot``; what ran there before is stopped first, but never what this release has started."""
        self._enter(do, going, f"{key}/enter")
        if not self._staged(version, slot, going):
            self.platform.stop(do, slot, f"{key}/clear")
        self.platform.start(do, version, slot, key, going.release_id, anew=going.anew)
        self._stands_for_a_look(do, going, f"{key}/router")

    def _staged(self, version: Version, slot: str, going: Going) -> bool:
        """Return whether what runs in ``slot`` is what this release has started there."""
        wanted, running = self.platform.expected(version), self.platform.observe(going.reads).running
        there = [fact for fact in running if fact.slot == slot]
        return bool(there) and all(
            (fact.release, fact.identity) == (going.release_id, wanted.get(fact.service)) for fact in there
        )

    def _enter(self, do: Do, going: Going, key: str) -> None:
        """Move what serves as it did before there were slots into the first one, with the router before it: once."""
        if going.previous is None or not self.platform.plain(do):
            return
        slot = self.platform.slots[0]
        self.platform.start(do, going.previous, slot, key, going.release_id)
        self._take_over(do, going.previous, slot, key)

    def _take_over(self, do: Do, version: Version, slot: str, key: str) -> None:
        """Send the users to ``version`` in ``slot``, and end what may still run of it from before there were slots."""
        if (
            self.router.target(do) is None
        ):  # from when way is made until it listens nobody is served: it has but to be started then
            self.router.make_ready(do, f"{key}/router")
        self.platform.make_way(do, key)
        self._send(do, slot, key)
        self.platform.leave(do, version, key)

    def door(self, do: Do, slot: str) -> Upstream:
        """Return where ``slot`` serves, for us."""
        return self.router.door(do, slot) or self._serves(do, slot)

    def _serves(self, do: Do, slot: str) -> Upstream:
        found = self.platform.upstream(do, slot)
        if found is None:
            raise VerificationError(f"Nothing serves in {slot}.", next="`runwright status` shows what runs.")
        return found

    def _send(self, do: Do, slot: str, key: str, going: Going | None = None) -> int | None:
        """Let the router send every new request to ``slot``; if it is only started now, from its first one on."""
        to = self._serves(do, slot)
        self._stands(do, to, f"{key}/router", going)
        return self.router.switch(do, to, f"{key}/switch")

    def _stands(self, do: Do, first: Upstream, key: str, going: Going | None = None) -> None:
        """Let the router run. Where it was started to take over from what ran before there were slots, or for a look at a candidate, a
        plan has said so."""
        if going is not None and self.platform.plain(going.reads):
            return
        if going is not None and self._planned(do, going):
            self.router.begin_with(do, first, key)
            return
        self.router.ensure(do, key, first)

    def _planned(self, do: Do, going: Going) -> bool:
        """Return whether this is a plan which has said already that the router is started."""
        plans = do(Read(says="see whether this is a plan", function=lambda: False, assume=True))
        return plans and self.platform.stand() is not None and not self.router.facts(going.reads).running

    def _stands_for_a_look(self, do: Do, going: Going, key: str) -> None:
        """Let the router run where it is the only way to a candidate, and nobody is served meanwhile."""
        if self.platform.stand() is None or self.platform.plain(going.reads):
            return  # a plan does not see that what it enters by has made it run
        if self.router.target(do) is None:
            self.router.ensure(do, key)

    def shift(self, do: Do, version: Version, slot: str, going: Going, key: str, share: int = ALL) -> int | None:  # noqa: ARG002
        """Let the router send every new request to ``slot``, and replace what does not run in slots."""
        left = self._send(do, slot, key, going)
        self._rest(do, version, going, key)
        return left

    def _rest(self, do: Do, version: Version, going: Going, key: str) -> None:
        """Replace what does not run in slots, and see to what is there from before there were any."""
        self.platform.replace_others(do, version, key, going.release_id, anew=going.anew)
        if going.previous is not None:
            self.platform.leave(do, going.previous, key)  # what was stopped for migrations from before there were slots
        else:
            self.platform.start_rest(do, version, key)

    def served(self, do: Do) -> str | None:
        """Return the slot that the router names."""
        target = self.router.target(do)
        if target is None:
            return "" if self.platform.plain(do) else None
        return target.slot

    def shares(self, do: Do) -> Mapping[str, int]:
        """Return the percentages of the new requests by slot, as the router says."""
        facts = self.router.facts(do)
        return facts.shares or ({facts.serving.slot: ALL} if facts.serving is not None else {})

    def counted(self, do: Do) -> Mapping[str, Counted]:
        """Return what the router counted by slot."""
        return self.router.counted(do)

    def traffic(self, do: Do) -> list[str | int] | None:
        """Return the slot and the port that the router names, and the shares if two have one."""
        target = self.router.target(do)
        shares = sorted(self.router.facts(do).shares.items())
        return [target.slot, target.port, *(word for one in shares for word in one)] if target is not None else None

    def home(self, do: Do, previous: Version, own: str) -> str:
        """Return the slot in which ``previous`` runs, or ran last; else the one beside ``own``. "": it serves as it did before
        there were slots, and never left that."""
        live = self.router.target(do)
        if live is None and self.platform.plain(do):
            return ""
        wanted = set(self.platform.expected(previous).values())
        named = live.slot if live is not None else ""  # it was stopped in that slot, if migrations asked for it
        for fact in sorted(self.platform.observe(do).services, key=lambda f: (not f.running, f.slot != named)):
            # what this release started may be of the same commit: a drill, or a version that was released again
            if (
                fact.slot in self.platform.slots
                and fact.slot != own
                and fact.identity in wanted
                and fact.commit == previous.commit
            ):
                return fact.slot
        return self._beside(own or self.platform.slots[0])

    def _beside(self, slot: str) -> str:
        first, second = self.platform.slots[:2]
        return second if slot == first else first

    def at_once(self, do: Do, previous: Version, slot: str, key: str) -> None:
        """Let the router send every new request to ``slot``, if nothing but ``previous`` runs there, and is not sick."""
        wanted = self.platform.expected(previous)
        there = [fact for fact in self.platform.observe(do).running if fact.slot == slot]
        if not there or not all(_is_of(fact, previous, wanted) and fact.healthy is not False for fact in there):
            return  # a version between the two may run there: users stay where they are until it is replaced
        to = self.platform.upstream(do, slot)
        if to is not None and self.router.facts(do).running:
            self.router.switch(do, to, f"{key}/switch")

    def back(self, do: Do, previous: Version, slot: str, going: Going, key: str) -> None:
        """Start ``previous`` where it does not run, and let the router send every new request there. A release that was broken off
        while it moved what ran before there were slots has left some of it: it is ended, or serves on as it did."""
        if not slot:
            self.clear(do, slot, key)
            return
        self.platform.start(do, previous, slot, key, going.release_id, keep=True)
        self._take_over(do, previous, slot, key)
        self.platform.replace_others(do, previous, key, going.release_id, keep=True, anew=going.anew)

    def clear(self, do: Do, slot: str, key: str) -> None:
        """Stop the other slots."""
        for other in self.platform.slots:
            if other != slot:
                self.platform.stop(do, other, key)

    def darken(self, do: Do, own: str) -> None:
        """Stop both colours, first the one that serves, then one that is kept as a warm way back; but never ``own``."""
        live = self.router.target(do)
        for slot in sorted(self.platform.slots, key=lambda slot: live is None or slot != live.slot):
            if slot != own:
                self.platform.stop(do, slot, DRAIN_KEY)
        self.platform.stop_beside(do, DRAIN_KEY)

    def stop(self, do: Do, slot: str, key: str) -> None:
        """Stop what runs in ``slot``."""
        if slot:
            self.platform.stop(do, slot, key)

    def retire(self, do: Do, key: str) -> str:
        """Stop the slots that the router does not name: neither now, nor after a restart."""
        serving = self.router.facts(do).named
        for slot in self.platform.slots:
            if slot not in serving:
                self.platform.stop(do, slot, key)
        return f"only {' and '.join(sorted(serving))} runs now"

    def kept_warm(self, do: Do) -> bool:
        """Return whether anything runs in a slot that the router does not name."""
        serving = self.router.facts(do).named
        return any(fact.slot not in serving for fact in self.platform.observe(do).running)

    def downtime(self, *, needs_stop: bool, first: bool) -> str:
        """Return when users are not served."""
        if needs_stop and not first:
            return "from the first migration until the new version serves: the old version may not run meanwhile"
        return "none"

    def announce(self, do: Do, key: str) -> None:
        """Let the router refuse changes of whoever has an older lease."""
        self.router.announce(do, key)


def _is_of(fact: ServiceFact, version: Version, wanted: Mapping[str, str]) -> bool:
    """Return whether an instance is one of ``version``. wanted: {service: identity}."""
    return fact.commit == version.commit and fact.identity == wanted.get(fact.service)
