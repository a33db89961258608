"""Paths: the same route by either gateway, and `url_for` leads back to it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from ambi import App, HTTPError, Request
from ambi.core.routing import Route
from ambi.core.url import decode_path, encode_path, percent_decode
from ambi.gateways import asgi, wsgi
from tests.fuzz.finding import found, of_corpus, table
from tests.fuzz.properties import Refusal, attempt, check_work

TEMPLATES = (
    "/", "/static", "/a/b", "/a/{text}", "/a/{n:int}", "/a/{day:date}", "/a/{id:uuid}", "/f/{x:float}", "/d/{x:decimal}",
    "/a/v{n:int}.json", "/a/{text}/deep/{n:int}", "/a/{text}/{other}", "/files/{rest:path}", "/slash/", "/a/{text}/",
    "/ü/{text}", "/{text}-x",
)  # fmt: skip


def make_app() -> App:
    """Make an application whose routes are told apart by their templates."""
    app = App(allowed_hosts=["example.test"])
    for template in TEMPLATES:

        def handler(request: Request) -> str:
            return request.path

        app.get(template, name=template)(handler)
    return app


APP = make_app()
ROOT = App()
"""Of which everything is one path: the one that could be built so that it were another host."""
ROOT.get("/{rest:path}", name="rest")(lambda request: request.path)


async def _receive() -> Any:
    return {"type": "http.disconnect"}


def read_wsgi(path: bytes, query: bytes) -> tuple[Request, HTTPError | None]:
    """Read a request as it comes from gunicorn."""
    target = path + (b"?" + query if query else b"")
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": percent_decode(path).decode("latin-1"), "QUERY_STRING": query.decode("latin-1"),
        "RAW_URI": target.decode("latin-1"), "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "example.test", "SCRIPT_NAME": "",
        "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http",
    }  # fmt: skip
    return wsgi.read_request(APP, environ)


def read_asgi(path: bytes, query: bytes) -> tuple[Request, HTTPError | None]:
    """Read a request as it comes from uvicorn."""
    scope = {
        "type": "http", "method": "GET", "path": percent_decode(path).decode("utf-8", "replace"), "raw_path": path,
        "query_string": query, "headers": [(b"host", b"example.test")], "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    return asgi.read_request(APP, scope, _receive)


def route_of(read: Any, path: bytes, query: bytes) -> Any:
    """Give path, route and values of a request, by one gateway; or the refusal."""
    request, refusal = read(path, query)
    if refusal is not None:
        raise refusal
    APP.plan_for(request)
    answer = getattr(request, "_answer", None)
    location = [value for name, value in getattr(answer, "_pairs", ()) if name == "location"]
    return request.path, request.route, request._values, request.query_string, location


def check(data: bytes) -> None:
    """Check one request target."""
    path, _, query = data.partition(b"?")
    text = attempt(decode_path, path)
    if isinstance(text, Refusal):
        if path not in (b"", b"*"):  # one that the server does not tell, and that of the whole server
            assert isinstance(attempt(route_of, read_asgi, path, query, statuses=frozenset((400, 414))), Refusal)
        return
    assert decode_path(encode_path(text).encode()) == text
    _check_root(text)
    if path[:1] != b"/" or b" " in data:  # of the absolute form servers make different things
        return
    one, other = (
        attempt(route_of, read, path, query, statuses=frozenset((400, 414))) for read in (read_wsgi, read_asgi)
    )
    assert one == other
    if isinstance(one, Refusal):
        return
    assert one[0] == text
    _check_way_back(*one[:3])
    check_work(data, lambda large: (percent_decode(large), APP._table.match("GET", large.decode("latin-1"), [])))


def _check_root(text: str) -> None:
    try:
        link = ROOT.url_path("rest", {"rest": text[1:]})
    except ValueError:
        assert text[1:2] in ("", "/")
    else:
        assert link[1:2] not in ("", "/")
        assert decode_path(link.encode()) == text


def _check_way_back(path: str, route: Route | None, values: tuple[Any, ...]) -> None:
    if route is None:
        return
    assert "" not in values
    params = dict(zip(route.param_names, values, strict=True))
    try:
        link = APP.url_path(route.name or "", params)
    except ValueError:  # a path that would be another host, as in /files//example.org
        assert any(isinstance(value, str) and value[:1] == "/" for value in values)
        return
    assert link[:2] != "//"
    again = route_of(read_wsgi, *link.encode().partition(b"?")[::2])
    assert again[1] is route, link
    assert repr(again[2]) == repr(values), link
    if any(converter in (route.name or "") for converter in ("uuid", "date")):  # which have one form each
        assert again[0] == path.lower()


def seeds() -> Iterator[bytes]:
    """Give targets."""
    yield from found("paths")
    yield from table("paths", "raw")
    yield from of_corpus("request-line", lambda case: [case.target.encode("latin-1")], 1000)
    yield from (encode_path(template).encode() for template in TEMPLATES)
    yield from (
        b"/a/2024-02-29", b"/a/123e4567-e89b-12d3-a456-426614174000", b"/a/v7.json", b"/f/1.50", b"/files/a//b/..;/%2e%2e/c",
        b"/%C3%BC/x?q=1", b"/a/%2F", b"/slash", b"/a/b/", b"/a/x-x", b"/-x", b"/files//x", b"/a/123E4567-E89B-12D3-A456-426614174000", b"/a/123e4567e89b12d3a456426614174000----", b"//x", b"/%2fx", b"http://example.test/a/b", b"/d/0.10", b"/a/7/deep/08",
    )  # fmt: skip
