"""What the database's errors mean: whether to try again, and what to tell a person."""

from __future__ import annotations

import sqlite3
from urllib.parse import quote, quote_plus

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, StatementError

from runwright.errors import LedgerError
from runwright.ledger.address import sqlite_path

# https://www.sqlite.org/rescode.html
_SQLITE_AGAIN = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_SQLITE_LOST_RACE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
# https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization failure, deadlock, lock not available,
# unique violation (a race that was lost: read again)
_POSTGRESQL_AGAIN = {"40001", "40P01", "55P03", "23505"}

_SAME_AGAIN = "When it works again, start the same command or run again: it goes on where it was."
_WRITES_LONG = "Another process writes to it without end. Find it with `fuser {where}`, and end it if it hangs."
_OWN_DATABASE = "Its tables are not what they should be. Give the ledger a database of its own in RUNWRIGHT_LEDGER_URL."
_SQLITE_NEXT = {
    sqlite3.SQLITE_ERROR: _OWN_DATABASE,
    sqlite3.SQLITE_BUSY: _WRITES_LONG,
    sqlite3.SQLITE_LOCKED: _WRITES_LONG,
    sqlite3.SQLITE_FULL: "Make room on the disk of {where}. " + _SAME_AGAIN,
    sqlite3.SQLITE_IOERR: "Look at the disk of {where}: is it full, or broken? " + _SAME_AGAIN,
    sqlite3.SQLITE_READONLY: "Let this user write to {where} and to its folder. " + _SAME_AGAIN,
    sqlite3.SQLITE_PERM: "Let this user write to {where} and to its folder. " + _SAME_AGAIN,
    sqlite3.SQLITE_CANTOPEN: "Let this user make and write {where}, and files beside it.",
    sqlite3.SQLITE_NOTADB: "{where} is no ledger. Give another path in RUNWRIGHT_LEDGER_URL.",
    sqlite3.SQLITE_CORRUPT: "{where} is damaged. Stop all runs, keep a copy of it, and put back your last copy of it.",
}
_POSTGRESQL_NEXT = {
    "28": "Look at the user and the password in RUNWRIGHT_LEDGER_URL.",
    "3D": "Make the database, or correct its name in RUNWRIGHT_LEDGER_URL.",
    "42501": "Give the user of RUNWRIGHT_LEDGER_URL a database of its own, whose tables it may make and write.",
    "55": "Another process, or a person, holds what it needs for too long. Look at pg_stat_activity, and end it if it hangs.",
    "42": _OWN_DATABASE,
    "53": "The server has no room or no connections left. " + _SAME_AGAIN,
    "25006": "The server is read-only: is it a replica? Give the primary in RUNWRIGHT_LEDGER_URL.",
}
_LASTING_SQLITE = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_LASTING_POSTGRESQL = ("28", "3D", "42")
_POSTGRESQL_AWAY = "See that the server runs and can be reached from this machine. " + _SAME_AGAIN


def try_again(error: BaseException) -> bool:
    """Return whether the same transaction may succeed if it is begun anew: nothing of it was kept."""
    if not isinstance(error, DBAPIError):
        return False
    orig = error.orig
    if isinstance(orig, sqlite3.Error):
        code = _sqlite_code(orig)
        return code & 0xFF in _SQLITE_AGAIN or code in _SQLITE_LOST_RACE
    # A connection that broke is made anew; one that could not be made in the first place is not insisted on.
    return _sqlstate(orig) in _POSTGRESQL_AGAIN or bool(error.connection_invalidated)


def as_ledger_error(error: Exception, url: URL, *, unsure: bool = False) -> LedgerError:
    """Return what a person is told. ``unsure``: the connection broke while the transaction was being committed."""
    orig = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    where = str(sqlite_path(url) or url.set(password=None).render_as_string(hide_password=True))
    reason = without_password(" ".join(str(orig).split()) or type(orig).__name__, url)
    made = LedgerError.for_good if _lasts(error, orig) else LedgerError
    return made(
        f"The ledger {where} cannot be read or written: {reason[:400]}.",
        state="Whether the last entry was kept is not known; asking for it again is safe."
        if unsure
        else "Nothing of this entry was kept. Nothing is changed that is not in the ledger.",
        next=_next(error, orig, where),
    )


def without_password(text: str, url: URL) -> str:
    """Return ``text`` without the URL's password, in the ways in which it may be written."""
    password = str(url.password or "")
    for form in {password, quote(password), quote(password, safe=""), quote_plus(password)} - {""}:
        text = text.replace(form, "***")
    return text


def _lasts(error: Exception, orig: BaseException) -> bool:
    if isinstance(orig, sqlite3.Error):
        return _sqlite_code(orig) & 0xFF in _LASTING_SQLITE
    return not isinstance(error, DBAPIError) or _sqlstate(orig).startswith(_LASTING_POSTGRESQL)


def _next(error: Exception, orig: BaseException, where: str) -> str:
    if isinstance(orig, sqlite3.Error):
        found = _SQLITE_NEXT.get(_sqlite_code(orig) & 0xFF)
        return found.format(where=where) if found else _SAME_AGAIN
    if not isinstance(error, DBAPIError):
        return "This is a mistake in Runwright or in what called it: the ledger keeps plain JSON and times with a zone."
    state = _sqlstate(orig)
    return next((text for start, text in _POSTGRESQL_NEXT.items() if state.startswith(start)), _POSTGRESQL_AWAY)


def _sqlite_code(orig: sqlite3.Error) -> int:
    return int(getattr(orig, "sqlite_errorcode", 0) or 0)  # the driver's own errors have none


def _sqlstate(orig: BaseException | None) -> str:
    return str(getattr(orig, "sqlstate", None) or "")
