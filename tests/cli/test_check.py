"""What `ambi check` says of an application, for people and as JSON. Nothing is served here, so there is no cell."""

import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import pytest

import ambi
from ambi.cli.cautions import Caution
from ambi.cli.document import FunctionEntry, RouteEntry, describe_app
from ambi.cli.printing import Page
from ambi.core.middleware import Layer, Provider
from ambi.features.typed import Provide
from tests.cli.conftest import Site
from tests.docs.markdown import Block, parse

ROOT = Path(__file__).parents[2]

SHOP = """
    from __future__ import annotations

    import functools
    from collections.abc import AsyncIterator, Iterator
    from ambi import *
    from ambi import App, Layer, Limits

    async def lifespan(app: App):
        app.spawn(print)
        yield

    app = App(lifespan=lifespan, limits=Limits(threads=7))

    @app.middleware
    def timing(request: Request) -> Middleware:
        yield

    async def session(request: Request, call_next: CallNext) -> Response:
        return await call_next(request)

    api = Router(prefix="/api", name="api", middleware=[session])

    @api.get("/users/{id}")
    def user(id: int) -> dict:
        return {}

    @api.route("/users", methods=["GET", "POST", "PUT", "DELETE"], max_body_bytes=2048)
    async def users(request: Request):
        return request.json()

    @app.put("/upload", max_body_bytes=3 * 1024**3)
    def upload(stream: BodyStream) -> None:
        return None

    @app.get("/search", cancel_on_disconnect=True)
    async def search() -> str:
        return ""

    @app.get("/rows")
    def rows() -> Iterator[str]:
        yield ""

    @app.websocket("/live", middleware=[Layer(timing, blocking=True, body=True)])
    async def live(ws: WebSocket):
        ...

    tenants = Router(host="{tenant}.example.com")

    @tenants.get("/")
    def home(tenant: str) -> str:
        return ""

    admin, deep = App(middleware=[timing]), App()

    @deep.get("/page")
    @functools.lru_cache
    def page():
        return ""

    app.include(api)
    app.include(tenants)
    app.static("/files", ".", name="files")
    app.mount("/admin", admin)
    admin.mount("/deep", deep)
"""


def route_of(document: Any, path: str) -> Any:
    (found,) = (route for route in document["routes"] if route["path"] == path)
    return found


def test_every_route_is_told_of_by_path(site: Site) -> None:
    site.write(SHOP)
    paths = [route["path"] for route in site.document()["routes"]]
    assert paths == [
        "/", "/admin/deep/page", "/api/users", "/api/users/{id}", "/files/", "/files/{path:path}", "/live", "/rows",
        "/search", "/upload",
    ]  # fmt: skip


def test_a_route_is_told_of_whole(site: Site) -> None:
    site.write(SHOP)
    assert route_of(site.document(), "/api/users/{id}") == {
        "path": "/api/users/{id}",
        "host": "",
        "methods": ["GET"],
        "name": "api.user",
        "mount": "",
        "handler": {"name": "user", "file": "shop.py", "line": 24, "colour": "def", "form": "function"},
        "may_block": True,
        "layers": [
            {
                "name": "timing", "file": "shop.py", "line": 15, "colour": "def", "form": "generator", "of": "app",
                "wants_body": False, "on_loop": None, "waits": False,
            },
            {
                "name": "session", "file": "shop.py", "line": 19, "colour": "async def", "form": "async", "of": "/api",
                "wants_body": False, "on_loop": None, "waits": False,
            },
        ],
        "body": "loaded",
        "max_body_bytes": 16 * 1024**2,
        "max_message_bytes": None,
        "cancel_on_disconnect": False,
        "timeout_s": None,
        "answers": None,
        "items": None,
        "directory": None,
        "crossings": {"wsgi": 2, "asgi": 1},
        "crossings_with_body": {"wsgi": 2, "asgi": 1},
        "way": {
            "wsgi": [
                {"side": "sync", "pieces": ["timing"]},
                {"side": "async", "pieces": ["session"]},
                {"side": "sync", "pieces": ["user"]},
            ],
            "asgi": [{"side": "async", "pieces": ["timing", "session"]}, {"side": "sync", "pieces": ["user"]}],
        },
    }  # fmt: skip


