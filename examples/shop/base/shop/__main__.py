"""Run the shop: ``python -m shop --port 8000``."""

from __future__ import annotations

import argparse

import uvicorn

from shop.app import app

GRACE_SECONDS = 10  # for requests in flight, when it is asked to end

parser = argparse.ArgumentParser(prog="shop")
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--host", default="127.0.0.1")
given = parser.parse_args()
uvicorn.run(
    app,
    host=given.host,
    port=given.port,
    timeout_graceful_shutdown=GRACE_SECONDS,
    access_log=False,
    log_level="info",
)
