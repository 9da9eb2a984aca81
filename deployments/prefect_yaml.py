"""Write prefect.yaml from the runbooks, so that ``prefect deploy --all`` registers what ``runwright up`` registers."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from deployments.specs import HEARTBEAT_SECONDS, WORK_POOL, Spec, supervise_spec

HEADER = """\
# Written by `runwright register --write` from the runbooks in deployments/systems/; a test checks that it is up to date.
# Change a runbook and write it again.
"""


def prefect_yaml(specs: list[Spec]) -> str:
    """Return the text of prefect.yaml."""
    pool = {"name": WORK_POOL, "job_variables": {"env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS)}}}
    content = {
        "name": "runwright",
        "prefect-version": "3.8.8",
        "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": "{{ $PWD }}"}}],
        "deployments": [_deployment(spec, pool) for spec in [*specs, supervise_spec()]],
    }
    yaml = YAML()
    yaml.width = 120
    yaml.representer.ignore_aliases = lambda _: True
    text = StringIO()
    yaml.dump(content, text)
    return HEADER + text.getvalue()


def _deployment(spec: Spec, pool: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": spec.name,
        "entrypoint": spec.entrypoint,
        "description": spec.description,
        "tags": spec.tags,
        "parameters": spec.parameters,
        "enforce_parameter_schema": True,
        "work_pool": pool,
    }
    if spec.schedules:
        found["schedules"] = spec.schedules
    if spec.triggers:
        found["triggers"] = spec.triggers
    return found
