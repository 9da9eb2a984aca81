"""What this version of Runwright can release, said before anything else is done."""

from __future__ import annotations

from collections.abc import Iterator

from runwright.runbook.model import Runbook
from runwright.runbook.model import environment as environment_of
from runwright.runbook.targets import Environment, LaterDatabase, LaterMetrics, LaterTarget

_TITLES = {
    "kubernetes": "Kubernetes",
    "alb_asg": "EC2 behind a load balancer",
    "ecs": "Amazon ECS",
    "aci": "Azure Container Instances",
    "cloud_run": "Google Cloud Run",
    "rds": "Amazon RDS",
    "cloud_sql": "Google Cloud SQL",
    "cloudwatch": "Amazon CloudWatch",
    "cloud_monitoring": "Google Cloud Monitoring",
    "flyway": "Flyway",
    "sql": "plain SQL files",
}


def unsupported(runbook: Runbook, environment: str) -> str | None:
    """Return why ``runbook`` can not be released to ``environment`` by this version, and what is possible instead.

    None if nothing is in the way. Raise InputError if there is no such environment.
    """
    place = environment_of(runbook, environment)
    reasons = _reasons(runbook, environment, place)
    if not reasons:
        return None
    possible = [n for n, p in runbook.environments.items() if n != environment and not _reasons(runbook, n, p)]
    others = f" Of {runbook.system}, {' and '.join(possible)} can be released today." if possible else ""
    return " ".join(reasons) + others


def _reasons(runbook: Runbook, name: str, place: Environment) -> list[str]:
    return [*_target(place), *_database(place), *_migrator(runbook), *_metrics(runbook, name, place)]


def _target(place: Environment) -> Iterator[str]:
    if isinstance(place.target, LaterTarget):
        yield (
            f"Runwright cannot deploy to {_TITLES[place.target.platform]} yet: it deploys to Docker Compose "
            "(`platform: compose`) and to processes of this machine (`platform: host`)."
        )


def _database(place: Environment) -> Iterator[str]:
    if isinstance(place.database, LaterDatabase):
        yield (
            f"Runwright cannot back up {_TITLES[place.database.kind]} yet: it backs up PostgreSQL "
            "(`kind: postgres`, also a managed one, by its host) and SQLite."
        )


def _migrator(runbook: Runbook) -> Iterator[str]:
    if runbook.migrate is not None and runbook.migrate.tool not in ("alembic", "command"):
        yield (
            f"Runwright cannot run migrations with {_TITLES[runbook.migrate.tool]} yet: it runs Alembic, and a program of your own (`tool: command`). "
            "Without the `migrate` section it releases the code alone, and migrations stay with you."
        )


def _metrics(runbook: Runbook, name: str, place: Environment) -> Iterator[str]:
    if isinstance(place.metrics, LaterMetrics):
        yield (
            f"Runwright cannot read metrics from {_TITLES[place.metrics.kind]} yet: it asks a Prometheus server "
            "(`kind: prometheus`) or reads a /metrics page itself (`kind: scrape`)."
        )
    rules = [rule.id for rule in runbook.rules_of(name) if rule.cloudwatch is not None]
    if rules:
        yield (
            f"The watch {'rule' if len(rules) == 1 else 'rules'} {', '.join(rules)} would ask Amazon CloudWatch, which is not built yet: "
            "use `measure`, `promql`, `probe` or `stats`, or limit them to other environments."
        )
