"""Which handler answers, whatever the order of registration, in every cell."""

import itertools
import struct
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest

from ambi import App, HTTPError, Middleware, Request, Router, Text
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient

KINDS = {
    "/x/mine": "static",
    "/x/{id:int}": "typed",
    "/x/{day:date}": "date",
    "/x/pre-{id:int}": "affixed",
    "/x/{name}": "text",
    "/x/{rest:path}": "path",
}
EMPTY: dict[str, str] = {}


@pytest.mark.parametrize("order", [list(KINDS), list(KINDS)[::-1], sorted(KINDS)], ids=["given", "reversed", "sorted"])
def test_static_beats_typed_beats_text_beats_path(app: App, client: Client, cell: Cell, order: list[str]) -> None:
    for path in order:
        app.get(path)(cell.handler(lambda request: KINDS[request.route.path]))
    answers = {
        "/x/mine": "static", "/x/7": "typed", "/x/2024-01-02": "date", "/x/pre-7": "affixed", "/x/pre-x": "text",
        "/x/other": "text", "/x/mine/more": "path", "/x/7/8": "path",
    }  # fmt: skip
    assert {path: client.get(path).text for path in answers} == answers


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["/{a}/x", "/{a}/{b}", "/s/{b}", "/s/{b}/z"])), ids=" ".join
)
def test_a_segment_is_chosen_from_the_left_and_taken_back_when_it_leads_nowhere(
    app: App, client: Client, cell: Cell, order: tuple[str, ...]
) -> None:
    for path in order:
        app.get(path)(cell.handler(lambda request: request.route.path))
    answers = {"/s/x": "/s/{b}", "/t/x": "/{a}/x", "/t/y": "/{a}/{b}", "/s/y/z": "/s/{b}/z"}
    assert {path: client.get(path).text for path in answers} == answers
    assert client.get("/t/y/z").status_code == 404


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


ID = UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("annotation", "text", "value", "refused"),
    [
        (int, "42", 42, ["-1", "+1", "1_0", "1.0", "x", "٣", " 1", "0x1"]),
        (float, "1.5", 1.5, ["1e5", "nan", "inf", ".5", "1.", "-1.5"]),
        (Decimal, "1.50", Decimal("1.50"), ["NaN", "1,5", "1e1"]),
        (UUID, str(ID), ID, [ID.hex, "x" * 36, "{" + str(ID) + "}"]),
        (date, "2024-02-29", date(2024, 2, 29), ["2023-02-29", "2024-2-9", "20240229", "2024-W01-1"]),
        (Size, "s", Size.SMALL, ["SMALL", "m", "S"]),
        (Literal["a", 1], "1", 1, ["b", "2"]),
        (Annotated[int, "documented"], "42", 42, ["x"]),
        (str, "ü %", "ü %", []),
    ],
    ids=["int", "float", "Decimal", "UUID", "date", "Enum", "Literal", "Annotated", "str"],
)
def test_an_annotation_chooses_the_converter(
    app: App, client: Client, cell: Cell, annotation: Any, text: str, value: Any, refused: list[str]
) -> None:
    seen = []

    def handler(item):  # its annotation is the parameter of the test
        seen.append(item)
        return "seen"

    handler.__annotations__["item"] = annotation
    app.get("/{item}")(cell.handler(handler))
    from urllib.parse import quote

    assert client.get("/" + quote(text)).text == "seen"
    assert seen == [value]
    assert [client.get("/" + quote(other)).status_code for other in refused] == [404] * len(refused)


@pytest.mark.parametrize(
    ("template", "path", "value"),
    [
        ("/{item:int}", "/7", 7), ("/{item:float}", "/7", 7.0), ("/{item:path}", "/a/b/c", "a/b/c"), ("/{item:str}", "/7", "7"),
        ("/v{item:int}.html", "/v7.html", 7), ("/a/{item}.json", "/a/b.c.json", "b.c"), ("/{item:path}", "/a/", "a/"),
    ],
)  # fmt: skip
def test_a_path_names_its_converter(app: App, client: Client, cell: Cell, template: str, path: str, value: Any) -> None:
    app.get(template)(cell.handler(lambda item: {"value": item}))
    assert client.get(path).json() == {"value": value}


