"""Providers: what they are given, when they are called and where, and how they end."""

import contextlib
import contextvars
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import anyio
import msgspec
import pytest

from ambi import App, BodyStream, ConfigurationError, HTTPError, Request, Router, Stream, WebSocket
from ambi.core.crossings import count_crossings
from ambi.core.sides import ASYNC, SYNC
from ambi.features.auth import Bearer
from ambi.features.typed import Body, Header, Provide, Query
from ambi.testing import Client
from tests.cells import Cell

FORMS = ("def", "async", "generator", "async-generator")


class Item(msgspec.Struct):
    name: str


class Session:
    """Remembers what became of it."""

    def __init__(self, log: list[str]) -> None:
        self.log = log


def provider_of(form: str, log: list[str], name: str = "p", value: Any = None) -> Callable[..., Any]:
    """Make a provider of one of the four forms, which writes down what happens to it."""
    made = name if value is None else value

    def plain() -> Any:
        log.append(f"make {name}")
        return made

    async def asynchronous() -> Any:
        await anyio.sleep(0)
        return plain()

    def generator() -> Iterator[Any]:
        try:
            yield plain()
        except Exception as exc:
            log.append(f"{name} sees {type(exc).__name__}")
            raise
        finally:
            log.append(f"end {name}")

    async def async_generator() -> AsyncIterator[Any]:
        try:
            yield await asynchronous()
        except Exception as exc:
            log.append(f"{name} sees {type(exc).__name__}")
            raise
        finally:
            await anyio.sleep(0)
            log.append(f"end {name}")

    forms: tuple[Callable[..., Any], ...] = (plain, asynchronous, generator, async_generator)
    return dict(zip(FORMS, forms, strict=True))[form]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    """Give one form after the other."""
    found: str = request.param
    return found


def test_a_value_is_made_once_a_request_for_all_who_ask(app: App, client: Client, cell: Cell, form: str) -> None:
    log: list[str] = []
    made = provider_of(form, log)

    def second(p: Annotated[str, Provide(made)], q: str = "-") -> str:
        return f"second of {p} {q}"

    @app.get("/")
    @cell.handler
    def handler(a: Annotated[str, Provide(second)], b: Annotated[str, Provide(made)]) -> Any:
        log.append("handler")
        return [a, b]

    ends = ["end p"] if "generator" in form else []
    for _ in range(2):
        assert client.get("/?q=x").json() == ["second of p x", "p"]
        assert log == ["make p", "handler", *ends]
        log.clear()


@pytest.mark.parametrize("outer", FORMS)
def test_they_open_in_order_and_end_in_reverse(app: App, client: Client, cell: Cell, form: str, outer: str) -> None:
    log: list[str] = []
    first, second = provider_of(outer, log, "1"), provider_of(form, log, "2")

    @app.get("/")
    @cell.handler
    def handler(a: Annotated[str, Provide(first)], b: Annotated[str, Provide(second)]) -> Any:
        log.append("handler")
        return [a, b]

    assert client.get("/").json() == ["1", "2"]
    ends = [f"end {name}" for name, kind in (("2", form), ("1", outer)) if "generator" in kind]
    assert log == ["make 1", "make 2", "handler", *ends]


@pytest.mark.parametrize(("error", "status"), [(HTTPError(409), 409), (KeyError("x"), 418), (RuntimeError("x"), 500)])
def test_they_see_the_exception_as_it_was_raised(
    app: App, client: Client, cell: Cell, form: str, error: Exception, status: int
) -> None:
    log: list[str] = []
    first, second = provider_of(form, log, "1"), provider_of(form, log, "2")
    seen: list[int] = []

    @app.middleware
    def layer(request: Request) -> Iterator[None]:
        response: Any = yield
        seen.append(response.status)  # a layer outside sees the response that was made of it

    @app.error(KeyError)
    def teapot(request: Request, exc: KeyError) -> Any:
        log.append("error handler")
        return "", 418

    @app.get("/")
    @cell.handler
    def handler(a: Annotated[str, Provide(first)], b: Annotated[str, Provide(second)]) -> None:
        raise error

    assert client.get("/").status_code == status
    kind = type(error).__name__
    ends = [line for name in "21" for line in (f"{name} sees {kind}", f"end {name}")] if "generator" in form else []
    assert log == ["make 1", "make 2", *ends, *(["error handler"] if status == 418 else [])]
    assert seen == ([status] if status != 500 else [])


