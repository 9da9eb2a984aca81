"""What every router must do."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runwright.engine.actions import Do
from runwright.errors import ActionError, FencedError, InputError, VerificationError
from runwright.routers.shape import Router, RouterFacts
from runwright.runbook.drill import BREAKS
from runwright.testing.conformance.trial import Conformance, Trial, changes, keeps_its_plan, only_reads
from runwright.testing.direct import Direct
from runwright.traffic import LOOPBACK, Upstream

ASK_SECONDS = 10.0
MANY = 60  # requests: of a quarter of them none is seen once in thirty million times


@dataclass(frozen=True)
class RouterCase:
    """A router to be tried, in a place where it never ran.

    make: a new driver of that place, under the lease with this token, or under none. upstreams: two places that answer
    every request with the name of their slot; default: two of this machine that the suite makes. reached: asks as a client
    does, and returns the slot that answered, "" if none did; default: asks the address that the router tells.
    """

    make: Callable[[int | None], Router]
    upstreams: tuple[Upstream, Upstream] | None = None
    reached: Callable[[], str] | None = None

    def facts(self) -> RouterFacts:
        """Return what a new driver sees; looking changes nothing."""
        return only_reads(self.make(None).facts)

    def ask(self) -> str:
        """Return the slot that a client reaches, "" if none."""
        return self.reached() if self.reached is not None else asked(self.facts().front)


def asked(url: str) -> str:
    """Return what ``url`` answers with status 200, "" if it does not."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ASK_SECONDS) as answer:
            return str(answer.read(1024).decode())
    except (OSError, ValueError):
        return ""


