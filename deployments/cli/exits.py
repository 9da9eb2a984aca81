"""The exit codes of the command line: a small table, so that a script can tell what happened."""

from __future__ import annotations

from enum import IntEnum

from runwright import errors


class Exit(IntEnum):
    """What a command says when it ends; ``meaning`` tells each as a sentence."""

    DONE = 0
    FAILED = 1
    INPUT = 2
    REFUSED = 3
    PERSON = 4
    TAKEN_BACK = 5
    UNEXPECTED = 70
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """The code as a sentence or two, for the reference."""
        return MEANINGS[self]


MEANINGS = {
    Exit.DONE: "What was asked for was done: the release is proven, the system is back, every check passed.",
    Exit.FAILED: "It was not done. What is printed says what state things are in. Of `deploy`: nothing that users "
    "reach was changed, or the outcome is not known yet and the text says so.",
    Exit.INPUT: "Something that was given is wrong: an option, a name, a version, a runbook. Nothing was done. "
    "Also of `rollback` that was given neither `--to` nor `--yes`: it only shows what there is.",
    Exit.REFUSED: "A rule forbids it now: a gate, a window, a version in quarantine, another procedure that holds "
    "the environment.",
    Exit.PERSON: "The release is frozen: a person must decide.",
    Exit.TAKEN_BACK: "Of `deploy`: the release failed after it had begun to change things, and the system was put back.",
    Exit.UNEXPECTED: "A mistake in Runwright. The sentence that is printed names the file with the traceback.",
    Exit.INTERRUPTED: "Ctrl-C. A run that was being followed goes on.",
}

_BY_ERROR: tuple[tuple[type[errors.RunwrightError], Exit], ...] = (
    (errors.RunbookError, Exit.INPUT),
    (errors.InputError, Exit.INPUT),
    (errors.NotBuiltError, Exit.INPUT),
    (errors.RefusedError, Exit.REFUSED),
    (errors.FrozenError, Exit.PERSON),
    (errors.RunwrightError, Exit.FAILED),
)


def code_of(error: type[errors.RunwrightError]) -> Exit:
    """Return the exit code of an error of this kind."""
    return next(code for kind, code in _BY_ERROR if issubclass(error, kind))
