"""`ambi routes`: the table, and which route answers a path. Nothing is served here, so there is no cell."""

import io
from typing import Any

import pytest

from ambi.cli.printing import Page
from tests.cli.conftest import Site

SHOP = """
    from ambi import App, Middleware, Request, Router, WebSocket

    app = App(allowed_hosts=["shop.example", "*.shop.example"])

    @app.middleware
    def timing(request: Request) -> Middleware:
        yield

    @app.get("/items/{id}", name="item")
    def item(id: int):
        raise RuntimeError("a handler is not run")

    @app.post("/items/{id}")
    async def change(id: int):
        ...

    @app.websocket("/live")
    async def live(ws: WebSocket):
        ...

    tenants = Router(host="{tenant}.shop.example")

    @tenants.get("/")
    def home(tenant: str):
        return ""

    app.include(tenants)

    admin = App()

    @admin.get("/page")
    def page():
        return ""

    app.mount("/admin", admin)
    app.mount("/staff", admin)

    def guest(environ, start_response):
        raise RuntimeError("it is not run either")

    app.mount("/guest", guest)
    app.converter("odd", lambda text: 1 // 0)

    @app.get("/odd/{n:odd}")
    def odd(n):
        return ""
"""


def test_every_route_has_a_line(site: Site) -> None:
    site.write(SHOP)
    result = site.run("routes", "shop:app")
    assert (result.status, result.err) == (0, "")
    head, *lines = result.out.split("\n\n")[0].splitlines()
    assert head.split() == ["method", "path", "name", "handler", "where", "wsgi", "asgi", "layers"]
    words = [line.split() for line in lines]
    assert ["GET", "/admin/page", "page", "def", "page", "shop.py:32", "0", "1", "timing"] in words
    assert ["POST", "/items/{id}", "change", "async", "change", "shop.py:14", "1", "0", "timing"] in words
    assert ["WS", "/live", "live", "async", "socket", "live", "shop.py:18", "1", "0", "timing"] in words
    assert ["GET", "{tenant}.shop.example/", "home", "def", "home", "shop.py:24", "0", "1", "timing"] in words
    assert ["any", "/guest/", "-", "WSGI", "app", "shop.guest", "0", "1", "timing"] in words


def test_on_a_narrow_terminal_columns_are_cut_and_the_line_of_the_file_is_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(SHOP)
    monkeypatch.setenv("COLUMNS", "70")
    table = site.run("routes", "shop:app").out.split("\n\n")[0].splitlines()
    whole = [line for line in table[1:] if ".py:" in line]
    assert len(whole) == len(table) - 2  # all but the guest's
    assert any("{tenant}.sh…" in line for line in whole)
    assert max(map(len, table)) < 90  # each column has its least


def test_it_is_whole_where_nobody_says_how_wide(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(SHOP)
    monkeypatch.delenv("COLUMNS")
    assert "…" not in site.run("routes", "shop:app").out
    assert Page(io.StringIO()).cuts is False


def test_an_application_without_routes_has_none(site: Site) -> None:
    site.write("from ambi import App\napp = App()")
    assert site.run("routes", "shop:app").out == "no routes\n"


def test_json_says_the_same_as_check_does(site: Site) -> None:
    site.write(SHOP)
    document, checked = site.run("routes", "shop:app", "--json").document, site.document()
    assert document == {key: checked[key] for key in ("version", "app", "gateways", "routes", "mounts")}


# --- which route answers ---


def match(site: Site, *arguments: str) -> Any:
    site.write(SHOP)
    return site.run("routes", "shop:app", "--json", "--match", *arguments).document["match"]


@pytest.mark.parametrize(
    ("arguments", "path", "values"),
    [
        (["/items/7"], "/items/{id}", {"id": "7"}),
        (["/items/7?page=2"], "/items/{id}", {"id": "7"}),
        (["items/7", "--method", "head"], "/items/{id}", {"id": "7"}),
        (["http://shop.example/items/7"], "/items/{id}", {"id": "7"}),
        (["https://anna.shop.example"], "/", {"tenant": "anna"}),
        (["/live", "--method", "WEBSOCKET"], "/live", {}),
        (["/live", "--method", "ws"], "/live", {}),
        (["/admin/page"], "/admin/page", {}),
        (["/staff/page"], "/staff/page", {}),
        (["/guest/any/where"], "/guest/", {}),
        (["/guest"], "/guest/", {}),
    ],
)
def test_the_route_that_answers_is_found(site: Site, arguments: list[str], path: str, values: dict[str, str]) -> None:
    found = match(site, *arguments)
    assert found["route"]["path"] == path
    assert (found["values"], found["status"], found["allow"], found["location"]) == (values, None, [], "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/nothing"], {"status": 404}),
        (["/items/seven"], {"status": 404}),
        (["/items/%ff"], {"status": 400}),
        (["/items/7", "--method", "DELETE"], {"status": 405, "allow": ["GET", "HEAD", "OPTIONS", "POST"]}),
        (["/items/7/"], {"status": 308, "location": "../7"}),
        (["/items/7", "--method", "OPTIONS"], {"status": 204, "allow": ["GET", "HEAD", "OPTIONS", "POST"]}),
        (["/live"], {"status": 426, "detail": "this path is for WebSocket connections"}),
        (["http://elsewhere.example/"], {"status": 400, "detail": "the host elsewhere.example is not one of this site's"}),
        (["/odd/3"], {"status": 500, "detail": "ZeroDivisionError: integer division or modulo by zero"}),
        (["/admin/nothing"], {"status": 404}),
    ],
)  # fmt: skip
def test_what_no_handler_answers_is_said(site: Site, arguments: list[str], expected: dict[str, object]) -> None:
    found = match(site, *arguments)
    assert found["route"] is None
    assert {key: found[key] for key in expected} == expected


def test_people_are_shown_the_route_whole_and_its_values(site: Site) -> None:
    site.write(SHOP)
    result = site.run("routes", "shop:app", "--match", "/items/7")
    assert result.status == 0
    assert result.out.startswith("GET /items/{id}\n  name     item\n  layers   timing  shop.py:6")
    assert result.out.endswith("  values   id = '7'\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/items/7/"], "GET /items/7/: no handler; 308 Permanent Redirect, to ../7\n"),
        (["/live", "--method", "POST"], "POST /live: no handler; 405 Method Not Allowed, the path has GET, OPTIONS\n"),
        (["http://a.example/"], "GET a.example/: no handler; 400 Bad Request, the host a.example is not one of this site's\n"),
    ],
)  # fmt: skip
def test_people_are_told_why_there_is_none(site: Site, arguments: list[str], said: str) -> None:
    site.write(SHOP)
    result = site.run("routes", "shop:app", "--match", *arguments)
    assert (result.status, result.out) == (1, said)


def test_a_method_without_a_path_is_wrong_use(site: Site) -> None:
    site.write(SHOP)
    result = site.run("routes", "shop:app", "--method", "POST")
    assert (result.status, result.err) == (2, "ambi routes: --method is for --match, which names a path\n")
