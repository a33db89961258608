"""What Falcon's resources do in either colour: the parts of `falcon_app.py` and `falcon_asgi_app.py` that await nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import falcon

REPORT = Path(__file__).parent / "report.txt"
FIRST = {"id": 1, "name": "Chair", "price": 42}


def show(resp: falcon.Response, page: str) -> None:
    """Answer with a page."""
    resp.content_type, resp.text = falcon.MEDIA_HTML, page


def greet(req: falcon.Request, resp: falcon.Response, root: str) -> None:
    """Greet who has logged in, and send everybody else to do so."""
    if "name" not in req.cookies:
        raise falcon.HTTPFound(f"{root}/login")
    resp.content_type = falcon.MEDIA_TEXT
    resp.text = f"Hello {unquote(req.cookies['name'])}"


def log_out(resp: falcon.Response, root: str) -> None:
    """Forget who has logged in."""
    resp.unset_cookie("name", path="/")
    resp.status, resp.location = 302, f"{root}/"


def add_item(items: dict[int, dict[str, Any]], data: dict[str, Any], resp: falcon.Response, below: str) -> None:
    """Keep an item that was posted, and say where it is."""
    if "name" not in data:
        raise falcon.HTTPUnprocessableEntity(description="name is required")
    number = max(items) + 1
    items[number] = {"id": number, "name": data["name"], "price": data.get("price", 0)}
    resp.media, resp.status, resp.location = items[number], 201, f"{below}/{number}"


def send_report(req: falcon.Request, resp: falcon.Response) -> None:
    """Answer with a file: the whole, a range, or that it has not changed."""
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


def set_cookies(req: falcon.Request, resp: falcon.Response) -> None:
    """Set two cookies."""
    resp.set_cookie("first", "1", path=req.root_path or "/")
    resp.set_cookie("second", "2", http_only=True)
    resp.text = "two cookies"


def told_of(req: falcon.Request, rest: str, body: bytes) -> dict[str, Any]:
    """Give what the application is told of a request."""
    return {
        "method": req.method,
        "rest": rest,
        "path": req.path,
        "root": req.root_path,
        "url": req.url,
        "query": req.params,
        "client": req.remote_addr,
        "body": body.decode(),
        "accept": req.accept.replace(" ", ""),  # servers join fields as they like
        "x": req.get_header("X-Test"),
    }
