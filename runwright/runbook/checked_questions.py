"""Probes that ask no URL, or many at once: that what they need is there, and that a query only reads."""

from __future__ import annotations

from collections.abc import Iterator

from runwright.runbook.document import Mistake
from runwright.runbook.model import Runbook
from runwright.runbook.probes import Probe
from runwright.runbook.questions import STATUSES
from runwright.runbook.words import Path


def question_mistakes(book: Runbook, path: Path, probe: Probe) -> Iterator[Mistake]:
    """Yield what is wrong with what ``probe``, which is at ``path``, asks."""
    places = [name for name in book.environments if not probe.environments or name in probe.environments]
    yield from _entered(book, path, probe, places)
    yield from _sql(book, path, probe, places)
    yield from _burst(book, path, probe, places)


def _entered(book: Runbook, path: Path, probe: Probe, places: list[str]) -> Iterator[Mistake]:
    """A service is entered where there is one; which there are besides the application's own, only the platform knows."""
    closed = [name for name in places if not book.environments[name].target.enters]
    entered = {
        "inside": probe.inside is not None,
        "redis": probe.redis is not None and probe.redis.service is not None,
    }
    for key in (key for key, given in entered.items() if given and closed):
        target = book.environments[closed[0]].target.platform
        what = f"no program can be run inside of a service in {', '.join(closed)} (the platform is {target}). Limit the probe with `environments`, or ask from here."
        yield Mistake((*path, key), what, needs=("environments",))


def _sql(book: Runbook, path: Path, probe: Probe, places: list[str]) -> Iterator[Mistake]:
    if probe.sql is None:
        return
    lacking = [name for name in places if book.environments[name].database is None]
    if lacking:
        what = f"{', '.join(lacking)} has no `database` that could be asked. Add it, or limit the probe with `environments`."
        yield Mistake((*path, "sql"), what, needs=("environments",))
    kinds = {database.kind for name in places if (database := book.environments[name].database) is not None}
    if why := _not_a_read(probe.sql, "sqlite" if kinds == {"sqlite"} else "postgres"):
        yield Mistake(
            (*path, "sql"),
            f"{why}: a probe asks one query that only reads.",
            ("sql: SELECT count(*) AS dead FROM outbox",),
        )


def _not_a_read(sql: str, dialect: str) -> str:
    """Return why ``sql`` is not one query that only reads, "" if it is. The database refuses to write besides."""
    import sqlglot  # takes as long to import as everything else here, and few runbooks ask a database
    from sqlglot import expressions as exp

    try:
        statements = [one for one in sqlglot.parse(sql, read=dialect) if one is not None]
    except (sqlglot.errors.SqlglotError, RecursionError):
        return "this is no SQL that is understood"
    if len(statements) != 1:
        return f"these are {len(statements)} statements"
    if not isinstance(statements[0], exp.Query):
        return f"this is a {statements[0].key.upper()}"
    writes = statements[0].find(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into, exp.Lock, exp.Command)
    return f"there is a {writes.key.upper()} in it" if writes is not None else ""


def _burst(book: Runbook, path: Path, probe: Probe, places: list[str]) -> Iterator[Mistake]:
    if probe.burst is None:
        return
    production = [name for name in places if book.environments[name].tier == "production"]
    if production:
        others = ", ".join(name for name in places if name not in production)
        what = f"a burst is never sent to production ({', '.join(production)}): it would take from users what it asks. Limit it to the others."
        yield Mistake((*path, "burst"), what, (f"environments: [{others or 'staging'}]",), needs=("environments",))
    for key, forms in (("answers", probe.burst.answers), ("never", probe.burst.never)):
        for form in forms:
            if not STATUSES.fullmatch(form):
                yield Mistake(
                    (*path, "burst", key), f"{form!r} names no statuses: write 429, or 4xx for all that begin so."
                )
