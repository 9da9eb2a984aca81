"""What `doctor` asks of Prefect: version, clock, workers, deployments, automations and the names of blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
from prefect import __version__ as client_version
from prefect.context import get_settings_context
from prefect.events.schemas.automations import Automation

from blocks.environment import RunwrightEnvironment
from deployments.cli.findings import Wanted, listed
from deployments.cli.prefect_api import TIMEOUT_SECONDS, Prefect, translated
from deployments.running import API_VARIABLE, read_running
from deployments.server import outdated
from deployments.specs import Spec, specs_of
from runwright.home import ledger_url
from runwright.loopback import is_loopback
from runwright.platforms.shape import Finding
from runwright.plural import plural

PREFECT_VERSION = "3.8.8"
CLOCK_WARN_SECONDS = 5.0
CLOCK_FAIL_SECONDS = 60.0
_PAGE = 200
_REGISTER = "`runwright register` registers what the runbooks say."
_POOL = "`runwright up` makes it again, and starts its worker; `runwright register` only makes it again."


def all_of(prefect: Prefect, wanted: list[Wanted]) -> list[Finding]:
    """Return what is found in Prefect. Raise RunwrightError if it cannot be asked."""
    found = [*_server(prefect), _login(prefect.url), *_as_started(prefect.url), _ledger_fits(prefect.url)]
    pools: set[str] = set()
    found += _deployments(prefect, wanted, pools)
    found += _workers(prefect, pools)
    return [*found, *_blocks(prefect, wanted)]


def _server(prefect: Prefect) -> Iterator[Finding]:
    running = read_running()
    ours = running is not None and running.api_url == prefect.url and running.server is not None
    profile = get_settings_context().profile.name
    where = (
        "started by `runwright up`" if ours else API_VARIABLE if os.environ.get(API_VARIABLE) else f"profile {profile}"
    )
    with translated(prefect.url):
        version = prefect.client.api_version()
        before = datetime.now(UTC)
        date = prefect.client.hello().headers.get("date", "")
        after = datetime.now(UTC)
    right = version == client_version == PREFECT_VERSION
    text = f"{prefect.url} ({where}): server {version}, here {client_version}"
    next_ = "" if right else f"Install prefect=={PREFECT_VERSION} on both sides; other versions were not tried."
    yield Finding("prefect", "ok" if right else "fail", text, next_)
    yield _clock(date, before, after)


def _login(url: str) -> Finding:
    """Ask the server without a login for what it tells nobody else."""
    try:
        status = httpx.get(f"{url}/version", timeout=TIMEOUT_SECONDS).status_code
    except httpx.HTTPError as error:
        return Finding("login", "warn", f"it is not known whether the server asks for one ({type(error).__name__})")
    if status != httpx.codes.OK:
        return Finding("login", "ok", "the server asks for one")
    text = "the server asks for none: whoever reaches it reads every secret, and runs commands as the user of a worker"
    return Finding(
        "login", "warn", text, "A server that `runwright up` starts has one; docs/how-to/team.md gives yours one."
    )


def _as_started(url: str) -> Iterator[Finding]:
    """Yield what runs here and is not as `up` would start it: for another server, without its login, with older code."""
    running = read_running()
    for name, why in outdated(running, url) if running else ():
        next_ = "`runwright up` starts it anew, if nothing is being released."
        yield Finding(f"{name} here", "warn", f"it goes on, although {why}", next_)


def _clock(date: str, before: datetime, after: datetime) -> Finding:
    """Compare the server's clock, which tells whole seconds, with ours just before and after it answered."""
    try:
        server = parsedate_to_datetime(date)
    except ValueError:
        return Finding("clock", "warn", "the server does not tell its time")
    off = max(0.0, (before - server).total_seconds() - 1.0, (server - after).total_seconds())
    text = f"the server's clock is {off:.0f} s off" if off >= 1 else "the server's clock agrees with this one"
    next_ = "Let both machines take their time from NTP."
    if off > CLOCK_FAIL_SECONDS:
        return Finding("clock", "fail", text, next_)
    return Finding(
        "clock", "warn" if off > CLOCK_WARN_SECONDS else "ok", text, next_ if off > CLOCK_WARN_SECONDS else ""
    )


def _ledger_fits(api_url: str) -> Finding:
    on_sqlite = ledger_url().startswith("sqlite")
    if on_sqlite and not is_this_machine(urlsplit(api_url).hostname or ""):
        return Finding(
            "ledger", "warn", "Prefect is on another machine, and the ledger is a file of this one",
            "If workers run elsewhere too, they need one ledger: PostgreSQL, in RUNWRIGHT_LEDGER_URL.",
        )  # fmt: skip
    return Finding(
        "ledger", "ok", "reachable from where runs are" if not on_sqlite else "on this machine, as Prefect is"
    )


