"""What this version of Runwright can release, said before anything else is done."""

from __future__ import annotations

from collections.abc import Iterator

from runwright import registry
from runwright.errors import InputError
from runwright.registry import Room
from runwright.runbook.environment import Environment
from runwright.runbook.model import Runbook
from runwright.runbook.model import environment as environment_of
from runwright.runbook.registered import model_of


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
    if not place.target.built:
        yield (
            f"Runwright cannot deploy to {registry.PLATFORMS.planned[place.target.platform]} yet: "
            f"it deploys to {_possible(registry.PLATFORMS, 'to ')}."
        )


def _database(place: Environment) -> Iterator[str]:
    if place.database is not None and not place.database.built:
        yield (
            f"Runwright cannot back up {registry.DATABASES.planned[place.database.kind]} yet: "
            f"it backs up {_possible(registry.DATABASES)}."
        )


def _migrator(runbook: Runbook) -> Iterator[str]:
    if runbook.migrate is not None and not runbook.migrate.built:
        yield (
            f"Runwright cannot run migrations with {registry.MIGRATORS.planned[runbook.migrate.tool]} yet: "
            f"it runs {_possible(registry.MIGRATORS)}. "
            "Without the `migrate` section it releases the code alone, and migrations stay with you."
        )


def _possible(room: Room, word: str = "") -> str:
    """Return what there is in ``room``, as a phrase; ``word`` goes before each."""
    there = []
    for name in room.names:
        try:
            there.append(f"{model_of(room, name).title or name} (`{room.key}: {name}`)")
        except InputError:  # what is broken is no help
            continue
    return f" and {word}".join(there) if len(there) < 3 else f", {word}".join(there)


def _metrics(runbook: Runbook, name: str, place: Environment) -> Iterator[str]:
    if place.metrics is not None and not place.metrics.built:
        yield (
            f"Runwright cannot read metrics from {registry.METRICS.planned[place.metrics.kind]} yet: "
            f"it reads {_possible(registry.METRICS)}."
        )
    rules = [rule.id for rule in runbook.rules_of(name) if rule.cloudwatch is not None]
    if rules:
        yield (
            f"The watch {'rule' if len(rules) == 1 else 'rules'} {', '.join(rules)} would ask Amazon CloudWatch, which is not built yet: "
            "use `measure`, `promql`, `probe` or `stats`, or limit them to other environments."
        )