def test_an_integer_larger_than_databases_hold_is_a_404_or_a_text(app: App, client: Client, cell: Cell) -> None:
    """Bound to a statement it would be an error of the driver, a 500."""
    app.get("/items/{id}")(cell.handler(as_drivers_do))
    app.get("/things/{id:int}")(cell.handler(as_drivers_do))
    app.get("/things/{name}")(cell.handler(lambda name: f"named {name}"))
    largest = 2**63 - 1
    assert client.get(f"/items/{largest}").text == str(largest)
    assert client.get(f"/items/{largest + 1}").status_code == 404
    assert client.get(f"/items/{'9' * 20}").status_code == 404
    assert client.get(f"/things/{largest}").text == str(largest)
    assert client.get(f"/things/{largest + 1}").text == f"named {largest + 1}"


def as_drivers_do(id: int) -> str:
    return str(struct.unpack("q", struct.pack("q", id))[0])


def test_an_application_adds_converters(app: App, client: Client, cell: Cell) -> None:
    class Hex(int):
        pass

    app.converter("hex", lambda text: Hex(text, 16), format=lambda value: f"{value:x}", annotation=Hex)
    app.get("/inline/{n:hex}", name="inline")(cell.handler(lambda n: n + 0))

    def annotated(n: Hex) -> list[int]:
        return [n]

    app.get("/annotated/{n}")(cell.handler(annotated))
    app.get("/link")(cell.handler(lambda request: request.url_for("inline", n=255)))
    assert [client.get(path).text for path in ("/annotated/ff", "/link")] == ["[255]", "/inline/ff"]
    assert client.get("/inline/xyz").status_code == 404


def test_parameters_come_in_the_order_of_the_handler(app: App, client: Client, cell: Cell) -> None:
    def handler(c: str, request: Request, *, a: int, b: str) -> list[Any]:
        return [a, b, c, request.path]

    app.get("/{a}/{b}/{c}")(cell.handler(handler))
    assert client.get("/1/2/3").json() == [1, "2", "3", "/1/2/3"]


@pytest.mark.parametrize(
    "handler",
    [
        lambda: "ok", lambda request: "ok", lambda b, a: f"{b}{a}" == "21" and "ok", lambda a, request, b: f"{a}{b}" == "12" and "ok",
        lambda request, a, b: f"{a}{b}" == "12" and "ok", lambda a, b: f"{a}{b}" == "12" and "ok", lambda b: b == "2" and "ok",
    ],
)  # fmt: skip
def test_a_handler_takes_what_it_needs(app: App, client: Client, cell: Cell, handler: Callable[..., Any]) -> None:
    app.get("/{a}/{b}")(cell.handler(handler))
    assert client.get("/1/2").text == "ok"


# --- methods ---


def test_each_method_has_its_own_handler(app: App, client: Client, cell: Cell) -> None:
    for verb in ("get", "post", "put", "patch", "delete", "options"):
        getattr(app, verb)("/")(cell.handler(lambda request: request.route.methods[0]))
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert client.request(method, "/").text == method


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")  # of wsgiref.validate
def test_query_and_methods_of_ones_own_are_methods(app: App, client: Client, cell: Cell) -> None:
    app.query("/")(cell.handler(lambda request: request.body))
    app.route("/", methods=["PURGE", "LINK"])(cell.handler(lambda request: request.method))
    assert client.request("QUERY", "/", content=b"select").content == b"select"
    assert (client.request("PURGE", "/").text, client.request("LINK", "/").text) == ("PURGE", "LINK")
    assert client.request("OPTIONS", "/").headers["allow"] == "LINK, OPTIONS, PURGE, QUERY"


def test_methods_have_case(app: App, make_client: MakeClient, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: "ok"))
    assert make_client(app, judged=False).request("get", "/").status_code == 405


def test_a_static_route_of_another_method_hides_nothing(app: App, client: Client, cell: Cell) -> None:
    app.post("/x/new")(cell.handler(lambda: "post"))
    app.get("/x/{name}")(cell.handler(lambda name: f"get {name}"))
    assert (client.post("/x/new").text, client.get("/x/new").text) == ("post", "get new")
    response = client.delete("/x/new")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")


def test_head_answers_where_get_does(app: App, client: Client, cell: Cell) -> None:
    app.get("/{name}")(cell.handler(lambda request: request.method))
    response = client.head("/x")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "4")


