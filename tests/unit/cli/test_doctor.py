"""`doctor`: what is missing is a line with what to do about it."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from deployments.cli.examining import machine
from deployments.cli.findings import Wanted, listed
from deployments.cli.places import Place
from runwright.errors import InputError, RunwrightError
from runwright.ledger import Ledger
from runwright.ledger.states import ReleaseState
from runwright.runbook.loader import load
from tests.unit.cli.conftest import Call, Opened

NOW = datetime(2026, 11, 21, 7, 5, 12, 900_000, tzinfo=UTC)


def test_without_a_server_the_doctor_fails_and_says_what_to_do(
    call: Call, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else is looked at all the same."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    found = call("doctor", "--json")
    assert found.exit_code == 1
    data = json.loads(found.stdout)
    states = {f["about"]: f for f in data["findings"]}
    assert data["ok"] is False
    assert states["prefect"]["state"] == "fail"
    assert "runwright up" in states["prefect"]["next"]
    assert states["git"]["state"] == "ok"
    assert {"ledger", "disk", "runbooks"} <= set(states)


def test_many_environments_are_one_line() -> None:
    """A doctor that lists what is right hides what is wrong."""
    assert listed(["a/x", "b/y"]) == "a/x, b/y"
    assert listed([f"s/{n}" for n in range(9)]) == "s/0, s/1, s/2, s/3, s/4, s/5 and 3 more"
    assert listed([]) == "none"


def test_a_runbook_with_mistakes_is_a_finding(call: Call, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And does not hide the rest."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    shop.write_text("system: [")
    found = call("doctor")
    assert found.exit_code == 1
    assert "has mistakes" in found.stdout


def test_a_home_that_is_a_file_is_a_finding(call: Call, runwright_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a traceback."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    runwright_home.write_text("a file")
    found = call("doctor")
    assert found.exit_code == 1
    assert "Traceback" not in found.output


HOST = """\
system: shop
source: {{repo: shop}}
components: {{web: {{}}}}
environments:
  development:
    tier: development
    target: {{platform: host, process: {{command: ["true"]}}}}
    router: {{kind: caddy, listen: {port}}}
"""


def port_finding(tmp_path: Path, port: int, ledger: Ledger | None) -> str:
    """Return the state of the finding about the front door's port."""
    file = tmp_path / "host.yaml"
    file.write_text(HOST.format(port=port))
    wanted = [Wanted(Place("shop", "development"), load(file).runbook, named=True)]
    return next(f.state for f in machine(wanted, ledger) if f.about == f"port {port}")


def test_a_front_door_needs_its_port(tmp_path: Path, ledger: Ledger, opened: Opened) -> None:
    """In use is right once the environment serves, and wrong before."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port_finding(tmp_path, port, None) == "fail"
        opened("v1", to=ReleaseState.PROVEN, environment="development")
        assert port_finding(tmp_path, port, ledger) == "ok"
    assert port_finding(tmp_path, port, None) == "ok"


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, "ok"), (-1, "ok"), (4, "ok"), (-30, "warn"), (30, "warn"), (-300, "fail"), (300, "fail")]
)
def test_a_clock_that_is_off_is_seen(seconds: float, state: str) -> None:
    """Prefect judges heartbeats and schedules by its own; whole seconds are all that it tells."""
    from deployments.cli.examining_prefect import _clock

    date = format_datetime((NOW + timedelta(seconds=seconds)).replace(microsecond=0), usegmt=True)
    assert _clock(date, NOW, NOW + timedelta(milliseconds=50)).state == state


def test_a_server_that_tells_no_time_is_remarked_on() -> None:
    """A proxy may take the header away."""
    from deployments.cli.examining_prefect import _clock

    assert _clock("", NOW, NOW).state == "warn"


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("10.0.0.5", False), ("prefect.acme", False)],
)
def test_another_machine_is_told_from_this_one(host: str, here: bool) -> None:
    """A ledger in a file is no good for workers elsewhere."""
    from deployments.cli.examining_prefect import is_this_machine

    assert is_this_machine(host) is here


class Automation:
    """As much of Prefect's automation as is looked at."""

    def __init__(self, name: str, enabled: bool = True) -> None:
        self.name, self.enabled = name, enabled


