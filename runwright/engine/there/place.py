"""Where things are done now: on this machine, or at another host."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from runwright.engine.there.address import Address
from runwright.engine.there.login import Login

LOCAL: Final = "local"

_here: ContextVar[Login | None] = ContextVar("runwright_here", default=None)
_logins: dict[str, Login] = {}
_lock = threading.Lock()


def current() -> Login | None:
    """Return the login at the host where things are done now; None: they are done on this machine."""
    return _here.get()


@contextmanager
def at(on: str | None, key: str = "") -> Iterator[Login | None]:
    """Do everything in this block on the host ``on``, an address for ssh; None or LOCAL: on this machine.

    key: a private key to log in with. Nobody logs in before something is done there. Raise InputError for a wrong address.
    """
    login = None if on in (None, LOCAL) else login_at(on or "", key)
    token = _here.set(login)
    try:
        yield login
    finally:
        _here.reset(token)


def login_at(on: str, key: str = "") -> Login:
    """Return the login of this process at ``on``; it is the same one for everybody."""
    with _lock:
        found = _logins.get(on)
        if found is None or (key and not found.has(key)):
            if found is not None:
                found.close()
            found = _logins[on] = Login(Address.of(on), key)
        return found


def close_all() -> None:
    """End all logins of this process."""
    with _lock:
        logins = list(_logins.values())
        _logins.clear()
    for login in logins:
        login.close()


def _forget() -> None:
    """A process that was forked has no part in its parent's connections."""
    global _lock
    _lock = threading.Lock()
    _logins.clear()
    _here.set(None)


atexit.register(close_all)
os.register_at_fork(after_in_child=_forget)
