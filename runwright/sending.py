"""How a commit comes to another host: from the mirror here, over the login that is there already.

So that host needs git, and neither the repository's address nor a password for it: who may read it is known here alone.
"""

from __future__ import annotations

import shlex

from runwright.engine.actions import Do
from runwright.engine.there.paths import Path
from runwright.engine.there.place import LOCAL, current
from runwright.git import change
from runwright.versions import COMMIT

SEND_SECONDS = 900.0


def sent(do: Do, mirror: Path, copy: Path, commit: str, key: str) -> Path:
    """Return the repository with ``commit`` where things are done now: ``mirror`` itself on this machine, else ``copy``.

    Raise ActionError if it cannot be sent.
    """
    login = current()
    if login is None:
        return mirror
    assert COMMIT.fullmatch(commit)
    words = ("init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", str(copy))
    says = f"prepare a repository on {login.on}"
    do(change(copy, *words, says=says, key=f"{key}/init", deadline_seconds=30.0))
    do(
        change(
            mirror,
            *("push", "--quiet", f"{login.on}{copy}", f"{commit}:refs/heads/runwright/{commit}"),
            says=f"send {commit[:12]} to {login.on}",
            key=f"{key}/send",
            deadline_seconds=SEND_SECONDS,
            extra={"GIT_SSH_COMMAND": shlex.join(login.program()), "GIT_SSH_VARIANT": "ssh"},
            on=LOCAL,
        )
    )
    return copy