@pytest.mark.parametrize(
    ("methods", "allow"),
    [
        (["GET"], "GET, HEAD, OPTIONS"), (["POST"], "OPTIONS, POST"), (["GET", "POST"], "GET, HEAD, OPTIONS, POST"),
        (["HEAD"], "HEAD, OPTIONS"),
    ],
)  # fmt: skip
def test_options_and_405_name_the_methods(app: App, client: Client, cell: Cell, methods: list[str], allow: str) -> None:
    app.route("/a", methods=methods)(cell.handler(lambda: "ok"))
    app.route("/b/{x}", methods=methods)(cell.handler(lambda x: "ok"))
    for path in ("/a", "/b/1"):
        options, wrong = client.options(path), client.delete(path)
        assert (options.status_code, options.content, options.headers["allow"]) == (204, b"", allow)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, allow)


def test_what_has_no_route_is_a_404_for_every_method(app: App, client: Client, cell: Cell) -> None:
    app.get("/a/{id:int}")(cell.handler(lambda id: "ok"))
    for method, path in itertools.product(
        ("GET", "HEAD", "POST", "OPTIONS"), ("/", "/a", "/a/x", "/a/1/2", "//a/1", "/A/1")
    ):
        assert client.request(method, path).status_code == 404, (method, path)


def test_options_for_the_server_as_a_whole_is_a_204(app: App, make_client: MakeClient, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: "ok"))

    def star(*args: Any) -> Any:
        """Do as servers do: `*` is no path that a client could write into a URL."""
        native = args[0]
        if cell.gateway == "wsgi":
            native["PATH_INFO"] = native["RAW_URI"] = "*"
        elif native["type"] == "http":
            native["path"], native["raw_path"] = "*", b"*"
        return app(*args)

    client = make_client(star, judged=False)
    assert client.options("/").status_code == 204
    assert client.get("/").status_code == 404


# --- slashes ---


@pytest.mark.parametrize(
    ("route", "asked", "location"),
    [
        ("/a/b", "/a/b/", "../b"), ("/a/b/", "/a/b", "./b/"), ("/{x}/ü b", "/1/%C3%BC%20b/", "../%C3%BC%20b"), ("/a", "/a/", "../a"),
        ("/{x}/", "/c:d", "./c:d/"),
    ],
)  # fmt: skip
def test_a_slash_too_many_or_too_few_is_a_relative_redirect(
    app: App, make_client: MakeClient, cell: Cell, route: str, asked: str, location: str
) -> None:
    from urllib.parse import urljoin

    app.get(route)(cell.handler(lambda request: "found"))
    client = make_client(app, root_path="/proxied")
    response = client.get(asked + "?q=1")
    assert (response.status_code, response.headers["location"]) == (308, location + "?q=1")
    assert client.get(urljoin(asked, location)).text == "found"


@pytest.mark.parametrize(
    ("route", "asked", "location"),
    [
        ("/u/{a}/b", "/u/x%2Fb/", "../x%2Fb"), ("/u/{a}/b", "/u%2fx/b/", "../b"), ("/u/{a}/b", "/u%2fx%2fb/", "../u%2Fx%2Fb"),
        ("/u/{a}/b", "/u/x%2Fb%2F", "./x%2Fb"), ("/u/{a}/", "/u%2F%C3%BC%20%252F", "./u%2F%C3%BC%20%252F/"),
        ("/u/{a}/", "/u/%252F", "./%252F/"),
    ],
)  # fmt: skip
def test_a_slash_that_was_sent_encoded_stays_so_in_a_redirect(
    app: App, make_client: MakeClient, cell: Cell, route: str, asked: str, location: str
) -> None:
    """Whoever follows it takes `%2F` for part of a segment: RFC 3986 5.2.4."""
    app.get(route)(cell.handler(lambda a: a))
    outer = App()
    outer.mount("/in", app)
    for client, prefix in (
        (make_client(app), ""), (make_client(app, root_path="/proxied"), ""), (make_client(outer), "/in"),
    ):  # fmt: skip
        response = client.get(prefix + asked + "?q=1")
        assert (response.status_code, response.headers["location"]) == (308, location + "?q=1")
        assert client.get(prefix + asked, follow_redirects=True).status_code == 200


