"""What the pages are made of: two releases of a cleaning company's system with values as long and as odd as real ones."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from runwright.engine.planning import Step
from runwright.policy import watch as policy
from runwright.policy.levels import Level
from runwright.policy.rules import Sample, assess
from runwright.reports import charts
from runwright.reports.checklist import Line, checklist
from runwright.reports.log import Entry, log
from runwright.reports.plan import Commit, Image, Migration, Plan, plan
from runwright.reports.requests import requests
from runwright.reports.rollback import Evidence, Rollback, rollback
from runwright.reports.watch import panel, watch
from runwright.runbook.checks import Rule
from tests.unit.reports.test_requests import canary

BEGAN = datetime(2026, 11, 21, 14, 5, 12, tzinfo=UTC)
RELEASE = "cleanwithsnapshot-production-20261121-140431-4f2a"
REGISTRY = "registry.example.com/inneren/cleanwithsnapshot"
BREACH = "rule errors is breached: error ratio 8.4 % > 2 % for 2m, 1,204 requests"

GATES = [
    Line("ci", "ci", "pass", "4 of 4 checks passed: API - Build & Test, Web - Build, API - Prod Config Validation, "
         "Infrastructure - Validation."),
    Line("env", "env", "pass", "All 11 required keys are set in /etc/cleaning/cleaning.env."),
    Line("disk", "disk", "pass", "84.2 GB are free on /; 20 GB are asked for."),
    Line("database", "database", "pass", "PostgreSQL 15.6 answers, at revision 0170_client_portal_tokens."),
    Line("tls-api", "tls", "warn", "The certificate of api.example.com is valid for 19 days; 14 are asked for.", False),
    Line("go-no-go", "GO_NO_GO.md says GO, signed by deployment lead, infrastructure and security", "attested",
         "Ada Lovelace states: GO_NO_GO.md says GO."),
]  # fmt: skip


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _commit(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def plan_page() -> str:
    """A plan with two migrations, four commits and six changes."""
    subjects = (
        "Give each client a portal token of its own",
        "Show the estimate's price per room (#412)",
        "Retry the reminder e-mail when SMTP answers 421",
        "Merge branch 'fix/rounding-of-discounts' into main",
    )
    compose = (
        "docker compose --project-name cleaning --project-directory /opt/cleaning --env-file /etc/cleaning/cleaning.env"
    )
    steps = [
        Step("deploy/migrate/upgrade", "migrate the database from 0170_client_portal_tokens to 0172_price_per_room",
             f"{compose} run --rm --no-deps -T --name cleaning-rw-deploy-migrate-5f1c02a9d1 api python - upgrade"),
        Step("deploy/labels", "write release-cleanwithsnapshot-production-20261121-140431-4f2a.yml",
             "write 612 bytes to .runwright/systems/cleanwithsnapshot/production/state/releases/5c1d2e9a7b3f/release.yml (mode 600)"),
        *(Step(f"deploy/up/{name}", f"start {name}", f"{compose} up -d --no-build --no-deps {name}")
          for name in ("api", "jobs", "web")),
    ]  # fmt: skip
    return plan(
        Plan(
            system="cleanwithsnapshot",
            environment="production",
            goes_from="v2.8.1 (9b1f03c2)",
            goes_to="v2.9.0 (5c1d2e9a)",
            hash=_hash("plan"),
            commits=[Commit(_commit(subject), subject) for subject in subjects],
            images=[
                Image(name, f"{REGISTRY}/{name}@sha256:{_hash(name)}", f"sha256:{_hash(name)}")
                for name in ("api", "web")
            ],
            migrations=[
                Migration("0171_price_per_room", "add nullable column price_cents to estimate_rooms", "L1"),
                Migration("0172_portal_index", "create index ix_portal_tokens_client_id on portal_tokens", "L1"),
            ],
            level="L1",
            way_back=Level.L1.meaning,
            gates=GATES,
            downtime="while the services are replaced",
            watch="30m, every 30s",
            steps=steps,
        )
    )


def checklist_page() -> str:
    """A checklist of which two gates stop the release."""
    stops = [
        Line("backup", "backup", "fail", "The last proven backup is 1d02h old; at most 24h are asked for."),
        Line("release-checklist", "RELEASE_CHECKLIST.md is completed, every box of it checked", "pending",
             "Somebody has to state: RELEASE_CHECKLIST.md is completed, every box of it checked. Give their name: "
             'attestations={"release-checklist": "NAME"}.'),
    ]  # fmt: skip
    return checklist("Checklist: cleanwithsnapshot v2.9.0 to production", [*GATES[:4], *stops, *GATES[4:]])


RULES = [
    Rule.model_validate({"id": "ready", "probe": "ready", "failures": 3}),
    Rule.model_validate({"id": "errors", "measure": "error_ratio", "above": 0.02, "for": "2m", "min_requests": 50}),
    Rule.model_validate(
        {"id": "slow", "measure": "latency_p95", "above": "300ms", "for": "5m", "purpose": "investigate"}
    ),
    Rule.model_validate({"id": "cpu", "stats": "cpu_percent", "above": 80, "for": "5m", "purpose": "page"}),
]


def watch_page() -> str:
    """A watch of which the error ratio climbs over its limit in the twelfth minute, judged by the real policy."""
    samples: dict[str, list[Any]] = {rule.id: [] for rule in RULES}
    watching = policy.Watching(policy.Progress(1800.0, 30.0))
    decision = policy.Decision("continue", "")
    step = 0
    while decision.step != "breach":
        at = BEGAN + timedelta(seconds=30 * step)
        _measure(samples, at, step)
        verdicts = {rule.id: assess(rule, samples[rule.id], at, BEGAN, 30.0) for rule in RULES}
        decision = policy.decide(verdicts, RULES)
        probes: Any = {
            "ready": ("pass", "answered 200 in 14 ms, as expected"),
            "live": ("pass", "answered 200 in 3 ms, as expected"),
        }
        watching = watching.stepped(30.0 if step else 0.0, verdicts, probes, counts=True)
        step += 1
    end = policy.Conclusion("breach", decision.reason, decision.noted)
    uri = charts.data_uri([panel(rule, samples[rule.id], BEGAN.timestamp()) for rule in RULES])
    return watch("Watch: cleanwithsnapshot v2.9.0 in production", RULES, watching, end, uri)


def _measure(samples: dict[str, list[Any]], at: datetime, step: int) -> None:
    wobble = (step * 7 % 11) / 11
    climbed = max(0.0, (step - 22) * 0.014)
    samples["ready"].append(Sample(at, 0.0))
    samples["errors"].append(Sample(at, 0.004 + 0.003 * wobble + climbed, 1204 + step))
    samples["slow"].append(
        Sample(at, None, None, "no_data", "nothing was asked") if step in (8, 9, 10) else
        Sample(at, 0.14 + 0.06 * wobble + climbed / 4, 1204 + step)
    )  # fmt: skip
    samples["cpu"].append(Sample(at, 21 + 9 * wobble + 200 * climbed))


def log_page() -> str:
    """The log of that release, which was taken back."""

    def at(minutes: float) -> datetime:
        return BEGAN + timedelta(minutes=minutes)

    dump = "/opt/backups/postgres/cleanwithsnapshot-production-20261121T140512Z.dump"
    return log(
        Entry(
            date=BEGAN,
            deployer="ada",
            environment="production",
            commit=_commit("head"),
            tag="v2.9.0",
            checks={
                "ci": (True, "4 of 4 checks passed"),
                "backup": (True, f"{dump}; listed 1,214 entries"),
                "notified": (True, "Ada Lovelace: The team knows of the deployment window"),
            },
            times={"start": at(0), "code": at(0), "built": at(4.2), "migrated": at(5.1), "restarted": at(6.3),
                   "verified": at(7), "end": at(21)},
            results={"health": "live pass (answered 200 in 3 ms); ready pass (answered 200 in 14 ms)",
                     "smoke": "docs pass (answered 200 in 8 ms); estimate pass (answered 200 in 41 ms)",
                     "services": "every service runs v2.9.0 (5c1d2e9a)"},
            issues=[f"While it was watched, {BREACH}."],
            rolled_back=True,
            rollback_reason=f"{BREACH}. v2.8.1 (9b1f03c2) is the way back.",
        )
    )  # fmt: skip


def rollback_page() -> str:
    """The decision to put that release back."""
    seen = {
        "the run": "it failed",
        "the journal": "changes were begun that users could notice",
        "the router and the platform": "users reach: new",
        "the database": "migrations: done",
        "the watch": f"While it was watched, {BREACH}.",
    }
    return rollback(
        Rollback(
            release=RELEASE,
            failed="v2.9.0 (5c1d2e9a)",
            back_to="v2.8.1 (9b1f03c2)",
            decided="put_back",
            why=f"While it was watched, {BREACH}. v2.8.1 (9b1f03c2) is the way back. The schema keeps the additions of "
            "the new version.",
            level="L1",
            evidence=[Evidence(BEGAN + timedelta(minutes=20), source, what) for source, what in seen.items()],
            done=["make the mirror of the repository", "build api", "migrate the database", "start api", "start jobs"],
        )
    )


def requests_page() -> str:
    """The requests of a canary that was taken back at half of the users."""
    return requests("Requests: cleanwithsnapshot v2.9.0 to production", canary())


PAGES = {
    "requests": requests_page,
    "plan": plan_page,
    "checklist": checklist_page,
    "watch": watch_page,
    "log": log_page,
    "rollback": rollback_page,
}
