"""What `doctor` looks at on this machine: the ledger, git, the disk, the ports, and what platforms need."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace

from deployments.cli.findings import Wanted
from deployments.cli.ledgers import address
from deployments.cli.looking import Looking
from deployments.cli.wording import one_line
from runwright import registry
from runwright.engine.actions import Command, Output
from runwright.engine.there.login import OURS
from runwright.engine.there.place import at
from runwright.errors import RunwrightError, UnreachableError
from runwright.home import home
from runwright.ledger import Ledger
from runwright.platforms.shape import Finding, Kind

GIGABYTE = 10**9
ROOM_WARN = 2 * GIGABYTE
ROOM_FAIL = GIGABYTE // 5


def machine(wanted: list[Wanted], ledger: Ledger | None) -> list[Finding]:
    """Return what is found on this machine. ``ledger`` is None if there is none yet."""
    return [_ledger(ledger), *_home(), _git(), *_platforms(wanted), *_in_use(wanted), *_ports(wanted, ledger)]


def failed(about: str, error: RunwrightError) -> Finding:
    """Return the finding that an error is."""
    return Finding(about, "fail", error.what, error.next)


def _ledger(ledger: Ledger | None) -> Finding:
    if ledger is None:
        return Finding("ledger", "ok", f"{address()}: not there yet, the first release makes it")
    try:
        ledger.check()
    except RunwrightError as error:
        return failed("ledger", error)
    return Finding("ledger", "ok", f"{address()}: can be written, its tables are up to date")


def _home() -> Iterator[Finding]:
    folder = home()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        yield Finding(
            "home", "fail", f"{folder} cannot be written by this user", "Set RUNWRIGHT_HOME to a folder that can."
        )
        return
    free = shutil.disk_usage(there).free
    text = f"{folder}: {free / GIGABYTE:.1f} GB free"
    if free < ROOM_FAIL:
        yield Finding("disk", "fail", text, "Make room: the ledger and backups are written there.")
    elif free < ROOM_WARN:
        yield Finding("disk", "warn", text, "Make room before images are built and backups are taken.")
    else:
        yield Finding("disk", "ok", text)


def _git() -> Finding:
    try:
        version = _answer("git", "--version")
    except RunwrightError:
        return Finding("git", "fail", "git does not run", "Install git: every release is a commit.")
    return Finding("git", "ok", version)


def _answer(*words: str) -> str:
    """Return the first line that a program prints. Raise ActionError if it fails."""

    def first(output: Output) -> str:
        return one_line(output.text.splitlines()[0] if output.text.strip() else "", 100)

    return Looking()(Command(says=f"run {' '.join(words)}", argv=words, deadline_seconds=15.0, parse=first))


def _platforms(wanted: list[Wanted]) -> Iterator[Finding]:
    """Yield what each platform asks of this machine, of which those that are wanted here need something."""
    places = [w.runbook.environments[w.place.environment].target for w in wanted]
    targets = [target.platform for target in places if target.host() is None]
    for name in registry.PLATFORMS.names:
        try:
            kind: Kind = registry.PLATFORMS.driver(name)
        except RunwrightError as error:
            yield Finding(name, "fail" if name in targets else "warn", error.what, error.next)
            continue
        yield from kind.examined(Looking(), needed=name in targets)
    for on, name in dict.fromkeys((host, target.platform) for target in places if (host := target.host())):
        yield from _other_host(on, registry.PLATFORMS.driver(name))


def _other_host(on: str, kind: Kind) -> Iterator[Finding]:
    """Yield whether a host that a system runs on can be logged in to, and has what is needed there."""
    with at(on) as login:
        assert login is not None
        try:
            yield Finding(on, "ok", f"can be logged in to, its key is known; our folder there is {login.home}/{OURS}")
            git = _git()
            yield replace(git, about=f"{on}: git")
            for found in kind.examined(Looking(), needed=True):
                yield replace(
                    found, about=f"{on}: {found.about}", state="fail" if found.state == "warn" else found.state
                )
        except RunwrightError as error:
            yield failed(on, error)


def _in_use(wanted: list[Wanted]) -> Iterator[Finding]:
    for one in wanted:
        target = one.runbook.environments[one.place.environment].target
        if not target.built:
            continue
        kind: Kind = registry.PLATFORMS.driver(target.platform)
        with at(target.host()):
            try:
                claims = kind.claimed(Looking(), one.runbook, one.place.environment)
            except UnreachableError:
                continue  # the host has a line of its own
        for claim in claims:
            yield Finding(str(one.place), "fail" if claim.stops else "warn", claim.says, claim.next)


def _ports(wanted: list[Wanted], ledger: Ledger | None) -> Iterator[Finding]:
    if not _free("127.0.0.1", 0):
        yield Finding(
            "ports", "fail", "no port of 127.0.0.1 can be listened on", "Look at this machine's network settings."
        )
    for one in wanted:
        place = one.runbook.environments[one.place.environment]
        address = place.router.address() if place.router is not None else None
        if address is None:
            continue
        host, port = address
        live = ledger.releases.live(one.place.system, one.place.environment) if ledger else None
        about = f"port {port}"
        if _free(host, port):
            yield Finding(about, "ok", f"free, for {one.place}")
        elif live is not None:
            yield Finding(about, "ok", f"in use; {one.place} serves {live.ref}")
        else:
            yield Finding(
                about,
                "fail",
                f"in use, and {one.place} serves nothing yet",
                "End what listens there, or change `router.listen`.",
            )


def _free(host: str, port: int) -> bool:
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(kind, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
