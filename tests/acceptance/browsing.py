"""What a browser is led through, below `/b`: a form with a file, events with a reconnect, cookies, its cache."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlencode

from ambi import HTML, SSE, Event, Redirect, Request, Response, Router, Text, UploadFile

browsing = Router(prefix="/b")
answered: Counter[int] = Counter()
"""How often `/b/static` was answered with which status, in this process."""

FORM = (
    "<form id=f method=post action=/b/upload enctype=multipart/form-data><input name=t><input name=u type=file></form>"
)
ETAG = '"seen-before"'


@browsing.get("/page")
def page() -> Response:
    return HTML(f'<!doctype html><html lang="en"><meta charset="utf-8"><title>A form</title>{FORM}</html>')


@browsing.post("/upload")
async def upload(request: Request) -> Response:
    file = request.form.get("u")
    # A browser sends a file field that was left empty as a file without a name.
    name, size = (file.filename or "", file.size) if isinstance(file, UploadFile) else ("", 0)
    query = urlencode({"name": name, "size": size, "t": request.form.get("t", "")})
    return Redirect(f"/b/done?{query}")


@browsing.get("/done")
def done(request: Request) -> Response:
    return Text(json.dumps({name: request.query.get(name, "") for name in ("name", "size", "t")}, ensure_ascii=False))


@browsing.get("/events")
async def events(request: Request) -> SSE:
    async def first() -> AsyncIterator[Event | str]:
        yield "one"
        yield Event("a\nb", event="tick", id="7")

    async def again(last: str) -> AsyncIterator[Event]:
        yield Event(last, event="back")

    last = request.last_event_id
    return SSE(first() if last is None else again(last))


@browsing.get("/slow")
def slow() -> Iterator[str]:
    yield "a"
    time.sleep(0.4)
    yield "b"


@browsing.get("/set")
async def set_cookies() -> Response:
    response = Response(status=204)
    response.set_cookie("plain", "1", httponly=False)
    response.set_cookie("http", "2")
    response.delete_cookie("gone")
    return response


@browsing.get("/cookies")
def cookies(request: Request) -> dict[str, str]:
    return dict(request.cookies)


@browsing.get("/static")
async def static(request: Request) -> Response:
    fields = {"etag": ETAG, "cache-control": "no-cache"}
    fresh = request.if_none_match.matches_weak(ETAG)
    response = Response(status=304, headers=fields) if fresh else Text("the same every time", headers=fields)
    answered[response.status] += 1
    return response


@browsing.get("/static-count")
def static_count() -> dict[str, int]:
    return {"200": answered[200], "304": answered[304]}
