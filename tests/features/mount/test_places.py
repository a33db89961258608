"""Each application, mounted in others or not, sees a request from where it stands: path, prefix, app, links, state."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from ambi import App, HTTPError, Middleware, Request, Response, Stream, WebSocket
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient
from tests.features.mount.guests import Answer, guest

Place = tuple[str, str, Any]


def place(request: Request) -> Place:
    return request.root_path, request.path, request.app


class Nested:
    """Three applications, one in the other, each with a layer that notes what it sees on its way in and out."""

    def __init__(self, cell: Cell, form: str = "generator") -> None:
        self.outer, self.middle, self.inner = App(), App(), App()
        self.seen: list[tuple[str, Place]] = []
        for name in ("outer", "middle", "inner"):
            app: App = getattr(self, name)
            if form == "async":
                app.middleware(self.note_async(name))
            else:
                app.middleware(blocking=form == "blocking")(self.note(name))

        @self.inner.get("/x", name="x")
        @cell.handler
        def x(request: Request) -> str:
            self.seen.append(("handler", place(request)))
            return "x"

        self.outer.mount("/one", self.middle)
        self.middle.mount("/two", self.inner)

    def note(self, name: str) -> Callable[[Request], Middleware]:
        def note(request: Request) -> Middleware:
            self.seen.append((name, place(request)))
            yield
            self.seen.append((name, place(request)))

        return note

    def note_async(self, name: str) -> Callable[..., Any]:
        async def note(request: Request, call_next: Any) -> Response:
            self.seen.append((name, place(request)))
            response: Response = await call_next(request)
            self.seen.append((name, place(request)))
            return response

        return note


@pytest.mark.parametrize("form", ["generator", "blocking", "async"])
def test_each_layer_sees_the_request_from_its_own_application(make_client: MakeClient, cell: Cell, form: str) -> None:
    nested = Nested(cell, form)
    assert make_client(nested.outer, root_path="/srv").get("/one/two/x").text == "x"
    outer = ("/srv", "/one/two/x", nested.outer)
    middle = ("/srv/one", "/two/x", nested.middle)
    inner = ("/srv/one/two", "/x", nested.inner)
    assert nested.seen == [
        ("outer", outer), ("middle", middle), ("inner", inner), ("handler", inner),
        ("inner", inner), ("middle", middle), ("outer", outer),
    ]  # fmt: skip


def test_a_guard_sees_the_path_that_it_guards(app: App, make_client: MakeClient, cell: Cell) -> None:
    """It must not have to know what is mounted where."""
    reached: list[str] = []

    @app.middleware
    def guard(request: Request) -> Middleware:
        if request.path == "/admin" or request.path.startswith("/admin/"):
            raise HTTPError(403)
        yield

    def answer(seen: Any) -> Answer:
        reached.append(seen.path)
        return Answer()

    inner = App()
    inner.get("/{rest:path}")(cell.handler(lambda rest: reached.append(rest)))
    app.mount("/admin", guest(cell, answer))
    app.mount("/admin/app", inner)
    app.mount("/shop", guest(cell, answer))
    client = make_client(app)
    for target in ("/admin", "/admin/", "/admin/x", "/admin%2Fx", "/%61dmin/x", "/admin/app/x", "/admin/app/"):
        assert client.get(target).status_code == 403, target
    assert reached == []
    assert client.get("/shop/admin").status_code == 200


@pytest.mark.parametrize("where", ["before", "behind"])
def test_places_come_back_when_something_fails(make_client: MakeClient, cell: Cell, where: str) -> None:
    nested = Nested(cell)
    noted: list[Place] = []

    @nested.inner.get("/fails")
    @cell.handler
    def fails() -> str:
        raise KeyError("no")

    @nested.middle.middleware
    def also_fails(request: Request) -> Middleware:
        if where == "before" and request.path == "/two/x":
            raise KeyError("early")
        yield
        raise KeyError("late")

    @nested.outer.error(KeyError)
    def note(request: Request, error: KeyError) -> str:
        noted.append(place(request))
        return "noted"

    client = make_client(nested.outer)
    for target in ("/one/two/x", "/one/two/fails", "/one/two/none"):
        assert client.get(target).text == "noted"
    assert {name for name, _ in nested.seen} >= {"outer", "middle"}
    for name, seen in nested.seen:
        if name != "handler":
            assert seen[2] is getattr(nested, name)


def test_a_stream_sees_the_request_from_its_own_application(make_client: MakeClient, cell: Cell) -> None:
    nested = Nested(cell)
    seen: list[Place] = []

    @nested.inner.get("/stream")
    @cell.handler
    def stream(request: Request) -> Response:
        def items() -> Iterator[str]:
            yield request.url_for("x")
            seen.append(place(request))

        async def async_items() -> AsyncIterator[str]:
            for item in items():
                yield item

        return Stream(cell.pick(items, async_items)())

    assert make_client(nested.outer).get("/one/two/stream").text == "/one/two/x"
    assert seen == [("/one/two", "/stream", nested.inner)]


def test_a_layers_own_routes_are_linked_first(make_client: MakeClient, cell: Cell) -> None:
    nested = Nested(cell)
    links: dict[str, str] = {}
    for app in (nested.outer, nested.inner):
        app.get("/login", name="login")(cell.handler(lambda: "login"))

    @nested.outer.middleware
    def link(request: Request) -> Middleware:
        links["outer"] = request.url_for("login")
        links["x"] = request.url_for("x")
        yield

    @nested.middle.middleware
    def link_too(request: Request) -> Middleware:
        links["middle"] = request.url_for("login")
        yield

    @nested.inner.middleware
    def link_again(request: Request) -> Middleware:
        links["inner"] = request.url_for("login")
        yield

    make_client(nested.outer).get("/one/two/x")
    assert links == {"outer": "/login", "x": "/one/two/x", "middle": "/login", "inner": "/one/two/login"}


@pytest.mark.parametrize("first", ["outer", "inner"])
def test_the_innermost_lifespan_has_the_last_word_on_the_state(make_client: MakeClient, cell: Cell, first: str) -> None:
    def outer_lifespan() -> Iterator[dict[str, Any]]:
        yield {"shared": "outer", "only_outer": 1}

    def inner_lifespan() -> Iterator[dict[str, Any]]:
        yield {"shared": "inner", "only_inner": 2}

    outer, inner = App(lifespan=outer_lifespan), App(lifespan=inner_lifespan)

    @outer.middleware
    def look(request: Request) -> Middleware:
        if first == "outer":
            assert request.state.only_outer == 1
        yield

    @inner.get("/")
    @cell.handler
    def state(request: Request) -> list[Any]:
        return [request.state.shared, request.state.only_outer, request.state.only_inner]

    outer.mount("/in", inner)
    assert make_client(outer).get("/in/").json() == ["inner", 1, 2]


def test_a_websocket_is_seen_from_both_places(cell: Cell) -> None:
    nested = Nested(cell)

    @nested.inner.websocket("/ws")
    async def talk(ws: WebSocket) -> None:
        await ws.send(f"{ws.request.root_path} {ws.request.path}")

    with Client(nested.outer, cell.gateway, backend=cell.backend) as client, client.websocket("/one/two/ws") as ws:
        assert ws.receive_text() == "/one/two /ws"
    assert [(name, seen[1]) for name, seen in nested.seen[:3]] == [
        ("outer", "/one/two/ws"), ("middle", "/two/ws"), ("inner", "/ws"),
    ]  # fmt: skip
