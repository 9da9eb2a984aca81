"""The one place where changes are made: journal, fence, deadlines, redaction, recovery and faults.

For every change, in this order: what the journal says of its key; the lease; the intent, journaled; the action; the
outcome, journaled. A key that is settled is skipped. A key in doubt (an intent without an outcome) is first recovered:
what still runs of it is ended or awaited; then it is done again if it may be repeated, and refused if it may not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Protocol, TypeVar

from runwright.engine.actions import Action, Command, Output, Process, Spawn, Together, Wait
from runwright.engine.performer import Performer
from runwright.engine.recovery import end_or_await, mark_of
from runwright.engine.there.place import LOCAL, current
from runwright.errors import FencedError, InDoubtError, LapsedError, RunwrightError, UnreachableError
from runwright.ledger.journal import OPEN, Entry, Journal
from runwright.ledger.patience import Patience

T = TypeVar("T")
Held = TypeVar("Held")


class Faults(Protocol):
    """Called at every point of every change; may raise, sleep, or end this process. For tests and drills."""

    def __call__(self, point: str, action: Action[Any]) -> None: ...


def no_faults(point: str, action: Action[Any]) -> None:
    """The ``Faults`` of production."""


def no_guard(action: Action[Any]) -> None:
    """The ``guard`` of those who have nothing to protect."""


def no_lease() -> None:
    """The ``renew`` of those who have no lease that they could renew."""


class Executor:
    """Performs actions for one release, and remembers them in its journal.

    token: the lease's fencing token; None while the release is prepared, when nothing is touched that users see.
    guard: raises RefusedError for a change that must not happen now (ending what the router names).
    says: is told every change as a sentence, before it happens.
    renew: renews the lease; raises FencedError if somebody else took it. Called if it turns out to have lapsed.
    """

    def __init__(
        self,
        journal: Journal,
        performer: Performer,
        *,
        token: int | None = None,
        faults: Faults = no_faults,
        guard: Callable[[Action[Any]], None] = no_guard,
        says: Callable[[str], None] = lambda _: None,
        renew: Callable[[], None] = no_lease,
    ) -> None:
        self._journal = journal
        self._performer = performer
        self._token = token
        self._faults = faults
        self._guard = guard
        self._says = says
        self._renew = renew
        self._kept = Patience(says)
        """Does something with the journal; while it cannot be reached, a change is held."""

    @property
    def token(self) -> int | None:
        """The lease's fencing token, for what refuses lower ones itself."""
        return self._token

    def __call__(self, action: Action[T]) -> T:
        """Perform ``action`` and return its typed result (of a change that was settled before: the journaled one).

        Raise FencedError if the lease is lost, InDoubtError if an earlier attempt may have taken effect and may not be
        repeated, LedgerError if the journal cannot be written, and whatever the action itself raises.
        """
        if isinstance(action, Wait) and action.tells is not None:
            action = self._telling(action, action.tells)
        if action.key is None or isinstance(action, Wait | Together):
            return self._performer.perform(action, self, mark_of(self._journal.release_id, "read"), lambda _: None)
        entry = self._kept(lambda: self._journal.find(action.key or ""))
        if entry is not None and entry.state == "done":
            return _typed(action, entry.result)
        if entry is not None and (left := self._recover(action, entry)) is not None:
            result = self._performer.understood(action, left)
            self._kept(lambda: self._journal.settle(entry, _plain(result)))
            return result
        self._guard(action)
        return self._change(action)

    def _telling(self, action: Wait[Any], tells: Callable[[Any], str]) -> Any:
        """Return a wait that tells each new answer as it comes."""
        told = ""

        def until(answer: Any) -> bool:
            nonlocal told
            done = action.until(answer)
            if not done and (now := tells(answer)) != told:
                told = now
                self._says(self._performer.clean_printed(now))
            return done

        return replace(action, until=until)

    def _recover(self, action: Action[Any], entry: Entry) -> Output | None:
        """End or await what still runs of an earlier attempt; return what it has left, if it was done after all."""
        if entry.state in OPEN:
            self._says(f"an earlier attempt was interrupted; first ending what still runs of it: {action.says}")
            left = end_or_await(self._journal.release_id, entry)
            if left is not None and isinstance(action, Command) and left.code in action.ok:
                return left
            self._kept(lambda: self._journal.fail(entry, "interrupted", ended=True))
        if not action.repeatable:
            raise InDoubtError(
                f"It was begun before and did not end well ({entry.error or 'interrupted'}): {action.says}.",
                state="Nobody knows how far it came; it is not repeated by itself.",
                next="`runwright status` shows what is there now; `runwright rollback` decides from it.",
            )
        return None

    def _admitted(self, use: Callable[[], Held]) -> Held:
        """Return what ``use`` returns of the journal, which asks whether the lease is held.

        If it has lapsed and nobody has taken it, this process slept, or the clock was set ahead: it is renewed, once.
        """
        try:
            return self._kept(use)
        except LapsedError:
            self._kept(self._renew)
            return self._kept(use)

    def _change(self, action: Action[T]) -> T:
        entry = self._admitted(
            lambda: self._journal.intend(
                action.key or "",
                action.says,
                self._token,
                repeatable=action.repeatable,
                safe_point=action.safe_point,
                detail=_detail(action),
            )
        )
        self._says(action.says)
        mark = mark_of(self._journal.release_id, entry.key, entry.attempt)
        process_seen = False

        def started(process: Process) -> None:
            nonlocal process_seen
            process_seen = True
            self._kept(lambda: self._journal.started(entry, process))
            self._faults("during", action)

        try:
            self._faults("before", action)
            # this process may have slept since the intent, and somebody else may have taken over and gone on
            self._admitted(lambda: self._journal.check(entry))
            self._faults("checked", action)
            result = self._performer.perform(action, self, mark, started)
            if not process_seen:
                self._faults("during", action)
            self._faults("unsettled", action)
        except RunwrightError as error:
            if isinstance(error, UnreachableError) and error.begun:
                raise  # it may still run: the entry stays open, for whoever reaches that host again
            text = self._performer.clean(error.what)
            try:
                self._kept(lambda: self._journal.fail(entry, text))
            except FencedError as closed:
                # who took over has closed the entry, and may have ended what ran: another try would not mend that
                if not isinstance(error, FencedError):
                    raise closed from error
            raise
        self._kept(lambda: self._journal.settle(entry, _plain(result)))
        self._faults("after", action)
        return result


def _detail(action: Action[Any]) -> dict[str, Any]:
    """What recovery needs to know of an action without having it: JSON, and never a secret."""
    elsewhere = action.elsewhere if isinstance(action, Command) else None
    return {
        "kind": type(action).__name__,
        "deadline_seconds": action.deadline_seconds,
        "elsewhere": asdict(elsewhere) if elsewhere else None,
        "on": action.on or (login.on if (login := current()) is not None else LOCAL),
    }


def _plain(result: Any) -> Any:
    return asdict(result) if isinstance(result, Process) else result


def _typed(action: Action[T], result: Any) -> T:
    return Process(**result) if isinstance(action, Spawn) else result  # type: ignore[return-value]
