"""Git's commands, as actions, with everything switched off by which a repository could run programs of its own."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from runwright.engine.actions import Command, Output, nothing
from runwright.engine.there.place import LOCAL
from runwright.errors import InputError

T = TypeVar("T")

READ_SECONDS = 60.0
# Given by environment, where no configuration of the repository or of the user can overrule it.
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "protocol.ext.allow": "never",
    "safe.directory": "*",
    "core.bare": "false",
    "gc.auto": "0",  # a commit that a release may go back to stays, even when its branch is gone
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
}
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",  # a program that answers nothing: never a question, never a window
    "SSH_ASKPASS": "true",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=20",
    "GIT_ALLOW_PROTOCOL": "file:https:http:ssh",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C.UTF-8",
}
# Filters and other programs of the user's own configuration have no place in a worktree; proxies and credential
# helpers do when a repository is fetched.
_NOT_THE_USERS = {"GIT_CONFIG_GLOBAL": "/dev/null"}


def environment(extra: Mapping[str, str] | None = None, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a git command: ours, ``extra`` variables, and ``settings`` of git's configuration."""
    configured = {**_SETTINGS, **(settings or {})}
    numbered: dict[str, str] = {"GIT_CONFIG_COUNT": str(len(configured))}
    for index, (name, value) in enumerate(configured.items()):
        numbered |= {f"GIT_CONFIG_KEY_{index}": name, f"GIT_CONFIG_VALUE_{index}": value}
    return {**_ENVIRONMENT, **numbered, **(extra or {})}


def read(
    mirror: Path,
    *words: str,
    says: str,
    parse: Callable[[Output], T] = nothing,
    ok: frozenset[int] = frozenset({0}),
    stdin: bytes | None = None,
    extra: Mapping[str, str] | None = None,
    on: str | None = LOCAL,
) -> Command[T]:
    """Return the command that reads something from a mirror: from ours on this machine, unless ``on`` says otherwise."""
    return Command(
        argv=("git", *words),
        env=environment({"GIT_DIR": str(mirror), **_NOT_THE_USERS, **(extra or {})}),
        says=says,
        parse=parse,
        ok=ok,
        stdin=stdin,
        deadline_seconds=READ_SECONDS,
        on=on,
    )


def change(
    mirror: Path,
    *words: str,
    says: str,
    key: str,
    deadline_seconds: float,
    extra: Mapping[str, str] | None = None,
    on: str | None = None,
) -> Command[None]:
    """Return the command that changes a mirror or what was checked out from it. It may be repeated."""
    return Command(
        argv=("git", *words),
        env=environment({"GIT_DIR": str(mirror), **_NOT_THE_USERS, **(extra or {})}),
        says=says,
        key=key,
        deadline_seconds=deadline_seconds,
        on=on,
    )


def lines(output: Output) -> list[str]:
    """The ``parse`` of a command that prints one thing a line."""
    return [line for line in output.text.split("\n") if line]


def records(output: Output) -> list[str]:
    """The ``parse`` of a command that ends each thing with a zero byte."""
    return [record.removeprefix("\n") for record in output.text.split("\0") if record.strip("\n")]


# ---------------------------------------------------------------------------------------------------- where it comes from

_GITHUB = re.compile(r"github:([A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)")
_SSH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:(?!/?-)[^\s]+")
_URL = re.compile(r"(https|http|ssh|file)://(?!-)[^\s]+")


def address(repo: str) -> str:
    """Return what git is told to fetch from: a URL for ``github:OWNER/NAME``, an absolute path for a folder.

    Raise InputError for anything that is neither, and for a URL with a password in it (which is not shown).
    """
    if found := _GITHUB.fullmatch(repo):
        return f"https://github.com/{found[1].removesuffix('.git')}.git"
    parts = urlsplit(repo)
    if parts.password or (parts.username and parts.scheme in ("http", "https")):
        raise InputError(
            "The address of the repository holds a user or a password.",
            next="Take it out, store the token in the environment's block, and name it as `token` in the runbook.",
        )
    if _URL.fullmatch(repo) or _SSH.fullmatch(repo):
        return repo
    folder = Path(repo).expanduser()
    if repo and "::" not in repo and "://" not in repo and not repo.startswith("-") and folder.is_dir():
        return str(folder.absolute())
    raise InputError(
        f"{repo!r} is no repository that can be reached.",
        next="Give github:OWNER/NAME, an https or ssh address, or a folder of this machine.",
    )


def credentials(url: str, token: str) -> dict[str, str]:
    """Return the settings that send ``token`` to the server of ``url`` and to no other. Raise InputError if it is not https."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise InputError(
            f"A token is only sent over https, and {url} is not.",
            next="Use an https address, or leave `token` out of the runbook's source and use an ssh key.",
        )
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    server = f"http.https://{parts.netloc}/"
    # git keeps its extra headers when it follows a redirect, whichever host that leads to
    return {f"{server}.extraHeader": f"Authorization: Basic {basic}", f"{server}.followRedirects": "false"}


def without_login(address: str) -> str:
    """Return a git address without the login that may stand in it: a runbook is read by many."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return address
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
