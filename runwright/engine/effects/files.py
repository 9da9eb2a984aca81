"""Files, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from runwright.engine.effects.fences import fenced
from runwright.engine.there import files as there
from runwright.engine.there.place import current
from runwright.errors import ActionError
from runwright.home import make_folder


def write_file(path: Path, content: bytes, mode: int, permit: Path | None = None) -> None:
    """Write ``content`` beside ``path``, or in ``permit``, sync it, and rename it over ``path``.

    Raise ActionError if that fails, FencedError if ``permit`` was taken away.
    """
    if (login := current()) is not None:
        there.write_file(login, str(path), content, mode, str(permit or ""))
        return
    beside = (permit or path.parent) / f".{path.name}.{secrets.token_hex(4)}"
    try:
        make_folder(path.parent)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)  # the process's umask does not weaken or tighten what was asked
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        if permit is not None and not permit.exists():
            raise fenced(permit.parent, int(permit.name)) from error
        raise ActionError(
            f"{path} could not be written: {error.strerror}.",
            state="The file is as it was before.",
            next="Make room or give this user the right to write there, then run again.",
        ) from error