def test_a_slash_that_was_sent_encoded_may_be_that_behind_a_mount(make_client: MakeClient, cell: Cell) -> None:
    outer, inner = App(), App()
    inner.get("/a/")(cell.handler(lambda: "ok"))
    outer.mount("/in", inner)
    client = make_client(outer)
    assert client.get("/in%2Fa").headers["location"] == "./in%2Fa/"
    assert client.get("/in%2Fa", follow_redirects=True).text == "ok"


def test_a_slash_redirect_of_a_path_that_was_rewritten_goes_by_what_it_is_now(
    make_client: MakeClient, cell: Cell
) -> None:
    app = App()
    app.get("/now/")(cell.handler(lambda: "ok"))
    inner_wsgi, inner_asgi = app.wsgi, app.asgi

    def wsgi(environ: Any, start_response: Any) -> Any:
        return inner_wsgi({**environ, "PATH_INFO": "/now"}, start_response)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await inner_asgi({**scope, "path": "/now"}, receive, send)

    app.wsgi, app.asgi = wsgi, asgi
    assert make_client(app, lifespan=False).get("/be%2Ffore").headers["location"] == "./now/"


def test_a_slash_redirect_encodes_what_a_client_has_not(make_client: MakeClient, cell: Cell) -> None:
    """Servers let control bytes in a query pass; a field of an answer holds none."""
    app = App()
    app.get("/a/")(cell.handler(lambda request: request.query["q"]))
    inner_wsgi, inner_asgi, query = app.wsgi, app.asgi, "q=%01\x01 \t\x7f\xff"

    def wsgi(environ: Any, start_response: Any) -> Any:
        return inner_wsgi({**environ, "QUERY_STRING": query}, start_response)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await inner_asgi({**scope, "query_string": query.encode("latin-1")}, receive, send)

    app.wsgi, app.asgi = wsgi, asgi
    client = make_client(app, lifespan=False)
    location = client.get("/a").headers["location"]
    assert location == "./a/?q=%01%01%20%09%7F%FF"
    app.wsgi, app.asgi = inner_wsgi, inner_asgi
    assert client.get(location[1:]).text == "\x01\x01 \t\x7f\ufffd"


def test_a_slash_redirect_leaves_the_method(app: App, client: Client, cell: Cell) -> None:
    app.post("/a")(cell.handler(lambda: "ok"))
    assert (client.post("/a/").status_code, client.get("/a/").status_code) == (308, 404)


@pytest.mark.parametrize("path", ["//evil.example/", "//evil.example", "/", "/a//", "//"])
def test_a_slash_redirect_never_leads_to_another_host(app: App, client: Client, cell: Cell, path: str) -> None:
    app.get("/a")(cell.handler(lambda: "ok"))
    response = client.get(path)
    assert (response.status_code, response.headers.get("location")) == (404, None)


def test_two_slashes_at_the_end_are_not_redirected(app: App, client: Client, cell: Cell) -> None:
    # "../a/" would be resolved against "/b/a//", which is one level deeper: RFC 3986 5.2.4.
    app.get("/b/a/")(cell.handler(lambda: "ok"))
    response = client.get("/b/a//")
    assert (response.status_code, response.headers.get("location")) == (404, None)


def test_both_forms_may_be_routes(app: App, client: Client, cell: Cell) -> None:
    app.get("/a")(cell.handler(lambda: "without"))
    app.get("/a/")(cell.handler(lambda: "with"))
    assert (client.get("/a").text, client.get("/a/").text) == ("without", "with")


# --- routers ---


def test_routers_nest(app: App, client: Client, cell: Cell) -> None:
    inner = Router(prefix="/inner", name="inner")
    outer = Router(prefix="/outer/{tenant}", name="outer")

    @inner.get("/{id:int}", name="item")
    @cell.handler
    def item(request: Request, tenant: str, id: int) -> list[Any]:
        return [
            tenant,
            id,
            request.route.name if request.route else "",
            request.url_for("outer.inner.item", tenant="b", id=2),
        ]

    inner.get("")(cell.handler(lambda tenant: f"root of {tenant}"))
    outer.include(inner)
    app.include(outer)
    assert client.get("/outer/a/inner/1").json() == ["a", 1, "outer.inner.item", "/outer/b/inner/2"]
    assert client.get("/outer/a/inner").text == "root of a"


