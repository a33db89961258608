"""Pages for those who are logged in."""

from collections.abc import Callable
from typing import Annotated, Any

import anyio
import pytest

from ambi import App, ConfigurationError, Request, WebSocket
from ambi.features.auth import LoginRequired, safe_redirect
from ambi.testing import WebSocketRefused
from tests.cells import Cell

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(params=["def", "async"])
def current_user(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Give a check of each colour."""

    def current(request: Request) -> str | None:
        return request.cookies.get("user")

    async def current_async(request: Request) -> str | None:
        await anyio.sleep(0)
        return current(request)

    return current_async if request.param == "async" else current


@pytest.fixture
def site(cell: Cell, current_user: Callable[..., Any]) -> App:
    logged_in, app = LoginRequired(current_user, login="log-in"), App()

    @app.get("/orders/{name}")
    @cell.handler
    def orders(name: str, user: Annotated[str, logged_in]) -> Any:
        return f"{name} of {user}"

    app.post("/orders", middleware=[logged_in])(cell.handler(lambda: "ordered"))

    @app.get("/login", name="log-in")
    @cell.handler
    def login(request: Request) -> Any:
        response = safe_redirect(request, request.query.get("next"), "/")
        response.set_cookie("user", "ann")
        return response

    return app


def test_a_page_leads_to_the_login_and_back(make_client: Any, site: App) -> None:
    client = make_client(site)
    asked = client.get("/orders/caf%C3%A9%20%26?page=2&q=%20", headers=PAGE)
    assert asked.status_code == 303
    location = "/login?next=%2Forders%2Fcaf%25C3%25A9%2520%26%3Fpage%3D2%26q%3D%2520"
    assert asked.headers["location"] == location
    back = client.get(location)
    assert back.headers["location"] == "/orders/caf%C3%A9%20&?page=2&q=%20"
    assert client.get(back.headers["location"], headers=PAGE).text == "café & of ann"


def test_a_form_leads_to_the_login_but_not_back(make_client: Any, site: App) -> None:
    asked = make_client(site).post("/orders", data={"a": "b"}, headers=PAGE)
    assert (asked.status_code, asked.headers["location"]) == (303, "/login")


ASKED: list[tuple[dict[str, str], int]] = [
    (PAGE, 303),
    ({}, 401),
    ({"accept": "*/*"}, 401),
    ({"accept": "application/json"}, 401),
    ({"accept": "application/json, text/html;q=0.5"}, 401),
    ({**PAGE, "sec-fetch-mode": "navigate"}, 303),
    ({"accept": "*/*", "sec-fetch-mode": "navigate"}, 303),
    ({**PAGE, "sec-fetch-mode": "cors"}, 401),
]


def test_only_a_page_is_answered_with_a_page(make_client: Any, site: App) -> None:
    client = make_client(site)
    for headers, status in ASKED:
        response = client.get("/orders/x", headers=headers)
        assert response.status_code == status, headers
        assert response.headers.get("www-authenticate") == ('Cookie realm="login"' if status == 401 else None)


def test_the_way_back_is_right_in_a_mounted_application(make_client: Any, site: App) -> None:
    outer = App()
    outer.mount("/shop", site)
    location = make_client(outer).get("/shop/orders/x", headers=PAGE).headers["location"]
    assert location == "/shop/login?next=%2Fshop%2Forders%2Fx"


def test_a_path_may_be_named_and_may_have_a_query(make_client: Any, cell: Cell) -> None:
    app = App(middleware=[LoginRequired(lambda request: None, login="/in?by=form", blocking=False)])
    app.get("/")(cell.handler(lambda: "in"))
    assert make_client(app).get("/", headers=PAGE).headers["location"] == "/in?by=form&next=%2F"


def test_a_page_may_be_for_everybody(make_client: Any, cell: Cell, current_user: Callable[..., Any]) -> None:
    maybe, app = LoginRequired(current_user, required=False), App()

    @app.get("/")
    @cell.handler
    def home(user: Annotated[str | None, maybe]) -> Any:
        return {"user": user}

    client = make_client(app)
    assert client.get("/", headers=PAGE).json() == {"user": None}
    assert client.get("/", headers=PAGE, cookies={"user": "ann"}).json() == {"user": "ann"}


def test_who_is_logged_in_and_may_not_gets_a_403(make_client: Any, cell: Cell) -> None:
    users, app = LoginRequired(lambda request: "bob"), App()
    admins = users.requiring(lambda user: user == "ann")
    app.get("/", middleware=[admins])(cell.handler(lambda: "in"))
    assert make_client(app).get("/", headers=PAGE).status_code == 403


def test_a_web_socket_is_refused_and_not_redirected(make_client: Any, cell: Cell) -> None:
    users, app = LoginRequired(lambda request: None), App()

    @app.websocket("/ws")
    async def chat(ws: WebSocket, user: Annotated[str, users]) -> None:
        raise AssertionError("nobody is logged in")

    client = make_client(app, judged=False)  # the judges know no WebSockets
    with pytest.raises(WebSocketRefused) as refused, client.websocket("/ws", headers=PAGE):
        raise AssertionError("the handshake was not refused")
    assert refused.value.response.status_code == 401


def test_a_check_of_something_else_is_refused() -> None:
    """Nothing is served, so there is no cell."""

    def two(request: Request, name: str) -> None: ...

    with pytest.raises(ConfigurationError, match=r"the check of LoginRequired takes \(request\), not 2 parameters"):
        LoginRequired(two)  # type: ignore[arg-type]
