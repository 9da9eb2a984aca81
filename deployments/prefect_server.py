"""Prefect's server as ``up`` starts it: on SQLite, with what keeps its SQLite from standing still and losing events.

``python -m deployments.prefect_server`` takes the options of ``prefect server start``. Prefect itself is not changed on
disk; four things are different in this process:

**Garbage is collected in a thread of its own.** Python collects in whichever thread allocates. When that is the thread of
the event loop, and the garbage holds a cursor of a connection that waits for SQLite's write lock in another thread, the
collection waits for that connection, and the event loop for the collection. Whoever has the lock then cannot go on and
release it: the server stands still until the waiting connection gives up, which Prefect lets it do after 60 seconds.

**A transaction takes the write lock when it begins.** Most of Prefect's read first and write later. If somebody else has
written in between, SQLite refuses the write at once ("database is locked"), however long one would wait. Prefect tries to
evaluate an event four times and drops it then, and with it what an automation was to do: put a release back.

**Only requests that are meant for this machine are answered.** A page in a browser may let the name of its own site mean
127.0.0.1, and is then no foreign origin any more: what it asks for has the name of that site as its host.

**It does not describe itself.** Prefect makes the description of its API anew for everybody who asks, without a login, and
answers nobody else meanwhile: five seconds each time, as often as any page in a browser likes.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from typing import Any

EVERY_SECONDS = 1.0
HOSTS = ["127.0.0.1", "localhost"]
"""The names by which the server is asked: also through a tunnel of ssh."""
DESCRIPTIONS = ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc")
"""Below /api the same is there for who has the login."""
FULL_EVERY = 30
"""Each how manieth collection looks at old objects too: it takes some tenths of a second, and all threads wait for it."""


def collect_beside() -> threading.Thread:
    """Collect garbage in a thread of its own from now on, and in no other; return it."""
    gc.disable()

    def collect() -> None:
        count = 0
        while True:
            time.sleep(EVERY_SECONDS)
            count += 1
            gc.collect(1 if count % FULL_EVERY else 2)

    thread = threading.Thread(target=collect, name="collects garbage", daemon=True)
    thread.start()
    return thread


def lock_when_it_begins() -> None:
    """Let each transaction of Prefect's on SQLite begin with ``BEGIN IMMEDIATE``, as it does itself where it knows."""
    from prefect.server.database.configurations import AioSqliteConfiguration

    given = AioSqliteConfiguration.begin_transaction

    def begin(self: Any, session: Any, with_for_update: bool = False) -> Any:  # noqa: ARG001
        return given(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin  # type: ignore[method-assign]


def answer_this_machine_only() -> None:
    """Refuse each request, and each websocket, whose Host names anything but this machine, before Prefect sees it.

    Nor is the description of its API for anybody: making it takes seconds, in which nobody else is answered.
    """
    from prefect.server.api import server
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Mount

    given = server.create_app

    def create_app(*words: Any, **options: Any) -> Any:
        app = given(*words, **options)
        pages: list[Any] = [mount.app for mount in app.routes if isinstance(mount, Mount) and mount.path == ""]
        for one in (app, *pages):
            one.router.routes = [route for route in one.routes if getattr(route, "path", None) not in DESCRIPTIONS]
        # what is served; the server asks itself too, inside of this process and by another name, and gets the same app
        return TrustedHostMiddleware(app, HOSTS, www_redirect=False) if options.get("final") else app

    server.create_app = create_app


def main() -> None:
    """Run ``prefect server start`` in this process."""
    # whoever started us may ignore it (`nohup`, a shell script), and a child would too: then nobody could interrupt it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    collect_beside()
    lock_when_it_begins()
    answer_this_machine_only()
    from prefect.cli import app

    sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
    app()


if __name__ == "__main__":
    main()