def test_what_is_mounted_is_told_of_inside_the_layers_around_it(site: Site) -> None:
    site.write(SHOP)
    document = site.document()
    page = route_of(document, "/admin/deep/page")
    assert page["mount"] == "/admin/deep"
    assert [(layer["name"], layer["of"]) for layer in page["layers"]] == [("timing", "app"), ("timing", "mount /admin")]
    assert document["mounts"] == [
        {"path": "/admin", "interface": "ambi", "name": "ambi.app.App"},
        {"path": "/admin/deep", "interface": "ambi", "name": "ambi.app.App"},
    ]


GUESTS = """
    from ambi import App, CallNext, Middleware, Request, Response

    class Framework:
        def __call__(self, environ, start_response):
            return []

    def wsgi(environ, start_response):
        return []

    async def asgi(scope, receive, send):
        pass

    app, inner = App(), App()

    @app.middleware
    def timing(request: Request) -> Middleware:
        yield

    @inner.middleware
    async def session(request: Request, call_next: CallNext) -> Response:
        return await call_next(request)

    inner.mount("/asgi", asgi, max_body_bytes=1024)
    inner.mount("/wsgi", wsgi)
    app.mount("/object", Framework())
    app.mount("/inner", inner)
"""


def test_what_is_mounted_of_other_frameworks_is_told_of_like_a_route(site: Site) -> None:
    site.write(GUESTS)
    document = site.document()
    assert [(mount["path"], mount["interface"], mount["name"]) for mount in document["mounts"]] == [
        ("/inner", "ambi", "ambi.app.App"), ("/inner/asgi", "asgi", "shop.asgi"), ("/inner/wsgi", "wsgi", "shop.wsgi"),
        ("/object", "wsgi", "shop.Framework"),
    ]  # fmt: skip
    asgi, wsgi, framework = (route_of(document, path) for path in ("/inner/asgi/", "/inner/wsgi/", "/object/"))
    assert (asgi["crossings"], wsgi["crossings"]) == ({"wsgi": 1, "asgi": 0}, {"wsgi": 2, "asgi": 1})
    assert [layer["of"] for layer in asgi["layers"]] == ["app", "mount /inner"]
    assert (asgi["methods"], asgi["answers"], asgi["body"], asgi["max_body_bytes"]) == (["*"], "asgi", "streamed", 1024)
    assert (wsgi["answers"], wsgi["max_body_bytes"], wsgi["handler"]["line"]) == ("wsgi", None, 8)
    assert framework["handler"] == {
        "name": "shop.Framework",
        "file": "",
        "line": 0,
        "colour": "def",
        "form": "function",
    }
    assert document["features"] == {"async": 2, "mounted-wsgi": 2, "mounted-asgi": 1}
    assert document["lifespans"] == []


def test_what_is_mounted_of_other_frameworks_has_a_line_and_details(site: Site) -> None:
    site.write(GUESTS)
    table = site.check().out.split("\n\n")[1].splitlines()
    assert [" ".join(line.split()) for line in table[1:]] == [
        "any /inner/asgi/ ASGI app shop.asgi 1 0",
        "any /inner/wsgi/ WSGI app shop.wsgi 2 1",
        "any /object/ WSGI app shop.Framework 0 1",
    ]
    assert site.check("shop:app", "--route", "/object/").out == (
        "any /object/\n"
        "  name     mounted at /object\n"
        "  layers   timing  shop.py:16  generator, of app\n"
        "  handler  shop.Framework  def\n"
        "  body     streamed to the handler, no limit but its own\n"
        "  answers  WSGI app\n"
        "  wsgi     0 crossings: server's thread (timing, shop.Framework)\n"
        "  asgi     1 crossing: server's loop (timing) → worker thread (shop.Framework)\n"
    )


