"""A ledger on SQLite as a fleet has it after years: filled by the database itself, in a minute or two."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from runwright.ledger import open_ledger

AT = "'2026-11-20 10:00:00.000000'"
_STATE = """CASE WHEN turn % 20 IN (7, 13) THEN 'rolled_back' WHEN turn % 20 = 17 THEN 'abandoned'
    WHEN turn = :turns - 1 AND system % 10 = 3 THEN 'watching'
    WHEN turn = :turns - 1 AND system % 10 = 6 THEN 'frozen' ELSE 'proven' END"""
"""Of each system one release in ten was taken back; of every ten systems one is being released, and one is frozen."""
_VERSION = """json_object('system', name, 'environment', 'local', 'ref', 'v' || turn, 'commit', hash,
    'artifacts', json_array(json_object('component', 'web', 'reference', 'registry.example.com/' || name || '@' || hash,
    'identity', hash)), 'revisions', json_array('a1'))"""
_NUMBERED = """WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < :releases),
placed AS (SELECT n, n % :systems AS system, n / :systems AS turn, 'system' || (1000 + n % :systems) AS name,
    'system' || (1000 + n % :systems) || '-local-' || (10000000 + n) AS id,
    'sha256:' || printf('%040x', n) AS hash FROM counted)"""
_RELEASES = f"""{_NUMBERED}
INSERT INTO releases (number, id, system, environment, ref, "commit", state, because, procedure, run_id, deployer,
    runbook, parameters, previous_id, version, adopted, level, schema_before, schema_after, created_at, changed_at)
SELECT n + 1, id, name, 'local', 'v' || turn, hash, {_STATE}, 'it was watched for 30 minutes', 'deploy',
    'run-' || n, 'ada', CASE WHEN turn >= :turns - 2 THEN replace(:runbook, '"shop"', '"' || name || '"') ELSE '{{}}' END,
    '{{}}', CASE WHEN turn > 1 THEN name || '-local-' || (10000000 + n - :systems *
        CASE WHEN (turn - 1) % 20 IN (7, 13, 17) THEN 2 ELSE 1 END) END,
    {_VERSION}, 1 = 0, 'L1', '["a1"]', '["a1"]', {AT}, {AT} FROM placed"""
_CHILDREN = {
    "runs": ("run_id, release_id, procedure, at", f"run_id, id, procedure, {AT}", 1),
    "transitions": (
        "release_id, at, before, after, because",
        f"id, {AT}, NULL, CASE k WHEN 5 THEN state WHEN 1 THEN 'preparing' ELSE 'watching' END, because",
        5,
    ),
    "journal": (
        "release_id, key, attempt, says, state, token, repeatable, safe_point, intent_at, outcome_at",
        f"id, 'deploy/' || k, 1, 'start web', 'done', 1000 + number, 1 = 1, 1 = 0, {AT}, {AT}",
        3,
    ),
    "facts": (
        "release_id, name, value, at",
        f"""id, CASE k WHEN 1 THEN 'asked' WHEN 2 THEN 'decision' ELSE 'watch' END, '{{"next": "Look."}}', {AT}""",
        3,
    ),
    "measurements": (
        "release_id, rule, at, state, value, reason",
        f"id, 'rule ' || (k % 2), {AT}, 'pass', 0.1, 'error rate 0.1 % < 5 %'",
        2,
    ),
    "gate_results": ("release_id, gate, state, reason, at", f"id, 'gate ' || k, 'pass', 'it answers', {AT}", 1),
    "notes": ("release_id, at, kind, text", f"id, {AT}, 'log', 'It was released.'", 1),
    "backups": (
        "id, system, environment, release_id, location, bytes, sha256, seconds, engine, created_at, proven_at, removed_at",
        f"'backup-' || id, system, environment, id, '/backups/' || id, 4096, '0', 1.0, 'postgres', {AT}, {AT}, "
        f"CASE WHEN number <= :releases - :systems * 14 THEN {AT} END",
        1,
    ),
    "approvals": ("release_id, gate, name, text, at", f"id, 'go', 'ada', 'GO', {AT}", 1),
}
"""Of each release: columns, values, and how many rows. What is removed of backups is all but the newest fourteen."""
_DRILLS = f"""INSERT INTO drills (release_id, system, environment, broken_by, broken_at, noticed_at, noticed_by, back_at, outcome)
SELECT id, system, environment, 'kill', {AT}, {AT}, 'it was down', {AT}, 'came_back' FROM releases WHERE number % 97 = 0"""
_ENVIRONMENTS = """INSERT INTO environments (system, environment, last_end) SELECT system, environment,
    max(CASE WHEN state IN ('proven', 'rolled_back') THEN id END) FROM releases GROUP BY system, environment"""
_LEASES = f"""INSERT INTO leases (system, environment, token, holder, run_id, procedure, release_id, taken_at, beaten_at, expires_at)
SELECT system, environment, number, 'ada', run_id, 'deploy', id, {AT}, {AT}, '2099-01-01 00:00:00' FROM releases
WHERE number > :releases - :systems AND state = 'watching'"""


def fill(path: Path, systems: int, releases: int, runbook: dict[str, Any]) -> None:
    """Make a ledger at ``path`` with ``releases`` of ``systems`` systems, and all that is kept beside a release.

    runbook: what the newest two releases of each system keep as theirs.
    """
    given = {"systems": systems, "releases": releases, "turns": releases // systems, "runbook": json.dumps(runbook)}
    open_ledger(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as database:
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "foreign_keys = OFF",
            "cache_size = -500000",
            "temp_store = MEMORY",
        ):
            database.execute(f"PRAGMA {pragma}")
        database.execute(_RELEASES, given)
        for table, (columns, values, each) in _CHILDREN.items():
            several = (
                f"(WITH RECURSIVE c(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM c WHERE k < {each}) SELECT k FROM c)"
            )
            database.execute(
                f"INSERT INTO {table} ({columns}) SELECT {values} FROM releases, {several} ORDER BY number", given
            )
        for statement in (_DRILLS, _ENVIRONMENTS, _LEASES):
            database.execute(statement, given)
        database.commit()
    database.close()
