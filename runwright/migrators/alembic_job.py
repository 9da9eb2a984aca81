"""Runs inside of a version's own artifact (``python -c``): reads its Alembic migrations, or carries them out.

It uses the artifact's own Alembic and SQLAlchemy, whichever they are, and Python from 3.8 on; nothing of Runwright.

    locate DIRECTORY CONFIG                         prints MARKER and one line of JSON: the databases that env.py connects
                                                    to, where each notes its revisions, and which; it only reads
    read DIRECTORY CONFIG [CURRENT...]              prints MARKER and one line of JSON; does not touch the database
    upgrade DIRECTORY CONFIG MILLISECONDS PLAN      PLAN: JSON with the heads of the code and the current revisions
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import re
import sys
import tokenize
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARKER = "runwright-migrations-1: "
FAILED = "runwright-failed-1: "  # begins the line that tells which migration failed, and what went wrong first
# The advisory lock of PostgreSQL (two numbers) that whoever migrates a database with this program holds: "runw", "migr".
LOCK = (0x72756E77, 0x6D696772)
REFUSED = 3
ABORTED = "25P02"  # PostgreSQL's answer to all that follows an error in a transaction: it tells nothing of the error


class Refused(Exception):
    """The database or the artifact is not what was planned; nothing was changed."""


_GIVEN_PATH: list[str] = globals().get("given_path", sys.path[:])
_NEEDED = ("alembic.command", "alembic.config", "logging.config", "sqlalchemy")
_CONNECTING = ("psycopg", "psycopg2", "asyncpg")


def load(*needed: str) -> None:
    """Import what the job needs while the interpreter's own folders come first; env.py then has the path that it knows."""
    for name in needed:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    sys.path[:] = _GIVEN_PATH


def main(arguments: list[str]) -> int:
    """Do what the arguments say. Return the exit code."""
    mode, directory, config, *rest = arguments
    load(*_NEEDED, *(() if mode == "read" else _CONNECTING))
    start, answer = Path.cwd(), sys.stdout
    os.chdir(directory)
    if mode in ("read", "locate"):
        with contextlib.redirect_stdout(sys.stderr):  # whatever the revision files print while they are loaded
            found = locate(config, start) if mode == "locate" else read(config, tuple(rest), start)
        answer.write("\n" + MARKER + json.dumps(found) + "\n")
        return 0
    try:
        with environment(config, start, "upgrade", "heads") as configured:
            upgrade(configured, int(rest[0]), json.loads(rest[1]))
    except Refused as reason:
        sys.stderr.write(f"\nrefused, nothing was changed: {reason}\n")
        return REFUSED
    except Exception as error:  # noqa: BLE001 - told, and then it has failed
        traceback.print_exc()
        sys.stderr.write("\n" + FAILED + json.dumps(_failure(error)) + "\n")
        return 1
    return 0


# -------------------------------------------------------------------------------------------------------------- read


def read(config: str, current: tuple[str, ...], start: Path) -> dict[str, Any]:
    """Return the heads, and the revisions that a database at ``current`` lacks, in upgrade order, with their source."""
    try:
        from alembic.script import ScriptDirectory
        from alembic.util import CommandError
    except ImportError:
        return {"error": "Alembic is not installed in it"}
    try:
        script = ScriptDirectory.from_config(_config(config))
        known = {revision.revision for revision in script.walk_revisions()}
        unknown = [revision for revision in current if revision not in known]
        steps = [] if unknown else script.iterate_revisions("heads", current, implicit_base=True)
        pending = [_described(revision, start) for revision in steps]
        return {"heads": list(script.get_heads()), "unknown": unknown, "pending": pending[::-1]}
    except CommandError as error:
        return {"error": str(error)}
    except Exception as error:  # noqa: BLE001 - a revision file can raise anything
        return {"error": _told(error)}


