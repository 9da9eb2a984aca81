"""Where Runwright keeps what it needs on this machine: the ledger, mirrors of repositories, worktrees, logs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from runwright.trust import refuse_if_others_write

HOME_VARIABLE = "RUNWRIGHT_HOME"
LEDGER_VARIABLE = "RUNWRIGHT_LEDGER_URL"


NO_ROOM_BYTES = 16 * 2**20
"""With less, the next entries of the ledger, and of Prefect's database beside it, are no longer kept."""


def home() -> Path:
    """Return the folder (``RUNWRIGHT_HOME``, or ``.runwright`` in the current folder), absolute. It need not exist."""
    return Path(os.environ.get(HOME_VARIABLE) or ".runwright").expanduser().absolute()


def refuse_a_home_of_others() -> None:
    """Return if nobody else can write the home. Raise InputError, which says who can."""
    refuse_if_others_write(home(), f"The home {home()}")


def no_room() -> str:
    """Return, as a sentence, that the disk of the home is full; "" if it is not, or cannot be asked."""
    folder = home()
    try:
        free = shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free
    except OSError:
        return ""
    if free >= NO_ROOM_BYTES:
        return ""
    return f"The disk of {folder} is full ({free / 2**20:.1f} MB free): neither the ledger nor Prefect can write there."


def make_folder(folder: Path) -> None:
    """Make ``folder`` and those above it, if they are not there. Raise OSError.

    If ``home()`` is among them, only its owner may look into it: it holds logs, sources and data of applications. One that
    was made by hand keeps its mode.
    """
    own = home()
    if own in (folder, *folder.parents) and not own.exists():
        own.parent.mkdir(parents=True, exist_ok=True)
        own.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)


def ledger_url() -> str:
    """Return the ledger's SQLAlchemy URL: ``RUNWRIGHT_LEDGER_URL``, or a SQLite file in ``home()``.

    A relative SQLite file is seen from here: the URL is handed on to processes that work in other folders.
    """
    url = os.environ.get(LEDGER_VARIABLE) or f"sqlite:///{home() / 'ledger.db'}"
    dialect, _, file = url.partition(":///")
    relative = dialect.partition("+")[0] == "sqlite" and file and not file.startswith(("/", ":", "file:"))
    return f"{dialect}:///{Path(file).absolute()}" if relative else url
