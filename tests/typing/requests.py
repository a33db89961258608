"""What a request gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, assert_type

from ambi import URL, App, Form, Headers, Request, Route, UploadFile

app = App()


@app.get("/")
def look(request: Request) -> None:
    assert_type(request.method, str)
    assert_type(request.path, str)
    assert_type(request.gateway, Literal["wsgi", "asgi"])
    assert_type(request.headers, Headers)
    assert_type(request.headers.get("a"), str | None)
    assert_type(request.headers.get("a", ""), str)
    assert_type(request.query.get("a"), str | None)
    assert_type(request.query.getlist("a"), list[str])
    assert_type(request.cookies, Mapping[str, str])
    assert_type(request.client, tuple[str, int | None] | None)
    assert_type(request.route, Route | None)
    assert_type(request.body, bytes)
    assert_type(request.text, str)
    assert_type(request.json(), Any)
    assert_type(request.form, Form)
    assert_type(request.form["file"], str | UploadFile)
    assert_type(request.url, URL)
    assert_type(request.url_for("look"), str)
    assert_type(request.id, str)
    request.after(print, "done")
    request.on_response(lambda response: response.headers.setdefault("x-a", "b"))
    app.spawn(print, "beside")


def wrong(request: Request) -> None:
    request.header  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
    request.text()  # type: ignore[operator]  # pyright: ignore[reportCallIssue]
    request.path_params = {}  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    request.url_for()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