def test_a_router_may_be_included_before_or_after_its_routes(app: App, client: Client, cell: Cell) -> None:
    before, after = Router(prefix="/before"), Router(prefix="/after")
    before.get("/x")(cell.handler(lambda: "before"))
    app.include(before)
    app.include(after)
    after.get("/x")(cell.handler(lambda: "after"))
    before.get("/y")(cell.handler(lambda: "late"))
    assert [client.get(path).text for path in ("/before/x", "/after/x", "/before/y")] == ["before", "after", "late"]


def test_a_router_may_be_included_in_two_places(app: App, client: Client, cell: Cell) -> None:
    shared, first, second = Router(prefix="/shared"), Router(prefix="/1", name="1"), Router(prefix="/2", name="2")
    shared.get("/{x}", name="x")(cell.handler(lambda request, x: request.url_for("2.x", x=x)))
    for parent in (first, second):
        parent.include(shared)
        app.include(parent)
    assert client.get("/1/shared/a").text == client.get("/2/shared/a").text == "/2/shared/a"


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_layers_and_handlers_of_a_router_count_whenever_they_are_added(
    app: App, client: Client, cell: Cell, when: str
) -> None:
    router = Router(prefix="/r")

    def add() -> None:
        @router.middleware
        def mark(request: Request) -> Middleware:
            response = yield
            response.headers["x-router"] = "seen"

        router.error(KeyError)(cell.handler(lambda request, error: "handled"))

    if when == "before":
        add()
    router.get("/x")(cell.handler(lambda: EMPTY["missing"]))
    app.include(router)
    if when == "between":
        add()
    client.get("/r/none")
    if when == "after":
        assert client.get("/r/x").text != "handled"
        add()
    response = client.get("/r/x")
    assert (response.text, response.headers["x-router"]) == ("handled", "seen")


def test_a_router_answers_for_its_host_alone(app: App, client: Client, cell: Cell) -> None:
    tenants, admin = Router(host="{tenant}.example.com"), Router(host="admin.example.com")
    tenants.get("/")(cell.handler(lambda tenant: f"tenant {tenant}"))
    tenants.get("/only")(cell.handler(lambda request: request.path_params))
    tenants.get("/{page}")(cell.handler(lambda page, tenant: f"{tenant} {page}"))
    admin.get("/")(cell.handler(lambda: "admin"))
    app.include(tenants)
    app.include(admin)
    app.get("/")(cell.handler(lambda: "anywhere"))
    app.get("/about")(cell.handler(lambda: "about"))

    def ask(path: str, host: str) -> str:
        return client.get(path, headers={"host": host}).text

    assert ask("/", "a.example.com") == ask("/", "A.example.com:8080") == "tenant a"
    assert ask("/", "admin.example.com") == "admin"
    assert ask("/", "example.com") == ask("/", "a.b.example.com") == ask("/", "a.example.org") == "anywhere"
    assert (ask("/page", "b.example.com"), ask("/about", "x.org")) == ("b page", "about")
    assert ask("/only", "b.example.com") == '{"tenant":"b"}'
    assert client.get("/only", headers={"host": "x.org"}).status_code == 404
    response = client.delete("/only", headers={"host": "a.example.com"})
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_slash_redirect_works_on_a_host(app: App, client: Client, cell: Cell) -> None:
    tenants = Router(host="{tenant}.example.com")
    tenants.get("/page")(cell.handler(lambda tenant: tenant))
    app.include(tenants)
    assert client.get("/page/", headers={"host": "a.example.com"}).status_code == 308
    assert client.get("/page/", headers={"host": "x.org"}).status_code == 404


# --- resources ---


def test_the_methods_of_an_object_are_the_handlers_of_a_path(app: App, client: Client, cell: Cell) -> None:
    class Items:
        def __init__(self) -> None:
            self.items = {1: "one"}

        def get(self, request: Request, id: int) -> str:
            return f"{self.items[id]} {request.route.name if request.route else ''}"

        def put(self, id: int, request: Request) -> tuple[str, int]:
            self.items[id] = request.text
            return "put", 201

        def secret(self) -> str:
            return "secret"

    class AsyncItems(Items):
        async def get(self, request: Request, id: int) -> str:  # type: ignore[override]
            return Items.get(self, request, id)

        async def put(self, id: int, request: Request) -> tuple[str, int]:  # type: ignore[override]
            return Items.put(self, id, request)

    app.resource("/items/{id}", AsyncItems() if cell.is_async else Items(), name="items")
    assert client.get("/items/1").text == "one items.get"
    assert client.put("/items/2", content="two").status_code == 201
    assert client.get("/items/2").text == "two items.get"
    assert client.get("/items/x").status_code == 404
    assert client.options("/items/1").headers["allow"] == "GET, HEAD, OPTIONS, PUT"
    assert client.post("/items/1").status_code == 405


