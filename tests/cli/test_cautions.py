"""What is warned of. An unreachable route is asked for, on either gateway, to see that it is one."""

import importlib.util
import textwrap
from typing import Any

import pytest

from ambi import App
from ambi.cli.document import describe_app
from ambi.testing import Client
from tests.cells import Cell
from tests.cli.conftest import Site
from tests.conftest import MakeClient

BASE = """
from collections.abc import AsyncIterator, Iterator
from ambi import SSE, App, CallNext, Layer, Middleware, Request, Response, Router, WebSocket
app, inner = App(), App()
"""


def warnings_of(site: Site, code: str, *arguments: str) -> list[tuple[str, str]]:
    site.write(BASE + textwrap.dedent(code))
    return [(one["code"], one["text"]) for one in site.document(*arguments)["warnings"]]


# --- unreachable ---


MOUNTED = [
    # routes of the application around it, the mounted route, what is asked for, and whether it gets there
    (["/in/{rest:path}"], "/page", "/in/page", False),
    (["/{rest:path}"], "/page", "/in/page", False),
    (["/in/page"], "/page", "/in/page", False),
    (["/in/{name}"], "/page", "/in/page", False),
    (["/{a}/{b}"], "/{c}", "/in/x", False),
    (["/in/{n:int}"], "/7", "/in/7", False),
    (["/in/{n:int}"], "/{n:int}", "/in/7", False),
    (["/in/{n:int}"], "/page", "/in/page", True),
    (["/in/{n:int}"], "/{name}", "/in/page", True),
    (["/in/{name}"], "/{name}/more", "/in/page/more", True),
    (["/in/{name}"], "/{rest:path}", "/in/a/b", True),
    (["/in/{name}"], "/", "/in/", True),
    (["/in/x/{rest:path}"], "/x", "/in/x", True),
    (["/in"], "/", "/in/", True),
    (["/in/{rest:path}"], "/", "/in/", True),
    (["/other"], "/page", "/in/page", True),
    ([], "/page", "/in/page", True),
]


@pytest.mark.parametrize(("outer", "path", "asked", "reached"), MOUNTED, ids=lambda value: str(value))
def test_a_mounted_route_is_unreachable_where_a_route_around_it_takes_all_its_requests(
    make_client: MakeClient, cell: Cell, outer: list[str], path: str, asked: str, reached: bool
) -> None:
    app, inner = App(), App()
    for number, template in enumerate(outer):
        names = [part.partition("}")[0].partition(":")[0] for part in template.split("{")[1:]]
        app.get(template, name=f"outer{number}")(named_handler(cell, "outer", names))
    names = [part.partition("}")[0].partition(":")[0] for part in path.split("{")[1:]]
    inner.get(path)(named_handler(cell, "inner", names))
    app.mount("/in", inner)
    warned = [one["code"] for one in describe_app(app, "shop:app")["warnings"]]
    assert warned == ([] if reached else ["unreachable"])
    assert make_client(app).get(asked).text == ("inner" if reached else "outer")


def named_handler(cell: Cell, text: str, names: list[str]) -> Any:
    scope: dict[str, Any] = {}
    exec(f"def handler({', '.join(names)}): return {text!r}", scope)
    return cell.handler(scope["handler"])


def test_a_text_around_a_parameter_is_not_claimed_to_take_anything() -> None:
    app, inner = App(), App()
    app.get("/in/a-{name}")(lambda name: "")
    inner.get("/a-page")(lambda: "")
    app.mount("/in", inner)
    assert describe_app(app, "shop:app")["warnings"] == []


def test_a_path_that_has_a_route_for_another_method_is_unreachable_too(make_client: MakeClient, cell: Cell) -> None:
    app, inner = App(), App()
    app.post("/in/page")(cell.handler(lambda: "outer"))
    inner.get("/page")(cell.handler(lambda: "inner"))
    app.mount("/in", inner)
    assert [one["code"] for one in describe_app(app, "shop:app")["warnings"]] == ["unreachable"]
    assert make_client(app).get("/in/page").status_code == 405


def test_a_longer_prefix_takes_the_requests_of_a_shorter_one(make_client: MakeClient, cell: Cell) -> None:
    app, short, long = App(), App(), App()
    short.get("/long/page")(cell.handler(lambda: "short"))
    short.get("/page")(cell.handler(lambda: "short"))
    long.get("/page")(cell.handler(lambda: "long"))
    app.mount("/in", short)
    app.mount("/in/long", long)
    warnings = describe_app(app, "shop:app")["warnings"]
    assert [one["text"] for one in warnings if one["code"] == "unreachable"] == [
        "no request gets to /in/long/page: what is mounted at /in/long comes first"
    ]
    client = make_client(app)
    assert [client.get(path).text for path in ("/in/page", "/in/long/page")] == ["short", "long"]


