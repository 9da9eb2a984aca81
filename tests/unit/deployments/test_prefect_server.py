"""What is different in Prefect's server as ``up`` starts it, each by itself."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from deployments.prefect_server import DESCRIPTIONS, answer_this_machine_only, lock_when_it_begins

# What is imported of Prefect's server is imported in the tests: it takes two seconds, of each test process.

WAITS_SECONDS = 20

# One connection has the write lock and a second one waits for it in another thread. Garbage that holds a cursor of the
# second is left, and the main thread, which is to release the lock, makes objects until Python would have collected.
STANDSTILL = f"""
import gc, sqlite3, sys, threading, time
from deployments.prefect_server import collect_beside

gc.disable()
holder = sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False)
waiter = sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False, timeout={WAITS_SECONDS})
holder.execute("CREATE TABLE t (x)")

class Knot:
    gone = False
    def __del__(self):
        Knot.gone = True

knot = Knot()
knot.itself, knot.cursor = knot, waiter.execute("SELECT 1 UNION SELECT 2")
holder.execute("BEGIN IMMEDIATE")
waiting = threading.Thread(target=waiter.execute, args=("BEGIN IMMEDIATE",))
waiting.start()
time.sleep(0.5)
del knot

if sys.argv[2] == "beside":
    collect_beside()
else:
    gc.enable()
began = time.monotonic()
while time.monotonic() < began + 3:
    kept = [[] for _ in range(1000)]
    time.sleep(0.01)
holder.execute("COMMIT")
took = time.monotonic() - began
waiting.join()
time.sleep(0.1)
print(f"{{took:.1f}} {{Knot.gone}}")
"""


def test_garbage_of_a_connection_that_waits_does_not_hold_up_who_has_the_lock(tmp_path: Path) -> None:
    """The main thread releases the lock when it wanted to, and the garbage is collected nonetheless."""
    words = [sys.executable, "-c", STANDSTILL, str(tmp_path / "it.db"), "beside"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=90, check=True)
    took, collected = ran.stdout.split()
    assert float(took) < WAITS_SECONDS / 2
    assert collected == "True"


def test_a_transaction_has_the_write_lock_before_it_reads(tmp_path: Path) -> None:
    """Somebody else who wants to write waits for it, and nobody's write is refused for what was written meanwhile."""
    from prefect.server.database.configurations import AioSqliteConfiguration

    given = AioSqliteConfiguration.begin_transaction
    lock_when_it_begins()
    try:
        assert asyncio.run(two_who_read_and_then_write(tmp_path / "it.db")) == 3
    finally:
        AioSqliteConfiguration.begin_transaction = given  # type: ignore[method-assign]


async def two_who_read_and_then_write(path: Path) -> int:
    """Let two at the same time add 1 to a number that is 1, each from what it has read; return what it is then."""
    from prefect.server.database.configurations import AioSqliteConfiguration
    from sqlalchemy import text

    database = AioSqliteConfiguration(f"sqlite+aiosqlite:///{path}")
    engine = await database.engine()
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE numbers (x INTEGER)"))
        await connection.execute(text("INSERT INTO numbers VALUES (1)"))

    async def add() -> None:
        session = await database.session(engine)
        async with session, database.begin_transaction(session):
            read = (await session.execute(text("SELECT x FROM numbers"))).scalar_one()
            await asyncio.sleep(0.2)
            await session.execute(text("UPDATE numbers SET x = :x"), {"x": read + 1})

    await asyncio.gather(add(), add())
    session = await database.session(engine)
    async with session:
        found: int = (await session.execute(text("SELECT x FROM numbers"))).scalar_one()
    await engine.dispose()
    return found


def test_who_has_no_login_makes_the_server_describe_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a description takes seconds in which nobody else is answered, and a page in any browser could ask for it."""
    from prefect.server.api import server

    given = server.create_app
    monkeypatch.setattr(server, "create_app", given)  # what is put in its place is taken away after this
    answer_this_machine_only()
    app = server.create_app(final=True)

    async def statuses() -> list[int]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return [(await client.get(path)).status_code for path in (*DESCRIPTIONS, "/api/health")]

    assert asyncio.run(statuses()) == [404] * len(DESCRIPTIONS) + [200]
