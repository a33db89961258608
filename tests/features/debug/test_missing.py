"""What is shown to a request that no route took: the routes, and what may have been meant."""

from typing import Any

import pytest

from ambi import App, Middleware, Request, Router
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient
from tests.features.debug.test_crash import HTML, JSON


@pytest.fixture
def app() -> App:
    return App(debug=True)


def nothing(id: int = 0) -> str:
    return "found"


def shop(app: App, cell: Cell) -> None:
    app.get("/users")(cell.handler(nothing))
    app.post("/users", name="add")(cell.handler(nothing))
    app.get("/orders/{id}")(cell.handler(nothing))
    api = Router(prefix="/api/v1", name="api")
    api.get("/things")(cell.handler(nothing))
    app.include(api)


def asked(client: Client, path: str, method: str = "GET") -> dict[str, Any]:
    response = client.request(method, path, headers=JSON)
    assert response.headers["content-type"] == "application/problem+json"
    answer: dict[str, Any] = response.json()
    assert answer["status"] == response.status_code
    return answer


MEANT = {
    "/user": ("/users", "nearly the same path"),
    "/USERS": ("/users", "upper and lower case"),
    "/orders/seven": ("/orders/{id}", "but for the value of id, which is int"),
    "/ordrs/7": ("/orders/{id}", "nearly the same path"),
    "/things": ("/api/v1/things", "below /api/v1"),
    "/shop/users": ("/users", "without what is before it"),
}


@pytest.mark.parametrize("path", MEANT)
def test_what_may_have_been_meant(app: App, client: Client, cell: Cell, path: str) -> None:
    shop(app, cell)
    answer = asked(client, path)
    assert answer["detail"] == f"GET {path}: no route has this path"
    first = answer["debug"]["did_you_mean"][0]
    assert (first["path"], first["why"]) == MEANT[path]


def test_nothing_is_near(app: App, client: Client, cell: Cell) -> None:
    shop(app, cell)
    assert asked(client, "/something/else/entirely")["debug"]["did_you_mean"] == []
    assert asked(client, "/")["debug"]["did_you_mean"] == []


def test_another_method_is_told_of_first(app: App, client: Client, cell: Cell) -> None:
    shop(app, cell)
    app.get("/userz")(cell.handler(nothing))
    response = client.delete("/users", headers=JSON)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    near = response.json()["debug"]["did_you_mean"]
    assert [(one["methods"], one["path"], one["why"]) for one in near] == [
        ("GET", "/users", "it takes GET"), ("POST", "/users", "it takes POST"), ("GET", "/userz", "nearly the same path"),
    ]  # fmt: skip
    assert response.json()["detail"] == "DELETE /users: no route of this path takes DELETE"


def test_the_other_slash_of_a_path_that_is_not_redirected(app: App, client: Client, cell: Cell) -> None:
    app.post("/form")(cell.handler(nothing))
    first = asked(client, "/form/")["debug"]["did_you_mean"][0]
    assert (first["path"], first["why"]) == ("/form", "it takes POST") or first["why"] == "the slash at the end"


def test_another_host_is_told_of(app: App, client: Client, cell: Cell) -> None:
    router = Router(host="api.example.com")
    router.get("/hosts")(cell.handler(nothing))
    app.include(router)
    first = asked(client, "/hosts")["debug"]["did_you_mean"][0]
    assert (first["path"], first["why"], first["link"]) == ("api.example.com/hosts", "another host", "")


def test_all_routes_are_shown_in_order(app: App, client: Client, cell: Cell) -> None:
    shop(app, cell)
    rows = asked(client, "/missing")["debug"]["routes"]
    assert [(row["methods"], row["path"], row["name"]) for row in rows] == [
        ("GET", "/api/v1/things", "api.nothing"), ("GET", "/orders/{id}", "nothing"), ("GET", "/users", "nothing"),
        ("POST", "/users", "add"),
    ]  # fmt: skip
    assert rows[0]["where"].startswith("tests/features/debug/test_missing.py:")
    assert rows[0]["colour"] == ("async def" if cell.is_async else "def")
    assert [row["link"] for row in rows] == ["/api/v1/things", "", "/users", ""]


def test_a_terminal_gets_a_table(app: App, client: Client, cell: Cell) -> None:
    shop(app, cell)
    lines = client.get("/user").text.splitlines()
    assert lines[:5] == [
        "404 Not Found",
        "GET /user: no route has this path",
        "",
        "Did you mean",
        "  GET /users  (nearly the same path)",
    ]
    assert any(line.startswith("  POST  /users          ") for line in lines)


