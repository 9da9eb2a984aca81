"""What migrates when a program starts is found however it is started, and nothing else is taken for it."""

from __future__ import annotations

import pytest

from runwright.policy.levels import Level
from runwright.policy.starts.commit import Commit
from runwright.policy.starts.follow import Follower, said_in
from runwright.policy.starts.shell import simple_commands
from runwright.policy.starts.tools import Found, tool_of

SCRIPT = """#!/bin/sh
# by hand: alembic upgrade head
set -e
echo "running alembic upgrade head"
if [ "$RUN_MIGRATIONS" = yes ]; then
    exec gosu app alembic \\
        -c /srv/alembic.ini upgrade head
fi
exec "$@"
"""
FILES = {
    "docker/start.sh": SCRIPT,
    "docker/quiet.sh": '#!/bin/sh\n# alembic upgrade head\necho "no migrations here"\nexec "$@"\n',
    "docker/boot": "#!/usr/bin/env bash\n. ./lib.sh\nserve\n",
    "docker/enter": '#!/bin/sh\nHERE=$(cd "$(dirname "$0")/.." && pwd)\n"$HERE/docker/prepare"\nexec "$@"\n',
    "docker/prepare": '#!/bin/sh\n. "$(dirname "$0")/quiet.sh"\n"$(cd "$(dirname "$0")/.." && pwd)/lib/dbup" "$@"\n',
    "lib/dbup": "#!/bin/sh\nexec sh ${APP_HOME:-/app}/../docker/boot\n",
    "docker/lib.sh": "python manage.py migrate --noinput && true\n",
    "package.json": '{"scripts": {"start": "npm run db && node server.js", "db": "prisma migrate deploy", "dev": "node x.js",'
    ' "postwait": "knex migrate:latest", "wait": "true", "migrate": "node tools/migrate.js"}}',
    "Makefile": "run: prepare\n\tuvicorn app.main:app\n\nprepare:\n\t@flask db upgrade\n\nlint:\n\truff .\n",
    "Procfile": "release: bundle exec rails db:migrate\nweb: puma\n",
    "supervisord.conf": "[program:init]\ncommand=/bin/sh -c 'goose -dir db postgres up'\n[program:web]\ncommand=serve\n",
    "uwsgi.ini": "[uwsgi]\n; hook-pre-app = exec:alembic upgrade head\nhook-pre-app = exec:./manage.py migrate\n"
    "attach-daemon = ./manage.py sendalerts\n",
    "quiet.ini": "[uwsgi]\n# exec-asap = flask db upgrade\nmodule = app.plain:app\nattach-daemon = ./manage.py sendalerts\n",
    "loads.ini": "[uwsgi]\nmodule = app.main:app\n",
    "circus.ini": "[watcher:web]\ncmd = /srv/boot\n",
    "settings/__init__.py": "",
    "settings/gunicorn.py": "import subprocess\ndef on_starting(server):\n    subprocess.run(['flask', 'db', 'upgrade'])\n",
    "elsewhere/gunicorn.conf.py": "from settings import gunicorn\n",
    "backend/app/__init__.py": "",
    "backend/app/main.py": "from app import db\nfrom .routes import api\nimport fastapi\n",
    "backend/app/db.py": "from .models import Base\ndef init():\n    Base.metadata.create_all(engine)\n",
    "backend/app/models.py": "class Base: ...\n",
    "backend/app/routes.py": "from . import boot as b\nimport typer\ncli = typer.Typer()\n@cli.command()\ndef migrate():\n    upgrade()\n",
    "backend/app/boot.py": "from alembic import command\n\ndef go():\n    command.upgrade(config, 'head')\n",
    "backend/app/shell.py": "import subprocess\nsubprocess.run(['alembic', 'upgrade', 'head'], check=True)\n",
    "backend/app/plain.py": "from flask_migrate import Migrate\nMigrate(app, db)\nif __name__ == '__main__':\n    run_migrations()\n",
    "backend/app/imports_plain.py": "import app.plain\n",
    "backend/app/call.py": "from django.core.management import call_command\ncall_command('migrate', interactive=False)\n",
    "other/app/db.py": "raise SystemExit\n",
    "bin/data.bin": "\0\0alembic upgrade head",
    "loop.sh": "sh loop.sh\nmake loop\n",
}
COMMIT = Commit(FILES, FILES.__getitem__)


def follow(*words: str) -> list[Found]:
    follower = Follower(COMMIT.find, COMMIT.module)
    follower.command(words)
    return follower.found


