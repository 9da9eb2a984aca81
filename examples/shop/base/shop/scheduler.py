"""Notes every few seconds that it lives: ``python -m shop.scheduler``.

In the database, for everybody, and by the time of a file, which a healthcheck can look at every second for next to nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from shop import VERSION, database

WORKER = "scheduler"
EVERY_SECONDS = 5.0
ALIVE = Path(os.environ.get("SHOP_ALIVE", "/tmp/scheduler-alive"))


def run() -> int:
    """Beat until it is asked to end."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    engine = database.connect()
    print(f"scheduler {VERSION} started", flush=True)
    while not ended.is_set():
        try:
            database.beat(engine, WORKER)
            ALIVE.touch()
        except SQLAlchemyError as error:
            print(f"the heartbeat could not be noted ({type(error).__name__})", flush=True)
        ended.wait(EVERY_SECONDS)
    print("scheduler ended", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run())
