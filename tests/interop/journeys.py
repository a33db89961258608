"""What is asked of every guest, and what may differ between a guest that is alone and one that is mounted.

`visit` does the whole journey on one server and gives what was seen, by the name of the step. Two journeys are compared
with `differences`. All that is not compared stands in `OF_THE_SERVER` and `RANDOM`, each with its reason.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.interop.catalogue import Guest
from tests.servers.processes import Running
from tests.servers.wire import Field, chunked, collect

HOST = "guests.example:8080"  # one that is the same on every port
PATIENCE_S = 8.0
BIG = b"0123456789abcdef" * 20_000

OF_THE_SERVER = {
    "connection": "gunicorn's sync worker closes each connection, others keep it",
    "date": "two answers are given at two moments",
    "keep-alive": "as connection",
    "server": "it names the server",
    "transfer-encoding": "how a body without a length is framed is the server's choice",
    "content-length, 204": "some servers take it off, as RFC 9110 8.6 says, some leave that to the application",
    "x-outer": "the middleware of the outer application adds it; that it does is looked at by itself",
}

RANDOM = (
    (re.compile(r"(?<=expires=)[^;]+"), "a moment"),
    (re.compile(r"(?<=^session=)[^;]+"), "a signature over the time"),
    (re.compile(r"(?<=^sessionid=)[^;]+"), "a signature over the time"),
    (re.compile(r"(?<=^csrftoken=)[^;]+"), "a random secret"),
    (re.compile(r'(?<=name="csrfmiddlewaretoken" value=")[^"]+'), "a random mask over that secret"),
    (re.compile(r'(?<=--)[0-9a-f]{20,}|(?<=boundary=)[0-9a-f]{20,}'), "a random boundary of several ranges"),
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """An answer, without what is the server's or random."""

    status: int
    fields: tuple[Field, ...]
    body: str
    ending: str
    notes: Mapping[str, Any] = field(default_factory=dict)

    def but(self, **notes: Any) -> Seen:
        return Seen(self.status, self.fields, self.body, self.ending, {**self.notes, **notes})


def steady(text: str) -> str:
    for pattern, why in RANDOM:
        text = pattern.sub(f"<{why}>", text)
    return text


def steady_field(name: str, value: str, body: str) -> Field:
    """Give a field without what is random in it."""
    if name == "allow":  # a set of methods, which Flask lists in the order of a hash that is another in each process
        return name, ", ".join(sorted(value.split(", ")))
    if name == "etag" and "csrfmiddlewaretoken" in body:
        return name, "<a hash of a page with a random mask>"
    return name, steady(value)


class Visitor:
    """A client with cookies that goes through a guest on one server."""

    def __init__(self, server: Running, prefix: str) -> None:
        self.server = server
        self.prefix = prefix
        self.cookies: dict[str, str] = {}
        self.raw: Mapping[str, str] = {}
        self.text = ""
        self.marked: set[bool] = set()
        self.took_s = 0.0

    def ask(self, method: str, path: str, *fields: Field, body: bytes = b"", mark: bool = True) -> Seen:
        with self.server.connect(PATIENCE_S) as connection:
            sent = [("Host", HOST), *fields]
            if self.cookies:
                sent.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
            began = time.monotonic()
            connection.ask(method, self.prefix + path, sent, body)
            head = connection.read_head()
            while head.status < 200:
                head = connection.read_head()
            pieces, ending = collect(connection.read_body(head, method))
            self.took_s = time.monotonic() - began
        self.raw = dict(head.fields)
        self.text = b"".join(piece for piece, _ in pieces).decode("utf-8", "replace")
        if mark:
            self.marked.add("x-outer" in self.raw)
        for cookie in head.all("set-cookie"):
            self.keep(cookie)
        compared = [
            field for field in head.fields if not {field[0], f"{field[0]}, {head.status}"} & OF_THE_SERVER.keys()
        ]
        kept = sorted((steady_field(*field, self.text) for field in compared), key=lambda one: one[0])
        # A body that ends with the connection is as whole as one that is framed: see `transfer-encoding`.
        whole = "whole" if ending in {"complete", "closed"} else ending
        notes = {} if len(pieces) < 2 else {"came over time": pieces[-1][1] - pieces[0][1] > 0.03}
        return Seen(head.status, tuple(kept), steady(self.text), whole, notes if path == "/stream" else {})

    def keep(self, cookie: str) -> None:
        name, _, value = cookie.partition(";")[0].partition("=")
        if "max-age=0" in cookie.lower() or not value.strip('"'):
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    def await_answer(self, path: str, wanted: Callable[[str], bool]) -> Seen:
        """Ask until the answer is what is waited for, or time is up."""
        deadline = time.monotonic() + PATIENCE_S
        seen = self.ask("GET", path)
        while not wanted(self.text) and time.monotonic() < deadline:
            time.sleep(0.02)
            seen = self.ask("GET", path)
        return seen


FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Content-Type", "application/json")
MULTIPART = ("Content-Type", "multipart/form-data; boundary=frontier")


def multipart(content: bytes) -> bytes:
    """Write a form with a note and a file."""
    return (
        b'--frontier\r\nContent-Disposition: form-data; name="note"\r\n\r\ncaf\xc3\xa9\r\n'
        b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="a b.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--frontier--\r\n"
    )


Steps = Iterator[tuple[str, Seen]]


def pages(visitor: Visitor) -> Steps:
    yield "index", visitor.ask("GET", "/")
    yield "index, HEAD", visitor.ask("HEAD", "/")
    yield "options", visitor.ask("OPTIONS", "/login")
    yield "no such page", visitor.ask("GET", "/nothing/here")
    yield "no such method", visitor.ask("PATCH", "/api/items")
    yield "moved", visitor.ask("GET", "/old")
    yield "cookies", visitor.ask("GET", "/cookies")
    yield "failing", visitor.ask("GET", "/boom")
    yield "static", visitor.ask("GET", "/static/style.css")
    yield "static of Starlette", visitor.ask("GET", "/static/report.txt")
    yield "waiting", visitor.ask("GET", "/waiting")
    yield "schema", visitor.ask("GET", "/openapi.json")
    yield "docs", visitor.ask("GET", "/docs")
    yield "a slash too many", visitor.ask("GET", "/login/")


def form(visitor: Visitor) -> Steps:
    yield "me, a stranger", visitor.ask("GET", "/me")
    yield "login, a form", visitor.ask("GET", "/login")
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', visitor.text)
    fields = f"csrfmiddlewaretoken={token[1]}&name=Ada+L%C3%A9" if token else "name=Ada+L%C3%A9"
    yield "login, no token", visitor.ask("POST", "/login", FORM, body=b"name=Eve")
    yield "login", visitor.ask("POST", "/login", FORM, body=fields.encode())
    yield "me", visitor.ask("GET", "/me")
    yield "logout", visitor.ask("GET", "/logout")
    yield "me, gone", visitor.ask("GET", "/me")


def api(visitor: Visitor) -> Steps:
    yield "list", visitor.ask("GET", "/api/items")
    yield "add", visitor.ask("POST", "/api/items", JSON, body=b'{"name": "Lamp", "price": 12}')
    yield "add, invalid", visitor.ask("POST", "/api/items", JSON, body=b'{"price": 12}')
    yield "add, no JSON", visitor.ask("POST", "/api/items", JSON, body=b"{")
    yield "add, empty", visitor.ask("POST", "/api/items", JSON)
    yield "one", visitor.ask("GET", "/api/items/2")
    yield "none", visitor.ask("GET", "/api/items/99")
    yield "delete", visitor.ask("DELETE", "/api/items/2")


def bodies(visitor: Visitor) -> Steps:
    yield "upload", visitor.ask("POST", "/upload", MULTIPART, body=multipart(b"content\r\n--fron"))
    yield "upload, big", visitor.ask("POST", "/upload", MULTIPART, body=multipart(BIG))
    sent = multipart(BIG)
    in_chunks = chunked(*(sent[at : at + 50_000] for at in range(0, len(sent), 50_000)))
    yield (
        "upload, in chunks",
        visitor.ask("POST", "/upload", MULTIPART, ("Transfer-Encoding", "chunked"), body=in_chunks),
    )
    yield "unread", visitor.ask("POST", "/unread", ("Content-Type", "text/plain"), body=b"x" * 1000)
    for _ in range(3):  # a machine that is busy may read all pieces at once
        stream = visitor.ask("GET", "/stream")
        if stream.notes.get("came over time"):
            break
    yield "stream", stream
    yield "stream, HEAD", visitor.ask("HEAD", "/stream")


def echoes(visitor: Visitor) -> Steps:
    target = "/echo/a%20b/caf%C3%A9/x%2Fy;z?q=1&q=%E2%82%AC&empty="
    yield "echo", visitor.ask("GET", target, ("X-Test", "t, u"), ("Accept", "text/html"), ("Accept", "*/*;q=0.1"))
    yield "echo, POST", visitor.ask("POST", "/echo/here", ("Content-Type", "text/plain"), body="käse".encode())
    yield (
        "echo, in chunks",
        visitor.ask("PUT", "/echo/here", ("Transfer-Encoding", "chunked"), body=chunked(b"one ", b"two")),
    )
    yield "echo, bad escape", visitor.ask("GET", "/echo/100%")


