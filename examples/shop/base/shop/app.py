"""The shop's pages and its small API."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import os
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from shop import VERSION, behaviour, database
from shop.metrics import Measured
from shop.model import extra_values

MAX_NAME = 200
MAX_SLOW_MS = 10_000
MAX_BODY = 10_000
engine = database.connect()


async def page(_: Request) -> Response:
    """Show what is sold, and by which version."""
    rows = await run_in_threadpool(database.listed, engine)
    names = "".join(f"<li>{html.escape(row['name'])}</li>" for row in rows)
    slot = html.escape(os.environ.get("RUNWRIGHT_SLOT", ""))
    return HTMLResponse(f"<!doctype html><title>Shop</title><h1>Shop {VERSION} {slot}</h1><ul>{names}</ul>")


async def items(request: Request) -> Response:
    """GET: the newest items. POST {"name": ...}: add one."""
    if request.method == "GET":
        return JSONResponse(await run_in_threadpool(database.listed, engine))
    try:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY:
                return _bad(413, "the body is too long")
        given = _parsed(body)
        values = {"name": _name(given)} | extra_values(given)
    except ValueError as error:
        return _bad(400, str(error))
    number = await run_in_threadpool(database.added, engine, values)
    return JSONResponse({"id": number, **values}, 201)


async def slow(request: Request) -> Response:
    """Answer after ``ms`` milliseconds, at most ten seconds."""
    try:
        wanted = int(request.query_params.get("ms", "100"))
    except ValueError:
        return _bad(400, "ms is a number of milliseconds")
    if not 0 <= wanted <= MAX_SLOW_MS:
        return _bad(400, f"ms is from 0 to {MAX_SLOW_MS}")
    await asyncio.sleep(wanted / 1000)
    return JSONResponse({"waited_ms": wanted})


async def healthz(_: Request) -> Response:
    """The process lives."""
    return JSONResponse({"status": "ok", "version": VERSION})


async def readyz(_: Request) -> Response:
    """The process can serve: its database answers and its schema is one that it can work with."""
    problem = behaviour.not_ready()
    if not problem:
        try:
            problem = await run_in_threadpool(database.schema_problem, engine)
        except SQLAlchemyError as error:
            problem = f"the database does not answer ({type(error).__name__})"
    facts = {
        "status": "not ready" if problem else "ok",
        "problem": problem,
        "version": VERSION,
        "commit": os.environ.get("RUNWRIGHT_COMMIT", ""),
        "release": os.environ.get("RUNWRIGHT_RELEASE", ""),
    }
    return JSONResponse(facts, 503 if problem else 200)


async def metrics(_: Request) -> Response:
    """What was counted, for Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def echo(websocket: WebSocket) -> None:
    """Send back whatever comes, with the version that answers."""
    await websocket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await websocket.send_text(f"{VERSION}:{await websocket.receive_text()}")


def behaving(endpoint: Any) -> Any:
    """Return ``endpoint`` with the behaviour of this release."""

    async def answered(request: Request) -> Response:
        await asyncio.sleep(behaviour.delay_seconds())
        if behaviour.fails():
            return PlainTextResponse("500 this release is broken\n", 500)
        return await endpoint(request)

    return answered


def _parsed(body: bytes) -> dict[str, Any]:
    given = json.loads(body)
    if not isinstance(given, dict):
        raise ValueError("an object with a name is meant")
    return given


def _name(given: dict[str, Any]) -> str:
    name = given.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or "\x00" in name:
        raise ValueError(f"name is a text of 1 to {MAX_NAME} characters")
    return name


def _bad(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


PATHS = {"/": page, "/items": items, "/slow": slow}
app = Starlette(
    routes=[
        Route("/", behaving(page)),
        Route("/items", behaving(items), methods=["GET", "POST"]),
        Route("/slow", behaving(slow)),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        WebSocketRoute("/ws", echo),
    ],
    middleware=[Middleware(Measured, paths=set(PATHS))],
)