ROLL_BACK = "roll back shop-production"


@pytest.mark.parametrize(
    ("there", "state", "said"),
    [
        ([Automation(ROLL_BACK), Automation("other")], "ok", "automation"),
        ([Automation("other")], "fail", "no automation"),
        ([Automation(ROLL_BACK, enabled=False)], "fail", "disabled"),
        ([Automation(ROLL_BACK), Automation(ROLL_BACK)], "fail", "2 automations"),
    ],
)
def test_the_automation_for_rollbacks_is_there_once_and_enabled(
    shop: Path, there: list[Any], state: str, said: str
) -> None:
    """Without it a killed release is put back by nobody; with two of them twice."""
    from deployments.cli.examining_prefect import _automation
    from deployments.specs import specs_of

    specs = [s for s in specs_of(load(shop).runbook) if s.name == "shop-production"]
    found = _automation("shop/production", specs, there)
    assert (found.state, said in found.text) == (state, True)


class LostPool:
    """As much of Prefect as is asked: every deployment is there, and its work pool was deleted, or is paused."""

    url = "http://127.0.0.1:4200/api"

    def __init__(self, pool: str) -> None:
        self.pool = pool

    def registered(self, name: str) -> Any:
        from deployments.cli.prefect_api import Registered

        return Registered(UUID(int=0), name, self.pool, False, frozenset())

    def is_paused(self, pool: str) -> bool:
        return pool == self.pool


def test_a_work_pool_that_is_gone_is_told_with_what_makes_it_again(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect itself only answers 404 to a question about a pool without a name."""
    from deployments.cli import examining_prefect
    from deployments.cli.prefect_api import Prefect

    monkeypatch.setattr(examining_prefect, "_automations", lambda _: [])
    lost: Any = LostPool("")
    wanted, pools = [Wanted(Place("shop", "production"), load(shop).runbook, named=True)], set[str]()
    (found,) = examining_prefect._deployments(lost, wanted, pools)
    assert (found.state, pools) == ("fail", set())
    assert "their work pool was deleted: deploy/shop-production" in found.text
    assert found.next.startswith("`runwright up` makes it again")
    with pytest.raises(InputError, match="no work pool any more") as caught:
        Prefect.the(lost, "deploy/shop-production")
    assert "`runwright up`" in caught.value.next


def test_a_paused_work_pool_is_told_before_a_run_waits_in_it_for_ever() -> None:
    """Its workers are online all the same."""
    from deployments.cli.examining_prefect import _workers
    from deployments.cli.releasing import need_a_worker

    paused: Any = LostPool("team")
    (found,) = _workers(paused, {"team"})
    assert (found.state, found.next) == ("fail", "`prefect work-pool resume team` lets its workers take runs again.")
    with pytest.raises(RunwrightError, match="team is paused"):
        need_a_worker(paused, "team")


def test_a_login_that_is_refused_by_the_server_of_another_day_is_told_with_the_way_home(runwright_home: Path) -> None:
    """`up` goes on with the address that it was last given, when nobody names it any more."""
    from deployments.cli.prefect_api import translated
    from deployments.running import Running, remember

    def refused(url: str) -> str:
        answer = httpx.Response(401, request=httpx.Request("GET", url))
        with pytest.raises(RunwrightError, match="refuses the login") as caught, translated(url):
            answer.raise_for_status()
        return caught.value.next

    remember(Running("https://prefect.example.com/api", None, None))
    assert "without PREFECT_API_URL it goes back" in refused("https://prefect.example.com/api")
    assert refused("https://other.example.com/api") == "Set PREFECT_API_AUTH_STRING as the server has it."
