"""What Compose says when it refuses the files of a project: as an error that a person can act on, and without a secret."""

from __future__ import annotations

import re

from runwright.errors import InputError

_WITHOUT_VALUE = re.compile(r"required variable (\w+) is missing a value")
_WHERE = (
    "in the application's env file (`env_file` of the target, or .env in its directory), or in the environment's block"
)


def refuse(code: int, stderr: bytes) -> None:
    """Raise InputError, with Compose's own words and none of an env file's values, if it refused what it was given."""
    if code == 0:
        return
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    # an env file that cannot be parsed is quoted in the message, with the secret that stands there
    quoting = any('near "' in line or "unexpected character" in line for line in lines)
    shown = "a line of an env file cannot be read (it is not shown, it may hold a secret)" if quoting else lines[-1:]
    what = shown if isinstance(shown, str) else (shown[0] if shown else f"it exited with {code}")
    lacks = _WITHOUT_VALUE.search(what)
    raise InputError(
        f"Docker Compose refuses the configuration: {what}",
        state="Nothing was started or stopped.",
        next=f"Give {lacks[1]} a value {_WHERE}."
        if lacks
        else "Correct it in the Compose files of this version, or in the env file, and release again.",
    )