def test_the_layers_told_of_are_those_that_run() -> None:
    """In the order of the plan that requests get, with one of each origin."""
    outer, inner, router = ambi.App(), ambi.App(), ambi.Router(prefix="/r")
    nameless, named = ambi.Router(), ambi.Router(name="named")

    def layer() -> Any:
        def around(request: ambi.Request) -> ambi.Middleware:
            yield

        return around

    inner.include(router)
    router.include(nameless)
    nameless.include(named)
    for owner in (outer, inner, router, nameless, named):
        owner.middleware(layer())
    named.get("/", middleware=[layer()])(lambda: "")
    outer.mount("/in", inner)
    (route,) = describe_app(outer, "shop:app")["routes"]
    assert [entry["of"] for entry in route["layers"]] == ["app", "mount /in", "/r", "router", "named", "route"]


def test_a_provider_that_is_around_a_route_already_is_told_of_once() -> None:
    class Name(Provider):
        def __init__(self) -> None:
            super().__init__(self.around)

        def around(self, request: ambi.Request) -> ambi.Middleware:
            yield

        def value_of(self, request: ambi.Request) -> str:
            return "Ann"

    name, app, router = Name(), ambi.App(), ambi.Router(middleware=[Layer(lambda request: (yield))])
    routers = ambi.Router(middleware=[name])
    routers.include(router)

    @router.get("/", middleware=[Layer(lambda request: (yield))])
    def handler(name: Annotated[str, name]) -> str:
        return name

    app.include(routers)
    (route,) = describe_app(app, "shop:app")["routes"]
    assert [entry["of"] for entry in route["layers"]] == ["router", "router", "route"]


def test_what_provides_a_value_is_a_layer_of_the_handler() -> None:
    app = ambi.App()

    def engine() -> str:
        return "e"

    async def session(engine: Annotated[str, Provide(engine)]) -> AsyncIterator[str]:
        yield engine

    @app.get("/", middleware=[Layer(lambda request: (yield))])
    async def handler(session: Annotated[str, Provide(session)]) -> str:
        return session

    (route,) = describe_app(app, "shop:app")["routes"]
    told = [(entry["of"], entry["name"].rpartition(".")[2], entry["form"]) for entry in route["layers"]]
    assert told == [
        ("route", "<lambda>", "generator"),
        ("handler", "engine", "blocking"),
        ("handler", "session", "async"),
    ]
    assert {Path(str(entry["file"])).name for entry in route["layers"]} == {"test_check.py"}
    pieces = [piece.rpartition(".")[2] for stop in route["way"]["asgi"] for piece in stop["pieces"]]
    assert pieces == ["<lambda>", "engine", "session", "handler"]


def test_what_makes_a_value_of_the_application_is_one_of_its_lifespans() -> None:
    async def engine() -> AsyncIterator[str]:
        yield "e"

    app = ambi.App()
    app.provide(str, engine, scope="app")

    @app.get("/")
    def handler(engine: str) -> str:
        return engine

    (told,) = describe_app(app, "shop:app")["lifespans"]
    assert (told["name"].rpartition(".")[2], told["colour"], told["form"]) == ("engine", "async def", "async generator")


def test_the_options_of_routes_are_told(site: Site) -> None:
    site.write(SHOP)
    document = site.document()
    upload, search, live = (route_of(document, path) for path in ("/upload", "/search", "/live"))
    assert (upload["body"], upload["max_body_bytes"]) == ("streamed", 3 * 1024**3)
    assert search["cancel_on_disconnect"]
    assert (live["methods"], live["answers"], live["layers"][1]["form"]) == (["WEBSOCKET"], "websocket", "blocking")
    assert live["layers"][1]["wants_body"]
    assert (live["max_message_bytes"], search["max_message_bytes"]) == (16 * 1024**2, None)
    assert route_of(document, "/")["host"] == "{tenant}.example.com"
    assert route_of(document, "/files/")["directory"] == "."


LAYERED = """
    from ambi import App, CallNext, Layer, Middleware, Request, Response

    app = App()

    def count(request: Request) -> Middleware:
        yield

    async def count_awaited(request: Request, call_next: CallNext) -> Response:
        return await call_next(request)

    def session(request: Request) -> Middleware:
        yield

    app.layers = (
        Layer(count, blocking=True, on_loop=count_awaited),
        Layer(session, blocking=True, waits=lambda request: False),
    )

    @app.get("/report", timeout_s=2.5)
    async def report() -> str:
        return ""

    @app.get("/page")
    def page() -> str:
        return ""
"""


