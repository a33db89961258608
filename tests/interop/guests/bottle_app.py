"""Bottle: one file, a signed cookie for the session."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bottle import Bottle, HTTPResponse, abort, request, response, static_file, template

FOLDER = Path(__file__).parent
SECRET = "dev"
INDEX = """<!doctype html>
<title>Bottle</title>
<a href="{{app.get_url('login')}}">Log in</a> <a href="{{app.get_url('report')}}">Report</a>
"""

app = Bottle()
items: dict[int, dict[str, Any]] = {1: {"id": 1, "name": "Chair", "price": 42}}
left: list[str] = []


def redirect_to(name: str, status: int = 303, **parameters: Any) -> HTTPResponse:
    return HTTPResponse(status=status, Location=app.get_url(name, **parameters))


@app.get("/", name="index")
def index() -> str:
    return template(INDEX, app=app)


@app.get("/login", name="login")
def show_login() -> str:
    return '<form method="post"><input name="name"><button>Log in</button></form>'


@app.post("/login")
def login() -> HTTPResponse:
    answer = redirect_to("me")
    answer.set_cookie("account", request.forms.name, secret=SECRET, path="/", digestmod=hashlib.sha256)
    return answer


@app.get("/me", name="me")
def me() -> Any:
    name = request.get_cookie("account", secret=SECRET, digestmod=hashlib.sha256)
    return template("Hello {{name}}", name=name) if name else redirect_to("login")


@app.get("/logout")
def logout() -> HTTPResponse:
    answer = redirect_to("index")
    answer.delete_cookie("account", path="/")
    return answer


@app.get("/api/items")
def list_items() -> dict[str, Any]:
    return {"items": list(items.values())}


@app.post("/api/items")
def add_item() -> dict[str, Any]:
    data = request.json
    if not data or "name" not in data:
        abort(422, "name is required")
    number = max(items) + 1
    items[number] = {"id": number, "name": data["name"], "price": data.get("price", 0)}
    response.status = 201
    response.set_header("Location", app.get_url("item", number=number))
    return items[number]


@app.get("/api/items/<number:int>", name="item")
def get_item(number: int) -> dict[str, Any]:
    return items.get(number) or abort(404, "no such item")


@app.delete("/api/items/<number:int>")
def delete_item(number: int) -> HTTPResponse:
    items.pop(number)
    return HTTPResponse(status=204)


@app.post("/upload")
def upload() -> dict[str, Any]:
    file = request.files.get("file")
    content = file.file.read()
    digest = hashlib.sha256(content).hexdigest()
    return {"name": file.filename, "size": len(content), "sha256": digest, "note": request.forms.note}


@app.post("/unread")
def unread() -> str:
    return "not interested"


@app.get("/stream")
def stream() -> Iterator[str]:
    response.content_type = "text/plain"
    for number in range(4):
        yield f"row {number} of {request.path}\n"
        time.sleep(0.02)


@app.get("/endless")
def endless() -> Iterator[bytes]:
    try:
        while True:
            yield b"tick" * 256
            time.sleep(0.01)
    finally:
        left.append("endless")


@app.get("/left")
def who_left() -> dict[str, Any]:
    return {"left": left}


@app.get("/old")
def old() -> HTTPResponse:
    return redirect_to("index", 301)


@app.get("/report", name="report")
def report() -> Any:
    return static_file("report.txt", root=str(FOLDER))


@app.get("/cookies")
def cookies() -> str:
    response.set_cookie("first", "1", path=request.script_name)
    response.set_cookie("second", "2", httponly=True)
    return "two cookies"


@app.route("/echo/<rest:path>", method=["GET", "POST", "PUT"])
def echo(rest: str) -> dict[str, Any]:
    return {
        "method": request.method,
        "rest": rest,
        "path": request.path,
        "root": request.script_name,
        "url": request.url,
        "query": dict(request.query),
        "client": request.remote_addr,
        "body": request.body.read().decode(),
        "accept": request.get_header("Accept", "").replace(" ", ""),  # servers join fields as they like
        "x": request.get_header("X-Test"),
    }


@app.get("/boom")
def boom() -> str:
    raise RuntimeError("boom")