def _told(error: Exception) -> str:
    """Return an error as "KeyError at FILE:LINE"; its words only if Alembic raised it: others may hold settings."""
    import alembic

    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    file, line = (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else ("?", 0)
    ours = file.startswith(os.path.dirname(alembic.__file__))  # noqa: PTH120 - a text is compared with a text
    return f"{type(error).__name__}{f' {error}' if ours else ''} at {file}:{line}"


def _config(name: str, **options: Any) -> Any:
    from alembic.config import Config

    if name == "alembic.ini" and not Path(name).exists() and Path("migrations", name).exists():
        name = "migrations/alembic.ini"  # where Flask-Migrate keeps it
    if Path(name).name == "pyproject.toml":
        return Config(toml_file=name, **options)
    if not Path(name).exists():
        from alembic.util import CommandError

        raise CommandError(f"there is no {name} in {Path.cwd()}")
    if "toml_file" in Config.__init__.__code__.co_varnames:  # from 1.16 on a pyproject.toml is read as well
        options["toml_file"] = "pyproject.toml"
    config = Config(name, **options)
    if _is_of_flask(config):
        config.set_main_option("script_location", str(Path(name).resolve().parent).replace("%", "%%"))
        config.attributes["flask"] = True
    return config


def _is_of_flask(config: Any) -> bool:
    """Whether it is Flask-Migrate's: its alembic.ini has no script_location, for it is told by the application."""
    if config.get_main_option("script_location") or getattr(config, "toml_alembic_config", None):
        return False
    return importlib.util.find_spec("flask_migrate") is not None


@contextlib.contextmanager
def environment(name: str, start: Path, *command: str) -> Iterator[Any]:
    """Give the configuration in which env.py can run: with Flask-Migrate inside of the application, as FLASK_APP names it."""
    from alembic.config import CommandLine

    config = _config(name, cmd_opts=CommandLine().parser.parse_args(["-c", name, *command]))
    if not config.attributes.get("flask"):
        yield config
        return
    flask = importlib.import_module("flask.cli")
    os.chdir(start)
    sys.path.insert(0, str(start))
    flask.load_dotenv()
    app = flask.ScriptInfo(app_import_path=os.environ.get("FLASK_APP")).load_app()
    with app.app_context():
        migrate = app.extensions["migrate"].migrate
        yield migrate.get_config(config.get_main_option("script_location"))


def _described(revision: Any, start: Path) -> dict[str, Any]:
    source = None
    if revision.path.endswith(".py"):
        with tokenize.open(revision.path) as file:
            source = file.read()
    return {
        "revision": revision.revision,
        "down_revisions": _listed(revision.down_revision),
        "title": " ".join((revision.doc or "").split()),
        "path": os.path.relpath(revision.path, start),
        "source": source,
    }


def _listed(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


# ------------------------------------------------------------------------------------------------------------ locate


def locate(config: str, start: Path) -> dict[str, Any]:
    """Return the databases that env.py connects to: where each keeps its revisions, and which they are. Nothing is changed.

    env.py imports the application, which may make tables when it is loaded: its connections can only read.
    """
    found: list[dict[str, Any]] = []
    try:
        from alembic.runtime.environment import EnvironmentContext
        from alembic.script import ScriptDirectory

        _set_for_all("default_transaction_read_only", "on")
        with environment(config, start, "current") as configured:
            script = ScriptDirectory.from_config(configured)

            def look(revisions: Any, context: Any) -> list[Any]:
                found.append(
                    _place(context, _listed(revisions) if isinstance(revisions, str) else list(revisions or ()))
                )
                return []

            with EnvironmentContext(configured, script, fn=look, as_sql=False, dont_mutate=True):
                script.run_env()
    except Exception as error:  # noqa: BLE001 - env.py, and the application, can raise anything
        return {"error": _told(error), "databases": found}
    return {"databases": found}


_SCHEMA_OF = (
    "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(:name)"
)


def _place(context: Any, revisions: list[str]) -> dict[str, Any]:
    from sqlalchemy import text

    connection, table, schema = context.connection, context.version_table, context.version_table_schema
    database = ""
    if connection.dialect.name == "postgresql":
        database = connection.execute(text("SELECT current_database()")).scalar()
        named = connection.dialect.identifier_preparer.quote(table)
        schema = schema or connection.execute(text(_SCHEMA_OF), {"name": named}).scalar()
    return {"database": database, "schema": schema, "table": table, "revisions": revisions}


# ----------------------------------------------------------------------------------------------------------- upgrade


def upgrade(config: Any, lock_timeout_milliseconds: int, plan: dict[str, list[str]]) -> None:
    """Upgrade the database to the heads, as ``alembic upgrade heads`` does; refuse if it is not as planned."""
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(config)
    heads, planned = set(script.get_heads()), set(plan["current"])
    if heads != set(plan["heads"]):
        raise Refused(f"the code's heads are {sorted(heads)}, planned was {sorted(plan['heads'])}")
    _limit_lock_waits(lock_timeout_milliseconds)
    _listen_for_errors()

    def steps(found: Any, context: Any) -> Any:
        _lock(context.connection)
        current = set(context.get_current_heads())
        if current != set(_listed(found)):
            raise Refused(f"another process has just migrated the database to {sorted(current)}")
        if current not in (planned, heads):
            raise Refused(f"the database is at {sorted(current)}, planned was {sorted(planned)}")
        return _one_by_one(script._upgrade_revs("heads", found))

    with EnvironmentContext(config, script, fn=steps, as_sql=False, starting_rev=None, destination_rev="heads"):
        script.run_env()


_running: dict[str, str] = {}  # the migration that runs now: its revision and its file
_refusals: list[BaseException] = []  # what the database refused in it, the first one first


def _one_by_one(steps: Any) -> Any:
    for step in steps:
        _refusals.clear()
        script = step.revision
        _running.update(revision=script.revision, path=os.path.relpath(script.path))
        yield step
    _running.clear()


def _listen_for_errors() -> None:
    """Keep what the database refuses: a migration that goes on after it ends with another, meaningless error."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def keep(context: Any) -> None:
        if context.original_exception is not None:
            _refusals.append(context.original_exception)

    def hide(connection: Any, *_: Any) -> None:
        connection.engine.hide_parameters = True  # rows of the data would be printed with the error

    event.listen(Engine, "handle_error", keep)
    event.listen(Engine, "engine_connect", hide)


def _failure(error: BaseException) -> dict[str, str]:
    """Return which migration failed and why, in one line that is short enough to be passed on whole."""
    cause = getattr(error, "orig", None) or error
    if _sqlstate(cause) == ABORTED:
        cause = next((c for c in reversed(_refusals) if _sqlstate(c) != ABORTED), cause)
    lines = str(cause).strip().encode("ascii", "replace").decode().splitlines()  # others may hold rows of the data
    return {**_running, "error": type(cause).__name__ + (f": {lines[0][:160]}" if lines else "")}


def _sqlstate(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""


def _limit_lock_waits(milliseconds: int) -> None:
    """Let no statement wait for a lock of PostgreSQL longer than so, whichever way env.py makes its connection.

    But for what is built concurrently: it holds up nobody while it waits, and to cut it short leaves it half-built.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def wait(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        if context.dialect.name != "postgresql" or not concurrent(statement):
            return False
        cursor.execute("SELECT source FROM pg_settings WHERE name = 'lock_timeout'")
        if cursor.fetchone()[0] != "client":
            return False  # the migration has set a limit of its own
        cursor.execute("SET lock_timeout = 0")
        try:
            cursor.execute(statement, *parameters)
        except BaseException:
            with contextlib.suppress(Exception):  # in a transaction that has failed it comes to its end by itself
                cursor.execute("RESET lock_timeout")
            raise
        cursor.execute("RESET lock_timeout")
        return True

    _set_for_all("lock_timeout", str(milliseconds))
    event.listen(Engine, "do_execute", lambda cursor, text, given, context: wait(cursor, text, (given,), context))
    event.listen(Engine, "do_execute_no_params", lambda cursor, text, context: wait(cursor, text, (), context))


def _set_for_all(setting: str, value: str) -> None:
    """Let every connection to PostgreSQL begin with ``setting``."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def begin(dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        if dialect.name != "postgresql":
            return
        if dialect.driver == "asyncpg":
            parameters["server_settings"] = {**(parameters.get("server_settings") or {}), setting: value}
        elif dialect.driver in ("psycopg", "psycopg2", "psycopg_async"):
            before = parameters.get("options") or os.environ.get("PGOPTIONS", "")
            parameters["options"] = f"{before} -c {setting}={value}".strip()

    event.listen(Engine, "do_connect", begin)


_QUOTED_OR_SAID = re.compile(r"""--[^\n]*|/\*(?:/\*.*?\*/|.)*?\*/|"(?:[^"]|"")*"|'(?:[^']|'')*'""", re.DOTALL)
_CONCURRENT = re.compile(
    r"(?:(?:CREATE(?: UNIQUE)?|DROP) INDEX|REINDEX (?:INDEX|TABLE|SCHEMA|DATABASE|SYSTEM)) CONCURRENTLY\b"
    r"|REINDEX ?\([^)]*\bCONCURRENTLY\b"
    r"|ALTER TABLE .*\bDETACH PARTITION \S+ CONCURRENTLY ?;?$"
)


