"""Notes every few seconds that it lives: ``python -m shop.scheduler``. With ``--check`` it tells whether one does."""

from __future__ import annotations

import signal
import sys
import threading

from sqlalchemy.exc import SQLAlchemyError

from shop import VERSION, database

WORKER = "scheduler"
EVERY_SECONDS = 5.0
LATE_SECONDS = 20.0


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
        except SQLAlchemyError as error:
            print(f"the heartbeat could not be noted ({type(error).__name__})", flush=True)
        ended.wait(EVERY_SECONDS)
    print("scheduler ended", flush=True)
    return 0


def check() -> int:
    """Return 0 if the last beat is young enough, else 1."""
    try:
        age = database.beat_age_seconds(database.connect(), WORKER)
    except SQLAlchemyError as error:
        print(f"the database does not answer ({type(error).__name__})")
        return 1
    print("no heartbeat yet" if age is None else f"the last heartbeat is {age:.1f} s old")
    return 0 if age is not None and age < LATE_SECONDS else 1


if __name__ == "__main__":
    sys.exit(check() if sys.argv[1:] == ["--check"] else run())
