"""`Request[ShopState]` is `Request` wherever an annotation is read: it says something to type checkers alone.

Annotations are text here, as `from __future__ import annotations` makes them in most applications.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Annotated, Any, Protocol, TypedDict

import pytest

from ambi import App, CallNext, Middleware, Request, Response, Router, State, WebSocket
from ambi.features.typed import Provide, Query
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient


class ShopState(Protocol):
    pool: list[str]
    user: str


class ShopDict(TypedDict):
    pool: list[str]


def test_a_class_with_a_state_is_the_class() -> None:
    """Nothing is served."""
    assert Request[ShopState] is Request
    assert WebSocket[ShopState] is WebSocket
    assert App[ShopState] is App
    assert isinstance(App[ShopState](), App)
    assert pickle.loads(pickle.dumps(Request[ShopState])) is Request


def start() -> Iterator[ShopDict]:
    yield {"pool": ["shared"]}


@pytest.fixture
def app(cell: Cell) -> App[ShopState]:
    app = App[ShopState](lifespan=start)

    @app.middleware
    def note_user(request: Request[ShopState]) -> Middleware:
        request.state.user = "alice"
        yield

    return app


def test_it_is_a_request_in_a_handler_in_layers_and_in_error_handlers(
    make_client: MakeClient, cell: Cell, app: App[ShopState]
) -> None:
    api = Router(prefix="/api")

    @app.middleware
    async def after(request: Request[ShopState], call_next: CallNext) -> Response:
        response = await call_next(request)
        response.headers["x-user"] = request.state.user
        return response

    @app.error(KeyError)
    def failed(request: Request[ShopState], error: KeyError) -> str:
        return f"failed for {request.state.user}"

    def sync(request: Request[ShopState]) -> list[str]:
        assert request.__class__ is Request
        assert isinstance(request.state, State)
        return [*request.state.pool, request.state.user]

    async def asynchronous(r: Annotated[Request[ShopDict], "the request"], name: str) -> list[str]:
        return [*r.state["pool"], r.state.get("user", ""), name]

    def fail(request: Request[ShopState]) -> None:
        raise KeyError

    api.get("/sync")(sync)
    api.get("/async/{name}")(asynchronous)
    api.get("/fail")(fail)
    app.include(api)
    client = make_client(app)
    answer = client.get("/api/sync")
    assert (answer.json(), answer.headers["x-user"]) == (["shared", "alice"], "alice")
    assert client.get("/api/async/x").json() == ["shared", "alice", "x"]
    assert client.get("/api/fail").text == "failed for alice"


def test_it_is_one_in_typed_handlers_and_in_providers(make_client: MakeClient, cell: Cell, app: App[ShopState]) -> None:
    def user(request: Request[ShopState]) -> str:
        return request.state.user

    def sync(request: Request[ShopState], name: Annotated[str, Provide(user)], n: Annotated[int, Query()] = 1) -> Any:
        return [request.state.pool, name, n]

    async def asynchronous(
        request: Request[ShopState], name: Annotated[str, Provide(user)], n: Annotated[int, Query()] = 1
    ) -> Any:
        return [request.state.pool, name, n]

    app.get("/")(cell.pick(sync, asynchronous))
    assert make_client(app).get("/?n=2").json() == [["shared"], "alice", 2]


def test_a_websocket_has_one_too(cell: Cell, app: App[ShopState]) -> None:
    @app.websocket("/")
    async def talk(ws: WebSocket[ShopState]) -> None:
        await ws.send(f"{ws.state.user} {ws.request.state.pool}")

    with Client(app, gateway=cell.gateway, backend=cell.backend) as client, client.websocket("/") as ws:
        assert ws.receive() == "alice ['shared']"