@contextmanager
def answering(slot: str) -> Iterator[Upstream]:
    """Answer every request with the name of ``slot``, on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(slot)))
            self.end_headers()
            self.wfile.write(slot.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Upstream(slot, LOOPBACK, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


class RouterConformance(Conformance):
    """Override ``case``."""

    @pytest.fixture
    def case(self) -> RouterCase:
        """The router to be tried."""
        raise NotImplementedError

    @pytest.fixture
    def both(self, case: RouterCase) -> Iterator[tuple[Upstream, Upstream]]:
        """Two places that answer."""
        if case.upstreams is not None:
            yield case.upstreams
            return
        with answering("blue") as blue, answering("green") as green:
            yield blue, green

    def test_one_that_never_ran_is_a_fact(self, case: RouterCase) -> None:
        """It is down, serves nothing and was told nothing; it can be stopped, and tells nobody what is in flight."""
        facts = case.facts()
        assert (facts.running, facts.serving, facts.written) == (False, None, None)
        assert facts.problem
        assert only_reads(case.make(None).target) is None
        only_reads(lambda do: case.make(None).stop(do, "stop"))
        with pytest.raises(ActionError):
            case.make(None).in_flight(Direct(), "blue")

    def test_it_is_started_once(self, case: RouterCase) -> None:
        """Asked for again it stays as it is; before its first target it sends nobody anywhere."""
        assert changes(lambda do: case.make(None).ensure(do, "deploy/router"), "deploy/router")
        facts = case.facts()
        assert (facts.running, facts.serving, facts.written) == (True, None, None)
        assert facts.agreed
        assert case.ask() == ""
        only_reads(lambda do: case.make(None).ensure(do, "deploy/router"))
        assert case.facts() == facts

    def test_a_switch_is_absolute_seen_and_done_once(self, case: RouterCase, both: tuple[Upstream, Upstream]) -> None:
        """Users reach what was named, at the address that they had; what is served already is not switched again."""
        case.make(None).ensure(Direct(), "router")
        fronts = set()
        for number, to in enumerate((*both, both[0])):
            key = f"switch-{number}"
            assert changes(partial(case.make(None).switch, to=to, key=key), key)
            _serves(case, to)
            fronts.add(case.facts().front)
            only_reads(partial(case.make(None).switch, to=to, key="again"))
            assert case.make(None).in_flight(Direct(), to.slot) == 0
        assert len(fronts) == 1

    def test_two_slots_share_the_requests_as_it_is_told(
        self, case: RouterCase, both: tuple[Upstream, Upstream]
    ) -> None:
        """Both are reached, both are named, it is told who has which share, also after a restart; then all go to one."""
        old, new = both
        case.make(None).ensure(Direct(), "router")
        case.make(None).switch(Direct(), old, "first")
        for share in (50, 25):
            share_it = partial(case.make(None).switch, to=new, key=f"rung-{share}", share=share, stays=old)
            assert changes(share_it, f"rung-{share}")
            only_reads(share_it)
            facts = case.facts()
            assert (facts.serving, facts.written, facts.agreed) == (old, old, True)
            assert facts.shares == facts.written_shares == {new.slot: share, old.slot: 100 - share}
            assert facts.named == {new.slot, old.slot}
            assert {case.ask() for _ in range(MANY)} == {new.slot, old.slot}
        case.make(None).stop(Direct(), "stop")
        case.make(None).ensure(Direct(), "again")
        assert case.facts().shares == {new.slot: 25, old.slot: 75}
        case.make(None).switch(Direct(), new, "all")
        _serves(case, new)
        assert {case.ask() for _ in range(MANY)} == {new.slot}

    def test_it_comes_back_with_what_it_was_told(self, case: RouterCase, both: tuple[Upstream, Upstream]) -> None:
        """Stopped, it still names who would be served; started again in the same release it serves that, at its old address."""
        do, to = Direct(), both[1]
        case.make(None).ensure(do, "router")
        case.make(None).switch(do, to, "switch")
        front = case.facts().front
        case.make(None).stop(do, "stop")
        facts = case.facts()
        assert (facts.running, facts.serving, facts.written) == (False, None, to)
        assert to.slot in facts.named, "what it would come back with may not be stopped"
        assert case.make(None).target(Direct()) == to
        assert case.ask() == ""
        only_reads(lambda do: case.make(None).stop(do, "stop"))
        case.make(None).ensure(do, "router")
        _serves(case, to)
        assert case.facts().front == front
        assert len(set(do.keys)) == len(do.keys), "a key for two changes: the journal would skip the second start"

    def test_one_that_is_down_is_not_taken_for_switched(
        self, case: RouterCase, both: tuple[Upstream, Upstream]
    ) -> None:
        """A switch that nobody can have noticed is an error; started again, it serves what it was told meanwhile."""
        case.make(None).ensure(Direct(), "router")
        case.make(None).switch(Direct(), both[0], "first")
        case.make(None).stop(Direct(), "stop")
        with pytest.raises(VerificationError):
            case.make(None).switch(Direct(), both[1], "second")
        case.make(None).ensure(Direct(), "again")
        case.make(None).switch(Direct(), both[1], "third")
        _serves(case, both[1])

    def test_a_door_leads_to_its_slot_alone(self, case: RouterCase, both: tuple[Upstream, Upstream]) -> None:
        """Whoever asks at it reaches the slot that it was asked for, whoever users reach."""
        case.make(None).ensure(Direct(), "router")
        case.make(None).switch(Direct(), both[0], "switch")
        for slot in (both[0].slot, both[1].slot):
            door = only_reads(partial(case.make(None).door, slot=slot))
            assert door is None or asked(door.url) == slot

    def test_who_lost_the_lease_moves_no_traffic(self, case: RouterCase, both: tuple[Upstream, Upstream]) -> None:
        """Once a token was announced, lower ones are refused, also after a restart; it and higher ones go on. Without a lease
        there is nothing to announce."""
        only_reads(lambda do: case.make(None).announce(do, "announce"))
        case.make(7).ensure(Direct(), "router")
        case.make(7).switch(Direct(), both[0], "first")
        case.make(7).announce(Direct(), "announce")
        only_reads(lambda do: case.make(7).announce(do, "announce"))
        for restart in (False, True):
            if restart:
                case.make(7).stop(Direct(), "stop")
                case.make(7).ensure(Direct(), "again")
            with pytest.raises(FencedError):
                case.make(6).announce(Direct(), "late")
            with pytest.raises(FencedError):
                case.make(6).switch(Direct(), both[1], "late")
            _serves(case, both[0])
        case.make(7).switch(Direct(), both[1], "same")
        _serves(case, both[1])
        case.make(8).switch(Direct(), both[0], "higher")
        _serves(case, both[0])
        with pytest.raises(FencedError):
            case.make(7).switch(Direct(), both[1], "late")

    def test_what_is_spoilt_on_purpose_ends_with_the_next_switch(
        self, case: RouterCase, both: tuple[Upstream, Upstream]
    ) -> None:
        """In the ways that it names, and in no other; one that does not run cannot be spoilt."""
        ways = case.make(None).breaks
        for way in BREAKS:
            with pytest.raises(ActionError if way in ways else InputError):
                case.make(None).inject(Direct(), both[0].slot, way, 60.0, "nothing")
        case.make(None).ensure(Direct(), "router")
        for way in sorted(ways):
            case.make(None).switch(Direct(), both[0], f"first/{way}")
            key = f"drill/{way}"
            spoil = partial(case.make(None).inject, slot=both[0].slot, by=way, seconds=60.0, key=key)
            assert changes(spoil, key)
            if way == "errors":
                assert case.ask() == ""
            case.make(None).switch(Direct(), both[1], f"back/{way}")
            _serves(case, both[1])

    def test_the_plan_is_what_is_done(self, case: RouterCase, both: tuple[Upstream, Upstream]) -> None:
        """Every change is told before it is made, or what the rest depends on; a plan is made before there is a lease."""

        def release(do: Do) -> None:
            case.make(None).ensure(do, "deploy/router")
            case.make(None).switch(do, both[0], "deploy/switch")

        assert keeps_its_plan(release, case.facts)
        _serves(case, both[0])
        assert keeps_its_plan(lambda do: case.make(None).switch(do, both[1], "next/switch"), case.facts)
        assert keeps_its_plan(lambda do: case.make(None).stop(do, "stop"), case.facts)

    def test_killed_at_every_change_it_comes_right_when_it_is_repeated(
        self, case: RouterCase, both: tuple[Upstream, Upstream], trial: Trial
    ) -> None:
        """Another process that does the same again ends where an undisturbed one would have."""
        self._life(case, both, trial.killed_at_every_change)

    def test_failed_at_every_change_it_comes_right_when_it_is_repeated(
        self, case: RouterCase, both: tuple[Upstream, Upstream], trial: Trial
    ) -> None:
        """A change that failed, or seemed to, is no reason to be lost."""
        self._life(case, both, trial.failed_at_every_change)

    def _life(
        self,
        case: RouterCase,
        both: tuple[Upstream, Upstream],
        disturbed: Callable[[Callable[[Do], object]], None],
    ) -> None:
        def release(do: Do) -> None:
            case.make(7).announce(do, "fence7/router")
            case.make(7).ensure(do, "deploy/router")
            case.make(7).switch(do, both[0], "deploy/switch")

        disturbed(release)
        _serves(case, both[0])
        disturbed(lambda do: case.make(7).switch(do, both[1], "back/switch"))
        _serves(case, both[1])
        disturbed(lambda do: case.make(7).stop(do, "stop"))
        facts = case.facts()
        assert (facts.running, facts.written) == (False, both[1])


def _serves(case: RouterCase, to: Upstream) -> None:
    """Fail unless the router says that it serves ``to``, would come back with it, and clients reach it."""
    facts = case.facts()
    assert (facts.running, facts.serving, facts.written) == (True, to, to)
    assert facts.agreed
    assert not facts.problem
    assert case.ask() == to.slot
