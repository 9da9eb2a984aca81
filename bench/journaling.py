"""What the executor costs for each change: trivial commands, journaled, beside the same ones from subprocess."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bench.numbers import Row, Section, series
from runwright.engine.actions import Command
from runwright.engine.executor import Executor
from runwright.engine.performer import Performer
from runwright.ledger import Ledger, open_ledger

CHANGES = 60


def measure(rounds: int, folder: Path) -> Section:
    """Perform ``CHANGES`` trivial changes under a lease, and as many plain processes, ``rounds`` times by turns."""
    url = f"sqlite:///{folder / 'ledger.db'}"
    journaled, plain, unkept, opened = [], [], [], []
    counts: Counter[str] = Counter()
    with open_ledger(url) as ledger:
        for number in range(rounds):
            do = _executor(ledger, number)
            if number == 0:
                _count(ledger, counts)
            journaled.append(_timed(lambda do=do, n=number: [do(_change(f"bench/{n}/{i}")) for i in range(CHANGES)]))
            unkept.append(_timed(lambda do=do: [do(_read()) for _ in range(CHANGES)]))
            plain.append(_timed(lambda: [subprocess.run(["true"], check=True) for _ in range(CHANGES)]))
            opened.append(_timed(lambda: [open_ledger(url).close() for _ in range(5)]) / 5)
    written = [_synced(folder) for _ in range(rounds)]
    each = [1000 * total / CHANGES for total in journaled]
    reads = [1000 * total / CHANGES for total in unkept]
    shell = [1000 * total / CHANGES for total in plain]
    changes = rounds * CHANGES
    return Section(
        "One change, with its journal on SQLite",
        (
            Row("one journaled change, beside subprocess.run", series(each, "ms"), series(shell, "ms")),
            Row("one read (never journaled), beside subprocess.run", series(reads, "ms"), series(shell, "ms")),
            Row("ledger transactions for each change", series([counts["transactions"] / changes], "")),
            Row("of those, with a commit that is synced to disk", series([counts["writes"] / changes], "")),
            Row("opening the ledger, once for each step", series([1000 * value for value in opened], "ms")),
        ),
        (
            f"{CHANGES} changes in each round. One 4 KiB write and fsync on this disk takes "
            f"{series(written, 'ms').shown()}.",
        ),
    )


def _executor(ledger: Ledger, number: int) -> Executor:
    release = ledger.releases.open(
        "bench", f"round{number}", "v1", procedure="deploy", run_id=f"run{number}", runbook={}, parameters={}, deployer="b"
    )  # fmt: skip
    lease = ledger.leases.take(
        "bench", f"round{number}", holder="bench", run_id=f"run{number}", procedure="deploy", release_id=release.id,
        ttl_seconds=300,
    )  # fmt: skip
    return Executor(ledger.journal(release.id), Performer(), token=lease.token)


def _change(key: str) -> Command[Any]:
    return Command(says="do nothing", key=key, argv=("true",))


def _read() -> Command[Any]:
    return Command(says="look at nothing", argv=("true",))


def _count(ledger: Ledger, counts: Counter[str]) -> None:
    def begun(connection: Any) -> None:
        counts["transactions"] += 1
        counts["writes"] += connection.get_execution_options().get("begin", "BEGIN") != "BEGIN"

    event.listen(ledger.store.engine, "begin", begun)


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _synced(folder: Path) -> float:
    with (folder / "synced").open("wb") as file:
        file.write(os.urandom(4096))
        file.flush()
        began = time.perf_counter()
        os.fsync(file.fileno())
        return 1000 * (time.perf_counter() - began)
