"""What may be believed: files that nobody else can write. Whoever writes a runbook, or the home, runs commands as us.

As ssh does with its own files (StrictModes): the file and every folder above it, with the targets of links on the way,
belong to us or to root, and nobody else may write them. In a folder like /tmp (sticky) what is ours stays ours. A group that
has nobody else in it, as each user has one of their own on Debian, may write. The owner of Runwright's own code is
believed as well: what it says is carried out already.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from runwright.errors import InputError, RunwrightError

OWNERS_VARIABLE = "RUNWRIGHT_TRUSTED_OWNERS"
_NOBODY_KNOWS_WHO = -1


def refuse_if_others_write(path: Path, what: str, error: type[RunwrightError] = InputError) -> None:
    """Return if nobody else can write ``path``, nor put another one in its place. It need not exist.

    Raise ``error``, which says who can, and what to do. what: what it is, for people ("The runbook ...").
    """
    trusted = _trusted()
    for part in _on_the_way(path):
        if reason := _written_by_others(part, trusted):
            raise error(
                f"{what} is not used: {reason[0]}. Whoever writes it runs commands as you.",
                state="Nothing was done.",
                next=reason[1],
            )


def _on_the_way(path: Path) -> Iterator[Path]:
    """Yield ``path``, each folder above it, and the same of every link among them; those that exist."""
    seen: set[Path] = set()
    to_see = [Path(os.path.normpath(path.absolute()))]
    while to_see:
        start = to_see.pop()
        for part in (start, *start.parents):
            if part in seen or not os.path.lexists(part):
                continue
            seen.add(part)
            if part.is_symlink():
                to_see.append(Path(os.path.normpath(part.parent / part.readlink())))
            yield part


def _written_by_others(part: Path, trusted: frozenset[int]) -> tuple[str, str] | None:
    """Return why ``part`` can be written by others, and what to do about it; None if it cannot."""
    is_ = part.lstat()
    if is_.st_uid not in trusted:
        user = _name(is_.st_uid)
        return (
            f"{part} belongs to {user}",
            f"Give it to this user or to root (`chown`), or name {user} in {OWNERS_VARIABLE} if you trust them with that.",
        )
    sticky_folder = stat.S_ISDIR(is_.st_mode) and is_.st_mode & stat.S_ISVTX
    if stat.S_ISLNK(is_.st_mode) or sticky_folder:
        return None
    if is_.st_mode & stat.S_IWOTH:
        return f"{part} can be written by every user of this machine", f"`chmod o-w {part}`"
    if is_.st_mode & stat.S_IWGRP and (_has_acl(part) or not _members(is_.st_gid) <= trusted):
        return (
            f"{part} can be written by others, of the group {_group(is_.st_gid)} or by its ACL",
            f"`chmod g-w {part}`",
        )
    return None


def _trusted() -> frozenset[int]:
    """Return the ids of the users who may write what we believe."""
    found = {0, os.geteuid(), Path(__file__).stat().st_uid}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdecimal():
        found.add(int(os.environ["SUDO_UID"]))  # who may become root by sudo needs no runbook for it
    for name in os.environ.get(OWNERS_VARIABLE, "").replace(",", " ").split():
        try:
            found.add(int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid)
        except KeyError:
            raise InputError(f"{OWNERS_VARIABLE} names {name!r}, who is no user of this machine.") from None
    return frozenset(found)


@cache
def _members(gid: int) -> frozenset[int]:
    """Return the ids of the users who have a group, as far as this machine lists them."""
    users = pwd.getpwall()
    try:
        named = grp.getgrgid(gid).gr_mem
    except KeyError:
        return frozenset({_NOBODY_KNOWS_WHO})
    return frozenset(user.pw_uid for user in users if user.pw_gid == gid or user.pw_name in named)


def _has_acl(part: Path) -> bool:
    """Return whether more than owner, group and others are given rights: the bits of the group then stand for all of them."""
    try:
        return bool(os.getxattr(part, "system.posix_acl_access"))
    except (OSError, AttributeError):  # none, or a system that has none
        return False


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