# --- mounted applications ---


def test_a_mounted_application_keeps_its_middlewares_and_handlers(make_client: MakeClient, cell: Cell) -> None:
    outer, inner = App(), App()
    order: list[str] = []

    def layer(name: str) -> Any:
        def middleware(request: Request) -> Middleware:
            order.append(f"{name} in")
            response = yield
            order.append(f"{name} out {response.status}")

        return middleware

    outer.middleware(layer("outer"))
    inner.middleware(layer("inner"))
    inner.error(KeyError)(cell.handler(lambda request, error: ("inner", 418)))
    outer.error(KeyError)(cell.handler(lambda request, error: ("outer", 419)))
    outer.error(ValueError)(cell.handler(lambda request, error: ("outer", 420)))
    outer.mount("/in", inner)
    inner.get("/")(cell.handler(lambda request: request.app is inner and "fine"))
    inner.get("/key")(cell.handler(lambda: EMPTY["missing"]))
    inner.get("/value")(cell.handler(lambda: int("x")))
    outer.get("/key")(cell.handler(lambda: EMPTY["missing"]))
    client = make_client(outer)
    assert (client.get("/in/").text, order) == ("fine", ["outer in", "inner in", "inner out 200", "outer out 200"])
    assert [client.get(path).status_code for path in ("/in/key", "/in/value", "/key")] == [418, 420, 419]
    order.clear()
    assert client.get("/in/missing").status_code == 404
    assert order == ["outer in", "inner in", "inner out 404", "outer out 404"]


def test_a_mounted_application_answers_options_405_and_slashes(make_client: MakeClient, cell: Cell) -> None:
    outer, inner = App(), App()
    inner.get("/a")(cell.handler(lambda: "a"))
    outer.mount("/in", inner)
    client = make_client(outer)
    assert client.options("/in/a").headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.post("/in/a").status_code == 405
    assert client.get("/in/a/").headers["location"] == "../a"
    assert client.get("/in").headers["location"] == "./in/"


def test_the_routes_of_the_outer_application_come_first(make_client: MakeClient, cell: Cell) -> None:
    outer, inner, deeper = App(), App(), App()
    inner.get("/{rest:path}")(cell.handler(lambda rest: f"inner {rest}"))
    deeper.get("/{rest:path}")(cell.handler(lambda rest: f"deeper {rest}"))
    outer.mount("/in", inner)
    outer.mount("/in/deep", deeper)
    outer.get("/in/own")(cell.handler(lambda: "own"))
    client = make_client(outer)
    assert [client.get(path).text for path in ("/in/own", "/in/x", "/in/deep/x")] == ["own", "inner x", "deeper x"]


@pytest.mark.parametrize("around", ["/a", "/"])
@pytest.mark.parametrize("interface", [None, "wsgi", "asgi"], ids=str)
def test_the_path_of_a_mounted_application_is_its_own_also_within_another_mount(
    make_client: MakeClient, cell: Cell, around: str, interface: Any
) -> None:
    outer, inner, other = App(), App(), App()
    inner.get("/")(cell.handler(lambda: "inner"))
    other.get("/{rest:path}")(cell.handler(lambda rest: f"other {rest}"))
    outer.mount("/a/b", inner)
    outer.mount(around, other if interface is None else getattr(other, interface), interface=interface)
    client = make_client(outer)
    response = client.get("/a/b?q=1")
    assert (response.status_code, response.headers.get("location")) == (308, "./b/?q=1")
    assert client.get("/a/b/").text == "inner"
    assert client.get("/a/bc").text.startswith("other ")


