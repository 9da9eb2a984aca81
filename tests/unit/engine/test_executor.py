"""What the executor promises: intent before each change, outcome after it, nothing twice, nothing without a lease."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Action, Branch, Command, Do, Read, Spawn, Stop, Together, Wait, WriteFile
from runwright.engine.effects.processes import alive
from runwright.engine.executor import Executor, no_faults
from runwright.engine.performer import Performer
from runwright.engine.recovery import end_or_await, still_running
from runwright.errors import ActionError, FencedError, InDoubtError, LapsedError, LedgerError, RefusedError
from runwright.ledger import Ledger
from runwright.ledger.journal import Journal
from runwright.ledger.states import ReleaseState
from tests.fixtures.ledgers import PassTime


@pytest.fixture
def journal(ledger: Ledger) -> Journal:
    return ledger.journal(opened(ledger))


def opened(ledger: Ledger) -> str:
    release = ledger.releases.open(
        "shop", "test", "v1", procedure="deploy", run_id="run-1", runbook={}, parameters={}, deployer="somebody"
    )
    return release.id


def touch(path: Path, key: str = "touch", **more: Any) -> Command[None]:
    return Command(says=f"make {path.name}", key=key, argv=("sh", "-c", 'echo x >> "$0"', str(path)), **more)


def states(journal: Journal) -> list[tuple[str, int, str]]:
    return [(e.key, e.attempt, e.state) for e in journal.entries()]


def test_a_change_is_intended_done_and_settled_once(journal: Journal, tmp_path: Path) -> None:
    """Given a change that is asked for three times, it is done once."""
    do = Executor(journal, Performer())
    for _ in range(3):
        do(touch(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "x\n"
    assert states(journal) == [("touch", 1, "done")]


def test_a_lease_that_only_lapsed_is_renewed_before_the_change(
    ledger: Ledger, pass_time: PassTime, tmp_path: Path
) -> None:
    """The clock was set ahead, or this process slept: as long as nobody took the lease, it goes on. Once it is taken, not."""
    release_id = opened(ledger)
    journal = ledger.journal(release_id)
    who = {"holder": "a", "run_id": "run-1", "procedure": "deploy", "release_id": release_id}
    lease = ledger.leases.take("shop", "test", **who)

    def lapsed(at: str = "", action: Any = None) -> None:
        if at in ("", "before"):
            pass_time(31)

    lapsed()
    with pytest.raises(LapsedError, match="expired"):
        Executor(journal, Performer(), token=lease.token)(touch(tmp_path / "file"))
    assert states(journal) == []

    def renew() -> None:
        ledger.leases.beat(lease)

    Executor(journal, Performer(), token=lease.token, faults=lapsed, renew=renew)(touch(tmp_path / "file"))
    assert states(journal) == [("touch", 1, "done")]
    lapsed()
    ledger.leases.take("shop", "test", **{**who, "run_id": "run-2"})
    with pytest.raises(FencedError) as caught:
        Executor(journal, Performer(), token=lease.token, renew=renew)(touch(tmp_path / "file", "again"))
    assert not isinstance(caught.value, LapsedError)
    assert states(journal) == [("touch", 1, "done")]


def test_the_result_of_a_settled_change_is_the_journaled_one(journal: Journal, tmp_path: Path) -> None:
    """Given a settled Spawn, a later run gets the same process back, typed."""
    action = Spawn(says="start", key="s", argv=("sleep", "60"), log=tmp_path / "log", pid_file=tmp_path / "pid")
    first = Executor(journal, Performer())(action)
    try:
        assert Executor(journal, Performer())(action) == first
        assert alive(first)
    finally:
        Executor(journal, Performer())(Stop(says="stop", key="stop", process=first, grace_seconds=1.0))
    assert not alive(first)


def test_reads_leave_no_trace(journal: Journal) -> None:
    """Given a read, nothing is journaled."""
    assert Executor(journal, Performer())(Read(says="look", function=lambda: 42)) == 42
    assert journal.entries() == []


def test_a_failed_change_may_be_tried_again_if_it_is_repeatable(journal: Journal) -> None:
    """Given a change that failed, another try is another attempt; both are in the journal."""
    do = Executor(journal, Performer())
    action = Command(says="fail", key="f", argv=("false",))
    for _ in range(2):
        with pytest.raises(ActionError, match="exited with 1"):
            do(action)
    assert states(journal) == [("f", 1, "failed"), ("f", 2, "failed")]


def test_a_failed_change_that_may_not_be_repeated_is_refused(journal: Journal) -> None:
    """Given a migration that failed, it is not run again by itself."""
    do = Executor(journal, Performer())
    action = Command(says="migrate", key="m", argv=("false",), repeatable=False)
    with pytest.raises(ActionError, match="exited with 1"):
        do(action)
    with pytest.raises(InDoubtError, match="did not end well"):
        do(action)
    assert states(journal) == [("m", 1, "failed")]


@pytest.mark.parametrize(("repeatable", "done"), [(True, True), (False, False)])
def test_a_change_in_doubt_is_recovered_first(journal: Journal, tmp_path: Path, repeatable: bool, done: bool) -> None:
    """Given an intent without an outcome, it is done again if it may be repeated, and refused if it may not."""
    journal.intend("touch", "make file", None, repeatable=repeatable, safe_point=False)
    do = Executor(journal, Performer())
    if done:
        do(touch(tmp_path / "file"))
        assert states(journal) == [("touch", 1, "ended"), ("touch", 2, "done")]
    else:
        with pytest.raises(InDoubtError):
            do(touch(tmp_path / "file", repeatable=False))
        assert not (tmp_path / "file").exists()


def test_what_still_runs_of_a_dead_attempt_is_ended_before_it_is_repeated(journal: Journal, tmp_path: Path) -> None:
    """Given a run that died while its child went on, the child is ended before the change is done again."""
    seen: list[Any] = []

    def die(point: str, action: Action[Any]) -> None:
        if point == "during":
            seen.extend(still_running(journal.release_id, journal.entries()[-1]))
            raise KeyboardInterrupt  # as if the process were gone: no outcome is journaled

    slow = Command(says="slow", key="k", argv=("sleep", "60"), safe_point=True, deadline_seconds=0.5)
    with pytest.raises(KeyboardInterrupt):
        Executor(journal, Performer(), faults=die)(slow)
    assert alive(seen[0])
    quick = Command(says="slow", key="k", argv=("true",))
    entry = journal.entries()[-1]
    assert entry.state == "running"
    # its safe point is waited for, up to its own deadline; then it is said that it still runs
    with pytest.raises(ActionError, match="may not be interrupted"):
        Executor(journal, Performer())(quick)
    journal.fail(entry, "given up", ended=True)
    Executor(journal, Performer())(quick)
    assert states(journal)[-1] == ("k", 2, "done")
    from runwright.engine.effects.processes import end_session

    end_session(seen[0], 1.0)


def test_without_the_lease_nothing_is_intended_or_done(ledger: Ledger, tmp_path: Path) -> None:
    """Given a lease that another process took meanwhile, the change is neither journaled nor done."""
    release_id = opened(ledger)
    take = {"holder": "a", "procedure": "deploy", "release_id": release_id}
    old = ledger.leases.take("shop", "test", run_id="1", **take)
    ledger.leases.release(old)
    ledger.leases.take("shop", "test", run_id="2", **take)
    with pytest.raises(FencedError):
        Executor(ledger.journal(release_id), Performer(), token=old.token)(touch(tmp_path / "file"))
    assert not (tmp_path / "file").exists()
    assert ledger.journal(release_id).entries() == []


def test_who_slept_after_the_intent_does_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """Given a process that was stopped between the intent and the act while another took over, it does not act."""
    release_id = opened(ledger)
    take = {"holder": "a", "procedure": "deploy", "release_id": release_id}
    old = ledger.leases.take("shop", "test", run_id="1", **take)

    def sleep(point: str, action: Action[Any]) -> None:
        if point == "before":
            ledger.leases.release(old)
            ledger.leases.take("shop", "test", run_id="2", **take)

    journal = ledger.journal(release_id)
    with pytest.raises(FencedError):
        Executor(journal, Performer(), token=old.token, faults=sleep)(touch(tmp_path / "file"))
    assert not (tmp_path / "file").exists()
    assert states(journal) == [("touch", 1, "failed")]


def test_what_another_process_has_closed_is_not_done(journal: Journal, tmp_path: Path) -> None:
    """Given an entry that the recovery closed while its process slept, the change is not made, and stays closed."""

    def closed(point: str, action: Action[Any]) -> None:
        if point == "before":
            journal.fail(journal.entries()[-1], "interrupted", ended=True)

    with pytest.raises(FencedError, match="closed by another process"):
        Executor(journal, Performer(), faults=closed)(touch(tmp_path / "file"))
    assert not (tmp_path / "file").exists()
    assert states(journal) == [("touch", 1, "ended")]


def test_what_was_ended_by_who_took_over_is_no_failure_to_try_again(journal: Journal) -> None:
    """Given a program that the recovery ended, its own process hears that it was overtaken, not that its program failed."""

    def ended(point: str, action: Action[Any]) -> None:
        if point == "during":
            entry = journal.entries()[-1]
            end_or_await(journal.release_id, entry)
            journal.fail(entry, "interrupted", ended=True)

    with pytest.raises(FencedError, match="closed as ended by another process"):
        Executor(journal, Performer(), faults=ended)(Command(says="sleep", key="k", argv=("sleep", "60")))
    assert states(journal) == [("k", 1, "ended")]


def test_a_release_that_somebody_else_ended_is_not_prepared_on(ledger: Ledger, tmp_path: Path) -> None:
    """Given a process that slept while its release was abandoned, it builds nothing more: it holds no lease to be lost."""
    release_id = opened(ledger)
    do = Executor(ledger.journal(release_id), Performer())
    do(touch(tmp_path / "first", key="first"))
    ledger.releases.advance(release_id, ReleaseState.ABANDONED, "interrupted")
    with pytest.raises(FencedError, match="ended by another process: it is abandoned"):
        do(touch(tmp_path / "second", key="second"))
    assert not (tmp_path / "second").exists()
    assert states(ledger.journal(release_id)) == [("first", 1, "done")]


def test_a_guard_refuses_before_the_intent(journal: Journal, tmp_path: Path) -> None:
    """Given a guard that forbids a change, nothing of it is journaled or done."""

    def guard(action: Action[Any]) -> None:
        raise RefusedError("The router names it.")

    with pytest.raises(RefusedError):
        Executor(journal, Performer(), guard=guard)(touch(tmp_path / "file"))
    assert journal.entries() == []


@pytest.mark.parametrize(
    ("point", "kept", "made"),
    [("before", "failed", False), ("unsettled", "failed", True), ("after", "done", True)],
)
def test_a_fault_strikes_where_it_says(journal: Journal, tmp_path: Path, point: str, kept: str, made: bool) -> None:
    """Given a failure at each point, the journal and the world are what that point means."""

    def fail(at: str, action: Action[Any]) -> None:
        if at == point:
            raise ActionError("An injected fault.")

    with pytest.raises(ActionError, match="injected"):
        Executor(journal, Performer(), faults=fail)(touch(tmp_path / "file"))
    assert states(journal) == [("touch", 1, kept)]
    assert (tmp_path / "file").exists() == made


def test_nothing_is_done_while_the_ledger_is_away(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a ledger that answers only after some tries, the change is held until then, and done once."""
    monkeypatch.setattr("runwright.ledger.patience.RETRY_SECONDS", 0.01)
    real: Callable[..., Any] = journal.intend
    tries: list[bool] = []

    def flaky(*args: Any, **kw: Any) -> Any:
        tries.append((tmp_path / "file").exists())
        if len(tries) < 3:
            raise LedgerError("It is away.")
        return real(*args, **kw)

    monkeypatch.setattr(journal, "intend", flaky)
    held: list[str] = []
    Executor(journal, Performer(), says=held.append)(touch(tmp_path / "file"))
    assert tries == [False, False, False]
    assert (tmp_path / "file").read_text() == "x\n"
    assert any("holding" in sentence for sentence in held)


