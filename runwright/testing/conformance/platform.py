"""What every platform must do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from runwright.engine.actions import Action, Command, Do, Output, WriteFile
from runwright.errors import ActionError, InDoubtError, RunwrightError
from runwright.platforms.shape import Kept
from runwright.runbook.drill import BREAKS
from runwright.testing.conformance.platform_case import JOB_SECONDS, PlatformCase, as_kept
from runwright.testing.conformance.trial import (
    FIRST,
    SECOND,
    THIRD,
    Conformance,
    Trial,
    changes,
    changes_nothing,
    keeps_its_plan,
    only_reads,
)
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version

WORD = "runwright-conformance"


class PlatformConformance(Conformance):
    """Override ``case``. Each rule is tried in a place of its own."""

    @pytest.fixture
    def case(self) -> PlatformCase:
        """The platform to be tried."""
        raise NotImplementedError

    def test_where_nothing_runs_nothing_is_seen_and_nothing_is_to_be_stopped(self, case: PlatformCase) -> None:
        """A place that was never used is no error; there is nothing to adopt in it either."""
        assert not case.observed().running
        platform = case.make()
        for slot in case.slots:
            assert only_reads(partial(platform.upstream, slot=slot), case.look) is None
            only_reads(partial(platform.stop, slot=slot, prefix="stop"), case.look)
        assert only_reads(lambda do: platform.adopt(do, "adopt"), case.look) is None

    def test_preparing_starts_nothing_and_is_done_once(self, case: PlatformCase) -> None:
        """It gives back what the ledger can keep, and what the version is known by."""
        case.check_out(case.versions[0])
        changes(lambda do: case.make().prepare(do, case.versions[0], "prepare"), "prepare")
        assert not case.observed().running
        version = changes_nothing(lambda do: case.prepared(do, 0, "prepare"), case.look)
        assert changes_nothing(lambda do: case.make().prepare(do, version, "prepare"), case.look) == version
        assert case.make().expected(version), "nothing is known of what it should look like when it runs"

    def test_a_version_whose_artifact_is_missing_is_not_prepared(self, case: PlatformCase) -> None:
        """What is missing is found out before anything is stopped for it."""
        gone = tuple(Artifact(a.component, _other(a.reference), _other(a.identity)) for a in case.versions[0].artifacts)
        with pytest.raises(ActionError):
            case.make().prepare(Direct(), replace(case.versions[0], artifacts=gone), "prepare")
        assert not case.observed().running

    def test_what_is_started_is_seen_and_is_started_once(self, case: PlatformCase) -> None:
        """It runs, is what was asked for, is healthy, and carries its release; asked for again it stays as it is."""
        slot = case.slots[0]
        version = case.prepared(Direct(), 0, "deploy")
        changes(lambda do: case.make().start(do, version, slot, "deploy", FIRST), "deploy")
        _runs(case, version, slot, FIRST)
        before = case.running(slot)
        for release, keep in ((FIRST, False), (SECOND, False), (SECOND, True)):
            do = Direct()
            case.make().start(do, version, slot, "again", release, keep=keep)
            assert case.running(slot) == before, f"what ran was replaced, by {do.keys}"
        if case.make().slots:
            upstream = only_reads(lambda do: case.make().upstream(do, slot), case.look)
            assert upstream is not None
            assert upstream.slot == slot

    def test_reading_changes_nothing(self, case: PlatformCase) -> None:
        """Whatever is asked of what runs."""
        version = case.started(0, case.slots[0])
        names = [fact.instance for fact in case.observed().running]
        service = case.running(case.slots[0])[0].service

        def everything(do: Do) -> None:
            platform = case.make()
            for slot in case.slots:
                platform.upstream(do, slot)
                platform.process(do, slot)
                platform.ours_to_start(do, slot)
            platform.others(do)
            platform.beside(do, version)
            platform.claims(do)
            platform.is_new(do, service)
            assert set(platform.usage(do, names) or ()) <= set(names)
            platform.keys_seen(do, service)
            platform.printed(do, FIRST)
            list(platform.variables(do, [version]))
            list(platform.carried(do, ["PATH"]))

        only_reads(everything, case.look)

    def test_another_version_is_started_beside_the_first_or_in_its_place(self, case: PlatformCase) -> None:
        """Two slots do not touch each other; where there is one place, the first version comes back to it by its name."""
        first, *more = case.slots
        one, two = case.started(0, first), case.started(1, (more or [first])[0], SECOND, "next")
        if more:
            _runs(case, two, more[0], SECOND)
            _runs(case, one, first, FIRST)
            case.make().stop(Direct(), more[0], "retire")
            assert not case.running(more[0])
            _runs(case, one, first, FIRST)
            return
        _runs(case, two, first, SECOND)
        changes(lambda do: case.make().start(do, one, first, "back", SECOND, keep=True), "back")
        _runs(case, one, first)

    def test_what_is_stopped_runs_no_more_and_can_be_started_again(self, case: PlatformCase) -> None:
        """Stopping is done once. A journal that has settled the first start does not keep the second one from happening."""
        slot = case.slots[0]
        version = case.started(0, slot)
        changes(lambda do: case.make().stop(do, slot, "stop"), "stop")
        assert not case.running(slot)
        only_reads(lambda do: case.make().stop(do, slot, "stop"), case.look)
        changes(lambda do: case.make().start(do, version, slot, "back", FIRST), "back")
        _runs(case, version, slot, FIRST)

    def test_what_ended_by_itself_is_started_again_by_the_same_release(self, case: PlatformCase, trial: Trial) -> None:
        """A run that goes on after its machine came back does not take the start that it has journaled for what runs."""
        slot = case.slots[0]

        def start(do: Do) -> Version:
            version = case.prepared(do, 0, "deploy")
            case.make().start(do, version, slot, "deploy", trial.id)
            return version

        version = trial.run(start)
        case.make().stop(Direct(), slot, "by-hand")
        trial.run(start)
        _runs(case, version, slot, trial.id)

    def test_what_was_adopted_is_the_way_back(self, case: PlatformCase) -> None:
        """What runs is told as a version, and can be started again when it is gone."""
        slot = case.slots[0]
        version = case.started(0, slot)
        before = case.observed()
        found = case.make().adopt(Direct(), "adopt", slot)
        assert found is not None, "it runs"
        assert found.adopted, "it does not say that it was adopted"
        adopted = as_kept(found)
        assert case.observed() == before, "what runs is not as it was"
        assert changes_nothing(lambda do: case.make().adopt(do, "adopt", slot), case.look) == found
        assert {a.identity for a in adopted.artifacts} == {a.identity for a in version.artifacts}
        running = case.observed().identities(slot)
        case.make().stop(Direct(), slot, "stop")
        case.make().start(Direct(), adopted, slot, "back", SECOND)
        assert case.observed().identities(slot) == running

    def test_a_job_without_a_key_only_reads(self, case: PlatformCase) -> None:
        """What it prints is returned; what fails is an error."""
        version = case.prepared(Direct(), 0, "deploy")
        printed = only_reads(lambda do: case.job(do, version, *case.echo, WORD))
        assert printed.decode().split()[-1:] == [WORD]
        with pytest.raises(ActionError):
            case.job(Direct(), version, *case.fails)
        assert not case.observed().running

    def test_a_job_with_a_key_is_one_change_that_is_never_repeated(self, case: PlatformCase, trial: Trial) -> None:
        """A migration returns nothing, is waited for by who cancels, and is not tried again when nobody knows how it ended."""
        version = case.prepared(Direct(), 0, "deploy")
        do = Direct()
        assert case.job(do, version, *case.echo, WORD, key="deploy/migrate") == b""
        *files, job = do.done
        assert all(isinstance(one, WriteFile) for one in files), (
            "besides the job itself it changes more than files of ours"
        )
        assert (job.key, job.safe_point, job.repeatable, job.deadline_seconds) == (
            "deploy/migrate", True, False, JOB_SECONDS,
        )  # fmt: skip
        with pytest.raises(ActionError):
            case.job(Direct(), version, *case.fails, key="deploy/migrate")

        def ends(point: str, action: Action[Any]) -> None:
            if (point, action.key) == ("unsettled", "deploy/migrate"):
                raise KeyboardInterrupt  # as a process ends that has no time to write anything down

        with pytest.raises(KeyboardInterrupt):
            trial.run(lambda do: case.job(do, version, *case.echo, WORD, key="deploy/migrate"), ends)
        with pytest.raises(InDoubtError):
            trial.run(lambda do: case.job(do, version, *case.echo, WORD, key="deploy/migrate"))

    def test_a_program_can_be_run_where_a_service_runs_or_it_says_that_none_can(self, case: PlatformCase) -> None:
        """How a database is dumped that only containers reach."""
        case.started(0, case.slots[0])
        service = case.running(case.slots[0])[0].service
        ways = (partial(case.make().exec_argv, service), partial(case.make().inside, Direct(), service, case.slots[0]))
        for way in ways:
            try:
                words = way()
            except ActionError:
                continue
            asked: Command[bytes] = Command(says="run a program there", argv=(*words, *case.echo, WORD), parse=_stdout)
            assert Direct()(asked).decode().split()[-1:] == [WORD]

    def test_what_is_broken_on_purpose_is_put_right_by_starting_it_anew(self, case: PlatformCase) -> None:
        """In each of the ways that it names, and in no other; and it says if there is nothing to break."""
        slot, ways = case.slots[0], case.make().breaks
        for way in BREAKS:
            with pytest.raises(RunwrightError):
                case.make().inject(Direct(), slot, way, "drill")
        if not ways:
            return
        version = case.started(0, slot)
        for way in sorted(ways):
            broken = partial(case.make().inject, slot=slot, by=way, prefix=f"drill/{way}")
            assert changes(broken, f"drill/{way}")
            case.make().start(Direct(), version, slot, f"mend/{way}", SECOND, anew=True)
            _runs(case, version, slot)

    def test_tidying_keeps_what_is_needed(self, case: PlatformCase) -> None:
        """What runs, and what can be started again, is still there; tidied again there is nothing to do."""
        slot = case.slots[0]
        one = case.started(0, slot)
        case.make().stop(Direct(), slot, "stop")
        two = case.started(1, slot, SECOND, "next")
        commits, both = frozenset({one.commit, two.commit}), [*one.artifacts, *two.artifacts]
        kept = Kept(commits, frozenset({FIRST, SECOND}), frozenset(a.identity for a in both))
        before = case.observed()
        changes(lambda do: case.make().tidy(do, kept, "tidy"), "tidy")
        only_reads(lambda do: case.make().tidy(do, kept, "tidy"), case.look)
        assert case.observed() == before
        case.make().stop(Direct(), slot, "stop")
        case.make().start(Direct(), as_kept(case.make().prepare(Direct(), one, "back")), slot, "back", THIRD)
        _runs(case, one, slot)

    def test_the_plan_is_what_is_done(self, case: PlatformCase) -> None:
        """Every change of a release is told before it is made, or it is told what the rest depends on."""
        slot = case.slots[-1]
        case.started(0, case.slots[0])
        version = case.prepared(Direct(), 1, "prepare")

        def deploy(do: Do) -> None:
            platform = case.make()
            platform.start_dependencies(do, version, "deploy")
            platform.start(do, version, slot, "deploy", SECOND)

        assert keeps_its_plan(deploy, case.look)
        assert keeps_its_plan(lambda do: case.make().stop(do, slot, "stop"), case.look)

    def test_killed_at_every_change_it_comes_right_when_it_is_repeated(self, case: PlatformCase, trial: Trial) -> None:
        """Another process that does the same again ends where an undisturbed one would have."""
        self._life(case, trial, trial.killed_at_every_change)

    def test_failed_at_every_change_it_comes_right_when_it_is_repeated(self, case: PlatformCase, trial: Trial) -> None:
        """A change that failed, or seemed to, is no reason to be lost."""
        self._life(case, trial, trial.failed_at_every_change)

    def _life(self, case: PlatformCase, trial: Trial, disturbed: Callable[[Callable[[Do], object]], None]) -> None:
        slot = case.slots[0]

        def deploy(do: Do) -> None:
            version = case.prepared(do, 0, "deploy")
            platform = case.make()
            platform.start_dependencies(do, version, "deploy")
            platform.start(do, version, slot, "deploy", trial.id)

        disturbed(deploy)
        _runs(case, case.prepared(Direct(), 0, "deploy"), slot, trial.id)
        disturbed(lambda do: case.make().stop(do, slot, "stop"))
        assert not case.running(slot)


def _runs(case: PlatformCase, version: Version, slot: str, release_id: str | None = None) -> None:
    """Fail unless ``slot`` runs exactly ``version``, healthy, and started by that release."""
    observed = case.observed()
    assert observed.identities(slot) == case.make().expected(version)
    for fact in case.running(slot):
        assert fact.healthy is not False, f"{fact.instance} is not healthy"
        assert fact.commit == version.commit, f"{fact.instance} carries another commit"
        assert release_id in (None, fact.release), f"{fact.instance} carries another release"
        assert not case.make().strange(version, fact)


def _other(text: str) -> str:
    """Return ``text`` with other digits and letters at its end: what is called so is not there."""
    return text[:-6] + "".join("0" if letter != "0" else "1" for letter in text[-6:])


def _stdout(output: Output) -> bytes:
    return output.stdout
