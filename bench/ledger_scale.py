"""What the ledger is asked, where it holds a million releases of a thousand systems."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.full_ledger import fill
from bench.machine import ROOT
from bench.numbers import Row, Section, series
from deployments.cli.candidates import candidates
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.states import ENDED, ReleaseState
from runwright.ledger.way_back import to_take_back
from runwright.runbook.loader import load
from runwright.runbook.snapshot import to_json

SYSTEMS, RELEASES = 1_000, 1_000_000
STATUS_SECONDS = 2.0
ANSWER_MS = 50.0
RUNBOOK = ROOT / "examples" / "shop.yaml"
PLACE = ("system1005", "local")
_UNFINISHED = frozenset(ReleaseState) - ENDED


def measure(rounds: int, folder: Path, say: Callable[[str], None]) -> Section:
    """Fill a ledger, then ask it everything that the product asks, ``rounds`` times each."""
    path = folder / "ledger.db"
    began = time.monotonic()
    fill(path, SYSTEMS, RELEASES, to_json(load(RUNBOOK).runbook))
    say(f"ledger: {RELEASES:,} releases in {time.monotonic() - began:.0f} s, {path.stat().st_size / 2**30:.1f} GiB")
    surroundings = os.environ | {
        "RUNWRIGHT_LEDGER_URL": f"sqlite:///{path}",
        "RUNWRIGHT_SYSTEMS": str(_runbooks(folder / "systems")),
    }
    status = [_process(("status",), surroundings) for _ in range(rounds + 1)][1:]
    one = [_process(("status", "/".join(PLACE)), surroundings) for _ in range(rounds)]
    history = [_process(("history",), surroundings) for _ in range(rounds)]
    with open_ledger(f"sqlite:///{path}") as ledger:
        answers = {name: [_timed(ask) for _ in range(rounds + 1)][1:] for name, ask in questions(ledger).items()}
    by_time = sorted(answers, key=lambda name: series(answers[name], "ms").median, reverse=True)
    slowest, median = by_time[0], series(answers[by_time[0]], "ms")
    slow = [f"{name} {series(answers[name], 'ms').shown()}" for name in by_time[:5]]
    target, all_of_it = f"under {ANSWER_MS:.0f} ms", series(status)
    return Section(
        f"A ledger of {RELEASES:,} releases of {SYSTEMS:,} systems",
        (
            Row("runwright status: all systems, a process from its start to its end", all_of_it,
                target=f"under {STATUS_SECONDS:.0f} s", kept=all_of_it.median < STATUS_SECONDS),
            Row("runwright status of one environment, likewise", series(one)),
            Row("runwright history, likewise", series(history)),
            Row(f"the slowest of {len(answers)} questions: {slowest}", median, target=target, kept=median.median < ANSWER_MS),
        ),
        (f"The slowest of them: {'; '.join(slow)}.",),
    )  # fmt: skip


def questions(ledger: Ledger) -> dict[str, Callable[[], object]]:
    """Return what the product asks of a ledger, but for the standing of all environments, by name."""
    releases, records, leases, drills = ledger.releases, ledger.records, ledger.leases, ledger.drills
    live = releases.live(*PLACE)
    assert live is not None and live.run_id is not None
    id, run, commit = live.id, live.run_id, live.commit
    journal = ledger.journal(id)
    return {
        "a release": lambda: releases.get(id),
        "the release of a run": lambda: releases.of_run(run),
        "the runs of a release": lambda: releases.runs(id),
        "the newest releases": lambda: releases.find(),
        "the newest releases of an environment": lambda: releases.find(*PLACE),
        "the newest that were more than a backup or a plan": lambda: releases.find(without=("backup", "plan")),
        "what is not finished anywhere": lambda: releases.find(limit=None, states=_UNFINISHED),
        "what is not finished in an environment": lambda: releases.find(*PLACE, limit=None, states=_UNFINISHED),
        "the last that ended in an environment": lambda: releases.find(*PLACE, limit=1, states=ENDED),
        "what is live in an environment": lambda: releases.live(*PLACE),
        "all environments": releases.places,
        "all commits of a system": lambda: releases.commits(PLACE[0]),
        "whether a commit is in quarantine": lambda: releases.quarantined(*PLACE, commit),
        "the releases of a commit": lambda: releases.find(PLACE[0], limit=None, commit=commit),
        "the steps of a release": lambda: releases.transitions(id),
        "the facts of a release": lambda: releases.facts(id),
        "the release to take back": lambda: to_take_back(ledger, *PLACE),
        "the ways back": lambda: candidates(ledger, live),
        "the journal of a release": journal.entries,
        "whether a release changed anything": lambda: journal.changed(under_lease=True),
        "an entry by its key": lambda: journal.find("deploy/1"),
        "the backups of an environment": lambda: records.backups(*PLACE),
        "the backups of a release": lambda: records.backups(*PLACE, removed=True, release_id=id),
        "the last backup": lambda: records.last_backup(*PLACE),
        "the last proven backup": lambda: records.last_proven_backup(*PLACE),
        "the backups that may go": lambda: records.backups_before(*PLACE, datetime.now(UTC)),
        "the last backup of every environment": records.last_backups,
        "the measurements of a release": lambda: records.measurements(id),
        "what the gates said": lambda: records.gate_results(id),
        "what people said": lambda: records.approvals(id),
        "the log of a release": lambda: records.notes(id),
        "the drills of an environment": lambda: drills.find(*PLACE),
        "the drill of a release": lambda: drills.of_release(id),
        "the newest drills of every environment": drills.newest,
        "who holds an environment": lambda: leases.holder(*PLACE),
        "all leases that are held": leases.held,
        "all leases that were lost": leases.lost,
    }


def _runbooks(folder: Path) -> Path:
    folder.mkdir()
    text = RUNBOOK.read_text()
    for number in range(SYSTEMS):
        name = f"system{1000 + number}"
        (folder / f"{name}.yaml").write_text(text.replace("system: shop", f"system: {name}", 1))
    return folder


def _process(words: tuple[str, ...], surroundings: dict[str, str]) -> float:
    began = time.perf_counter()
    command = (str(Path(sys.executable).parent / "runwright"), *words)
    subprocess.run(command, env=surroundings, check=True, capture_output=True, timeout=300)
    return time.perf_counter() - began


def _timed(ask: Callable[[], object]) -> float:
    """Return how long an answer takes, in milliseconds."""
    began = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - began)