def test_branches_run_together_and_all_end_before_an_error_is_raised(journal: Journal, tmp_path: Path) -> None:
    """Given two branches of which one fails, the other is finished and journaled before the error arrives."""

    def good(do: Do) -> str:
        do(touch(tmp_path / "good", key="good/touch"))
        return "good"

    def bad(do: Do) -> str:
        do(Command(says="fail", key="bad/fail", argv=("false",)))
        return "bad"

    do = Executor(journal, Performer(), faults=no_faults)
    with pytest.raises(ActionError):
        do(Together(says="both", branches=(Branch(name="good", run=good), Branch(name="bad", run=bad))))
    assert (tmp_path / "good").exists()
    assert sorted(states(journal)) == [("bad/fail", 1, "failed"), ("good/touch", 1, "done")]


def test_a_branch_whose_keys_do_not_carry_its_name_is_a_mistake(journal: Journal, tmp_path: Path) -> None:
    """Given keys that two branches could share, the executor refuses them."""
    action = Together(says="one", branches=(Branch(name="a", run=lambda do: do(touch(tmp_path / "f", key="touch"))),))
    with pytest.raises(ValueError, match="branch's name"):
        Executor(journal, Performer())(action)


def test_no_secret_reaches_the_journal_or_the_error(journal: Journal) -> None:
    """Given a program that prints a secret while it fails, neither the error nor the journal holds it."""
    performer = Performer(clean=lambda text: text.replace("hunter2hunter2", "[secret password]"))
    action = Command(says="log in", key="k", argv=("sh", "-c", "echo $P >&2; exit 1"), env={"P": "hunter2hunter2"})
    with pytest.raises(ActionError) as failed:
        Executor(journal, performer)(action)
    assert "hunter2" not in str(failed.value)
    assert "[secret password]" in str(failed.value)
    assert "hunter2" not in str(journal.entries())


def test_a_file_is_written_whole_with_its_mode(journal: Journal, tmp_path: Path) -> None:
    """Given a WriteFile, the file is there with content and mode, its folder is made, and nothing is left beside it."""
    target = tmp_path / "new" / "file"
    Executor(journal, Performer())(WriteFile(says="write", key="w", path=target, content=b"data", mode=0o600))
    assert target.read_bytes() == b"data"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in target.parent.iterdir()] == ["file"]


def test_a_wait_tells_each_new_answer_once_and_nothing_when_it_is_over(journal: Journal) -> None:
    """Given a wait whose answers are sentences, whoever waits reads each as it comes, without secrets."""
    given, told = iter(["0 of 2", "0 of 2", "1 of 2, token hunter2", "2 of 2"]), list[str]()
    do = Executor(journal, Performer(clean=lambda text: text.replace("hunter2", "***")), says=told.append)
    read = Read(says="look", function=lambda: next(given))
    found = do(
        Wait(says="wait", read=read, until=lambda a: a == "2 of 2", every_seconds=0.001, tells=lambda answer: answer)
    )
    assert found == "2 of 2" and told == ["0 of 2", "1 of 2, token ***"]
