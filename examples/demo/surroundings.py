"""Where the demo lives: in ``.runwright`` of this checkout, whatever else is configured on this machine."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import delete, select

from deployments.server import prefect_home, read_running
from runwright.errors import RunwrightError
from runwright.home import HOME_VARIABLE, LEDGER_VARIABLE
from runwright.ledger import open_ledger
from runwright.ledger.leases import TTL_SECONDS
from runwright.ledger.tables import metadata, releases
from runwright.platforms.host import SLOTS, Host
from runwright.routers.caddy.driver import CaddyRouter
from runwright.runbook.loader import load
from runwright.runbook.platforms.host import HostTarget
from runwright.testing.direct import Direct

ROOT = Path(__file__).resolve().parents[2]
SYSTEM, ENVIRONMENT = "shop", "local"
ASK_SECONDS = 5.0
LEASE_SECONDS = TTL_SECONDS + 5


def settle() -> None:
    """Let this process use the embedded default and nothing that the person has configured elsewhere."""
    for name in list(os.environ):
        if name.startswith("PREFECT_") or name in (LEDGER_VARIABLE, "RUNWRIGHT_FAULTS"):
            del os.environ[name]
    os.environ[HOME_VARIABLE] = str(ROOT / ".runwright")
    os.environ["RUNWRIGHT_SYSTEMS"] = str(ROOT / "examples")
    os.environ["PREFECT_HOME"] = str(prefect_home())


class Shop:
    """The shop as it runs: its processes and its front door, asked directly and not through Runwright's flows."""

    system, environment = SYSTEM, ENVIRONMENT

    def __init__(self) -> None:
        place = load(self.runbook).runbook.environments[ENVIRONMENT]
        assert isinstance(place.target, HostTarget) and place.target.directory and place.router
        self.root = Path(place.target.directory)
        self.do = Direct()
        self.host = Host(place.target, self.root, {}, sys.executable)
        self.router = CaddyRouter(place.router, self.root / "caddy", sys.executable)

    @property
    def runbook(self) -> Path:
        """Its runbook."""
        return ROOT / "examples" / f"{self.system}.yaml"

    @property
    def data(self) -> tuple[Path, ...]:
        """The folders that a demo begins afresh without."""
        return ROOT / ".runwright" / "example", ROOT / ".runwright" / "systems" / self.system

    def make(self) -> None:
        """Make what must be there before the first release: nothing."""

    def front(self) -> str:
        """Return the address that clients use, or "" if there is none yet."""
        return self.router.facts(self.do).front

    def version(self) -> str:
        """Return the version that answers behind the front door, as it says itself; "" if none does."""
        return version_at(self.front())

    def forwarded_to(self) -> str:
        """Return the version of the process that the front door names as its target, asked without the front door."""
        target = self.router.target(self.do)
        return version_at(target.url) if target else ""

    def end(self) -> list[str]:
        """End its processes and its front door, and return what was ended."""
        ended = []
        if self.router.facts(self.do).running:
            ended.append("the front door")
        self.router.stop(self.do, "end")
        for slot in SLOTS:
            if self.host.upstream(self.do, slot) is not None:
                ended.append(f"the shop in {slot}")
            self.host.stop(self.do, slot, "end")
        return ended


def version_at(url: str) -> str:
    """Return the version that answers at ``url``, as it says itself; "" if none does."""
    try:
        answer = httpx.get(f"{url}/healthz", timeout=ASK_SECONDS, trust_env=False)
        return f"v{answer.json()['version']}" if url and answer.status_code == 200 else ""
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError):
        return ""


def begin_afresh(shop: Shop) -> None:
    """Forget what an earlier demo left: the shop's processes, its data and its releases. Nothing else is touched.

    Raise RunwrightError if a release of the shop is in somebody's hands right now.
    """
    running = read_running()
    if running is not None and running.server is None:
        raise RunwrightError(
            f"`runwright up` was started in this checkout with a Prefect server of your own ({running.api_url}).",
            state="Nothing was done.",
            next="End it with `runwright down`; the demo starts a server of its own.",
        )
    if holder := _held(shop):
        raise RunwrightError(
            f"The shop is being released right now: {holder}.",
            state="Nothing was done.",
            next="Wait until that has ended, or run `make stop`.",
        )
    shop.end()
    forget_releases(shop.system, shop.environment)
    for folder in shop.data:
        shutil.rmtree(folder, ignore_errors=True)


def _held(shop: Shop) -> str:
    """Return who holds the shop, or "". The lease of a run that was ended expires: it is waited for that long."""
    until = time.monotonic() + LEASE_SECONDS
    with open_ledger() as ledger:
        while (lease := ledger.leases.holder(shop.system, shop.environment)) and time.monotonic() < until:
            time.sleep(0.5)
    return lease.holder if lease else ""


def forget_releases(system: str = SYSTEM, environment: str = ENVIRONMENT) -> None:
    """Remove every row of the shop's releases from the ledger."""
    with open_ledger() as ledger:

        def work(connection: Any) -> None:
            mine = (releases.c.system == system) & (releases.c.environment == environment)
            ids = list(connection.execute(select(releases.c.id).where(mine)).scalars())
            connection.execute(releases.update().where(mine).values(previous_id=None))
            for table in reversed(metadata.sorted_tables):  # what refers to a release before the release
                columns = table.c
                if "release_id" in columns:
                    connection.execute(delete(table).where(columns.release_id.in_(ids)))
                if "system" in columns:
                    here = (columns.system == system) & (columns.environment == environment)
                    connection.execute(delete(table).where(here))

        ledger.store.write(work)