def test_the_form_of_a_layer_for_an_event_loop_and_the_time_of_a_handler_are_told(site: Site) -> None:
    site.write(LAYERED)
    document = site.document()
    count, session = document["layers"]
    assert [(one["form"], one["on_loop"], one["waits"]) for one in (count, session)] == [
        ("blocking", "count_awaited", False),
        ("blocking", None, True),
    ]
    report, page = route_of(document, "/report"), route_of(document, "/page")
    assert (report["timeout_s"], page["timeout_s"]) == (2.5, None)
    assert report["way"]["asgi"][0] == {"side": "async", "pieces": ["count_awaited"]}
    assert page["way"]["asgi"][0]["pieces"][0] == "count"  # its handler needs a thread anyway
    shown = site.check("shop:app", "--route", "report").out
    assert "blocking, on an event loop count_awaited, of app" in shown
    assert "blocking when it has to wait, of app" in shown
    assert "  time     2.5 s at most, then a 503" in shown
    assert "time" not in site.check("shop:app", "--route", "page").out


def test_features_needs_and_differences_are_those_of_what_is_used(site: Site) -> None:
    site.write(SHOP)
    document = site.document()
    assert document["features"] == {
        "websocket": 1, "stream": 1, "upload": 1, "body": 1, "files": 2, "async": 3, "def": 7, "lifespan": 0,
        "after": 0, "leaving": 1,
    }  # fmt: skip
    assert {need["feature"] for need in document["needs"]} == document["features"].keys() - {"body", "files", "leaving"}
    assert any("7 requests at a time" in need["text"] for need in document["needs"])
    assert all(not set(one["features"]).isdisjoint(document["features"]) for one in document["differences"])
    assert not any("async def" in one["seen"] for one in document["differences"])


def test_an_application_that_uses_nothing_needs_nothing_more_than_threads(site: Site) -> None:
    site.write("from ambi import App\napp = App()\napp.get('/')(lambda: '')")
    document = site.document()
    assert [need["feature"] for need in document["needs"]] == ["def"]
    assert document["differences"] == document["warnings"] == document["mounts"] == document["lifespans"] == []


def test_one_gateway_is_one_side_of_everything(site: Site) -> None:
    site.write(SHOP)
    for gateway in ("wsgi", "asgi"):
        document = site.document("--gateway", gateway)
        assert document["gateways"] == [gateway]
        assert {need["gateway"] for need in document["needs"]} == {gateway}
        assert all(gateway in one["gateways"] for one in document["differences"])
        assert all(route["crossings"].keys() == {gateway} for route in document["routes"])
        assert all(route["way"].keys() == {gateway} for route in document["routes"])


def test_the_document_is_stable_and_sorted(site: Site) -> None:
    site.write(SHOP)
    first, second = site.check("shop:app", "--json").out, site.check("shop:app", "--json").out
    assert first == second
    assert first == json.dumps(json.loads(first), indent=2, sort_keys=True) + "\n"
    assert json.loads(first)["version"] == 1


def test_routes_in_the_document_are_those_asked_for(site: Site) -> None:
    site.write(SHOP)
    assert [route["name"] for route in site.document("--route", "/api")["routes"]] == ["api.users", "api.user"]


# --- for people ---


def test_the_table_has_a_line_for_each_route(site: Site) -> None:
    site.write(SHOP)
    result = site.check()
    table = result.out.split("\n\n")[1].splitlines()
    assert [" ".join(line.split()) for line in table] == [
        "method path handler where wsgi asgi",
        "GET {tenant}.example.com/ def home shop.py:50 0 1",
        "GET /admin/deep/page def page shop.py:56 0 1",
        "GET,POST,+2 /api/users async users shop.py:28 1 0",
        "GET /api/users/{id} def user shop.py:24 2 1",
        "GET /files/ def file ./ 0 1",
        "GET /files/{path:path} def file ./ 0 1",
        "WS /live async socket live shop.py:44 1 2",
        "GET /rows def stream rows shop.py:40 0 0",
        "GET /search async search shop.py:36 1 0",
        "PUT /upload def upload shop.py:32 0 1",
    ]
    assert result.out.startswith("shop:app  10 routes\nlifespan  lifespan (async def)\nlayers    timing (generator)\n")