def is_this_machine(host: str) -> bool:
    """Return whether a host name or address means this machine."""
    return not host or is_loopback(host)


def _deployments(prefect: Prefect, wanted: list[Wanted], pools: set[str]) -> Iterator[Finding]:
    """Yield whether every deployment and automation is there; put the work pools that they use into ``pools``.

    What is right is one line for all environments; what is not, a line for each.
    """
    automations = _automations(prefect)
    right: list[str] = []
    for one in wanted:
        specs = [s for s in specs_of(one.runbook) if s.name == one.place.deployment]
        missing, paused, without = [], [], []
        for spec in specs:
            registered = prefect.registered(spec.full_name)
            if registered is None:
                missing.append(spec.full_name)
                continue
            if not registered.work_pool:
                without.append(spec.full_name)
                continue
            pools.add(registered.work_pool)
            if registered.paused:
                paused.append(spec.full_name)
        about = f"{one.place}"
        if missing:
            yield Finding(about, one.lacks, f"not registered: {', '.join(missing)}", _REGISTER)
            continue
        if without:
            yield Finding(about, "fail", f"their work pool was deleted: {', '.join(without)}", _POOL)
            continue
        if paused:
            yield Finding(
                about, "warn", f"paused: {', '.join(paused)}", "`prefect deployment resume NAME` lets them run."
            )
        found = _automation(about, specs, automations)
        if found.state == "ok":
            right.append(about)
        else:
            yield found
    if right:
        yield Finding("deployments", "ok", f"there, with the automation for rollbacks: {listed(right)}")


def _automations(prefect: Prefect) -> list[Automation]:
    found: list[Automation] = []
    while True:
        with translated(prefect.url):
            page = prefect.client.read_automations(limit=_PAGE, offset=len(found))
        found += page
        if len(page) < _PAGE:
            return found


def _automation(about: str, specs: list[Spec], automations: list[Automation]) -> Finding:
    """Judge the automations that the deployments need: each exactly once, and enabled."""
    wrong = []
    needed = [str(trigger["name"]) for spec in specs for trigger in spec.triggers]
    for name in needed:
        there = [a for a in automations if a.name == name]
        if not there:
            wrong.append(f"no automation {name!r}: a failed release would not be put back by itself")
        elif not all(a.enabled for a in there):
            wrong.append(f"the automation {name!r} is disabled: a failed release would not be put back by itself")
        elif len(there) > 1:
            wrong.append(f"{len(there)} automations {name!r}: each would start a rollback")
    if wrong:
        return Finding(about, "fail", "; ".join(wrong), _REGISTER)
    return Finding(about, "ok", f"{plural(len(specs), 'deployment')} and the automation for rollbacks")


def _workers(prefect: Prefect, pools: set[str]) -> Iterator[Finding]:
    for pool in sorted(pools):
        if prefect.is_paused(pool):
            next_ = f"`prefect work-pool resume {pool}` lets its workers take runs again."
            yield Finding("worker", "fail", f"the work pool {pool} is paused", next_)
            continue
        online = prefect.online(pool)
        if online:
            names = ", ".join(f"{w.name} ({w.seconds_ago or 0:.0f} s ago)" for w in online)
            yield Finding("worker", "ok", f"online in {pool}: {names}")
        else:
            next_ = f"`runwright up` starts one here; elsewhere: `prefect worker start --pool {pool}`."
            yield Finding("worker", "fail", f"none is online in the work pool {pool}", next_)


def _blocks(prefect: Prefect, wanted: list[Wanted]) -> Iterator[Finding]:
    """Yield whether each environment's block is there: by its name, without reading what is in it."""
    with translated(prefect.url):
        slug = RunwrightEnvironment.get_block_type_slug()
        names = {d.name for d in prefect.client.read_block_documents_by_type(slug, include_secrets=False)}
    there, not_needed = [], []
    for one in wanted:
        block = one.runbook.block_of(one.place.environment)
        if block in names:
            there.append(block)
        elif one.runbook.environments[one.place.environment].tier == "development":
            not_needed.append(str(one.place))
        else:
            next_ = f"`runwright secrets set {one.place} NAME` makes it with its first secret."
            yield Finding(f"block {block}", one.lacks, f"not there; {one.place} needs it", next_)
    if there:
        yield Finding("blocks", "ok", f"there: {listed(list(dict.fromkeys(there)))}")
    if not_needed:
        yield Finding("blocks", "ok", f"not there, and not needed in development: {listed(not_needed)}")
