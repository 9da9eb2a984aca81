"""Why a program failed is read from what it printed, as the tools really print it."""

from __future__ import annotations

import pytest

from runwright.engine.effects.reasons import reason, reason_of

PORT = """\
 Container shop-api-1  Created
 Container shop-api-1  Starting
Error response from daemon: driver failed programming external connectivity on endpoint shop-api-1 \
(0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef): Bind for 0.0.0.0:80 failed: port is already allocated
"""
UNHEALTHY = """\
 Container shop-db-1  Waiting
 Container shop-db-1  Error
dependency failed to start: container shop-db-1 is unhealthy
"""
DUMP = """\
pg_dump: error: query failed: ERROR:  permission denied for table users
pg_dump: detail: Query was: LOCK TABLE public.users IN ACCESS SHARE MODE
"""
OLDER_DUMP = DUMP.replace("detail: Query was:", "error: query was:")
PSQL = """\
psql:<stdin>:3: ERROR:  relation "nothing" does not exist
LINE 1: select * from nothing
                      ^
HINT:  Perhaps you meant something else.
"""
ALEMBIC = """\
Traceback (most recent call last):
  File "/srv/env.py", line 9, in <module>
    main()
psycopg.errors.InsufficientPrivilege: permission denied for table users

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/env.py", line 9, in <module>
    main()
sqlalchemy.exc.ProgrammingError: (psycopg.errors.InsufficientPrivilege) permission denied for table users
[SQL: ALTER TABLE users ADD COLUMN x INTEGER]
(Background on this error at: https://sqlalche.me/e/20/f405)
"""
BUILD = """\
 > [2/2] RUN false:
------
Dockerfile:2
--------------------
   1 |     FROM x
   2 | >>> RUN false
--------------------
ERROR: failed to solve: process "/bin/sh -c false" did not complete successfully: exit code: 1
"""


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (PORT, "0123456789ab): Bind for 0.0.0.0:80 failed: port is already allocated"),
        (UNHEALTHY, "dependency failed to start: container shop-db-1 is unhealthy"),
        (DUMP, "pg_dump: error: query failed: ERROR:  permission denied for table users"),
        (OLDER_DUMP, "pg_dump: error: query failed: ERROR:  permission denied for table users"),
        (PSQL, 'psql:<stdin>:3: ERROR:  relation "nothing" does not exist'),
        (ALEMBIC, "(psycopg.errors.InsufficientPrivilege) permission denied for table users"),
        (BUILD, 'ERROR: failed to solve: process "/bin/sh -c false" did not complete successfully: exit code: 1'),
        ("Error response from daemon: No such image: a:1\n", "Error response from daemon: No such image: a:1"),
        ("write /dump: no space left on device", "write /dump: no space left on device"),
        ("unknown flag: --x\nSee 'docker compose up --help'.\n", "unknown flag: --x"),
        (" Container shop-api-1  Starting\n", ""),
        ("", ""),
    ],
)
def test_the_sentence_of_the_tool_is_found(printed: str, expected: str) -> None:
    """Not the progress before it, nor the hint, the statement or the place that it prints after it."""
    found = reason(printed)
    assert found == expected or (expected and found.endswith(expected))


def test_a_line_without_end_is_no_reason_without_end() -> None:
    """It has to fit into a sentence."""
    assert len(reason("x" * 10_000)) == 400


STEPS = """\
#7 [api 3/4] COPY . /app
#7 CACHED

#8 [api 4/4] RUN pip install nothing-such
#8 1.230 ERROR: Could not find a version that satisfies the requirement nothing-such (from versions: none)
#8 1.231 ERROR: No matching distribution found for nothing-such
#8 1.300 [notice] A new release of pip is available
#8 ERROR: process "/bin/sh -c pip install nothing-such" did not complete successfully: exit code: 1
------
 > [api 4/4] RUN pip install nothing-such:
"""
SOLVE = 'failed to solve: process "/bin/sh -c pip install nothing-such" did not complete successfully: exit code: 1\n'


@pytest.mark.parametrize(
    "printed", [(SOLVE, STEPS), (STEPS + f"ERROR: {SOLVE}", "")], ids=["as Compose tells it", "as Docker tells it"]
)
def test_of_a_build_it_is_told_what_the_program_said_that_failed(printed: tuple[str, str]) -> None:
    """BuildKit's last line names the command alone, and not what kept it: a full disk, a package that is not there."""
    assert reason_of(printed) == (
        "ERROR: No matching distribution found for nothing-such "
        '(process "/bin/sh -c pip install nothing-such" did not complete successfully: exit code: 1)'
    )


def test_a_step_that_said_nothing_is_named_as_it_is() -> None:
    """There is no more to know."""
    assert reason_of([SOLVE, "#8 ERROR: process\n"]) == SOLVE.strip()


def test_of_a_conflict_over_a_field_it_is_told_who_owns_it_and_not_the_advice():
    """Given what kubectl prints when somebody else owns a field, the reason is that, on one line."""
    said = """error: Apply failed with 2 conflicts: conflicts with "helm" using apps/v1:
- .spec.replicas
- .spec.template.spec.containers[name="shop"].image
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""
    assert reason_of([said]) == (
        'Apply failed with 2 conflicts: conflicts with "helm" using apps/v1: - .spec.replicas '
        '- .spec.template.spec.containers[name="shop"].image'
    )