@pytest.mark.parametrize("columns", [50, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(site: Site, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Some words cannot be broken: options of servers, and paths."""
    monkeypatch.setenv("COLUMNS", str(columns))
    site.write(SHOP + "\n    app.get('/' + 'a-long-path/' * 20 + '{rest:path}')(lambda rest: '')\n")
    for arguments in ((), ("--gateway", "asgi")):
        lines = site.check("shop:app", *arguments).out.splitlines()
        assert [line for line in lines if len(line) > columns and "long-path" not in line and columns >= 80] == []
        table = lines[: lines.index("needs")]
        assert [line for line in table if len(line) > columns] == []


def test_a_file_or_pipe_gets_whole_lines(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    site.write(SHOP + "\n    app.get('/' + 'a-long-path/' * 20 + '{rest:path}')(lambda rest: '')\n")
    assert "…" not in site.check().out
    assert "/a-long-path" * 20 in site.check().out


def test_the_folder_that_all_handlers_are_in_is_named_once_where_room_is_scarce(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(SHOP, "company/sites/shop.py")
    for package in ("company", "company/sites"):
        site.write("", f"{package}/__init__.py")
    assert "user company/sites/shop.py:24" in site.check("company.sites.shop").out
    monkeypatch.setenv("COLUMNS", "80")
    narrow = site.check("company.sites.shop").out
    assert "below     company/sites/\n" in narrow
    assert "user shop.py:24" in narrow


def test_handlers_in_places_that_have_nothing_in_common_keep_theirs(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    site.write("from json import dumps\nfrom ambi import App\napp = App()\napp.get('/a')(lambda: '')\n"
               "class Thing:\n    def __call__(self): return ''\napp.get('/b', name='thing')(Thing())\n"
               "import textwrap\napp.get('/{text}', name='x')(lambda text: '')\napp.get('/c/{text}')(textwrap.dedent)\n")  # fmt: skip
    assert "shop.py:4" in site.check().out


def test_details_tell_everything_of_a_route(site: Site) -> None:
    site.write(SHOP)
    assert site.check("shop:app", "--route", "api.users").out == (
        "GET, POST, PUT, DELETE /api/users\n"
        "  name     api.users\n"
        "  layers   timing  shop.py:15  generator, of app\n"
        "           session  shop.py:19  async, of /api\n"
        "  handler  users  shop.py:28  async def\n"
        "  body     loaded before the handler runs, 2 KiB at most\n"
        "  wsgi     1 crossing (2 with a body): server's thread (timing) → loop thread (session, users)\n"
        "  asgi     0 crossings: server's loop (timing, session, users)\n"
    )
    assert (
        "stream of a `def` generator: made as it is sent under WSGI" in site.check("shop:app", "--route", "/rows").out
    )
    assert "streamed to the handler, 3 GiB at most" in site.check("shop:app", "--route", "upload").out
    assert "cancelled when the client does" in site.check("shop:app", "--route", "search").out
    assert "blocking, wants the body, of route" in site.check("shop:app", "--route", "live").out
    assert "messages 16 MiB at most" in site.check("shop:app", "--route", "live").out
    assert "mounted at /admin/deep" in site.check("shop:app", "--route", "page").out


def test_verbose_tells_everything_of_all_routes_and_servers(site: Site) -> None:
    site.write(SHOP)
    out = site.check("shop:app", "-v").out
    assert out.count("\n  handler  ") == 10
    assert "other servers, which -v shows" not in out
    assert "daphne: the lifespan never stops" in out
    short = site.check("shop:app").out
    assert "daphne: the lifespan never stops" not in short
    assert re.search(r"\n  and \d+ of other servers, which -v shows\n", short)


@pytest.mark.parametrize(("wanted", "near"), [("api.usr", "did you mean api.user"), ("zzz", "'zzz'\n")])
def test_a_route_that_is_not_there_is_wrong_use(site: Site, wanted: str, near: str) -> None:
    site.write(SHOP)
    result = site.check("shop:app", "--route", wanted)
    assert (result.status, result.out) == (2, "")
    assert near in result.err


def test_an_application_without_routes_is_said_to_have_none(site: Site) -> None:
    site.write("from ambi import App\napp = App()")
    assert site.check().out == "shop:app  0 routes\n\nno warnings\n"


def test_a_handler_that_never_blocks_is_said_to(site: Site) -> None:
    site.write("from ambi import App\napp = App()\napp.get('/', blocking=False, max_body_bytes=1000)(lambda: '')")
    out = site.check("shop:app", "--route", "/").out
    assert "def, never blocks" in out
    assert "1000 bytes at most" in out


@pytest.mark.parametrize(
    ("code", "colour", "form"),
    [
        ("def life(): yield", "def", "generator"),
        ("async def life(): yield", "async def", "async generator"),
        ("@contextlib.contextmanager\ndef life(): yield", "def", "generator"),
        ("@contextlib.asynccontextmanager\nasync def life(): yield", "async def", "async generator"),
    ],
)
def test_a_lifespan_is_told_of_with_its_colour(site: Site, code: str, colour: str, form: str) -> None:
    site.write(f"import contextlib\nfrom ambi import App\n{code}\napp = App(lifespan=life)")
    document = site.document()
    (lifespan,) = document["lifespans"]
    assert (lifespan["name"], lifespan["colour"], lifespan["form"]) == ("life", colour, form)
    assert document["features"] == {"lifespan": 0}


def test_what_an_encoding_has_not_is_no_error() -> None:
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding="ascii")
    Page(out).write("a → b")
    out.flush()
    assert written.getvalue() == b"a ? b\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], coloured: bool
) -> None:
    for name in ("NO_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    page = Page(Terminal())
    assert page.style("text", "1") == ("\x1b[1mtext\x1b[0m" if coloured else "text")
    assert page.cuts
    assert Page(io.StringIO()).style("text", "1") == "text"
    assert not Page(io.StringIO()).cuts


# --- the page, the examples, and the largest application there is here ---


def test_the_outputs_in_the_page_are_what_is_written(site: Site) -> None:
    page = (ROOT / "docs" / "how-to" / "check.md").read_text(encoding="utf-8")
    blocks = [part for part in parse(page) if isinstance(part, Block)]
    shop, broken = (block.text for block in blocks if block.language == "python")
    site.write(shop)
    site.write(broken, "broken.py")
    shown = [block.text for block in blocks if block.language == "console"]
    assert len(shown) == 3
    for text in shown:
        command, _, output = text.removeprefix("$ ambi ").partition("\n")
        result = site.run(*command.split())
        assert result.out + result.err == output


def test_the_page_names_every_code_and_every_key() -> None:
    page = (ROOT / "docs" / "how-to" / "check.md").read_text(encoding="utf-8")
    source = (ROOT / "framework" / "ambi" / "cli" / "cautions.py").read_text(encoding="utf-8")
    document: Any = describe_app(ambi.App(), "shop:app")
    keys = [*document, *RouteEntry.__annotations__, *Caution.__annotations__, *FunctionEntry.__annotations__]
    codes = re.findall(r'"code": "([\w-]+)"', source)
    assert len(codes) >= 7
    assert [word for word in (*codes, *keys) if f"`{word}`" not in page] == []


@pytest.mark.parametrize("example", sorted(path.stem for path in (ROOT / "examples").glob("[!_]*.py")))
def test_every_example_is_fine(site: Site, monkeypatch: pytest.MonkeyPatch, example: str) -> None:
    if example == "mcp_anywhere":
        pytest.importorskip("mcp", reason="the package mcp is not here; `nox -s interop` has it")
    monkeypatch.chdir(ROOT)
    result = site.check(f"examples.{example}:app")
    assert (result.status, result.err) == (0, "")
    expected = {"techempower": "3 warnings"}  # for handlers that only compute, and briefly
    assert expected.get(example, "no warnings") in result.out


def test_the_largest_application_of_the_tests_fits_a_narrow_terminal(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    result = site.check("tests.acceptance.app:app")
    assert result.status == 0
    assert max(map(len, result.out.splitlines())) <= 80
