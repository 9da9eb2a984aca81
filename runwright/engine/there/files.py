"""Files on another host, written whole or not at all, in one call."""

from __future__ import annotations

from typing import Final

from runwright.engine.effects.fences import fenced
from runwright.engine.there.login import Login
from runwright.engine.there.paths import Path
from runwright.errors import ActionError

_WRITE: Final = r"""
path=$1 mode=$2 size=$3 permit=$4
folder=$(dirname "$path")
mkdir -p "$folder" || exit 1
beside=${permit:-$folder}/.${path##*/}.$$
umask 077
cat >"$beside" || { rm -f "$beside"; [ -z "$permit" ] || [ -d "$permit" ] || exit 3; exit 1; }
[ "$(wc -c <"$beside")" -eq "$size" ] || { rm -f "$beside"; exit 4; }
chmod "$mode" "$beside" && { sync "$beside" 2>/dev/null || sync; } && mv -f -T "$beside" "$path" && exit 0
rm -f "$beside"
[ -z "$permit" ] || [ -d "$permit" ] || exit 3
exit 1
"""


def write_file(login: Login, path: str, content: bytes, mode: int, permit: str = "") -> None:
    """Write ``content`` beside ``path`` there, or in ``permit``, sync it, and rename it over ``path``.

    Raise ActionError if that fails, FencedError if ``permit`` was taken away, UnreachableError.
    """
    code, _ = login.sh(_WRITE, path, f"{mode:o}", str(len(content)), permit, stdin=content)
    if code == 3:
        folder = Path(permit)
        raise fenced(folder.parent, int(folder.name))
    if code:
        raise ActionError(
            f"{path} could not be written on {login.on}.",
            state="The file is as it was before.",
            next=f"Make room on {login.on}, or give the user that logs in the right to write there, then run again.",
        )