def files(visitor: Visitor) -> Steps:
    yield "report", visitor.ask("GET", "/report")
    tag, moment = visitor.raw.get("etag"), visitor.raw.get("last-modified")
    yield "report, HEAD", visitor.ask("HEAD", "/report")
    for wanted in ("bytes=0-9", "bytes=-5", "bytes=30-", "bytes=9999-", "bytes=0-1,4-5", "lines=1"):
        yield f"report, {wanted}", visitor.ask("GET", "/report", ("Range", wanted))
    if tag:
        yield "report, same tag", visitor.ask("GET", "/report", ("If-None-Match", tag))
        yield "report, range of the same", visitor.ask("GET", "/report", ("Range", "bytes=0-3"), ("If-Range", tag))
    if moment:
        yield "report, not modified", visitor.ask("GET", "/report", ("If-Modified-Since", moment))


def leaving(visitor: Visitor) -> Steps:
    """Leave a page that never ends; the guest must have closed it soon after."""
    with visitor.server.connect(PATIENCE_S) as connection:
        connection.ask("GET", f"{visitor.prefix}/endless", [("Host", HOST)])
        head = connection.read_head()
        next(connection.read_body(head))
    yield "left", visitor.await_answer("/left", lambda text: "endless" in text)


def of_asgi(visitor: Visitor) -> Steps:
    yield "state", visitor.ask("GET", "/state")
    yield "job", visitor.ask("POST", "/jobs")
    yield "job done", visitor.await_answer("/jobs", lambda text: "done" in text)
    for name, told in converse(visitor):
        yield name, Seen(101, (), json.dumps(told), "whole")
    yield "socket left", visitor.await_answer("/left", lambda text: "socket" in text)


def converse(visitor: Visitor) -> Iterator[tuple[str, Any]]:
    """Talk over a WebSocket: words, bytes, subprotocols, both ways to close, both ways to be refused."""
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import connect

    url = f"ws://127.0.0.1:{visitor.server.port}{visitor.prefix}/ws"
    options: dict[str, Any] = {"proxy": None, "open_timeout": PATIENCE_S, "close_timeout": PATIENCE_S}
    with connect(url, subprotocols=["chat", "other"], **options) as ws:
        told = [ws.subprotocol, ws.response.headers.get("x-hello")]
        for message in ("hello", "ü" * 200, "state", "x" * 100_000):
            ws.send(message)
            told.append(ws.recv(PATIENCE_S))
        ws.send("bye")
        with contextlib.suppress(ConnectionClosed):
            told.append(ws.recv(PATIENCE_S))
        yield "socket", [*told, ws.close_code, ws.close_reason]
    with connect(f"{url}?other=1", **options) as ws:
        ws.send(b"\0bytes")
        try:
            told = [ws.recv(PATIENCE_S).hex()]
        except ConnectionClosed:
            told = []
        # A guest that fails at bytes: servers close with either code, 1011 by the letter of RFC 6455 7.4.1.
        failed = {1006: "failed", 1011: "failed"}.get(ws.close_code or 0, ws.close_code)
        yield "socket, bytes", [ws.subprotocol, *told, failed]
    for token in ("wrong", "explained"):
        try:
            with connect(f"{url}?token={token}", **options):
                yield f"socket, {token}", "accepted"
        except InvalidStatus as refused:
            answer = refused.response
            told = [answer.status_code, answer.headers.get("x-why"), (answer.body or b"").decode()]
            yield f"socket, {token}", told


def visit(guest: Guest, server: Running, prefix: str) -> tuple[dict[str, Seen], Visitor]:
    """Go through a guest from its first page to its last."""
    visitor = Visitor(server, prefix)
    parts = [pages, form, api, bodies, echoes, files, leaving, *([of_asgi] if guest.has_socket else [])]
    return {name: seen for part in parts for name, seen in part(visitor)}, visitor


def differences(alone: Mapping[str, Seen], mounted: Mapping[str, Seen]) -> list[str]:
    """Give what is not the same, a line for each."""
    found = [f"{name}: asked once only" for name in alone.keys() ^ mounted.keys()]
    for name in alone.keys() & mounted.keys():
        one, other = alone[name], mounted[name]
        if one.status != other.status:
            found.append(f"{name}: status {one.status} alone, {other.status} mounted")
        found += [f"{name}: {key}: {value} alone only" for key, value in one.fields if (key, value) not in other.fields]
        found += [
            f"{name}: {key}: {value} mounted only" for key, value in other.fields if (key, value) not in one.fields
        ]
        if [key for key, _ in one.fields] != [key for key, _ in other.fields] and set(one.fields) == set(other.fields):
            found.append(f"{name}: repeated fields differ: {one.fields} alone, {other.fields} mounted")
        if one.body != other.body:
            found.append(f"{name}: body {one.body[:300]!r} alone, {other.body[:300]!r} mounted")
        if (one.ending, one.notes) != (other.ending, other.notes):
            found.append(f"{name}: {one.ending} {one.notes} alone, {other.ending} {other.notes} mounted")
    return sorted(found)
