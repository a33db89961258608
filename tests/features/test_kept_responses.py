"""A response that an application keeps and returns for every client: nothing of one client comes to another."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ambi import HTML, JSON, SSE, App, Event, File, HTTPError, Redirect, Request, Response, Stream, Text
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient

LONG = "text " * 1000


@dataclass
class Item:
    number: int


class Own(Response):
    """A user's subclass, with attributes."""

    def __init__(self, body: str, note: str) -> None:
        super().__init__(body)
        self.note = note


class Slotted(Text):
    """A user's subclass with slots, one of them private, one of them never set."""

    __slots__ = ("__hidden", "never", "note")

    def __init__(self, body: str, note: str) -> None:
        super().__init__(body)
        self.note = self.__hidden = note

    def encode(self, codec: object) -> None:
        """Send what is hidden."""
        self.body = self.__hidden.encode()


def _file() -> Response:
    return File(Path(__file__))


KEPT: dict[str, Callable[[], Response]] = {
    "Response": lambda: Response(LONG), "Text": lambda: Text(LONG), "HTML": lambda: HTML(LONG),
    "JSON": lambda: JSON({"text": LONG}), "Redirect": lambda: Redirect("/me"), "File": _file,
    "Stream": lambda: Stream(["a", "b"]), "Own": lambda: Own(LONG, "a"), "Slotted": lambda: Slotted(LONG, LONG),
}  # fmt: skip


def fields_of(response: Response) -> tuple[int, list[tuple[str, str]], object]:
    return response.status, [*response.headers.items()], response.body


@pytest.mark.parametrize("make", KEPT.values(), ids=KEPT)
def test_nothing_of_one_client_comes_to_another(
    make: Callable[[], Response], make_client: MakeClient, cell: Cell
) -> None:
    app, kept = App(), make()
    app.sessions(secret="s" * 40)
    app.csrf(secret="c" * 40)
    app.cors(origins=["https://a.example", "https://b.example"], credentials=True)
    app.security()
    app.compression()
    app.etags()
    before = fields_of(kept)

    @app.get("/login")
    @cell.handler
    def login(request: Request) -> object:
        request.session["user"] = "alice"
        return kept, 201, {"x-token": request.csrf_token}

    app.get("/")(cell.handler(lambda: kept))
    asked = {"accept-encoding": "gzip", "origin": "https://a.example"}
    alice, bob = make_client(app), make_client(app)
    assert alice.get("/login", headers=asked).status_code == 201
    alice.get("/", headers=asked)
    answer = bob.get("/")
    assert answer.status_code == kept.status
    assert not {"set-cookie", "x-token", "content-encoding", "access-control-allow-origin"}.intersection(answer.headers)
    answer = bob.get("/", headers={"origin": "https://b.example"})
    assert answer.headers["access-control-allow-origin"] == "https://b.example"
    assert fields_of(kept) == before


def test_the_status_of_a_tuple_is_that_of_one_answer(app: App, client: Client, cell: Cell) -> None:
    page = Text("page")
    app.get("/gone")(cell.handler(lambda: (page, 410, {"x-a": "b"})))
    app.get("/")(cell.handler(lambda: page))
    assert [client.get(path).status_code for path in ("/", "/gone", "/")] == [200, 410, 200]
    assert "x-a" not in client.get("/").headers


def test_what_a_typed_handler_returns_is_narrowed_anew_each_time(app: App, client: Client, cell: Cell) -> None:
    kept = JSON({1: Item(1)})

    def handler() -> Response[dict[int, Item]]:
        return kept

    app.get("/")(cell.handler(handler))
    assert [client.get("/").json() for _ in range(2)] == [{"1": {"number": 1}}] * 2
    assert kept.value == {1: Item(1)}


def test_what_layers_and_error_handlers_return_may_be_kept_as_well(app: App, client: Client, cell: Cell) -> None:
    """Each answer that is made in a place of its own is changed by the layer outside of it."""
    kept = Text("kept")

    @app.middleware
    def counted(request: Request) -> Iterator[None]:
        response = yield
        response.headers.append("x-path", request.path)

    @app.middleware
    def short(request: Request) -> Any:
        if request.path == "/short":
            return kept
        try:
            yield
        except KeyError:
            return kept
        return kept if request.path == "/instead" else None

    @app.middleware
    async def around(request: Request, call_next: Any) -> Response:
        return kept if request.path == "/around" else await call_next(request)

    @app.error(ValueError)
    @cell.handler
    def failed() -> Response:
        return kept

    @app.error(409)
    @cell.handler
    def refused() -> object:
        return kept, 409

    @app.get("/{what}")
    @cell.handler
    def handler(what: str) -> str:
        raise {"value": ValueError(), "key": KeyError(), "refused": HTTPError(409)}.get(what) or HTTPError(410)

    app.get("/instead")(cell.handler(lambda: "x"))
    for path in ("/short", "/instead", "/around", "/value", "/key", "/refused", "/short"):
        assert client.get(path).headers.get_list("x-path") == [path]
    assert fields_of(kept) == fields_of(Text("kept"))


def test_a_layer_that_caches_what_it_returns_keeps_what_was_inside_of_it(app: App, client: Client, cell: Cell) -> None:
    cached: list[Response] = []

    @app.middleware
    def session(request: Request) -> Iterator[None]:
        response = yield
        if request.query["user"] == "a":
            response.set_cookie("user", "a")

    @app.middleware
    async def cache(request: Request, call_next: Any) -> Response:
        if not cached:
            cached.append(await call_next(request))
        return cached[0]

    app.get("/")(cell.handler(lambda: "page"))
    assert [len(client.get("/", params={"user": user}).set_cookies) for user in "ab"] == [1, 0]


def test_a_generator_layer_keeps_a_copy_of_what_it_is_given(app: App, client: Client, cell: Cell) -> None:
    cached: list[Response] = []

    @app.middleware
    def session(request: Request) -> Iterator[None]:
        response = yield
        if "user" in request.query:
            response.set_cookie("user", request.query["user"])

    @app.middleware
    def cache(request: Request) -> Any:
        if cached:
            return cached[0]
        response = yield
        cached.append(copy.copy(response))
        return None

    app.get("/")(cell.handler(lambda: "page"))
    assert len(client.get("/", params={"user": "a"}).set_cookies) == 1
    assert (client.get("/").text, client.get("/").set_cookies) == ("page", [])


def test_an_iterator_that_was_sent_leaves_nothing_to_the_next_client(app: App, client: Client, cell: Cell) -> None:
    """Not even header fields, where a stream starts before there is an item."""
    kept = SSE(iter([Event("a")]))
    app.sessions(secret="s" * 40)

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> Response:
        request.session["user"] = "alice"
        return kept

    app.get("/other")(cell.handler(lambda: kept))
    assert "set-cookie" in client.get("/").headers
    assert "set-cookie" not in client.head("/other").headers


@pytest.mark.parametrize("make", KEPT.values(), ids=KEPT)
def test_a_copy_is_like_the_response_and_changes_alone(make: Callable[[], Response]) -> None:
    response = make()
    response.set_cookie("a", "1")
    before = fields_of(response)
    copied = copy.copy(response)
    assert (type(copied), fields_of(copied), repr(copied)) == (type(response), before, repr(response))
    assert getattr(copied, "note", None) == getattr(response, "note", None)
    copied.headers["x-a"] = "b"
    copied.set_cookie("b", "2")
    copied.status = 404
    assert fields_of(response) == before
    assert [cookie.name for cookie in response._cookies or ()] == ["a"]
    assert [cookie.name for cookie in copied._cookies or ()] == ["a", "b"]