def test_what_changes_on_a_mounted_application_counts(make_client: MakeClient, cell: Cell) -> None:
    outer, inner = App(), App()
    outer.mount("/in", inner)
    client = make_client(outer)
    assert client.get("/in/late").status_code == 404
    inner.get("/late")(cell.handler(lambda: "late"))
    assert client.get("/in/late").text == "late"

    def mark(name: str) -> Any:
        def middleware(request: Request) -> Middleware:
            response = yield
            response.headers.append("x-mark", name)

        return middleware

    outer.middleware(mark("outer"))
    inner.middleware(mark("inner"))
    assert client.get("/in/late").headers["x-mark"] == "inner, outer"


def test_an_application_is_mounted_in_two_others(make_client: MakeClient, cell: Cell) -> None:
    first, second, shared = App(), App(), App()
    shared.get("/")(cell.handler(lambda request: request.root_path))
    for app in (first, second):
        app.mount("/shared", shared)
        app.error(404)(cell.handler(lambda request, error: Text("mine")))
    assert [make_client(app).get("/shared/").text for app in (first, second)] == ["/shared", "/shared"]
    assert make_client(shared).get("/").text == ""


def test_limits_of_a_mounted_application_are_its_own(make_client: MakeClient, cell: Cell) -> None:
    from ambi import Limits

    outer, inner = App(limits=Limits(max_body_bytes=2)), App(limits=Limits(max_body_bytes=4))
    inner.post("/")(cell.handler(lambda request: request.body))
    outer.post("/")(cell.handler(lambda request: request.body))
    outer.mount("/in", inner)
    client = make_client(outer)
    assert [client.post(path, content=b"abc").status_code for path in ("/", "/in/")] == [413, 200]


def test_an_error_of_nobody_passes_the_layers_of_the_application(app: App, client: Client, cell: Cell) -> None:
    seen = []

    @app.middleware
    def note(request: Request) -> Middleware:
        response = yield
        seen.append((request.route, response.status))

    app.get("/")(cell.handler(lambda: "ok"))
    app.error(405)(cell.handler(lambda request, error: Text("mine", 405, error.headers)))
    assert client.get("/missing").status_code == 404
    wrong = client.post("/")
    assert (wrong.status_code, wrong.text, wrong.headers["allow"]) == (405, "mine", "GET, HEAD, OPTIONS")
    assert client.options("/").status_code == 204
    assert seen == [(None, 404), (None, 405), (None, 204)]


def test_a_route_has_options_of_its_own(app: App, client: Client, cell: Cell) -> None:
    def own(request: Request) -> Middleware:
        response = yield
        response.headers["x-own"] = "yes"

    app.get("/a", middleware=[own], name="named")(cell.handler(lambda request: request.url_for("named")))
    app.get("/b")(cell.handler(lambda: "b"))
    response = client.get("/a")
    assert (response.text, response.headers["x-own"]) == ("/a", "yes")
    assert "x-own" not in client.get("/b").headers


def test_registering_gives_the_function_back(app: App, cell: Cell) -> None:
    @cell.handler
    def handler() -> str:
        return "ok"

    assert app.get("/a")(handler) is handler
    assert app.route("/b", methods=["POST"])(handler) is handler
    assert [(route.path, route.methods) for route in app.routes] == [("/a", ("GET",)), ("/b", ("POST",))]
    assert repr(app.routes[0]) == "<Route GET /a>"


def test_raising_a_404_is_not_having_no_route(app: App, client: Client, cell: Cell) -> None:
    def missing() -> None:
        raise HTTPError(404, "no such user")

    app.get("/users")(cell.handler(missing))
    assert client.get("/users").json()["detail"] == "no such user"
    assert "detail" not in client.get("/nothing").json()


def test_a_converter_that_crashes_is_a_500_that_layers_see(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    seen = []

    def look_up(text: str) -> None:
        raise KeyError("the table is gone")

    @app.middleware
    def note(request: Request) -> Middleware:
        try:
            yield
        except KeyError:
            seen.append("seen")
            raise

    app.converter("row", look_up)
    app.get("/{row:row}")(cell.handler(lambda row: "ok"))
    assert client.get("/1").status_code == 500
    assert (seen, "the table is gone" in caplog.text) == (["seen"], True)


def test_many_hosts_are_answered(app: App, client: Client, cell: Cell) -> None:
    """More than are remembered as good."""
    app.get("/")(cell.handler(lambda request: request.host))
    for number in range(300):
        assert client.get("/", headers={"host": f"h{number}.example"}).text == f"h{number}.example"
