"""HAProxy's socket: what is asked there, and the map that is replaced there in one go."""

from __future__ import annotations

import csv
import io
import os
import re
import socket
from pathlib import Path

from runwright.errors import ActionError, ObservationError

SECONDS = 5.0
_CHUNK = 65536


def ask(path: Path, command: str) -> str:
    """Return what HAProxy answers to ``command``. Raise ActionError if it does not answer."""
    folder = -1
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)  # a socket's path has room for a hundred characters
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
            connection.sendall(f"{command}\n".encode())
            answer = b""
            while data := connection.recv(_CHUNK):
                answer += data
    except OSError as error:
        raise ActionError(
            f"HAProxy does not answer at {path} ({error.strerror or type(error).__name__}).",
            state="Nothing was changed there.",
            next="It must run, with `stats socket PATH level admin`, and this user must be able to write to that.",
        ) from error
    finally:
        if folder >= 0:
            os.close(folder)
    return answer.decode("utf-8", "replace")


def entries(path: Path, name: str) -> dict[str, str]:
    """Return what the map ``name`` holds now. Raise ActionError if HAProxy has no such map, or does not answer."""
    answer = ask(path, f"show map {name}")
    if answer.startswith(("Unknown map", "'show map'")):
        raise ActionError(f"HAProxy has no map {name}.")
    return {words[1]: words[2] for line in answer.splitlines() if len(words := line.split(None, 2)) == 3}


def replace(path: Path, name: str, wanted: dict[str, str]) -> None:
    """Let the map ``name`` hold ``wanted``, all of it from one request on. Raise ActionError, ObservationError."""
    begun = re.search(r"New version created: (\d+)", ask(path, f"prepare map {name}"))
    if begun is None:
        raise ObservationError(
            f"HAProxy does not begin a new version of the map {name}: it must be 2.4 or newer, and have that map."
        )
    version = f"@{begun[1]}"
    words = [
        *(f"add map {version} {name} {key} {value}" for key, value in wanted.items()),
        f"commit map {version} {name}",
    ]
    if said := ask(path, "; ".join(words)).strip():
        raise ObservationError(f"HAProxy did not take a new version of the map {name}: {said.splitlines()[0]}.")


def statistics(path: Path) -> dict[str, dict[str, str]]:
    """Return what HAProxy counted, {backend: {column: value}}."""
    text = ask(path, "show stat").removeprefix("# ")
    return {row["pxname"]: row for row in csv.DictReader(io.StringIO(text)) if row["svname"] == "BACKEND"}


def version(path: Path) -> tuple[int, int]:
    """Return the first two numbers of HAProxy's version."""
    found = re.search(r"^Version: (\d+)\.(\d+)", ask(path, "show info"), re.MULTILINE)
    if found is None:
        raise ObservationError(f"What answers at {path} does not tell HAProxy's version.")
    return int(found[1]), int(found[2])


def in_file(text: str) -> dict[str, str]:
    """Return what the text of a map file holds."""
    return {words[0]: words[1] for line in text.splitlines() if len(words := line.split(None, 1)) == 2}
