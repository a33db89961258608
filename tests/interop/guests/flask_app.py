"""Flask: the tutorial's login with a session, and the patterns of its documentation."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import (
    Flask,
    Response,
    abort,
    jsonify,
    redirect,
    render_template_string,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)
from werkzeug.exceptions import HTTPException

REPORT = Path(__file__).parent / "report.txt"
INDEX = """<!doctype html>
<title>Flask</title>
<a href="{{ url_for('login') }}">Log in</a> <a href="{{ url_for('report', _external=True) }}">Report</a>
<link rel="stylesheet" href="{{ url_for('static', filename='style.css') }}">
"""
LOGIN = '<form method="post"><input name="name"><button>Log in</button></form>'

app = Flask(__name__)
app.config["SECRET_KEY"] = "dev"
items: dict[int, dict[str, Any]] = {1: {"id": 1, "name": "Chair", "price": 42}}
left: list[str] = []


@app.get("/")
def index() -> str:
    return render_template_string(INDEX)


@app.route("/login", methods=["GET", "POST"])
def login() -> Any:
    if request.method == "POST":
        session.clear()
        session["name"] = request.form["name"]
        return redirect(url_for("me"))
    return LOGIN


@app.get("/me")
def me() -> Any:
    if "name" not in session:
        return redirect(url_for("login"))
    return render_template_string("Hello {{ session['name'] }}")


@app.get("/logout")
def logout() -> Any:
    session.clear()
    return redirect(url_for("index"))


@app.get("/api/items")
def list_items() -> Any:
    return jsonify(list(items.values()))


@app.post("/api/items")
def add_item() -> Any:
    data = request.get_json()
    if "name" not in data:
        return jsonify(error="name is required"), 422
    number = max(items) + 1
    items[number] = {"id": number, "name": data["name"], "price": data.get("price", 0)}
    return jsonify(items[number]), 201, {"Location": url_for("get_item", number=number)}


@app.get("/api/items/<int:number>")
def get_item(number: int) -> Any:
    return jsonify(items.get(number) or abort(404))


@app.delete("/api/items/<int:number>")
def delete_item(number: int) -> Any:
    items.pop(number)
    return "", 204


@app.errorhandler(404)
def not_found(error: HTTPException) -> Any:
    return jsonify(error=str(error)), 404


@app.post("/upload")
def upload() -> Any:
    file = request.files["file"]
    content = file.read()
    digest = hashlib.sha256(content).hexdigest()
    return jsonify(name=file.filename, size=len(content), sha256=digest, note=request.form["note"])


@app.post("/unread")
def unread() -> str:
    return "not interested"


@app.get("/stream")
def stream() -> Any:
    @stream_with_context
    def rows() -> Iterator[str]:
        for number in range(4):
            yield f"row {number} of {request.path}\n"
            time.sleep(0.02)

    return rows(), {"Content-Type": "text/plain", "X-Accel-Buffering": "no"}


@app.get("/endless")
def endless() -> Any:
    def ticks() -> Iterator[bytes]:
        try:
            while True:
                yield b"tick" * 256
                time.sleep(0.01)
        finally:
            left.append("endless")

    return Response(ticks(), mimetype="text/plain")


@app.get("/left")
def who_left() -> Any:
    return jsonify(left)


@app.get("/old")
def old() -> Any:
    return redirect(url_for("index", _external=True), code=301)


@app.get("/report")
def report() -> Any:
    return send_file(REPORT, conditional=True)


@app.get("/cookies")
def cookies() -> Any:
    response = app.make_response("two cookies")
    response.set_cookie("first", "1", path=request.script_root or "/")
    response.set_cookie("second", "2", httponly=True)
    return response


@app.route("/echo/<path:rest>", methods=["GET", "POST", "PUT"])
def echo(rest: str) -> Any:
    return jsonify(
        method=request.method,
        rest=rest,
        path=request.path,
        root=request.root_path,
        url=request.base_url,
        scheme=request.scheme,
        query=request.args.to_dict(flat=False),
        client=request.remote_addr,
        body=request.get_data(as_text=True),
        accept=request.headers.get("Accept", "").replace(" ", ""),  # servers join fields as they like
        x=request.headers.get("X-Test"),
    )


@app.get("/boom")
def boom() -> str:
    raise RuntimeError("boom")
