"""What takes secrets out of an environment's texts: those of its block, and those of the application's own variables.

The application has more secrets than we were given: in its env files, its Compose files, and its containers, which may
carry what an env file said last week. They are read to be taken out of text, and for nothing else.
"""

from __future__ import annotations

import getpass
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final, TypeVar

from runwright.engine.actions import Action
from runwright.engine.performer import Performer
from runwright.engine.redaction import Redactor
from runwright.engine.there.place import at
from runwright.errors import CancelledError, FencedError, RunwrightError
from runwright.release import drivers
from runwright.release.run import Run
from runwright.runbook.model import Runbook
from runwright.runbook.probes import texts_in
from runwright.site import SSH_KEY, Folders, Site
from runwright.variables import secrets_in, variables_of
from runwright.versions import Version

T = TypeVar("T")
Variables = list[tuple[str, str]]

FRESH_SECONDS: Final = 30.0
"""What containers carry is read again for a text that comes later: they may have been replaced."""
MAX_FILE_BYTES: Final = 2**20


class Redaction:
    """Cleans the texts of one environment. ``versions``: those whose variables count, besides what runs.

    Raise InputError if a secret of the block is too short.
    """

    def __init__(self, site: Site, versions: Callable[[], Iterable[Version]] = tuple) -> None:
        self._site = site
        self._versions = versions
        self._lock = threading.Lock()
        with site.there():
            self._redactor = self._made(_in_files(site))
        self._read_at: float | None = None

    def clean(self, text: str) -> str:
        """Return a sentence of ours without secrets."""
        return self._redactor.clean(text)

    def clean_printed(self, text: str) -> str:
        """Return what a program, a server or a person has said without secrets, short ones included."""
        self._look(FRESH_SECONDS)
        return self._redactor.clean_printed(text)

    def known(self) -> Callable[[str], str]:
        """Return ``clean_printed`` for where nobody may be asked any more: everybody is asked now, unless they were before."""
        self._look(float("inf"))
        return lambda text: self._redactor.clean_printed(text)

    def _look(self, fresh_seconds: float) -> None:
        with self._lock:
            if self._read_at is None or time.monotonic() - self._read_at > fresh_seconds:
                with self._site.there():
                    self._redactor = self._made(_everywhere(self._site, self._versions()))
                self._read_at = time.monotonic()

    def _made(self, variables: Variables) -> Redactor:
        site = self._site
        return Redactor(
            site.secrets,
            development=site.place.tier == "development",
            variables=secrets_in(variables, drivers.application_secrets(site.secrets)),
            public=_said(site),
        )


def written_in(runbook: Runbook, environment: str, secrets: dict[str, str]) -> Callable[[str], str]:
    """Return what takes the secrets of an environment out of what a person has written: it may be a line of a log."""
    with at(runbook.environments[environment].target.host(), secrets.get(SSH_KEY, "")):
        return Redaction(Site(runbook, environment, Folders.of(runbook.system, environment, ""), secrets)).clean_printed


def written(runbook: Runbook, environment: str, run: Run) -> Callable[[str], str]:
    """Return what takes secrets out of what a person has written; who wrote nothing waits for nothing."""

    def clean(text: str) -> str:
        if text in ("", getpass.getuser()):
            return text
        secrets = run.secrets(runbook.block_of(environment), runbook.environments[environment].tier)
        return written_in(runbook, environment, secrets)(text)

    return clean


def _everywhere(site: Site, versions: Iterable[Version]) -> Variables:
    """Return the application's variables. Who does not answer is left out: that keeps nobody from reading an error."""
    found, do = _in_files(site), _Reading()
    named = {*site.place.config.required, *site.place.config.forms, *drivers.application_secrets(site.secrets)}
    where = drivers.platform(site)
    found += _told(lambda: where.variables(do, versions))
    found += _told(lambda: where.carried(do, {*named, *(name for name, _ in found)}))
    return found


def _told(ask: Callable[[], Iterable[tuple[str, str]]]) -> Variables:
    try:
        return list(ask())
    except (CancelledError, FencedError):
        raise
    except RunwrightError:
        return []


def _in_files(site: Site) -> Variables:
    """Return the variables of the env files in the application's folder, and of the runbook."""
    if not site.place.target.built:
        return []
    kind = drivers.kind(site)
    found: Variables = list(kind.settings(site))
    for path in sorted(set(kind.env_files(site))):
        found += _variables(path)
    return found


def _variables(path: Path) -> Variables:
    try:
        found = path.stat()
        if not S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
            return []
        return variables_of(path.read_bytes().decode("utf-8-sig", "replace"))
    except OSError:
        return []


def _said(site: Site) -> frozenset[str]:
    """Return what stands in the runbook, and so is known to everybody who reads our sentences."""
    return frozenset(_words(site.book.model_dump(mode="json")))


def _words(value: Any) -> Iterator[str]:
    yield from texts_in(value)
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _words(inner)


class _Reading:
    """Performs reads, and shows nothing of what they fail with."""

    def __init__(self) -> None:
        self._performer = Performer(lambda _: "(not shown)")

    def __call__(self, action: Action[T]) -> T:
        return self._performer.perform(action, self, "redaction", lambda _: None)
