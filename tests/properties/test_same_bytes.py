"""The same request gets the same status, header fields and body through both gateways.

Requests are generated, the same ones in each run; one application answers both ways. What no framework could make
equal is left out here and named: `Connection`, which belongs to the server and cannot be sent under WSGI.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ambi import (
    HTML,
    JSON,
    App,
    BodyStream,
    HTTPError,
    Limits,
    Middleware,
    Redirect,
    Request,
    Response,
    Router,
    Stream,
    Text,
)
from ambi.testing import Client
from tests.checkers import CheckedASGI, CheckedWSGI
from tests.profiles import examples

# --- the application ---


def told(request: Request) -> dict[str, Any]:
    """Tell all that a request says about itself."""
    return {
        "method": request.method, "path": request.path, "query_string": request.query_string, "host": request.host,
        "query": request.query.pairs(), "headers": dict(sorted(request.headers.items())), "cookies": dict(request.cookies),
        "url": str(request.url), "scheme": request.scheme, "client": request.client, "root_path": request.root_path,
        "content_type": request.content_type, "authorization": request.authorization,
        "accepts": request.accepts("text/html", "application/json", "text/plain;charset=utf-8"),
        "encoding": request.accepts_encoding("gzip", "br"), "language": request.accepts_language("en", "de-CH", "de"),
        "if_none_match": repr(request.if_none_match), "if_modified_since": str(request.if_modified_since),
        "params": request.path_params, "loopback": request.is_loopback,
    }  # fmt: skip


def make_app() -> App:
    """Make an application with routes of many kinds, of both colours."""
    app = App(limits=Limits(max_body_bytes=2000, max_query_fields=20, max_header_lines=30, max_form_fields=10))

    @app.middleware
    def mark(request: Request) -> Middleware:
        response = yield
        response.headers["x-route"] = request.route.path if request.route else "none"

    @app.error(KeyError)
    async def missing_key(request: Request, error: KeyError) -> tuple[str, int]:
        return f"no key {error}", 418

    methods = ("GET", "POST", "PUT", "DELETE")

    @app.route("/tell", methods=methods)
    def tell(request: Request) -> dict[str, Any]:
        return told(request)

    @app.route("/tell-async", methods=methods)
    async def tell_async(request: Request) -> dict[str, Any]:
        return told(request)

    @app.route("/tell/{rest:path}", methods=methods)
    def tell_path(request: Request, rest: str) -> dict[str, Any]:
        return told(request)

    @app.get("/typed/{n:int}")
    @app.get("/typed/{day:date}", name="day")
    @app.get("/typed/x-{n:float}.y", name="affixed")
    @app.get("/typed/{text}/deep/{n:int}", name="deep")
    @app.get("/typed/{text}", name="text")
    def typed(request: Request) -> Text:
        return Text(repr(request.path_params))

    @app.post("/body")
    def body(request: Request) -> bytes:
        return request.body

    @app.post("/text")
    async def text(request: Request) -> str:
        return request.text

    @app.post("/json")
    def json_body(request: Request) -> Any:
        return JSON(request.json())

    @app.post("/form")
    async def form(request: Request) -> list[Any]:
        pairs = request.form.pairs()
        return [
            (n, v if isinstance(v, str) else [v.filename, v.content_type, v.size, repr(v.read())]) for n, v in pairs
        ]

    @app.post("/streamed")
    async def streamed(stream: BodyStream) -> str:
        return repr(b"".join([chunk async for chunk in stream]))

    @app.get("/stream")
    def stream(request: Request) -> Stream:
        return Stream(request.query.getlist("item"), headers={"x-items": str(len(request.query))})

    @app.get("/stream-async")
    async def stream_async(request: Request) -> Any:
        async def items() -> AsyncIterator[str]:
            for item in request.query.getlist("item"):
                yield item

        return Stream(items())

    @app.get("/status/{status:int}")
    def status(status: int) -> Response:
        return Response(b"body", status, {"x-a": "b"})

    @app.get("/raise/{status:int}")
    async def raising(status: int, request: Request) -> None:
        raise HTTPError(status, request.query.get("detail"), headers={"x-detail": "yes"})

    @app.get("/key/{name}")
    def key(name: str) -> None:
        raise KeyError(name)

    @app.get("/crash")
    def crash() -> None:
        raise ValueError("secret")

    @app.get("/redirect")
    def redirect(request: Request) -> Redirect:
        return Redirect(request.query.get("to", "/"))

    @app.get("/cookie")
    def cookie(request: Request) -> Response:
        response = HTML("<p>")
        response.set_cookie("a", request.query.get("value", "1"), max_age=60)
        return response

    @app.get("/slash/")
    def slash() -> None:
        return None

    tenants = Router(host="{tenant}.example.com", prefix="/t", name="t")

    @tenants.get("/{page}")
    def page(request: Request, tenant: str, page: str) -> list[str]:
        return [tenant, page, request.url_for("t.page", tenant=tenant, page=page)]

    app.include(tenants)
    inner = App()

    @inner.route("/{rest:path}", methods=methods)
    async def mounted(request: Request, rest: str) -> dict[str, Any]:
        return told(request)

    app.mount("/mounted", inner)
    return app


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[Client, Client]]:
    """Give one client for each gateway, of one application."""
    app = make_app()
    with Client(CheckedASGI(app), "asgi", raise_server_exceptions=False) as asgi:
        yield Client(CheckedWSGI(app), "wsgi", raise_server_exceptions=False), asgi


# --- the requests ---

PATHS = (
    "/", "/tell", "/tell-async", "/tell/", "/tell/a/b", "/typed/7", "/typed/2024-01-02", "/typed/x-1.5.y", "/typed/abc", "/typed/a/deep/3",
    "/body", "/text", "/json", "/form", "/streamed", "/stream", "/stream-async", "/status/200", "/status/204", "/status/304", "/status/404",
    "/status/999", "/raise/404", "/raise/503", "/raise/200", "/key/x", "/crash", "/redirect", "/cookie", "/slash", "/slash/", "/t/page",
    "/mounted", "/mounted/", "/mounted/a", "/missing",
)  # fmt: skip
segment = st.text(max_size=6).map(lambda text: quote(text, safe="")) | st.sampled_from(
    [
        "..",
        ".",
        "%2F",
        "%FF",
        "%C3",
        "%",
        "%zz",
        "%00",
        "%0A",
        "a;b",
        "a+b",
        "*",
        "tell",
        "7",
        "~",
        "%7e",
        "%2e%2e",
        "//",
        "",
    ]
)
paths = st.sampled_from(PATHS) | st.builds(
    lambda base, rest: "/".join([base.rstrip("/"), *rest]), st.sampled_from(PATHS), st.lists(segment, max_size=3)
)
query_text = st.text("ab=&%+;?/ü\x7f'\"<>", max_size=20).map(lambda text: quote(text, safe="=&%+;?/'\"<>"))
queries = st.just("") | query_text | st.lists(
    st.tuples(st.sampled_from(["item", "to", "detail", "value", "a"]), st.text(max_size=8)), max_size=25
).map(lambda pairs: "&".join(f"{name}={quote(value)}" for name, value in pairs))  # fmt: skip

visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30)
values = visible.map(lambda text: text.strip(" \t\xa0\x85"))  # a server strips what surrounds a value
known_headers = st.sampled_from([
    ("accept", "text/html"), ("accept", "*/*"), ("accept", "text/plain;q=0.5, application/json;q=0.1"), ("accept", ",;q=x"),
    ("accept-encoding", "gzip;q=0, br"), ("accept-language", "de-CH, en;q=0.7, *;q=0.1"), ("cookie", "a=1; b=2; a=3"),
    ("cookie", 'q="a\\"b"; =x; ;;'), ("authorization", "Bearer abc"), ("if-none-match", 'W/"a", "b"'), ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("host", "a.example.com"), ("host", "shop.example:8080"), ("host", "bad host"), ("host", "a,b"), ("host", ""), ("host", "[::1]:80"),
    ("expect", "100-continue"), ("content-encoding", "gzip"), ("x_under", "score"), ("x-forwarded-for", "1.2.3.4"),
])  # fmt: skip
some_header = st.tuples(
    st.sampled_from(["x-a", "x-b", "accept", "cookie", "host", "content-type", "x-" + "n" * 40]), values
)
headers = st.lists(known_headers | some_header, max_size=6)

multipart = (
    b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b\r\ncontent-disposition: form-data; name="f";'
    b' filename="n.txt"\r\ncontent-type: text/x\r\n\r\nfile\r\n--b--\r\n'
)
bodies = st.sampled_from([
    ("", b""), ("application/json", b'{"a":[1,null,1.5,"\\ud800"]}'), ("application/json", b"{"), ("application/json", b"1e999"),
    ("text/plain; charset=latin-1", b"\xfc"), ("text/plain", b"\xff"), ("application/x-www-form-urlencoded", b"a=1&b=%C3%BC&a=+"),
    ("multipart/form-data; boundary=b", multipart), ("multipart/form-data; boundary=b", multipart[:-6]), ("multipart/form-data", multipart),
    ("application/octet-stream", b"\0" * 2001), ("application/octet-stream", b"\0" * 2000),
    ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 11)),
]) | st.tuples(st.sampled_from(["", "application/json", "text/plain", "application/x-www-form-urlencoded"]), st.binary(max_size=60))  # fmt: skip
methods = st.sampled_from(["GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])


def outcome(client: Client, method: str, target: str, lines: list[tuple[str, str]], content: Any) -> tuple[Any, ...]:
    """Send a request; give all that a client sees of the answer."""
    client.cookies.clear()
    response = client.request(method, target, headers=lines, content=content)
    return response.status_code, [line for line in response.header_lines if line[0] != "connection"], response.content


@settings(max_examples=examples(1000))
@given(method=methods, path=paths, query=queries, lines=headers, body=bodies, chunked=st.booleans())
def test_both_gateways_give_the_same_answer(
    clients: tuple[Client, Client],
    method: str,
    path: str,
    query: str,
    lines: list[tuple[str, str]],
    body: Any,
    chunked: bool,
) -> None:
    content_type, data = body
    if content_type:
        lines = [(name, value) for name, value in lines if name != "content-type"] + [("content-type", content_type)]
    content: Any = data or None
    if chunked and data:
        content = [data[:10], data[10:]]
    target = f"{path}?{query}" if query else path
    wsgi, asgi = (outcome(client, method, target, lines, content) for client in clients)
    assert wsgi == asgi


def test_the_requests_are_of_many_kinds(clients: tuple[Client, Client]) -> None:
    """Some of each status that the application can give are known to be among them."""
    statuses = {
        clients[0].request(method, path, content=content).status_code
        for method, path, content in [
            ("GET", "/tell", None), ("GET", "/slash/", None), ("GET", "/status/304", None), ("GET", "/redirect", None), ("GET", "/slash", None),
            ("POST", "/json", b"{"), ("GET", "/missing", None), ("PATCH", "/tell", None), ("POST", "/body", b"x" * 2001),
            ("GET", "/" + "x" * 9000, None), ("POST", "/form", b"x"), ("GET", "/key/x", None), ("GET", "/crash", None),
        ]
    }  # fmt: skip
    assert statuses == {200, 204, 303, 304, 308, 400, 404, 405, 413, 414, 415, 418, 500}
    assert json.loads(clients[1].get("/tell").content)["path"] == "/tell"