def test_a_browser_gets_a_page_with_links(app: App, client: Client, cell: Cell) -> None:
    shop(app, cell)
    response = client.get("/user", headers=HTML)
    assert response.status_code == 404
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<h1><small>404</small>Not Found</h1>" in response.text
    assert '<a href="/users">/users</a></code> <span class="why">nearly the same path</span>' in response.text
    assert "/orders/{id}" in response.text


def test_without_routes_it_says_so(app: App, client: Client, cell: Cell) -> None:
    assert client.get("/").text == "404 Not Found\nGET /: no route has this path\n\nThere are no routes.\n"
    assert "There are none." in client.get("/", headers=HTML).text


def test_what_the_client_wrote_is_escaped_and_cut(app: App, client: Client, cell: Cell) -> None:
    app.get("/%3Cb%3E")(cell.handler(nothing))
    app.get("/a<b>")(cell.handler(nothing))
    text = client.get("/%3Cscript%3E" + "x" * 500, headers=HTML).text
    assert "<script>" not in text
    assert "&lt;script&gt;xxx" in text
    assert "x" * 300 not in text
    assert '<a href="/a%3Cb%3E">/a&lt;b&gt;</a>' in text


def test_thousands_of_routes_are_not_all_shown(app: App) -> None:
    client = Client(app, "wsgi")  # on one gateway, since registering them takes a while
    for number in range(2100):
        app.get(f"/route-{number}")(nothing)
    answer = asked(client, "/route-x")
    assert len(answer["debug"]["routes"]) == 300
    assert answer["debug"]["routes_left_out"] == 1700
    assert len(answer["debug"]["did_you_mean"]) == 4
    assert "and 1,700 more" in client.get("/route-x").text
    assert "And 1,700 more." in client.get("/route-x", headers=HTML).text


def test_handlers_of_errors_come_first(app: App, client: Client, cell: Cell) -> None:
    @app.error(404)
    def missing() -> str:
        return "my own page"

    assert client.get("/missing").text == "my own page"


def test_a_layer_sees_it_as_any_answer(app: App, client: Client, cell: Cell) -> None:
    @app.middleware
    def marked(request: Request) -> Middleware:
        response = yield
        response.headers["x-status"] = str(response.status)

    shop(app, cell)
    response = client.get("/user")
    assert response.headers["x-status"] == "404"
    assert "Did you mean" in response.text


def test_mounted_applications_are_told_of_as_far_as_they_are_in_debug(make_client: MakeClient, cell: Cell) -> None:
    outer, inner, closed = App(debug=True), App(debug=True), App()
    outer.mount("/in", inner)
    outer.mount("/closed", closed)
    outer.mount("/wsgi", lambda environ, start_response: [], interface="wsgi")
    for app in (outer, inner, closed):
        app.get("/things")(cell.handler(nothing))
    client = make_client(outer, root_path="/site")
    for path in ("/missing", "/in/missing"):
        rows = asked(client, path)["debug"]["routes"]
        assert [(row["path"], row["link"]) for row in rows] == [
            ("/closed/", ""), ("/in/things", "/site/in/things"), ("/things", "/site/things"), ("/wsgi/", ""),
        ]  # fmt: skip
    assert asked(client, "/in/thing")["detail"] == "GET /in/thing: no route has this path"
    assert "debug" not in asked(client, "/closed/missing")
    assert asked(client, "/xyzzy")["debug"]["did_you_mean"] == []
    outer.debug = False
    rows = asked(client, "/in/missing")["debug"]["routes"]
    assert [row["path"] for row in rows] == ["/in/things"]
    assert "debug" not in asked(client, "/missing")


def test_a_mount_may_have_been_meant(make_client: MakeClient, cell: Cell) -> None:
    app, other = App(debug=True), App()
    app.mount("/admin", other)
    client = make_client(app)
    near = asked(client, "/admi")["debug"]["did_you_mean"]
    assert [(one["path"], one["why"]) for one in near] == [("/admin/", "nearly the same path")]


def test_the_handshake_of_a_websocket_that_is_not_there_is_told_as_well(app: App, make_client: MakeClient) -> None:
    from ambi.testing import WebSocketRefused

    client = make_client(app, judged=False)  # the judge of ASGI knows no WebSockets
    with pytest.raises(WebSocketRefused) as refused, client.websocket("/talk"):
        pass
    assert refused.value.response.status_code == 404
    assert refused.value.response.text.endswith("/talk: no route has this path\n\nThere are no routes.\n")


def test_the_route_of_a_websocket_is_shown_as_one(app: App, client: Client) -> None:
    from ambi import WebSocket

    @app.websocket("/talk")
    async def talk(ws: WebSocket) -> None:
        pass

    rows = asked(client, "/talks")["debug"]["routes"]
    assert (rows[0]["methods"], rows[0]["path"]) == ("WS", "/talk")
