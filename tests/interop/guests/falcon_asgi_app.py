"""Falcon over ASGI. It routes by the whole path of the scope, prefix included, so its routes carry the prefix."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import falcon.asgi

REPORT = Path(__file__).parent / "report.txt"
PREFIX = os.environ.get("AMBI_PREFIX_OF_FALCON", "/guest/falcon-asgi")
items: dict[int, dict[str, Any]] = {1: {"id": 1, "name": "Chair", "price": 42}}
left: list[str] = []
jobs: list[str] = []
state: dict[str, str] = {}


class StartUp:
    async def process_startup(self, scope: Any, event: Any) -> None:
        state["greeting"] = "started"

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        state.clear()


class Index:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.content_type = falcon.MEDIA_HTML
        resp.text = f'<!doctype html><title>Falcon</title><a href="{req.prefix}/login">Log in</a>'


class Login:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.content_type = falcon.MEDIA_HTML
        resp.text = '<form method="post"><input name="name"><button>Log in</button></form>'

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.set_cookie("name", quote((await req.get_media())["name"]), path="/", secure=False)
        raise falcon.HTTPSeeOther(f"{PREFIX}/me")


class Me:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        if "name" not in req.cookies:
            raise falcon.HTTPFound(f"{PREFIX}/login")
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = f"Hello {unquote(req.cookies['name'])}"


class Logout:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.unset_cookie("name", path="/")
        resp.status, resp.location = 302, f"{PREFIX}/"


class Items:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = list(items.values())

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        data = await req.get_media()
        if "name" not in data:
            raise falcon.HTTPUnprocessableEntity(description="name is required")
        number = max(items) + 1
        items[number] = {"id": number, "name": data["name"], "price": data.get("price", 0)}
        resp.media, resp.status, resp.location = items[number], 201, f"{req.path}/{number}"


class Item:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, number: int) -> None:
        if number not in items:
            raise falcon.HTTPNotFound(description="no such item")
        resp.media = items[number]

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, number: int) -> None:
        del items[number]
        resp.status = 204


class Upload:
    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        told: dict[str, Any] = {}
        async for part in await req.get_media():
            if part.name == "file":
                digest, size = hashlib.sha256(), 0
                while chunk := await part.stream.read(65536):
                    digest.update(chunk)
                    size += len(chunk)
                told |= {"name": part.filename, "size": size, "sha256": digest.hexdigest()}
            else:
                told[part.name] = await part.text
        resp.media = told


class Unread:
    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.content_type, resp.text = falcon.MEDIA_TEXT, "not interested"


class Stream:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        async def rows() -> AsyncIterator[bytes]:
            for number in range(4):
                yield f"row {number} of {req.path}\n".encode()
                await asyncio.sleep(0.02)

        resp.content_type, resp.stream = falcon.MEDIA_TEXT, rows()


class Endless:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        async def ticks() -> AsyncIterator[falcon.asgi.SSEvent]:
            try:
                while True:
                    yield falcon.asgi.SSEvent(text="tick" * 256)
                    await asyncio.sleep(0.01)
            finally:
                left.append("endless")

        resp.sse = ticks()  # of its streams Falcon watches only these for a client that leaves


class Left:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = left


class Old:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        raise falcon.HTTPMovedPermanently(f"{req.prefix}/")


class Report:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        content = REPORT.read_bytes()
        resp.content_type, resp.etag = falcon.MEDIA_TEXT, hashlib.sha256(content).hexdigest()[:16]
        if req.if_none_match and resp.etag in req.if_none_match:
            resp.status = 304
        elif req.range:
            first, last = req.range
            last = len(content) - 1 if last == -1 else last
            resp.status, resp.data = 206, content[first : last + 1]
            resp.content_range = (first, last, len(content))
        else:
            resp.data = content


class Cookies:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.set_cookie("first", "1", path=req.root_path or "/")
        resp.set_cookie("second", "2", http_only=True)
        resp.text = "two cookies"


class Echo:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, rest: str) -> None:
        resp.media = {
            "method": req.method,
            "rest": rest,
            "path": req.path,
            "root": req.root_path,
            "url": req.url,
            "query": req.params,
            "client": req.remote_addr,
            "body": (await req.stream.read()).decode(),
            "accept": req.accept.replace(" ", ""),  # servers join fields as they like
            "x": req.get_header("X-Test"),
        }

    on_post = on_put = on_get


class Boom:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        raise RuntimeError("boom")


class State:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = state


class Jobs:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = jobs

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.status, resp.media = 202, {"accepted": True}
        resp.schedule(self.work)

    async def work(self) -> None:
        await asyncio.sleep(0.05)
        jobs.append("done")


class Socket:
    async def on_websocket(self, req: falcon.asgi.Request, ws: falcon.asgi.WebSocket) -> None:
        if req.get_param("token") == "wrong":
            raise falcon.HTTPForbidden
        await ws.accept("chat" if "chat" in (ws.subprotocols or []) else None)
        try:
            while True:
                message = await ws.receive_text()
                if message == "bye":
                    await ws.close(4000)
                    return
                await ws.send_text(f"echo {message}")
        except falcon.WebSocketDisconnected:
            left.append("socket")


app = falcon.asgi.App(middleware=[StartUp()])
ROUTES = {
    "/": Index(), "/login": Login(), "/me": Me(), "/logout": Logout(), "/api/items": Items(), "/api/items/{number:int}": Item(),
    "/upload": Upload(), "/unread": Unread(), "/stream": Stream(), "/endless": Endless(), "/left": Left(),
    "/old": Old(), "/report": Report(), "/cookies": Cookies(), "/echo/{rest:path}": Echo(), "/boom": Boom(),
    "/state": State(), "/jobs": Jobs(), "/ws": Socket(),
}  # fmt: skip
for path, resource in ROUTES.items():
    app.add_route(PREFIX + path, resource)