def test_one_that_fails_ends_those_before_it(app: App, client: Client, cell: Cell, form: str) -> None:
    log: list[str] = []
    first = provider_of(form, log)

    def refuses(p: Annotated[str, Provide(first)]) -> str:
        raise HTTPError(403)

    @app.get("/")
    @cell.handler
    def handler(a: Annotated[str, Provide(refuses)]) -> None:
        log.append("handler")

    assert client.get("/").status_code == 403
    assert log == ["make p", *(["p sees HTTPError", "end p"] if "generator" in form else [])]


def test_one_may_make_another_exception_of_it(app: App, client: Client, cell: Cell) -> None:
    def translating() -> Iterator[str]:
        try:
            yield "x"
        except LookupError as exc:
            raise HTTPError(404, "not here") from exc

    @app.get("/")
    @cell.handler
    def handler(a: Annotated[str, Provide(translating)]) -> None:
        raise LookupError

    assert client.get("/").json()["detail"] == "not here"


@pytest.mark.parametrize("is_async", [False, True])
def test_one_that_swallows_an_exception_is_an_error(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    def swallowing() -> Iterator[str]:
        with contextlib.suppress(LookupError):
            yield "x"

    async def swallowing_async() -> AsyncIterator[str]:
        with contextlib.suppress(LookupError):
            yield "x"

    swallows: Any = swallowing_async if is_async else swallowing

    @app.get("/")
    @cell.handler
    def handler(a: Annotated[str, Provide(swallows)]) -> None:
        raise LookupError

    assert client.get("/").status_code == 500
    assert re.search(r"<Provider .*swallowing.*> swallowed", caplog.text)


@pytest.mark.parametrize("until", ["response", "sent"])
def test_one_ends_before_the_response_is_sent_or_after(
    app: App, client: Client, cell: Cell, form: str, until: Any
) -> None:
    log: list[str] = []
    made = provider_of(form, log)

    @app.get("/")
    @cell.handler
    def handler(p: Annotated[str, Provide(made, until=until)]) -> Stream:
        def items() -> Iterator[str]:
            yield "a"
            log.append("sent")

        return Stream(items())

    assert client.get("/").text == "a"
    assert log.index("sent") == (len(log) - 1 if until == "response" or "generator" not in form else len(log) - 2)


def test_one_that_lasts_until_it_is_sent_sees_what_the_handler_raised(
    app: App, client: Client, cell: Cell, form: str
) -> None:
    log: list[str] = []
    made = provider_of(form, log)

    @app.get("/")
    @cell.handler
    def handler(p: Annotated[str, Provide(made, until="sent")]) -> None:
        raise HTTPError(409)

    assert client.get("/").status_code == 409
    assert log == ["make p", *(["p sees HTTPError", "end p"] if "generator" in form else [])]


# --- what they are given ---


def test_one_takes_what_a_handler_takes(app: App, client: Client, cell: Cell, form: str) -> None:
    log: list[str] = []
    made = provider_of(form, log)

    def page(
        request: Request, id: int, item: Item, p: Annotated[str, Provide(made)], limit: int = 10,
        token: Annotated[str, Header("x-token")] = "",
    ) -> list[Any]:  # fmt: skip
        return [request.method, id, item.name, p, limit, token]

    @app.post("/{id}")
    @cell.handler
    def handler(page: Annotated[list[Any], Provide(page)], id: int) -> Any:
        return [*page, id]

    response = client.post("/7?limit=2", json={"name": "n"}, headers={"x-token": "t"})
    assert response.json() == ["POST", 7, "n", "p", 2, "t", 7]


def test_everything_that_does_not_fit_is_told_at_once_and_nobody_behind_is_called(
    app: App, client: Client, cell: Cell, form: str
) -> None:
    log: list[str] = []
    before, behind = provider_of(form, log, "before"), provider_of(form, log, "behind")

    def limited(limit: int) -> int:
        log.append("limited")
        return limit

    async def asks(limit: Annotated[int, Provide(limited)], x: int) -> int:
        log.append("asks")
        return limit

    @app.post("/")
    @cell.handler
    def handler(
        a: Annotated[str, Provide(before)], b: Annotated[int, Provide(asks)], c: Annotated[str, Provide(behind)],
        item: Item, q: int = 0,
    ) -> None:  # fmt: skip
        log.append("handler")

    response = client.post("/?limit=x&q=y", json={})
    assert response.status_code == 422
    found = [(one["location"], one.get("name", one.get("pointer"))) for one in response.json()["errors"]]
    assert found == [("query", "limit"), ("query", "x"), ("body", "#/name"), ("query", "q")]
    ends = ["before sees HTTPError", "end before"] if "generator" in form else []
    assert log == ["make before", *ends]


def test_who_checks_credentials_refuses_before_the_body_is_read(app: App, cell: Cell) -> None:
    def user(token: Annotated[str | None, Header("x-token")]) -> str:
        if token is None:
            raise HTTPError(401, headers={"www-authenticate": "Bearer"})
        return token

    @app.post("/")
    @cell.handler
    def handler(item: Item, user: Annotated[str, Provide(user)]) -> Any:
        return [item.name, user]

    with Client(app, cell.gateway, backend=cell.backend) as client:
        broken = {"content-type": "application/json"}
        assert client.post("/", content=b"{", headers=broken).status_code == 401
        assert client.post("/", content=b"{", headers={**broken, "x-token": "t"}).status_code == 400


@pytest.mark.parametrize("form", FORMS)
def test_one_may_wait_until_the_body_has_come(app: App, client: Client, cell: Cell, form: str) -> None:
    log: list[str] = []
    transaction = provider_of(form, log)
    app.provide(Session, transaction, body=True)

    @app.post("/")
    @cell.handler
    def handler(made: Session, other: Annotated[str, Provide(lambda: "o", body=True)], item: Item) -> list[str]:
        return [str(made), other, item.name]

    def chunks() -> Iterator[bytes]:
        yield b'{"name": '
        log.append("sent")
        yield b'"n"}'

    sent = client.post("/", content=chunks(), headers={"content-type": "application/json"})
    assert sent.json() == ["p", "o", "n"]
    assert log[:2] == ["sent", "make p"]


def test_a_guard_stands_before_the_provider_that_asks_for_its_user(app: App, client: Client, cell: Cell) -> None:
    guard: Bearer[str] = Bearer(lambda token: "ann" if token == "token" else None)

    def greeting(name: Annotated[str, guard]) -> str:
        return f"hello {name}"

    @app.get("/")
    @cell.handler
    def handler(text: Annotated[str, Provide(greeting)]) -> Any:
        return [text]

    assert client.get("/").status_code == 401
    assert client.get("/", headers={"authorization": "Bearer token"}).json() == ["hello ann"]


class Pagination:
    def __init__(self, limit: int = 10, offset: Annotated[int, Query("skip")] = 0) -> None:
        self.limit = limit
        self.offset = offset


def test_a_class_is_a_provider_of_itself(app: App, client: Client, cell: Cell) -> None:
    @app.get("/")
    @cell.handler
    def handler(page: Annotated[Pagination, Provide()]) -> Any:
        return [page.limit, page.offset]

    assert client.get("/?skip=3").json() == [10, 3]


def test_a_type_is_provided_by_what_the_application_says(app: App, client: Client, cell: Cell, form: str) -> None:
    log: list[str] = []
    app.provide(Session, provider_of(form, log, value=Session(log)))
    api = Router(prefix="/api")

    @api.get("/")
    @cell.handler
    def handler(session: Session) -> Any:
        session.log.append("handler")
        return []

    app.include(api)
    assert client.get("/api/").json() == []
    assert log == ["make p", "handler", *(["end p"] if "generator" in form else [])]
    with pytest.raises(ConfigurationError, match="does that already"):
        app.provide(Session, Session)


# --- where they run ---


def test_the_sync_ones_and_a_def_share_one_thread_and_one_hop(app: App, cell: Cell) -> None:
    threads: list[int] = []
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    def connection() -> Iterator[sqlite3.Connection]:
        threads.append(threading.get_ident())
        token = variable.set("set")
        database = sqlite3.connect(":memory:")  # which only its own thread may use
        yield database
        database.execute("select 1")
        database.close()
        variable.reset(token)
        threads.append(threading.get_ident())

    def cursor(database: Annotated[sqlite3.Connection, Provide(connection)]) -> sqlite3.Cursor:
        threads.append(threading.get_ident())
        return database.execute("select 42")

    @app.get("/")
    def handler(cursor: Annotated[sqlite3.Cursor, Provide(cursor)]) -> Any:
        threads.append(threading.get_ident())
        return [*cursor.fetchone(), variable.get()]

    with Client(app, cell.gateway, backend=cell.backend) as client:
        assert client.get("/").json() == [42, "set"]
    assert len(set(threads)) == 1
    plan = app.routes[0]._plan
    assert plan is not None
    assert (count_crossings(plan, ASYNC), count_crossings(plan, SYNC)) == (1, 0)


@pytest.mark.parametrize(
    ("forms", "is_async", "crossings"),
    [
        (["def", "def"], True, (1, 1)), (["def"], False, (1, 0)), (["async"], True, (0, 1)), (["async", "def"], False, (1, 1)),
        (["generator"], True, (2, 1)), (["async-generator", "generator"], False, (1, 2)),
    ],
)  # fmt: skip
def test_crossings_are_those_of_the_plan(forms: list[str], is_async: bool, crossings: tuple[int, int]) -> None:
    app = App()
    providers = [provider_of(form, [], str(index)) for index, form in enumerate(forms)]

    def handler(a, b="") -> None: ...
    async def async_handler(a, b="") -> None: ...

    chosen = async_handler if is_async else handler
    chosen.__annotations__.update(a=Annotated[str, Provide(providers[0])], b=Annotated[str, Provide(providers[-1])])
    app.get("/")(chosen)
    for gateway in ("wsgi", "asgi"):
        with Client(app, gateway) as client:
            assert client.get("/").status_code == 204
    plan = app.routes[0]._plan
    assert plan is not None
    assert (count_crossings(plan, ASYNC), count_crossings(plan, SYNC)) == crossings


def test_one_that_never_blocks_runs_where_the_request_is(app: App, cell: Cell) -> None:
    threads: list[int] = []

    def quick() -> int:
        threads.append(threading.get_ident())
        return 1

    @app.get("/")
    async def handler(n: Annotated[int, Provide(quick, blocking=False)]) -> Any:
        threads.append(threading.get_ident())
        return [n]

    with Client(app, cell.gateway, backend=cell.backend) as client:
        assert client.get("/").json() == [1]
    assert cell.gateway == "wsgi" or len(set(threads)) == 1


def test_a_websocket_has_providers(form: str) -> None:
    log: list[str] = []
    made = provider_of(form, log)
    app = App()

    @app.websocket("/")
    async def chat(ws: WebSocket, p: Annotated[str, Provide(made)]) -> None:
        await ws.send(p)

    for gateway in ("wsgi", "asgi"):
        with Client(app, gateway) as client, client.websocket("/") as ws:
            assert ws.receive() == "p"
    ends = ["end p"] if "generator" in form else []
    assert log == ["make p", *ends] * 2


# --- of the whole application ---


def test_a_value_of_the_application_lives_from_start_to_stop(cell: Cell, form: str) -> None:
    log: list[str] = []
    settings, app = provider_of("def", log, "settings"), App()
    made = provider_of(form, log)

    def pool(settings: Annotated[str, Provide(settings, scope="app")]) -> Iterator[str]:
        log.append(f"pool of {settings}")
        yield "pool"
        log.append("end pool")

    @app.get("/")
    @cell.handler
    def handler(p: Annotated[str, Provide(made, scope="app")], pool: Annotated[str, Provide(pool, scope="app")]) -> Any:
        return [p, pool]

    with Client(app, cell.gateway, backend=cell.backend) as client:
        assert [client.get("/").json() for _ in range(2)] == [["p", "pool"]] * 2
        assert log == ["make p", "make settings", "pool of settings"]
    assert log[3:] == ["end pool", *(["end p"] if "generator" in form else [])]


def test_a_value_of_the_application_by_type(cell: Cell) -> None:
    app, log = App(), list[str]()
    app.provide(Session, lambda: Session(log), scope="app")

    @app.get("/")
    @cell.handler
    def handler(session: Session) -> Any:
        return [id(session)]

    with Client(app, cell.gateway, backend=cell.backend) as client:
        assert client.get("/").json() == client.get("/").json()


def test_a_value_of_the_application_is_not_there_before_it_starts() -> None:
    app = App()
    asked: Any = provider_of("def", [])

    @app.get("/")
    def handler(p: Annotated[str, Provide(asked, scope="app")]) -> None: ...

    with pytest.raises(RuntimeError, match="has not been started: the application's lifespan does that"):
        app.routes[0].bound.call(None)  # type: ignore[arg-type]


# --- in tests ---


def test_another_function_stands_for_a_provider_in_a_block(app: App, client: Client, cell: Cell, form: str) -> None:
    def real() -> str:
        return "real"

    def asks(p: Annotated[str, Provide(real)]) -> str:
        return f"asks {p}"

    @app.get("/")
    @cell.handler
    def handler(a: Annotated[str, Provide(asks)], b: Annotated[str, Provide(real)]) -> Any:
        return [a, b]

    def other(q: str) -> str:
        return f"other {q}"

    fake = provider_of(form, [], "fake")
    assert client.get("/").json() == ["asks real", "real"]
    with app.override({real: fake}):
        assert client.get("/").json() == ["asks fake", "fake"]
        with app.override({asks: other}):
            assert client.get("/?q=x").json() == ["other x", "fake"]
        assert client.get("/").json() == ["asks fake", "fake"]
    assert client.get("/").json() == ["asks real", "real"]


def test_one_of_the_application_is_replaced_too(app: App, client: Client, cell: Cell) -> None:
    def pool() -> str:
        raise AssertionError("the real one")

    @app.get("/")
    @cell.handler
    def handler(p: Annotated[str, Provide(pool, scope="app")]) -> Any:
        return [p]

    with app.override({pool: lambda: "fake"}):
        assert Client(app, cell.gateway, backend=cell.backend).get("/").json() == ["fake"]


def test_what_stands_for_a_value_of_the_application_is_given_to_others_too(cell: Cell) -> None:
    log: list[str] = []
    app, engine, settings = App(), provider_of("def", log, "engine"), provider_of("def", log, "settings")

    def pool(engine: Annotated[str, Provide(engine, scope="app")]) -> str:
        return f"pool of {engine}"

    def fake(settings: Annotated[str, Provide(settings, scope="app")]) -> Iterator[str]:
        yield f"fake by {settings}"
        log.append("end fake")

    @app.get("/")
    @cell.handler
    def handler(pool: Annotated[str, Provide(pool, scope="app")]) -> Any:
        return [pool]

    with app.override({engine: fake}):
        with Client(app, cell.gateway, backend=cell.backend) as client:
            assert client.get("/").json() == ["pool of fake by settings"]
        assert log == ["make settings", "end fake"]
    log.clear()
    with Client(app, cell.gateway, backend=cell.backend) as client:
        assert client.get("/").json() == ["pool of engine"]
    assert log == ["make engine"]


def test_a_replacement_that_cannot_be_called_is_a_mistake_and_is_taken_back(app: App) -> None:
    real = provider_of("def", [], "real")

    @app.get("/")
    def handler(p: Annotated[str, Provide(real)]) -> Any:
        return [p]

    with pytest.raises(ConfigurationError, match="nothing can be given for the parameter 'x'"):
        app.override({real: lambda x: x}).__enter__()
    with Client(app, "both") as client:
        assert client.get("/").json() == ["real"]


def test_to_replace_what_nobody_asks_for_is_a_mistake(app: App) -> None:
    with pytest.raises(ConfigurationError, match="no route asks for what"), app.override({print: print}):
        pass


# --- errors of developers ---


@pytest.mark.parametrize("options", [{"until": "sent"}, {"blocking": False}, {"body": True}])
def test_one_that_is_asked_for_with_two_sets_of_options_is_told_at_registration(options: Any) -> None:
    made = provider_of("generator", [])

    def handler(a: Annotated[str, Provide(made)], b: Annotated[str, Provide(made, **options)]) -> None: ...

    with pytest.raises(ConfigurationError, match="the parameter 'b' is provided by .* with other options"):
        App().post("/")(handler)


class Hen:
    """Made of an egg."""

    def __init__(self, egg: "Egg") -> None: ...


class Egg:
    """Made of a hen."""

    def __init__(self, hen: Hen) -> None: ...


def test_a_circle_of_values_of_the_application_is_told_at_registration() -> None:
    app = App()
    app.provide(Hen, Hen, scope="app")
    app.provide(Egg, Egg, scope="app")

    def handler(hen: Hen) -> None: ...

    with pytest.raises(ConfigurationError, match="it asks for what asks for it: .*Hen.* -> .*Egg.* -> .*Hen"):
        app.get("/")(handler)


def test_a_circle_is_told_at_registration() -> None:
    def first(x) -> None: ...
    def second(x: Annotated[Any, Provide(first)]) -> None: ...

    first.__annotations__["x"] = Annotated[Any, Provide(second)]

    def handler(x: Annotated[Any, Provide(first)]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"asks for what asks for it: .*first .* -> .*second .* -> .*first"):
        App().get("/")(handler)


def _unannotated(x) -> None: ...
def _streams(body: BodyStream) -> None: ...
def _other_body(item: Annotated[str, Body()]) -> None: ...
def _of_request(request: Request) -> None: ...


@pytest.mark.parametrize(
    ("provide", "problem"),
    [
        (Provide(_unannotated), "_unannotated .*nothing can be given for the parameter 'x'"),
        (Provide(_streams), "a provider cannot take a BodyStream"), (Provide(_other_body), "would both be the body"),
        (Provide(_of_request, scope="app"), "the parameter 'request' is of a request"),
        (Provide("text"), "which is no function"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_registration(provide: Provide, problem: str) -> None:
    def handler(item: Item, x) -> None: ...

    handler.__annotations__["x"] = Annotated[Any, provide]
    with pytest.raises(ConfigurationError, match=problem):
        App().post("/")(handler)


@pytest.mark.parametrize("position", [0, 1])
def test_one_of_each_form_is_not_called_where_its_parameter_does_not_fit(
    app: App, client: Client, cell: Cell, form: str, position: int
) -> None:
    called: list[str] = []
    made = provider_of(form, called)

    def plain(n: int) -> Any: ...
    async def asynchronous(n: int) -> Any: ...
    def generator(n: int) -> Iterator[Any]:
        yield n

    async def async_generator(n: int) -> AsyncIterator[Any]:
        yield n

    forms: tuple[Callable[..., Any], ...] = (plain, asynchronous, generator, async_generator)
    picky = dict(zip(FORMS, forms, strict=True))[form]
    both = [Provide(picky), Provide(made)]

    def handler(a, b) -> None:
        called.append("handler")

    handler.__annotations__.update(a=Annotated[Any, both[position]], b=Annotated[Any, both[1 - position]])
    app.get("/")(cell.handler(handler))
    response = client.get("/?n=x")
    assert [one["name"] for one in response.json()["errors"]] == ["n"]
    assert "handler" not in called
    assert ("make p" in called) == (position == 1)  # it stands before the one that is picky
