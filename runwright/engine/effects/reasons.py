"""Which line of what a program printed says why it failed."""

from __future__ import annotations

import re

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
LONGEST = 400


def reason(printed: str) -> str:
    """Return the last line of ``printed`` that is about what went wrong, "" if there is none.

    Tools end with it, but for what explains it: the statement, a hint, where it stood, what was done meanwhile.
    """
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    found = next((line for line in reversed(lines) if not _TELLS_NOTHING.match(line)), "")
    return _ID.sub(r"\1", found).strip()[:LONGEST]
