"""What this version can release, and what it says of the rest."""

from __future__ import annotations

import pytest

from runwright import registry
from runwright.errors import InputError
from runwright.policy.support import unsupported
from runwright.runbook.databases.shape import LaterDatabase
from runwright.runbook.finding import SHIPPED
from runwright.runbook.loader import load
from runwright.runbook.metrics.shape import LaterMetrics
from runwright.runbook.model import Runbook
from runwright.runbook.platforms.shape import LaterTarget

COMPOSE = {"platform": "compose", "project": "shop", "directory": "/opt/shop"}
CLOUDWATCH = {"id": "cpu", "cloudwatch": {"metric": "CPUUtilization"}, "above": 80}


def runbook(place=None, **more):
    """A runbook with an environment that can be released to, and one that is made of ``place``."""
    places = {
        "here": {"tier": "development", "target": COMPOSE},
        "there": {"tier": "staging", "target": COMPOSE, **(place or {})},
    }
    data = {"system": "shop", "source": {"repo": "x"}, "components": {"app": {}}, "environments": places}
    return Runbook.model_validate({**data, **more})


CASES = {
    "platform": (runbook({"target": {"platform": "ecs"}}), "cannot deploy to Amazon ECS yet", "Docker Compose"),
    "database": (runbook({"database": {"kind": "rds"}}), "cannot back up Amazon RDS yet", "kind: postgres"),
    "metrics": (
        runbook({"metrics": {"kind": "cloudwatch"}}),
        "cannot read metrics from Amazon CloudWatch yet",
        "kind: scrape",
    ),
    "migrator": (runbook(migrate={"tool": "flyway"}), "cannot run migrations with Flyway yet", "it runs Alembic"),
    "rule": (runbook(watch={"rules": [CLOUDWATCH]}), "The watch rule cpu would ask Amazon CloudWatch", "use `measure`"),
}


@pytest.mark.parametrize("book, said, instead", CASES.values(), ids=CASES)
def test_what_is_not_built_is_refused_with_what_is_possible_instead(book, said, instead):
    """Each part that is not built has its own sentence and its own way out."""
    sentence = unsupported(book, "there")
    assert said in sentence
    assert instead in sentence


def test_what_is_built_is_supported():
    """Nothing in the way, nothing said."""
    assert unsupported(runbook(), "there") is None


def test_all_reasons_are_said_at_once():
    """Nobody mends one to meet the next."""
    sentence = unsupported(runbook({"target": {"platform": "ecs"}, "database": {"kind": "rds"}}), "there")
    assert "Amazon ECS" in sentence
    assert "Amazon RDS" in sentence


def test_the_environments_that_can_be_released_are_named():
    """One that works is the nearest thing to try."""
    assert unsupported(runbook({"database": {"kind": "rds"}}), "there").endswith("Of shop, here can be released today.")


def test_a_rule_counts_only_where_it_applies():
    """A rule that is limited to another environment is no obstacle here."""
    book = runbook(watch={"rules": [{**CLOUDWATCH, "environments": ["there"]}]})
    assert unsupported(book, "here") is None
    assert unsupported(book, "there") is not None


@pytest.mark.parametrize(
    "kind", [k for room in (registry.PLATFORMS, registry.DATABASES, registry.METRICS) for k in room.later]
)
def test_everything_that_is_only_planned_has_a_name_and_is_refused(kind):
    """A kind that the schema knows and nobody has built can not slip through."""
    part = next(
        part
        for part, model, key in (
            ("target", LaterTarget, "platform"),
            ("database", LaterDatabase, "kind"),
            ("metrics", LaterMetrics, "kind"),
        )
        if kind in model.model_fields[key].annotation.__args__
    )
    sentence = unsupported(runbook({part: {"platform" if part == "target" else "kind": kind}}), "there")
    assert sentence.startswith("Runwright cannot ")
    assert kind not in sentence.split(" yet: ")[0]


def test_an_unknown_environment_is_an_input_error():
    """It is not "unsupported": it is not there."""
    with pytest.raises(InputError):
        unsupported(runbook(), "nowhere")


@pytest.mark.parametrize(
    "system, supported",
    [
        ("cleanwithsnapshot", {"development", "staging", "production"}),
        ("money-flow", {"development"}),
        ("financial-planning", {"development", "staging", "production"}),
        ("receipt-vault-pro", set()),
        ("invoiceme", set()),
    ],
)
def test_what_of_the_shipped_systems_can_be_released(system, supported):
    """The five runbooks load; where they can be released is known before anything is done."""
    book = load(SHIPPED / f"{system}.yaml").runbook
    assert {name for name in book.environments if unsupported(book, name) is None} == supported
