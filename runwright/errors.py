"""Every error that Runwright raises on purpose, in one tree.

    RunwrightError
    ├── RunbookError            a runbook cannot be read or is wrong; nothing was done
    ├── InputError              a version, name, parameter or file given to us is wrong; nothing was done
    ├── NotBuiltError           the runbook asks for something this version cannot do; nothing was done
    ├── RefusedError            a rule forbids it now: a gate, a window, an approval, a quarantined version
    │   └── LeaseHeldError      another procedure holds the environment
    ├── ActionError             an action failed
    │   ├── DeadlineError       ... it ran longer than its deadline and was ended
    │   ├── UnreachableError    ... the host that it is done on cannot be reached; what was begun there may still run
    │   ├── InDoubtError        ... an earlier attempt may have taken effect and it may not be repeated
    │   └── CancelledError      ... the run was cancelled; the action was ended
    ├── FencedError             this process no longer holds the lease; it changed nothing after losing it
    │   └── LapsedError         ... it was not renewed in time, and nobody has taken it
    ├── LedgerError             the ledger cannot be reached, read or written
    ├── ObservationError        a server or a tool answered something that we do not understand
    ├── VerificationError       the release does not do what its runbook says it must
    │   └── BreachError         ... a rollback rule was breached while it was watched
    └── FrozenError             a person must decide; nothing more is done until then

An error says three things: what happened, what state things are in now, and what to do next.
"""

from __future__ import annotations


class RunwrightError(Exception):
    """The base of the tree. ``what`` happened, ``state`` things are in now, what to do ``next``."""

    state_by_default = ""
    next_by_default = ""
    printed = ""
    """The end of what a program printed that failed, without secrets, if it is more than ``what`` shows. It stays with the
    process that saw it."""

    def __init__(self, what: str, *, state: str = "", next: str = "") -> None:
        self.what = what
        self.state = state or self.state_by_default
        self.next = next or self.next_by_default
        super().__init__(what, self.state, self.next)  # all three: an exception survives pickling

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.state, self.next) if part)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.state, self.next))


def _rebuild(kind: type[RunwrightError], what: str, state: str, next: str) -> RunwrightError:
    return kind(what, state=state, next=next)


class RunbookError(RunwrightError):
    """A runbook cannot be read or is wrong."""

    state_by_default = "Nothing was done."


class InputError(RunwrightError):
    """A version, name, parameter or file that was given is wrong."""

    state_by_default = "Nothing was done."


class NotBuiltError(RunwrightError):
    """The runbook asks for something that this version of Runwright cannot do."""

    state_by_default = "Nothing was done."


class RefusedError(RunwrightError):
    """A rule forbids it now."""


class LeaseHeldError(RefusedError):
    """Another procedure holds the environment."""

    state_by_default = "Nothing was done."


class ActionError(RunwrightError):
    """An action failed."""


class DeadlineError(ActionError):
    """An action ran longer than its deadline and was ended."""


class UnreachableError(ActionError):
    """The host that an action is done on cannot be reached."""

    begun = False
    """Whether the action had begun there: then nobody knows what became of it, and it may still run."""


class InDoubtError(ActionError):
    """An earlier attempt at an action may have taken effect, and it may not be repeated."""


class CancelledError(ActionError):
    """The run was cancelled and the action that it was in was ended."""


class FencedError(RunwrightError):
    """This process no longer holds the environment's lease."""

    state_by_default = "This process changed nothing after it lost the lease."


class LapsedError(FencedError):
    """The lease was not renewed in time, and nobody has taken it: this process slept, or the clock was set ahead."""


class LedgerError(RunwrightError):
    """The ledger cannot be reached, read or written. ``lasting``: it will not be better by itself, so nobody waits for it."""

    lasting = False

    @classmethod
    def for_good(cls, what: str, *, state: str = "", next: str = "") -> LedgerError:
        """Return one that waiting does not help: a wrong address, a wrong password, what is no ledger."""
        error = cls(what, state=state, next=next)
        error.lasting = True
        return error


class ObservationError(RunwrightError):
    """A server or a tool answered something that we do not understand."""


class VerificationError(RunwrightError):
    """The release does not do what its runbook says it must."""


class BreachError(VerificationError):
    """A rollback rule was breached while the release was watched."""


class FrozenError(RunwrightError):
    """A person must decide; nothing more is done until then."""