def test_what_is_mounted_in_what_is_mounted_is_looked_at_as_well(make_client: MakeClient, cell: Cell) -> None:
    app, middle, inner = App(), App(), App()
    middle.get("/in/{name}")(cell.handler(lambda name: "middle"))
    inner.get("/page")(cell.handler(lambda: "inner"))
    middle.mount("/in", inner)
    app.mount("/middle", middle)
    assert [one["text"] for one in describe_app(app, "shop:app")["warnings"]] == [
        "no request gets to /middle/in/page: the route /middle/in/{name} of the application around it comes first"
    ]
    assert make_client(app).get("/middle/in/page").text == "middle"


def test_static_files_of_everything_take_what_is_mounted(site: Site) -> None:
    code = "inner.get('/page')(lambda: '')\napp.mount('/in', inner)\napp.static('/', '.')"
    assert [code for code, _ in warnings_of(site, code)] == ["unreachable"]


def test_a_websocket_is_taken_by_another_one_only(site: Site) -> None:
    code = """
    @inner.websocket("/live")
    async def live(ws: WebSocket): ...
    app.get("/in/{name}")(lambda name: "")
    app.mount("/in", inner)
    """
    assert warnings_of(site, code) == []
    assert [one["code"] for one in site.document()["warnings"]] == []


def test_a_route_of_one_host_takes_nothing_from_what_is_mounted(site: Site) -> None:
    code = """
    inner.get("/page")(lambda: "")
    hosted = Router(host="a.example")
    hosted.get("/in/page", name="hosted")(lambda: "")
    app.include(hosted)
    app.mount("/in", inner)
    """
    assert warnings_of(site, code) == []


@pytest.mark.parametrize(
    ("outer", "prefix", "reached"),
    [("/in/{rest:path}", "/in", False), ("/{rest:path}", "/in", False), ("/{rest:path}", "/", False), ("/in/{a}", "/in", True)],
)  # fmt: skip
def test_a_mounted_application_of_another_framework_is_unreachable_too(
    make_client: MakeClient, cell: Cell, outer: str, prefix: str, reached: bool
) -> None:
    def guest(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("content-type", "text/plain"), ("content-length", "5")])
        return [b"guest"]

    app = App()
    app.get(outer)(named_handler(cell, "outer", ["a" if "{a}" in outer else "rest"]))
    app.mount(prefix, guest)
    texts = [one["text"] for one in describe_app(app, "shop:app")["warnings"]]
    below = "" if prefix == "/" else prefix
    why = f"no request below {below}/ gets there: the route {outer} of the application around it comes first"
    assert texts == ([] if reached else [why])
    assert make_client(app).get("/in/a/b").text == ("guest" if reached else "outer")


def test_a_layer_costs_what_is_mounted_crossings_too(site: Site) -> None:
    code = f"{LAYERS}\ndef wsgi(environ, start_response): ...\napp.middleware(asynchronous)\napp.mount('/w', wsgi)"
    ((name, text),) = warnings_of(site, code)
    assert (name, text.partition(" costs")[0]) == ("layer-crosses", "an async layer around a `def` handler")
    assert "2 instead of 0 under WSGI (/w/)" in text


# --- colours ---


LAYERS = """
def blocking(request: Request) -> Middleware:
    yield
async def asynchronous(request: Request, call_next: CallNext) -> Response:
    return await call_next(request)
def generator(request: Request) -> Middleware:
    yield
def sync(): return ""
async def native(): return ""
LAYER = {"b": Layer(blocking, blocking=True), "a": Layer(asynchronous), "g": Layer(generator)}
"""


@pytest.mark.parametrize(
    ("layers", "handler", "figures"),
    [
        ("a", "sync", ["2 instead of 0 under WSGI"]),
        ("b", "native", ["2 instead of 0 under ASGI"]),
        ("a", "native", []),
        ("b", "sync", []),
        ("g", "sync", []),
        ("gg", "native", []),
        ("ab", "native", ["3 instead of 1 under WSGI", "3 instead of 1 under WSGI, 2 instead of 0 under ASGI"]),
    ],
)
def test_a_layer_that_costs_crossings_is_named_with_the_figures(
    site: Site, layers: str, handler: str, figures: list[str]
) -> None:
    code = f"{LAYERS}\napp.get('/', middleware=[LAYER[form] for form in {layers!r}])({handler})"
    warnings = warnings_of(site, code)
    assert [name for name, _ in warnings] == ["layer-crosses"] * len(figures)
    for (_, text), expected in zip(warnings, figures, strict=True):
        assert f"costs crossings: {expected} (/)" in text


