"""Which line of what a program printed says why it failed."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TELLS_NOTHING = re.compile(
    r"""
      \W*$                                                                # a caret under a statement
    | (\ ?(Container|Network|Volume|Image)\ \S+|\S+)\s+                   # Compose's progress
      (Creat|Start|Stopp|Recreat|Remov|Kill|Wait|Pull|Runn|Restart|Build)(ing|ed|e)$
    | \ ?(Container|Network|Volume)\ \S+\s+(Running|Healthy|Exited|Error|Recreate)$
    | (LINE\ \d+|DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION|hint|warning):   # PostgreSQL and git, about an error before it
    | \w+:\ (detail|hint|warning):
    | \w+:\ error:\ query\ was:
    | \[SQL:|\[parameters:|\(Background\ on\ this\ error                  # SQLAlchemy, about an error before it
    | \s+(File\ "|at\ )|Traceback\ \(most                                 # where in a program
    | \[notice\]|npm\ (notice|warn|http)
    | (View|See)\ .*(log|details|help)|See\ 'docker|Run\ '.*\ --help'
    | -{3,}|\ *>{3}\ | \s*\d+\ \|\s                                       # the part of a Dockerfile that BuildKit shows
    """,
    re.VERBOSE,
)
_ID = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
_CONFLICT = re.compile(r"^error: (Apply failed with .*?)(?:^Please review|\Z)", re.MULTILINE | re.DOTALL)
"""What kubectl says first of who else owns a field; advice follows, over many lines."""
LONGEST = 400
_BUILD_FAILED = "failed to solve: "
_STEP_ERROR = re.compile(r"^#(\d+) ERROR: ", re.MULTILINE)
_IN_STEP = r"^#{} \d+\.\d+ (.*\S)"  # how BuildKit shows what a program of a step printed, and when


def reason_of(printed: Iterable[str]) -> str:
    """Return why a program failed, from all that it printed (stderr first); "" if it does not say.

    Of a build that is what the program of the failed step said: BuildKit itself only repeats the step.
    """
    texts = list(printed)
    found = next((why for text in texts if (why := reason(text))), "")
    if _BUILD_FAILED in found:
        told = next((why for text in texts if (why := _of_step(text))), "")
        return f"{told.rstrip('.')} ({found.partition(_BUILD_FAILED)[2]})"[:LONGEST] if told else found
    return found


def _of_step(printed: str) -> str:
    failed = _STEP_ERROR.findall(printed)
    return reason("\n".join(re.findall(_IN_STEP.format(failed[-1]), printed, re.MULTILINE))) if failed else ""


def reason(printed: str) -> str:
    """Return the last line of ``printed`` that is about what went wrong, "" if there is none.

    Tools end with it, but for what explains it: the statement, a hint, where it stood, what was done meanwhile.
    """
    if conflict := _CONFLICT.search(printed):
        return " ".join(conflict[1].split())[:LONGEST]
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    found = next((line for line in reversed(lines) if not _TELLS_NOTHING.match(line)), "")
    return _ID.sub(r"\1", found).strip()[:LONGEST]
