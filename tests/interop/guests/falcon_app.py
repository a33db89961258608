"""Falcon over WSGI: resources with a responder for each method."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import falcon

from tests.interop.guests.falcon_parts import FIRST, add_item, greet, log_out, send_report, set_cookies, show, told_of

items: dict[int, dict[str, Any]] = {1: FIRST}
left: list[str] = []


class Index:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        show(resp, f'<!doctype html><title>Falcon</title><a href="{req.prefix}/login">Log in</a>')


class Login:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        show(resp, '<form method="post"><input name="name"><button>Log in</button></form>')

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_cookie("name", quote(req.get_media()["name"]), path="/", secure=False)
        raise falcon.HTTPSeeOther(f"{req.root_path}/me")


class Me:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        greet(req, resp, req.root_path)


class Logout:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        log_out(resp, req.root_path)


class Items:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = list(items.values())

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        add_item(items, req.get_media(), resp, req.relative_uri)


class Item:
    def on_get(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        if number not in items:
            raise falcon.HTTPNotFound(description="no such item")
        resp.media = items[number]

    def on_delete(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        del items[number]
        resp.status = 204


class Upload:
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        told: dict[str, Any] = {}
        for part in req.get_media():
            if part.name == "file":
                digest, size = hashlib.sha256(), 0
                while chunk := part.stream.read(65536):
                    digest.update(chunk)
                    size += len(chunk)
                told |= {"name": part.filename, "size": size, "sha256": digest.hexdigest()}
            else:
                told[part.name] = part.text
        resp.media = told


class Unread:
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type, resp.text = falcon.MEDIA_TEXT, "not interested"


class Stream:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type, resp.stream = falcon.MEDIA_TEXT, self.rows(req.path)

    def rows(self, path: str) -> Iterator[bytes]:
        for number in range(4):
            yield f"row {number} of {path}\n".encode()
            time.sleep(0.02)


class Endless:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type, resp.stream = falcon.MEDIA_TEXT, self.ticks()

    def ticks(self) -> Iterator[bytes]:
        try:
            while True:
                yield b"tick" * 256
                time.sleep(0.01)
        finally:
            left.append("endless")


class Left:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = left


class Old:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        raise falcon.HTTPMovedPermanently(f"{req.prefix}/")


class Report:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        send_report(req, resp)


class Cookies:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        set_cookies(req, resp)


class Echo:
    def on_get(self, req: falcon.Request, resp: falcon.Response, rest: str) -> None:
        resp.media = told_of(req, rest, req.bounded_stream.read()) | {"forwarded": req.forwarded_uri}

    on_post = on_put = on_get


class Boom:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        raise RuntimeError("boom")


app = falcon.App()
app.add_route("/", Index())
app.add_route("/login", Login())
app.add_route("/me", Me())
app.add_route("/logout", Logout())
app.add_route("/api/items", Items())
app.add_route("/api/items/{number:int}", Item())
app.add_route("/upload", Upload())
app.add_route("/unread", Unread())
app.add_route("/stream", Stream())
app.add_route("/endless", Endless())
app.add_route("/left", Left())
app.add_route("/old", Old())
app.add_route("/report", Report())
app.add_route("/cookies", Cookies())
app.add_route("/echo/{rest:path}", Echo())
app.add_route("/boom", Boom())
