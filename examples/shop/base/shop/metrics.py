"""What the shop counts: requests by method, path and status, and how long they took."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import Counter, Histogram

REQUESTS = Counter("http_requests", "Requests that were answered.", ["method", "path", "status"])
DURATION = Histogram(
    "http_request_duration_seconds",
    "How long they took.",
    ["method", "path"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
UNMEASURED = {"/metrics", "/healthz", "/readyz"}  # asked by machines: they would hide what people see


class Measured:
    """Counts every request of the application inside. Paths that do not exist count as one."""

    def __init__(self, app: Any, paths: set[str]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] in UNMEASURED:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        path = scope["path"] if scope["path"] in self._paths else "other"
        status, begun = 500, time.perf_counter()

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            REQUESTS.labels(method, path, str(status)).inc()
            DURATION.labels(method, path).observe(time.perf_counter() - begun)