def concurrent(statement: str) -> bool:
    """Whether ``statement`` is one of PostgreSQL's that wait for others without holding them up.

    Cut short, they leave an invalid index, or a partition that is half detached.
    """
    bare = _QUOTED_OR_SAID.sub(lambda found: " " if found[0][0] in "-/" else "x", statement)
    return bool(_CONCURRENT.match(" ".join(bare.split()).upper()))


_mine: set[int] = set()  # the server's processes behind our own connections: env.py may use several


def _lock(connection: Any) -> None:
    """Hold PostgreSQL's advisory lock until the connection ends; refuse at once if another process holds it."""
    if connection is None or connection.dialect.name != "postgresql":
        return
    # a job that is ended must not leave a statement behind that goes on in the server; older ones do not know the setting
    connection.exec_driver_sql(
        "SELECT set_config(name, '1000', false) FROM pg_settings WHERE name = 'client_connection_check_interval'"
    )
    if connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({LOCK[0]}, {LOCK[1]})").scalar():
        _mine.add(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar())
        return
    holders = connection.exec_driver_sql(
        "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()"  # noqa: S608 - two numbers of ours
        f" WHERE l.locktype = 'advisory' AND l.granted AND (l.classid, l.objid, l.objsubid) = ({LOCK[0]}, {LOCK[1]}, 2)"
    )
    if not _mine & {row[0] for row in holders}:
        raise Refused("another process migrates this database now")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