def test_a_layer_around_many_routes_is_one_warning(site: Site) -> None:
    code = f"{LAYERS}\napp.middleware(asynchronous)\nfor n in range(3): app.get(f'/{{n}}', name=f'n{{n}}')(sync)"
    ((_, text),) = warnings_of(site, code)
    assert text.endswith("(/0, and 2 more)")
    assert warnings_of(site, code, "--gateway", "asgi") == []


@pytest.mark.parametrize(
    ("code", "warned"),
    [
        ("app.get('/', blocking=False)(sync)", ["blocking-false"]),
        ("app.get('/', blocking=False)(native)", []),
        ("app.get('/')(sync)", []),
        ("app.get('/', blocking=False, middleware=[LAYER['b']])(sync)", ["layer-crosses"]),  # it is in a thread already
        ("app.static('/', '.')", []),
        ("sync.__module__ = 'ambi.features.openapi.page'\napp.get('/', blocking=False)(sync)", []),  # not the user's
        ("@app.get('/')\ndef stream():\n    yield ''", []),
    ],
)
def test_a_def_that_runs_on_the_event_loop_is_warned_of(site: Site, code: str, warned: list[str]) -> None:
    assert [name for name, _ in warnings_of(site, LAYERS + code)] == warned
    assert [name for name, _ in warnings_of(site, LAYERS + code, "--gateway", "wsgi")] == []


# --- the rest ---


def test_a_name_that_functions_share_by_chance_is_warned_of(site: Site) -> None:
    code = "app.get('/a')(lambda: '')\napp.get('/b')(lambda: '')\ninner.get('/c')(lambda: '')\napp.mount('/in', inner)"
    assert warnings_of(site, code) == [("shared-name", "url_for('<lambda>') finds nothing: /a, /b share the name")]


def test_a_name_that_was_given_is_not_shared(site: Site) -> None:
    """The function's name of one, given to another as its own, is an error when it is registered."""
    assert warnings_of(site, "app.get('/a')(lambda: '')\napp.get('/b', name='b')(lambda: '')") == []


SOCKET = "@app.websocket('/')\nasync def live(ws: WebSocket): ..."


@pytest.mark.parametrize(
    ("missing", "gateway", "warned"),
    [
        ([], [], []),
        (["wsproto"], [], ["no-wsproto"]),
        (["wsproto"], ["--gateway", "asgi"], []),
        (["wsproto", "websockets"], [], ["no-wsproto", "no-websocket-library"]),
        (["wsproto", "websockets"], ["--gateway", "wsgi"], ["no-wsproto"]),
        (["wsproto", "websockets", "uvicorn"], [], ["no-wsproto"]),
    ],
)
def test_a_package_that_is_missing_for_websockets_is_named(
    site: Site, monkeypatch: pytest.MonkeyPatch, missing: list[str], gateway: list[str], warned: list[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else object())
    assert [name for name, _ in warnings_of(site, SOCKET, *gateway)] == warned
    assert [name for name, _ in warnings_of(site, "app.get('/')(lambda: '')", *gateway)] == []


@pytest.mark.parametrize("which", ["app", "inner"])
def test_debugging_is_warned_of(site: Site, which: str) -> None:
    code = f"inner.get('/page')(lambda: '')\napp.mount('/in', inner)\n{which}.debug = True"
    assert [name for name, _ in warnings_of(site, code)] == ["debug"]


def test_warnings_leave_the_status_alone(site: Site) -> None:
    site.write("from ambi import App\napp = App(debug=True)")
    result = site.check()
    assert result.status == 0
    assert "1 warning\n  ! debug=True shows clients" in result.out
    assert "    → take it from the environment" in result.out


def test_a_client_can_still_ask_what_was_described() -> None:
    """Describing plans the routes, and changes nothing of them; either gateway will do."""
    app = App()
    app.get("/")(lambda: "ok")
    describe_app(app, "shop:app")
    for gateway in ("wsgi", "asgi"):
        assert Client(app, gateway).get("/").text == "ok"
