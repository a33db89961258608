"""Falcon over ASGI. It routes by the whole path of the scope, prefix included, so its routes carry the prefix."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import falcon.asgi

from tests.interop.guests.falcon_parts import FIRST, add_item, greet, log_out, send_report, set_cookies, show, told_of

PREFIX = os.environ.get("AMBI_PREFIX_OF_FALCON", "/guest/falcon-asgi")
items: dict[int, dict[str, Any]] = {1: FIRST}
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
        show(resp, f'<!doctype html><title>Falcon</title><a href="{req.prefix}/login">Log in</a>')


class Login:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        show(resp, '<form method="post"><input name="name"><button>Log in</button></form>')

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.set_cookie("name", quote((await req.get_media())["name"]), path="/", secure=False)
        raise falcon.HTTPSeeOther(f"{PREFIX}/me")


class Me:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        greet(req, resp, PREFIX)


class Logout:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        log_out(resp, PREFIX)


class Items:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = list(items.values())

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        add_item(items, await req.get_media(), resp, req.path)


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
        send_report(req, resp)


class Cookies:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        set_cookies(req, resp)


class Echo:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, rest: str) -> None:
        resp.media = told_of(req, rest, await req.stream.read())

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