@pytest.mark.parametrize(
    ("command", "tool", "where"),
    [
        (("alembic", "upgrade", "head"), "alembic", "its command"),
        (("sh", "-c", "alembic upgrade head && uvicorn app:x"), "alembic", "its command"),
        (("/bin/bash", "-euxc", "cd /app; poetry run alembic -c a.ini upgrade head; exec app"), "alembic", "its command"),
        (("tini", "--", "/start.sh", "uvicorn", "app:x"), "alembic", "docker/start.sh line 6"),
        (("/usr/local/bin/start.sh",), "alembic", "docker/start.sh line 6"),
        (("/srv/boot",), "django", "docker/lib.sh line 1"),
        (("/app/docker/enter", "serve"), "django", "docker/lib.sh line 1"),
        (("npm", "start"), "prisma", "package.json script db"),
        (("npm", "run", "--silent", "wait"), "knex", "package.json script postwait"),
        (("yarn", "db"), "prisma", "package.json script db"),
        (("npm", "run", "migrate"), "unknown", "package.json script migrate"),
        (("make", "run"), "alembic", "Makefile line 5"),
        (("honcho", "start"), "rails", "Procfile line 1"),
        (("supervisord", "-n", "-c", "/etc/supervisord.conf"), "goose", "supervisord.conf line 2"),
        (("bash", "-c", "while !</dev/tcp/db/5432; do sleep 1; done; uwsgi /srv/uwsgi.ini"), "django", "uwsgi.ini line 3"),
        (("uwsgi", "--ini=uwsgi.ini:production"), "django", "uwsgi.ini line 3"),
        (("uwsgi", "--ini", "loads.ini"), "alembic", "backend/app/boot.py line 4"),
        (("uwsgi", "--http", ":80", "--module=app.main:app"), "create_all", "backend/app/db.py line 3"),
        (("circusd", "/etc/circus.ini"), "django", "docker/lib.sh line 1"),
        (("gunicorn", "-c", "python:settings.gunicorn", "app.plain:app"), "alembic", "settings/gunicorn.py line 3"),
        (("gunicorn", "--config=settings/gunicorn.py", "app.plain:app"), "alembic", "settings/gunicorn.py line 3"),
        (("gunicorn", "app.plain:app"), "alembic", "settings/gunicorn.py line 3"),
        (("uv", "run", "uvicorn", "app.main:app", "--port", "80"), "create_all", "backend/app/db.py line 3"),
        (("python", "-m", "app.main"), "alembic", "backend/app/boot.py line 4"),
        (("python3.11", "-m", "gunicorn", "app.main:app"), "create_all", "backend/app/db.py line 3"),
        (("python", "-u", "app/shell.py"), "alembic", "backend/app/shell.py line 2"),
        (("python", "app/plain.py"), "unknown", "backend/app/plain.py line 4"),
        (("python", "/srv/app/call.py"), "django", "backend/app/call.py line 2"),
        (("migrate", "-path", "/m", "-database", "postgres://x", "up"), "golang-migrate", "its command"),
        (("/app/bin/run-migrations",), "unknown", "its command"),
        (("bin/shop", "eval", "Shop.Release.migrate()"), "ecto", "its command"),
        (("./mvnw", "flyway:migrate"), "flyway", "its command"),
        (("sh", "-c", "psql -f /schema.sql; serve"), "sql", "its command"),
    ],
)  # fmt: skip
def test_what_migrates_is_found_from_the_command_that_starts(command: tuple[str, ...], tool: str, where: str) -> None:
    """Through scripts of any name, tasks, process managers and modules; and the plan can say in which line."""
    assert (tool, where) in [(one.tool, one.where) for one in follow(*command)], follow(*command)


@pytest.mark.parametrize(
    "command",
    [
        ("uvicorn", "app.plain:app"),
        ("uwsgi", "quiet.ini"),
        ("python", "app/imports_plain.py"),
        ("/srv/quiet.sh", "serve"),
        ("npm", "run", "dev"),
        ("make", "lint"),
        ("alembic", "check"),
        ("sh", "-c", "echo alembic upgrade head # flask db upgrade"),
        ("serve", "--no-migrate"),
        ("serve", "--migrations", "/srv/migrations/"),
        ("bin/data.bin",),
        ("sh", "loop.sh"),
        ("rails", "server"),
        ("flyway", "info"),
        ("prisma", "generate"),
    ],
)
def test_what_only_mentions_a_migration_migrates_nothing(command: tuple[str, ...]) -> None:
    """A comment, what is printed, an option, a command of a command line, and files that go round in circles."""
    assert follow(*command) == []


@pytest.mark.parametrize(
    ("name", "text", "tool"),
    [
        ("src/data-source.ts", "new DataSource({ migrationsRun: true })", "typeorm"),
        ("src/data-source.ts", "// migrationsRun: true", ""),
        ("src/data.spec.ts", "new DataSource({ synchronize: true })", ""),
        ("main.go", "if err := goose.Up(db, dir); err != nil {", "goose"),
        ("main_test.go", "goose.Up(db, dir)", ""),
        ("src/main.rs", 'sqlx::migrate!("./migrations").run(&pool).await?;', "sqlx"),
        ("pom.xml", "<artifactId>flyway-core</artifactId>", "flyway"),
        ("build.gradle.kts", 'implementation("org.liquibase:liquibase-core")', "liquibase"),
        ("src/main/resources/application.properties", "spring.jpa.hibernate.ddl-auto=update", "hibernate"),
        ("Program.cs", "context.Database.Migrate();", "entity-framework"),
        ("README.md", "goose.Up(", ""),
    ],
)
def test_what_code_does_by_itself_is_found_by_its_habit(name: str, text: str, tool: str) -> None:
    """In the languages whose modules are not followed; tests and remarks do not start."""
    assert [one.tool for one in said_in([(name, text)])] == ([tool] if tool else [])


def test_a_script_is_taken_apart_into_what_it_runs() -> None:
    """Lines are counted, quoted text stays one word, and what only runs another command is left out."""
    text = "A=1 exec sudo -E serve 'a; b' &&\nif true; then x \"$(inner $Y)\"; fi  # end; z\n"
    assert list(simple_commands(text)) == [
        (1, ("serve", "a; b")), (2, ("true",)), (2, ("inner", "$Y")), (2, ("x", "$(inner $Y)")), (2, ("fi",)),
    ]  # fmt: skip


def test_the_level_of_what_is_not_understood_is_never_l0() -> None:
    """Making tables that are missing only adds; all else may do anything."""
    assert Found("create_all", "", "").level is Level.L1
    assert {Found(tool, "", "").level for tool in ("unknown", "flyway", "alembic", "sql")} == {Level.L3}
    assert tool_of([]) == ""
