"""Starlette: routes, a session middleware, a mount of static files, a lifespan with state, a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

FOLDER = Path(__file__).parent
items: dict[int, dict[str, Any]] = {1: {"id": 1, "name": "Chair", "price": 42}}
left: list[str] = []
jobs: list[str] = []


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    yield {"greeting": "started", "loop": asyncio.get_running_loop()}


async def index(request: Request) -> Response:
    return HTMLResponse(
        f'<!doctype html><title>Starlette</title><a href="{request.url_for("login")}">Log in</a>'
        f' <link rel="stylesheet" href="{request.url_for("static", path="report.txt")}">'
    )


async def login(request: Request) -> Response:
    if request.method == "POST":
        async with request.form() as form:
            request.session["name"] = form["name"]
        return RedirectResponse(request.url_for("me"), status_code=303)
    return HTMLResponse('<form method="post"><input name="name"><button>Log in</button></form>')


async def me(request: Request) -> Response:
    if "name" not in request.session:
        return RedirectResponse(request.app.url_path_for("login"))
    return PlainTextResponse(f"Hello {request.session['name']}")


async def logout(request: Request) -> Response:
    request.session.clear()
    return RedirectResponse(request.url_for("index"))


async def list_items(request: Request) -> Response:
    if request.method == "GET":
        return JSONResponse(list(items.values()))
    try:
        data = await request.json()
    except ValueError:
        raise HTTPException(400, "not JSON") from None
    if "name" not in data:
        return JSONResponse({"error": "name is required"}, 422)
    number = max(items) + 1
    items[number] = {"id": number, "name": data["name"], "price": data.get("price", 0)}
    return JSONResponse(items[number], 201, {"location": str(request.url_for("item", number=number))})


async def one_item(request: Request) -> Response:
    number = request.path_params["number"]
    if number not in items:
        raise HTTPException(404, "no such item")
    if request.method == "DELETE":
        del items[number]
        return Response(status_code=204)
    return JSONResponse(items[number])


async def upload(request: Request) -> Response:
    async with request.form() as form:
        file = form["file"]
        digest, size = hashlib.sha256(), 0
        while chunk := await file.read(65536):
            digest.update(chunk)
            size += len(chunk)
        told = {"name": file.filename, "size": size, "sha256": digest.hexdigest(), "note": form["note"]}
        return JSONResponse(told)


async def unread(request: Request) -> Response:
    return PlainTextResponse("not interested")


async def stream(request: Request) -> Response:
    async def rows() -> AsyncIterator[str]:
        for number in range(4):
            yield f"row {number} of {request.url.path}\n"
            await asyncio.sleep(0.02)

    return StreamingResponse(rows(), media_type="text/plain")


async def endless(request: Request) -> Response:
    async def ticks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick" * 256
                await asyncio.sleep(0.01)
        finally:
            left.append("endless")

    return StreamingResponse(ticks(), media_type="text/event-stream")


async def who_left(request: Request) -> Response:
    return JSONResponse(left)


async def old(request: Request) -> Response:
    return RedirectResponse(request.url_for("index"), status_code=301)


async def report(request: Request) -> Response:
    return FileResponse(FOLDER / "report.txt")


async def cookies(request: Request) -> Response:
    response = PlainTextResponse("two cookies")
    response.set_cookie("first", "1", path=request.scope["root_path"] or "/")
    response.set_cookie("second", "2", httponly=True)
    return response


async def echo(request: Request) -> Response:
    return JSONResponse(
        {
            "method": request.method,
            "rest": request.path_params["rest"],
            "path": request.scope["path"],
            "raw_path": request.scope["raw_path"].decode(),
            "root": request.scope["root_path"],
            "url": str(request.url),
            "base": str(request.base_url),
            "http_version": request.scope["http_version"],
            "query": request.query_params.multi_items(),
            "client": request.client.host if request.client else None,
            "body": (await request.body()).decode(),
            "accept": ",".join(request.headers.getlist("accept")).replace(" ", ""),  # servers join fields as they like
            "x": request.headers.get("x-test"),
        }
    )


async def boom(request: Request) -> Response:
    raise RuntimeError("boom")


async def state(request: Request) -> Response:
    same_loop = request.state.loop is asyncio.get_running_loop()
    return JSONResponse({"greeting": request.state.greeting, "same loop": same_loop})


async def work() -> None:
    await asyncio.sleep(0.05)
    jobs.append("done")


async def start_job(request: Request) -> Response:
    if request.method == "GET":
        return JSONResponse(jobs)
    return JSONResponse({"accepted": True}, 202, background=BackgroundTask(work))


async def socket(ws: WebSocket) -> None:
    if ws.query_params.get("token") == "wrong":
        await ws.close()
        return
    if ws.query_params.get("token") == "explained":
        await ws.send_denial_response(JSONResponse({"error": "no token"}, 401, {"x-why": "token"}))
        return
    await ws.accept("chat" if "chat" in ws.scope["subprotocols"] else None, headers=[(b"x-hello", b"there")])
    try:
        while True:
            message = await ws.receive()
            if message["type"] == "websocket.disconnect":
                left.append("socket")
                return
            if message.get("text") == "bye":
                await ws.close(4000, "asked to")
                return
            if message.get("text") == "state":
                await ws.send_json({"greeting": ws.state.greeting, "path": ws.url.path, "root": ws.scope["root_path"]})
            elif message.get("text") is not None:
                await ws.send_text(f"echo {message['text']}")
            else:
                await ws.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        left.append("socket")


app = Starlette(
    routes=[
        Route("/", index, name="index"),
        Route("/login", login, methods=["GET", "POST"], name="login"),
        Route("/me", me, name="me"),
        Route("/logout", logout),
        Route("/api/items", list_items, methods=["GET", "POST"]),
        Route("/api/items/{number:int}", one_item, methods=["GET", "DELETE"], name="item"),
        Route("/upload", upload, methods=["POST"]),
        Route("/unread", unread, methods=["POST"]),
        Route("/stream", stream),
        Route("/endless", endless),
        Route("/left", who_left),
        Route("/old", old),
        Route("/report", report, name="report"),
        Route("/cookies", cookies),
        Route("/echo/{rest:path}", echo, methods=["GET", "POST", "PUT"]),
        Route("/boom", boom),
        Route("/state", state),
        Route("/jobs", start_job, methods=["GET", "POST"]),
        WebSocketRoute("/ws", socket),
        Mount("/static", StaticFiles(directory=FOLDER), name="static"),
    ],
    middleware=[
        Middleware(SessionMiddleware, secret_key="dev"),
        Middleware(GZipMiddleware, minimum_size=100_000),
    ],
    lifespan=lifespan,
)
