"""What every cutover must do, on a platform and with a router where it needs one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from runwright.cutovers.shape import ALL, Cutover
from runwright.engine.actions import Do
from runwright.platforms.shape import Going
from runwright.testing.conformance.router import asked
from runwright.testing.conformance.trial import (
    FIRST,
    SECOND,
    Conformance,
    Trial,
    changes,
    changes_nothing,
    keeps_its_plan,
    only_reads,
)
from runwright.testing.direct import Direct
from runwright.versions import Version


@dataclass(frozen=True)
class CutoverCase:
    """A cutover to be tried, in a place where nothing of its system runs.

    make: a new one for that place. versions: two that are built, and not prepared; each answers at its door with its commit.
    reached: asks as a client does, and returns the commit of the version that answered, "" if none did. outside, check_out:
    as in a PlatformCase.
    """

    make: Callable[[], Cutover]
    versions: tuple[Version, Version]
    reached: Callable[[], str]
    outside: Callable[[], object] = lambda: None
    check_out: Callable[[Version], object] = lambda _: None

    def look(self) -> object:
        """Return what is to be seen of the place."""
        return self.reached(), only_reads(self.make().platform.observe), self.outside()

    def look_at_all(self) -> object:
        """Return what is to be seen of the place, whoever of two versions answers."""
        return only_reads(self.make().platform.observe), self.outside()

    def prepared(self, number: int) -> Version:
        """Return a version, prepared."""
        self.check_out(self.versions[number])
        return self.make().platform.prepare(Direct(), self.versions[number], "prepare")

    def release(self, number: int, release_id: str, previous: Version | None = None, key: str = "deploy") -> Release:
        """Return a release of a version, which has chosen where it goes."""
        version = self.prepared(number)
        slot = only_reads(lambda do: self.make().candidate(do, ""))
        assert only_reads(lambda do: self.make().candidate(do, slot)) == slot, "it has chosen, and chooses again"
        return Release(self, version, slot, release_id, previous, key)

    def runs(self, version: Version) -> list[str]:
        """Return the slots in which ``version`` runs."""
        wanted = self.make().platform.expected(version)
        running = only_reads(self.make().platform.observe).running
        return sorted({f.slot for f in running if wanted.get(f.service) == f.identity and f.commit == version.commit})


@dataclass(frozen=True)
class Release:
    """A release that cuts over: what it does, as functions of ``do``."""

    case: CutoverCase
    version: Version
    slot: str
    id: str
    previous: Version | None
    key: str

    def going(self) -> Going:
        """Return it as a cutover needs to know it: it is asked for real, also where only a plan is written."""
        return Going(self.id, Direct(), previous=self.previous)

    def stage(self, do: Do) -> None:
        """Start it beside what serves."""
        self.case.make().stage(do, self.version, self.slot, self.going(), self.key)

    def shift(self, do: Do, share: int = ALL) -> None:
        """Send it the users, or a share of them."""
        self.case.make().shift(do, self.version, self.slot, self.going(), self.key, share)

    def grow(self, do: Do, share: int) -> None:
        """Start what a share needs."""
        self.case.make().grow(do, self.version, self.slot, self.going(), self.key, share)

    @property
    def shares(self) -> tuple[int, ...]:
        """The shares that it gets one after the other, the last one all; all at once where nothing serves."""
        found = only_reads(lambda do: self.case.make().shares_of(do, self.version, self.slot, self.id))
        return found if self.previous is not None else (ALL,)

    def forward(self, do: Do) -> None:
        """Do it all, share by share where more is started for each."""
        self.stage(do)
        now = only_reads(self.case.make().shares).get(self.slot, 0)
        for share in self.shares if self.case.make().grows else (ALL,):
            if share >= now:
                self.grow(do, share)
                self.shift(do, share)

    def back(self, do: Do) -> None:
        """Send the users back to the version before."""
        assert self.previous is not None
        cutover = self.case.make()
        home = cutover.home(do, self.previous, self.slot)
        cutover.at_once(do, self.previous, home, "back")
        cutover.back(do, self.previous, home, self.going(), "back")

    def served(self) -> Release:
        """Do it all."""
        self.forward(Direct())
        return self


class CutoverConformance(Conformance):
    """Override ``case``."""

    @pytest.fixture
    def case(self) -> CutoverCase:
        """The cutover to be tried."""
        raise NotImplementedError

    def test_the_first_release_is_served(self, case: CutoverCase) -> None:
        """Nobody was sent anywhere before; then users reach it, by changes that are made once."""
        assert not case.reached()
        first = case.release(0, FIRST)
        assert changes(first.forward, "deploy")
        _serves(case, first)
        changes_nothing(first.shift, case.look)

    def test_staging_moves_no_user(self, case: CutoverCase) -> None:
        """What is beside is asked at its door, and users stay where they are; where there is no beside, nothing happens."""
        first = case.release(0, FIRST).served()
        second = case.release(1, SECOND, first.version, "next")
        keys = changes(second.stage, "next")
        assert case.reached() == first.version.commit
        assert only_reads(lambda do: case.make().served(do)) == first.slot
        door = only_reads(lambda do: case.make().door(do, second.slot))
        assert bool(keys) == (door is not None) == case.make().stages
        if door is not None:
            assert second.slot != first.slot
            assert asked(door.url) == second.version.commit
            assert case.runs(second.version) == [second.slot]

    def test_the_next_version_gets_the_users_and_the_one_before_gets_them_back(self, case: CutoverCase) -> None:
        """All users, both ways, by changes that are made once. What is kept warm needs no start on the way back."""
        first = case.release(0, FIRST).served()
        second = case.release(1, SECOND, first.version, "next").served()
        _serves(case, second)
        changes_nothing(second.shift, case.look)
        assert bool(case.runs(first.version)) == case.make().warm == only_reads(case.make().kept_warm)
        home = only_reads(lambda do: case.make().home(do, first.version, second.slot))
        assert home == first.slot
        before = case.runs(first.version)
        changes(second.back, "back")
        _serves(case, first)
        assert not before or before == case.runs(first.version)
        changes_nothing(second.back, case.look)

    def test_what_is_kept_warm_gets_the_users_at_once_and_another_version_never(self, case: CutoverCase) -> None:
        """The way back may lead past the version that is kept warm: nobody is sent to that one on the way."""
        first = case.release(0, FIRST).served()
        second = case.release(1, SECOND, first.version, "next").served()
        only_reads(lambda do: case.make().at_once(do, second.version, first.slot, "past"))
        _serves(case, second)
        sent = changes(lambda do: case.make().at_once(do, first.version, first.slot, "back"), "back")
        assert bool(sent) == case.make().warm
        _serves(case, first if sent else second)

    def test_each_share_on_the_way_is_absolute_and_told_and_all_go_back_at_once(self, case: CutoverCase) -> None:
        """The last rung is all. While two share the users neither is retired, and it is the old version that serves."""
        first = case.release(0, FIRST).served()
        second = case.release(1, SECOND, first.version, "next")
        rungs = second.shares
        assert rungs[-1] == ALL
        assert list(rungs) == sorted(set(rungs))
        second.stage(Direct())
        for share in rungs[:-1]:
            second.grow(Direct(), share)
            assert changes(partial(second.shift, share=share), "next")
            changes_nothing(partial(second.shift, share=share), case.look_at_all)
            assert only_reads(case.make().shares) == {first.slot: ALL - share, second.slot: share}
            assert only_reads(lambda do: case.make().served(do)) == first.slot
            only_reads(lambda do: case.make().retire(do, "retire"))
        second.back(Direct())
        _serves(case, first)
        assert only_reads(case.make().shares) == ({first.slot: ALL} if first.slot else {})

    def test_what_gets_no_users_is_retired_and_can_be_gone_back_to(self, case: CutoverCase) -> None:
        """What serves stays; a version that was retired is started again where it is gone back to."""
        first = case.release(0, FIRST).served()
        second = case.release(1, SECOND, first.version, "next").served()
        changes(lambda do: case.make().retire(do, "retire"), "retire")
        assert only_reads(lambda do: case.make().retire(do, "retire")), "it does not say what runs now"
        assert not only_reads(case.make().kept_warm)
        assert not case.runs(first.version)
        _serves(case, second)
        changes(second.back, "back")
        _serves(case, first)
        changes(lambda do: case.make().clear(do, first.slot, "clear"), "clear")
        only_reads(lambda do: case.make().clear(do, first.slot, "clear"))
        assert not case.runs(second.version)
        _serves(case, first)

    def test_before_the_schema_changes_what_serves_is_stopped_and_never_what_is_new(self, case: CutoverCase) -> None:
        """The old version meets no schema that it does not know; a run that is started again does not stop its own."""
        first = case.release(0, FIRST).served()
        second = case.release(1, SECOND, first.version, "next")
        case.make().darken(Direct(), second.slot)
        assert not case.runs(first.version)
        assert not case.reached()
        only_reads(lambda do: case.make().darken(do, second.slot))
        second.served()
        _serves(case, second)
        if case.make().stages:
            only_reads(lambda do: case.make().darken(do, second.slot))
            _serves(case, second)

    def test_a_first_release_that_is_taken_back_leaves_nothing_running(self, case: CutoverCase) -> None:
        """Nothing ran before it, so the way back is to stop it."""
        only_reads(lambda do: case.make().stop(do, "", "stop"))
        first = case.release(0, FIRST).served()
        changes(lambda do: case.make().stop(do, first.slot, "stop"), "stop")
        only_reads(lambda do: case.make().stop(do, first.slot, "stop"))
        assert not case.runs(first.version)
        assert not case.reached()

    def test_it_says_when_users_are_not_served(self, case: CutoverCase) -> None:
        """The plan asks, whatever the release."""
        for first in (True, False):
            for stops in (True, False):
                assert case.make().downtime(needs_stop=stops, first=first)

    def test_the_plan_is_what_is_done(self, case: CutoverCase) -> None:
        """Every change is told before it is made, or it is told what the rest depends on."""
        first = case.release(0, FIRST)
        assert keeps_its_plan(first.forward, case.look)
        second = case.release(1, SECOND, first.version, "next")

        def forward(do: Do) -> None:
            going, shares = Going(SECOND, Direct(), first.version), second.shares if case.make().grows else (ALL,)
            case.make().stage(do, second.version, second.slot, going, "next")
            for share in shares:
                case.make().grow(do, second.version, second.slot, going, "next", share)
                case.make().shift(do, second.version, second.slot, going, "next", share)

        assert keeps_its_plan(forward, case.look)
        _serves(case, second)

    def test_killed_at_every_change_it_comes_right_when_it_is_repeated(self, case: CutoverCase, trial: Trial) -> None:
        """Another process that does the same again ends where an undisturbed one would have, forwards and back."""
        self._life(case, trial, trial.killed_at_every_change)

    def test_failed_at_every_change_it_comes_right_when_it_is_repeated(self, case: CutoverCase, trial: Trial) -> None:
        """A change that failed, or seemed to, is no reason to be lost."""
        self._life(case, trial, trial.failed_at_every_change)

    def _life(self, case: CutoverCase, trial: Trial, disturbed: Callable[[Callable[[Do], object]], None]) -> None:
        first = case.release(0, FIRST).served()
        second = case.release(1, trial.id, first.version, "next")
        disturbed(second.forward)
        _serves(case, second)
        disturbed(second.back)
        _serves(case, first)


def _serves(case: CutoverCase, release: Release) -> None:
    """Fail unless users reach that release, and the cutover says so."""
    assert case.reached() == release.version.commit
    assert only_reads(lambda do: case.make().served(do)) == release.slot
    assert release.slot in case.runs(release.version)
