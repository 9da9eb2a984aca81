"""prefect.yaml, which is written from the shipped runbooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from deployments.prefect_yaml import prefect_yaml
from deployments.specs import HEARTBEAT_SECONDS, WORK_POOL, specs_of, supervise_spec
from runwright.runbook.finding import SHIPPED
from runwright.runbook.loader import load

FILE = Path(__file__).resolve().parents[3] / "prefect.yaml"
SPECS = [spec for path in sorted(SHIPPED.glob("*.yaml")) for spec in specs_of(load(path).runbook)]
EVERY = [*SPECS, supervise_spec()]


def content() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


def test_it_is_up_to_date() -> None:
    """It says what the runbooks say; `runwright register --write` writes it again."""
    assert FILE.read_text() == prefect_yaml(SPECS), "run `runwright register --write`"


def test_it_holds_every_deployment_of_the_shipped_runbooks_once() -> None:
    """`prefect deploy --all` registers what `runwright up` registers."""
    listed = [f"{d['entrypoint'].partition(':')[2]}/{d['name']}" for d in content()["deployments"]]
    assert listed == [spec.full_name for spec in EVERY]


def test_every_run_says_that_it_lives_equally_often() -> None:
    """A worker that beats more slowly than the others has its healthy runs declared dead."""
    for deployment in content()["deployments"]:
        pool = deployment["work_pool"]
        assert pool["name"] == WORK_POOL
        assert pool["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == str(HEARTBEAT_SECONDS)


def test_what_the_runbooks_leave_out_is_left_out() -> None:
    """An empty list of schedules or triggers would take away what somebody set in the UI."""
    for deployment, spec in zip(content()["deployments"], EVERY, strict=True):
        assert deployment.get("schedules", []) == spec.schedules
        assert ("triggers" in deployment) == bool(spec.triggers)


def test_it_names_no_secret_and_no_place_of_this_machine() -> None:
    """It is committed: what it holds is true everywhere."""
    text = FILE.read_text()
    assert str(FILE.parent) not in text
    assert "password" not in text.casefold()
