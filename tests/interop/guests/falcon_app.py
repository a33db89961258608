"""Falcon over WSGI: resources with a responder for each method."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import falcon

REPORT = Path(__file__).parent / "report.txt"
items: dict[int, dict[str, Any]] = {1: {"id": 1, "name": "Chair", "price": 42}}
left: list[str] = []


class Index:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_HTML
        resp.text = f'<!doctype html><title>Falcon</title><a href="{req.prefix}/login">Log in</a>'


class Login:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_HTML
        resp.text = '<form method="post"><input name="name"><button>Log in</button></form>'

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_cookie("name", quote(req.get_media()["name"]), path="/", secure=False)
        raise falcon.HTTPSeeOther(f"{req.root_path}/me")


class Me:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if "name" not in req.cookies:
            raise falcon.HTTPFound(f"{req.root_path}/login")
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = f"Hello {unquote(req.cookies['name'])}"


class Logout:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.unset_cookie("name", path="/")
        resp.status, resp.location = 302, f"{req.root_path}/"


class Items:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = list(items.values())

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        data = req.get_media()
        if "name" not in data:
            raise falcon.HTTPUnprocessableEntity(description="name is required")
        number = max(items) + 1
        items[number] = {"id": number, "name": data["name"], "price": data.get("price", 0)}
        resp.media, resp.status, resp.location = items[number], 201, f"{req.relative_uri}/{number}"


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
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_cookie("first", "1", path=req.root_path or "/")
        resp.set_cookie("second", "2", http_only=True)
        resp.text = "two cookies"


class Echo:
    def on_get(self, req: falcon.Request, resp: falcon.Response, rest: str) -> None:
        resp.media = {
            "method": req.method,
            "rest": rest,
            "path": req.path,
            "root": req.root_path,
            "url": req.url,
            "forwarded": req.forwarded_uri,
            "query": req.params,
            "client": req.remote_addr,
            "body": req.bounded_stream.read().decode(),
            "accept": req.accept.replace(" ", ""),  # servers join fields as they like
            "x": req.get_header("X-Test"),
        }

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
