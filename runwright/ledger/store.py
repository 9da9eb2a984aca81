"""Transactions of the ledger: begun so that races are safe, tried again within a limit, their errors translated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Insert, Table, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from runwright.errors import LedgerError
from runwright.ledger.address import engine_for, parsed
from runwright.ledger.patience import Patience
from runwright.ledger.trouble import as_ledger_error, try_again

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

T = TypeVar("T")
Clock = Callable[[], datetime]
Work = Callable[[Connection], T]

GIVE_UP_SECONDS = 15.0
"""How long a transaction that loses races is begun anew. A heartbeat of 5 s with an expiry of 30 s can afford it."""


def utc_now() -> datetime:
    """Return the moment it is now, in UTC."""
    return datetime.now(UTC)


class _CommitBroke(Exception):
    """The connection broke in a commit: whether it took place is not known, so it is not tried again here."""

    def __init__(self, error: DBAPIError) -> None:
        self.error = error


class Store:
    """The database of a ledger, by its URL. ``clock`` says what time it is; it must know its zone.

    patience: holds whoever reads or writes while the database is away; without it that is told at once.
    """

    def __init__(self, url: str, clock: Clock = utc_now, patience: Patience | None = None) -> None:
        self._patience = patience
        self.url = parsed(url)
        self.clock = clock
        self.engine = engine_for(self.url)
        self.on_sqlite = self.url.get_backend_name() == "sqlite"

    def read(self, work: Work[T]) -> T:
        """Return what ``work`` returns, in one transaction. Raise LedgerError if the database cannot be read."""
        return self._held(work, begin="BEGIN")

    def write(self, work: Work[T], *, begin: str = "BEGIN IMMEDIATE") -> T:
        """Return what ``work`` returns, committed. It may be called several times: it looks before it writes.

        Raise LedgerError if the database cannot be written. Whatever else ``work`` raises takes everything back.
        """
        return self._held(work, begin=begin)

    def now(self, connection: Connection) -> datetime:
        """Return the time that leases go by: the database's own if several machines share it, else the clock."""
        if self.on_sqlite:
            return self.clock().astimezone(UTC)
        # not now(): that is when the transaction began, before it waited for a lock
        return connection.execute(select(func.clock_timestamp())).scalar_one().astimezone(UTC)  # type: ignore[no-any-return]

    def insert_if_new(self, table: Table, values: Mapping[str, Any]) -> Insert:
        """Return an INSERT that does nothing if such a row is there."""
        return self._insert(table).values(**values).on_conflict_do_nothing()

    def upsert(self, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> Insert:
        """Return an INSERT of ``key`` and ``values`` that sets ``values`` if the key is there."""
        insert = self._insert(table).values(**key, **values)
        return insert.on_conflict_do_update(index_elements=list(key), set_=dict(values))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        if self.on_sqlite:
            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # nobody with a ledger on SQLite needs it

        return postgresql.insert(table)

    def _held(self, work: Work[T], *, begin: str) -> T:
        if self._patience is None:
            return self._insist(work, begin=begin)
        return self._patience(lambda: self._afresh(work, begin))

    def _afresh(self, work: Work[T], begin: str) -> T:
        """Like ``_insist``; what is tried after it failed has new connections."""
        try:
            return self._insist(work, begin=begin)
        except LedgerError:
            self.engine.dispose()  # to SQLite, one that was opened while the file was read-only stays so
            raise

    def _insist(self, work: Work[T], *, begin: str) -> T:
        attempts = Retrying(
            stop=stop_after_delay(GIVE_UP_SECONDS),
            wait=wait_random(0.005, 0.1),
            retry=retry_if_exception(try_again),
            reraise=True,
        )
        # `from None`: what the driver says, and its parameters, may hold what must not be seen
        try:
            result: T = attempts(self._once, work, begin)
            return result
        except _CommitBroke as broke:
            raise as_ledger_error(broke.error, self.url, unsure=True) from None
        except (SQLAlchemyError, OverflowError) as error:
            raise as_ledger_error(error, self.url) from None

    def _once(self, work: Work[T], begin: str) -> T:
        with self.engine.connect().execution_options(begin=begin) as connection:
            transaction = connection.begin()
            try:
                result = work(connection)
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise _CommitBroke(error) from None
                transaction.rollback()
                raise
            return result
