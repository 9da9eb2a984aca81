"""What a person wants of a canary that is under way."""

from __future__ import annotations

import getpass

from prefect import task
from prefect.cache_policies import NO_CACHE

from runwright.ledger import open_ledger
from runwright.release import by_hand as release
from runwright.release.redacting import written
from runwright.runbook.snapshot import from_json
from tasks.run import RUN


@task(name="by-hand", cache_policy=NO_CACHE, persist_result=False)
def by_hand(system: str, environment: str, what: str, share: int | None, deployer: str, why: str) -> str:
    """Ask the run of the release for it, and return what it has done."""
    wanted = release.checked(what, share)
    with open_ledger() as ledger:
        found, _ = release.under_way(ledger, system, environment)
        clean = written(from_json(found.runbook), environment, RUN)
        asked = release.ask(ledger, found, wanted, share, clean(deployer or getpass.getuser()), clean(why))
        return release.answer(ledger, found, asked)
