"""`doctor`: what is missing is a line with what to do about it."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from deployments.cli.examining import machine
from deployments.cli.findings import Wanted, listed
from deployments.cli.places import Place
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
