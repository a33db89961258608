"""Start-up and shutdown, on every gateway: both forms, mounted applications, failures, and who starts it when."""

import asyncio
import contextlib
import contextvars
import copy
import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, ConfigurationError, Request
from ambi.bridge import to_thread
from ambi.testing import Client
from tests.calls import call_asgi, call_wsgi
from tests.cells import CELLS, Cell
from tests.children import run_python
from tests.conftest import MakeClient
from tests.gateways.taps import in_threads


def lifespan(
    cell: Cell,
    events: list[str],
    *,
    name: str = "app",
    state: Any = None,
    before: Callable[[], Any] = lambda: None,
    after: Callable[[], Any] = lambda: None,
) -> Any:
    """Make a lifespan of the cell's colour: "app up" and "app down" are noted, `before` and `after` may raise."""

    def sync() -> Iterator[Any]:
        before()
        events.append(f"{name} up")
        try:
            yield state
        finally:
            events.append(f"{name} down")
            after()

    async def asynchronous() -> Any:
        await anyio.sleep(0)
        before()
        events.append(f"{name} up")
        try:
            yield state
        finally:
            await anyio.sleep(0)
            events.append(f"{name} down")
            after()

    return cell.pick(sync, asynchronous)


def client_of(app: Any, cell: Cell) -> Client:
    """Give a client that the test itself enters and leaves."""
    return Client(app, gateway=cell.gateway, backend=cell.backend)


def test_it_wraps_all_requests(cell: Cell) -> None:
    events: list[str] = []
    app = App(lifespan=lifespan(cell, events))
    app.get("/")(cell.handler(lambda: events.append("request") or "ok"))
    with client_of(app, cell) as client:
        assert [client.get("/").text, client.get("/").text] == ["ok", "ok"]
    assert events == ["app up", "request", "request", "app down"]


def test_it_starts_again_after_it_stopped(cell: Cell) -> None:
    events: list[str] = []
    app = App(lifespan=lifespan(cell, events))
    app.get("/")(cell.handler(lambda: "ok"))
    for _ in range(2):
        with client_of(app, cell) as client:
            assert client.get("/").text == "ok"
    assert events == ["app up", "app down"] * 2


@pytest.mark.parametrize("takes_app", [False, True])
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "contextmanager"])
def test_it_may_take_the_application_and_be_a_context_manager(cell: Cell, takes_app: bool, wrapped: bool) -> None:
    seen: list[Any] = []

    def sync(app: App) -> Iterator[dict[str, str]]:
        seen.append(app)
        yield {"name": "pool"}

    async def asynchronous(app: App) -> Any:
        seen.append(app)
        yield {"name": "pool"}

    def sync_alone() -> Iterator[dict[str, str]]:
        yield {"name": "pool"}

    async def asynchronous_alone() -> Any:
        yield {"name": "pool"}

    function: Any = cell.pick(sync, asynchronous) if takes_app else cell.pick(sync_alone, asynchronous_alone)
    if wrapped:
        function = (contextlib.asynccontextmanager if cell.is_async else contextlib.contextmanager)(function)
    app = App(lifespan=function)
    app.get("/")(cell.handler(lambda request: request.state.name))
    with client_of(app, cell) as client:
        assert client.get("/").text == "pool"
    assert seen == ([app] if takes_app else [])


def test_what_it_yields_is_the_state_of_each_request(make_client: MakeClient, cell: Cell) -> None:
    pool = ["shared"]
    app = App(lifespan=lifespan(cell, [], state={"pool": pool, "n": 1}))

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> dict[str, Any]:
        request.state.n += 1  # a request's own: the next one begins with what was yielded
        request.state.pool.append("x")
        return {"n": request.state.n, "pool": len(request.state.pool), "keys": sorted(request.state)}

    client = make_client(app)
    assert [client.get("/").json() for _ in range(2)] == [
        {"n": 2, "pool": 2, "keys": ["n", "pool"]}, {"n": 2, "pool": 3, "keys": ["n", "pool"]},
    ]  # fmt: skip


def test_without_a_mapping_the_state_is_empty(make_client: MakeClient, cell: Cell) -> None:
    app = App(lifespan=lifespan(cell, []))
    app.get("/")(cell.handler(lambda request: str(len(request.state))))
    assert make_client(app).get("/").text == "0"


def test_an_application_without_one_just_serves(make_client: MakeClient, cell: Cell) -> None:
    app = App()
    app.get("/")(cell.handler(lambda: "ok"))
    assert make_client(app).get("/").text == "ok"
    assert app.lifespans is None


# --- several, and the state of the application ---


@dataclasses.dataclass
class Shop:
    pool: list[str]
    name: str = "shop"


def test_the_fields_of_a_dataclass_are_the_state_of_each_request(make_client: MakeClient, cell: Cell) -> None:
    shop = Shop(["shared"])
    app = App(lifespan=lifespan(cell, [], state=shop))
    app.get("/")(cell.handler(lambda request: f"{request.state.name} {request.state.pool is shop.pool}"))
    assert make_client(app).get("/").text == "shop True"


def test_a_class_of_a_dataclass_is_no_value_of_it(cell: Cell) -> None:
    with (
        pytest.raises(ConfigurationError, match="it yielded <class '.*Shop'>"),
        client_of(App(lifespan=lifespan(cell, [], state=Shop)), cell),
    ):
        pass


def test_those_that_are_added_start_in_order_and_stop_in_reverse(cell: Cell) -> None:
    events: list[str] = []
    other = Cell(cell.gateway, cell.backend, "def" if cell.is_async else "async")
    app = App(lifespan=lifespan(cell, events, name="own", state={"a": 1}))
    app.lifespan(lifespan(other, events, name="added", state={"b": 2}))
    app.lifespan(lifespan(cell, events, name="last"))
    app.get("/")(cell.handler(lambda request: dict(request.state)))
    with client_of(app, cell) as client:
        assert client.get("/").json() == {"a": 1, "b": 2}
    assert events == ["own up", "added up", "last up", "last down", "added down", "own down"]


def test_one_that_is_added_comes_back_unchanged(cell: Cell) -> None:
    function = lifespan(cell, [])
    assert App().lifespan(function) is function


def test_one_sees_what_those_before_it_yielded(cell: Cell) -> None:
    app = App(lifespan=lifespan(cell, [], state={"n": 1}))

    def sync(app: App) -> Iterator[dict[str, int]]:
        yield {"next": app.state.n + 1}

    async def asynchronous(app: App) -> Any:
        yield {"next": app.state.n + 1}

    app.lifespan(cell.pick(sync, asynchronous))
    app.get("/")(cell.handler(lambda request: dict(request.state)))
    with client_of(app, cell) as client:
        assert client.get("/").json() == {"n": 1, "next": 2}


def test_two_do_not_yield_the_same_name(cell: Cell) -> None:
    events: list[str] = []
    app = App(lifespan=lifespan(cell, events, name="own", state={"pool": 1}))
    app.lifespan(lifespan(cell, events, name="added", state={"pool": 2}))
    with (
        pytest.raises(ConfigurationError, match="it yielded 'pool', which the state of the application has already"),
        client_of(app, cell),
    ):
        pass
    assert events == ["own up", "added up", "added down", "own down"]
    assert dict(app.state) == {}


def test_what_one_failed_start_left_does_not_hinder_the_next(cell: Cell) -> None:
    failures = [RuntimeError("not yet")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    app = App(lifespan=lifespan(cell, [], state={"pool": 1}))
    app.lifespan(lifespan(cell, [], name="added", before=fail_once))
    app.get("/")(cell.handler(lambda request: dict(request.state)))
    with pytest.raises(RuntimeError, match="not yet"), client_of(app, cell):
        pass
    with client_of(app, cell) as client:
        assert client.get("/").json() == {"pool": 1}


def test_none_is_added_once_the_application_has_started(cell: Cell) -> None:
    app, outer = App(lifespan=lifespan(cell, [])), App()
    outer.mount("/app", app)
    app.get("/")(cell.handler(lambda: "ok"))
    with client_of(outer, cell) as client:
        client.get("/app/")
        for one in (app, outer):
            with pytest.raises(ConfigurationError, match=r"lifespan\.<locals>.* but the application has been started"):
                one.lifespan(lifespan(cell, []))
    outer.lifespan(lifespan(cell, []))


def test_the_state_of_the_application_is_what_each_request_begins_with(cell: Cell) -> None:
    app = App(lifespan=lifespan(cell, [], state={"pool": 1}))
    app.state.registry = ["set up"]

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> dict[str, Any]:
        request.state.user = "alice"
        return {**request.state, "is shared": request.state.registry is app.state.registry}

    with client_of(app, cell) as client:
        assert client.get("/").json() == {"registry": ["set up"], "pool": 1, "user": "alice", "is shared": True}
        assert dict(app.state) == {"registry": ["set up"], "pool": 1}
    assert dict(app.state) == {"registry": ["set up"]}


def test_a_copy_of_the_application_has_the_lifespans_and_a_state_of_its_own(cell: Cell) -> None:
    app = App(lifespan=lifespan(cell, [], state={"pool": 1}))
    app.lifespan(lifespan(cell, [], name="added", state={"name": "added"}))
    app.state.registry = 2
    app.get("/")(cell.handler(lambda request: dict(request.state)))
    with client_of(app, cell) as client:
        client.get("/")
        other = copy.copy(app)
        assert dict(other.state) == {"registry": 2}
        with client_of(other, cell) as client_of_other:
            assert client_of_other.get("/").json() == {"registry": 2, "pool": 1, "name": "added"}
        assert dict(app.state) == {"registry": 2, "pool": 1, "name": "added"}


def test_a_forked_child_begins_anew() -> None:
    """With the state that its parent had started with still there. WSGI servers fork; so there is no cell."""
    lines = run_python("""
import os
from ambi import App
from ambi.testing import Client

def pool():
    yield {"pid": os.getpid()}

app = App(lifespan=pool)

@app.get("/")
def handler(request):
    return str(request.state.pid == os.getpid())

with Client(app) as client:
    client.get("/")
    assert app.state.pid == os.getpid()
    child = os.fork()
    if not child:
        with Client(app) as client:
            assert client.get("/").text == "True"
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print("both")
""")
    assert lines.split() == ["both"]


# --- mounted applications ---


def test_those_of_mounted_applications_run_inside(cell: Cell) -> None:
    events: list[str] = []
    other = Cell(cell.gateway, cell.backend, "def" if cell.is_async else "async")
    outer = App(lifespan=lifespan(cell, events, name="outer", state={"name": "outer"}))
    inner = App(lifespan=lifespan(other, events, name="inner", state={"name": "inner"}))
    deeper = App(lifespan=lifespan(cell, events, name="deeper", state={"name": "deeper"}))
    for app in (outer, inner, deeper):
        app.get("/")(cell.handler(lambda request: request.state.name))
    inner.mount("/deeper", deeper)
    outer.mount("/inner", inner)
    with client_of(outer, cell) as client:
        assert [client.get(path).text for path in ("/", "/inner/", "/inner/deeper/")] == ["outer", "inner", "deeper"]
    assert events == ["outer up", "inner up", "deeper up", "deeper down", "inner down", "outer down"]


def test_that_of_a_mounted_application_alone_runs_too(cell: Cell) -> None:
    events: list[str] = []
    outer, middle = App(), App()
    outer.mount("/m", middle)
    middle.mount("/i", App(lifespan=lifespan(cell, events)))
    with client_of(outer, cell) as client:
        client.get("/")
    assert events == ["app up", "app down"]


def test_an_application_mounted_twice_starts_once(cell: Cell) -> None:
    events: list[str] = []
    outer, shared = App(), App(lifespan=lifespan(cell, events, state={"name": "shared"}))
    shared.get("/")(cell.handler(lambda request: request.state.name))
    outer.mount("/a", shared)
    outer.mount("/b", shared)
    with client_of(outer, cell) as client:
        assert [client.get(path).text for path in ("/a/", "/b/")] == ["shared", "shared"]
    assert events == ["app up", "app down"]


# --- failures ---


class NoDatabase(Exception):
    """Why a start-up failed."""


def fail() -> None:
    raise NoDatabase("the database is down")


def test_a_start_up_that_fails_is_told_to_the_server(cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    events: list[str] = []
    app = App(lifespan=lifespan(cell, events, before=fail))
    # ASGI: the server is told by a message, and refuses to serve; WSGI: what was raised stops the worker.
    with pytest.raises(NoDatabase, match="the database is down"), client_of(app, cell):
        pass
    assert events == []
    if cell.gateway == "asgi":
        assert "the startup of the application failed" in caplog.text


def test_a_start_up_that_fails_is_undone_as_far_as_it_went(cell: Cell) -> None:
    events: list[str] = []
    outer = App(lifespan=lifespan(cell, events, name="outer"))
    outer.mount("/a", App(lifespan=lifespan(cell, events, name="a")))
    outer.mount("/b", App(lifespan=lifespan(cell, events, name="b", before=fail)))
    with pytest.raises(NoDatabase, match="the database is down"), client_of(outer, cell):
        pass
    assert events == ["outer up", "a up", "a down", "outer down"]


def test_a_shutdown_that_fails_is_told_to_the_server(cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    events: list[str] = []
    app = App(lifespan=lifespan(cell, events, after=fail))
    with pytest.raises(NoDatabase, match="the database is down"), client_of(app, cell):
        pass
    assert events == ["app up", "app down"]
    if cell.gateway == "asgi":
        assert "the shutdown of the application failed" in caplog.text


def test_a_shutdown_that_fails_keeps_no_other_from_its_own(cell: Cell) -> None:
    events: list[str] = []
    outer = App(lifespan=lifespan(cell, events, name="outer"))
    outer.mount("/a", App(lifespan=lifespan(cell, events, name="a", after=fail)))
    with pytest.raises(NoDatabase, match="the database is down"), client_of(outer, cell):
        pass
    assert events == ["outer up", "a up", "a down", "outer down"]


@pytest.mark.parametrize("value", [3, ["a"], "pool"], ids=repr)
def test_it_yields_a_mapping_a_dataclass_or_nothing(cell: Cell, value: Any) -> None:
    events: list[str] = []
    app = App(lifespan=lifespan(cell, events, state=value))
    with (
        pytest.raises(ConfigurationError, match="a mapping, a dataclass or nothing was expected"),
        client_of(app, cell),
    ):
        pass
    assert events == ["app up", "app down"]


def test_one_that_never_yields_is_an_error(cell: Cell) -> None:
    def sync() -> Iterator[None]:
        if False:
            yield

    async def asynchronous() -> Any:
        if False:
            yield

    app = App(lifespan=cell.pick(sync, asynchronous))
    with pytest.raises(RuntimeError, match="didn't yield"), client_of(app, cell):
        pass


# --- a server that sends no lifespan events ---


def test_the_first_request_starts_it(make_client: MakeClient, cell: Cell) -> None:
    events: list[str] = []
    app = App(lifespan=lifespan(cell, events, state={"name": "pool"}))
    app.get("/")(cell.handler(lambda request: events.append("request") or request.state.name))
    client = make_client(app, lifespan=False)
    assert events == []
    assert [client.get("/").text, client.get("/").text] == ["pool", "pool"]
    assert events == ["app up", "request", "request"]
    stop(app, cell)


def stop(app: App, cell: Cell) -> None:
    """End what a first request started: the process's end under WSGI, that of the loop under ASGI."""
    if cell.gateway == "wsgi":
        assert app.lifespans is not None
        app.lifespans.stop_in_process()


def test_it_stops_when_the_loop_of_the_server_ends(make_client: MakeClient, cell: Cell) -> None:
    events: list[str] = []
    app = App(lifespan=lifespan(cell, events))
    app.get("/")(cell.handler(lambda: "ok"))
    if cell.gateway == "wsgi":
        assert make_client(app, lifespan=False).get("/").text == "ok"
        stop(app, cell)
        assert events == ["app up", "app down"]
        return
    with client_of(NoLifespan(app), cell) as client:
        assert client.get("/").text == "ok"
    assert events == ["app up", "app down"]


def test_what_stands_behind_the_yield_runs_then_too_without_a_finally(make_client: MakeClient, cell: Cell) -> None:
    events: list[str] = []

    @cell.handler
    def life() -> Iterator[None]:
        events.append("up")
        yield
        events.append("down")

    app = App(lifespan=life)
    app.get("/")(cell.handler(lambda: "ok"))
    if cell.gateway == "wsgi":
        assert make_client(app, lifespan=False).get("/").text == "ok"
        stop(app, cell)
    else:
        with client_of(NoLifespan(app), cell) as client:
            assert client.get("/").text == "ok"
    assert events == ["up", "down"]


ASGI_CELLS = [cell for cell in CELLS if cell.gateway == "asgi"]


@pytest.mark.parametrize("asgi", ASGI_CELLS, ids=str)
def test_a_host_may_hold_it(asgi: Cell) -> None:
    """One that lives between an ASGI server and the application; a WSGI host has no place for that."""
    events: list[str] = []
    inner = App(lifespan=lifespan(asgi, events, name="inner"))
    app = App(lifespan=lifespan(asgi, events, state={"pool": "the pool"}))
    app.mount("/inner", inner)
    app.get("/")(asgi.handler(lambda request: request.state.pool))

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(LookupError):
                async with app.running():
                    assert events[-2:] == ["app up", "inner up"]
                    assert (await call_asgi(app, "/"))[2] == b"the pool"
                    raise LookupError("the host's own")

    anyio.run(main, backend=asgi.backend)
    assert events == ["app up", "inner up", "inner down", "app down"] * 2


@pytest.mark.parametrize("asgi", ASGI_CELLS, ids=str)
def test_a_start_up_that_fails_is_raised_to_the_host(asgi: Cell) -> None:
    events: list[str] = []
    app = App(lifespan=lifespan(asgi, events))
    app.mount("/inner", App(lifespan=lifespan(asgi, events, before=fail)))

    async def main() -> None:
        async with app.running():
            pytest.fail("it runs all the same")

    with pytest.raises(NoDatabase):
        anyio.run(main, backend=asgi.backend)
    assert events == ["app up", "app down"]


def test_without_a_lifespan_there_is_nothing_to_hold() -> None:
    async def main() -> bytes:
        app = App()
        app.get("/")(lambda: "ok")
        async with app.running():
            return (await call_asgi(app, "/"))[2]

    assert anyio.run(main) == b"ok"


class NoLifespan:
    """A server that sends no lifespan events, as daphne or a framework that mounts the application."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await self._app(scope, receive, send)


def test_a_start_up_that_fails_is_a_500_and_tried_again(
    make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[str] = []
    attempts = iter([fail, fail, lambda: None])
    app = App(lifespan=lifespan(cell, events, before=lambda: next(attempts)()))
    app.get("/")(cell.handler(lambda: "ok"))
    client = make_client(app, lifespan=False)
    assert [client.get("/").status_code for _ in range(4)] == [500, 500, 200, 200]
    assert events == ["app up"]
    assert caplog.text.count("NoDatabase: the database is down") == 2
    stop(app, cell)


@pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if cell.is_async and cell.backend != "trio"], indirect=True, ids=str
)
def test_a_start_up_that_awaits_what_was_cancelled_has_failed(
    make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody has cancelled the start-up itself. Trio has no cancellation that is anybody else's."""
    starts: list[str] = []

    async def life() -> Any:
        starts.append("begins")
        connecting = asyncio.ensure_future(asyncio.sleep(9))
        if len(starts) == 1:
            connecting.cancel()
            await connecting
        assert len(starts) == 2
        connecting.cancel()
        yield

    app = App(lifespan=life)
    app.get("/")(cell.handler(lambda: "ok"))
    client = make_client(app, lifespan=False)
    assert [client.get("/").status_code for _ in range(2)] == [500, 200]
    assert "the start-up has awaited something that was cancelled" in caplog.text
    stop(app, cell)


def test_what_was_half_started_is_never_kept(make_client: MakeClient, cell: Cell) -> None:
    events: list[str] = []
    attempts = iter([fail, lambda: None])
    outer = App(lifespan=lifespan(cell, events, name="outer"))
    outer.mount("/in", App(lifespan=lifespan(cell, events, name="inner", before=lambda: next(attempts)())))
    outer.get("/")(cell.handler(lambda: "ok"))
    client = make_client(outer, lifespan=False)
    assert [client.get("/").status_code for _ in range(2)] == [500, 200]
    assert events == ["outer up", "outer down", "outer up", "inner up"]
    stop(outer, cell)


@pytest.mark.parametrize("sends", [False, True], ids=["no events", "events"])
def test_a_start_up_may_ask_its_own_application(cell: Cell, sends: bool) -> None:
    """To fill its caches, say. What it yields is there between start-up and shutdown."""
    answers: list[bytes] = []

    def ask() -> None:
        if cell.gateway == "wsgi":
            answers.append(call_wsgi(app, "/")[2])
        elif cell.backend == "trio":
            answers.append(anyio.run(call_asgi, app, backend="trio")[2])
        else:
            answers.append(
                asyncio.run(call_asgi(app))[2]
            )  # the loop that waits is AnyIO's, which takes it for this one

    def sync() -> Iterator[Any]:
        ask()
        yield {"name": "pool"}
        ask()

    async def asynchronous() -> Any:
        for _ in range(2):
            if cell.gateway == "wsgi":
                asking = threading.Thread(target=contextvars.copy_context().run, args=(ask,), daemon=True)
                asking.start()
                while asking.is_alive():
                    await anyio.sleep(0.001)
            else:
                answers.append((await call_asgi(app))[2])
            if len(answers) == 1:
                yield {"name": "pool"}

    app = App(lifespan=cell.pick(sync, asynchronous))
    app.get("/")(cell.handler(lambda request: str(dict(request.state))))

    def run() -> None:
        if cell.gateway == "wsgi" and not sends:
            ask()
            stop(app, cell)
            return
        with client_of(app if sends else NoLifespan(app), cell) as client:
            answers.append(client.get("/").content)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    assert answers == [b"{}", b"{'name': 'pool'}", b"{}"]


def test_many_first_requests_start_it_exactly_once(make_client: MakeClient, cell: Cell) -> None:
    events: list[str] = []

    def slow() -> None:
        if not cell.is_async:
            time.sleep(0.02)

    app = App(lifespan=lifespan(cell, events, before=slow))
    app.get("/")(cell.handler(lambda: events[0]))
    client = make_client(app, lifespan=False)
    assert [response.text for response in in_threads(8, lambda _: client.get("/"))] == ["app up"] * 8
    assert events == ["app up"]
    stop(app, cell)


@pytest.mark.parametrize("asgi", ASGI_CELLS, ids=str)
def test_a_start_up_that_is_cancelled_is_undone_to_its_end(asgi: Cell) -> None:
    """As a server may that waits for so long at most. WSGI cancels nothing."""
    events: list[str] = []

    async def never() -> Any:
        await anyio.sleep_forever()
        yield

    app = App(lifespan=lifespan(asgi, events))
    app.mount("/inner", App(lifespan=never))

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        pytest.fail(f"it says {message}")

    async def main() -> None:
        with anyio.move_on_after(0.02):
            await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    anyio.run(main, backend=asgi.backend)
    assert events == ["app up", "app down"]


class TooLate(BaseException):
    pass


def test_a_start_up_on_the_loop_thread_that_is_interrupted_is_undone() -> None:
    """A time limit around the application, as gevent's, or Ctrl+C. WSGI alone: the request waits in its own thread."""
    events: list[str] = []
    main = threading.main_thread().ident
    assert main is not None

    async def life() -> Any:
        events.append("begins")
        try:
            await asyncio.sleep(0.02)
            if len(events) == 1:
                signal.pthread_kill(main, signal.SIGUSR1)
                await asyncio.sleep(0.1)
            events.append("up")
            yield
        finally:
            events.append("down")

    def interrupt(*args: object) -> None:
        raise TooLate

    app = App(lifespan=life)
    app.get("/")(lambda: "ok")
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(TooLate):
            call_wsgi(app, "/")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert call_wsgi(app, "/")[2] == b"ok"
    assert app.lifespans is not None
    app.lifespans.stop_in_process()
    assert sorted(events) == ["begins", "begins", "down", "down", "up"]


@pytest.mark.parametrize("asgi", ASGI_CELLS, ids=str)
def test_several_loops_start_it_once_and_go_on_when_the_first_has_ended(asgi: Cell) -> None:
    """Two servers in one process, or a host that has a loop for each thread. WSGI has one loop for all."""
    events: list[str] = []
    first_starts, second_waits, first_ended = (threading.Event() for _ in range(3))

    def slowly() -> None:
        first_starts.set()
        if not asgi.is_async:
            second_waits.wait(5)
            time.sleep(0.05)

    app = App(lifespan=lifespan(asgi, events, state={"name": "pool"}, before=slowly))
    app.get("/")(asgi.handler(lambda request: request.state.name))

    async def first() -> list[bytes]:
        return [(await call_asgi(app, "/"))[2]]

    async def second() -> list[bytes]:
        with anyio.fail_after(5):
            second_waits.set()
            before = (await call_asgi(app, "/"))[2]
            while not first_ended.is_set():
                await anyio.sleep(0.001)
            return [before, (await call_asgi(app, "/"))[2]]

    def run_first() -> list[bytes]:
        try:
            return anyio.run(first, backend=asgi.backend)
        finally:
            first_ended.set()

    def run(number: int) -> list[bytes]:
        if number == 0:
            return run_first()
        first_starts.wait(5)
        return anyio.run(second, backend=asgi.backend)

    assert in_threads(2, run) == [[b"pool"], [b"pool", b"pool"]]
    assert events == ["app up", "app down"] * 2


@pytest.mark.parametrize("asgi", ASGI_CELLS, ids=str)
def test_a_loop_that_asks_while_another_stops_it_starts_it_anew(asgi: Cell) -> None:
    events: list[str] = []
    stops, asked = threading.Event(), threading.Event()

    def slowly() -> None:
        stops.set()
        if not asgi.is_async:
            asked.wait(5)
            time.sleep(0.05)

    app = App(lifespan=lifespan(asgi, events, state={"name": "pool"}, after=slowly))
    app.get("/")(asgi.handler(lambda request: events.append("request") or request.state.name))

    async def ask() -> bytes:
        asked.set()
        with anyio.fail_after(5):
            return (await call_asgi(app, "/"))[2]

    def run(number: int) -> bytes:
        if number == 1:
            stops.wait(5)
        return anyio.run(ask, backend=asgi.backend)

    assert in_threads(2, run) == [b"pool", b"pool"]
    assert events == ["app up", "request", "app down"] * 2


@pytest.mark.parametrize("asgi", ASGI_CELLS, ids=str)
def test_a_start_up_that_fails_fails_for_all_loops_that_wait_for_it(
    asgi: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    starts, asked = threading.Event(), threading.Event()

    def failing() -> Iterator[None]:
        starts.set()
        asked.wait(5)
        time.sleep(0.05)
        fail()
        yield

    app = App(lifespan=failing)
    app.get("/")(asgi.handler(lambda: "ok"))

    async def ask() -> int:
        with anyio.fail_after(5):
            return (await call_asgi(app, "/"))[0]

    def run(number: int) -> int:
        if number == 1:
            starts.wait(5)
            asked.set()
        return anyio.run(ask, backend=asgi.backend)

    assert in_threads(2, run) == [500, 500]
    assert caplog.text.count("NoDatabase: the database is down") == 2


@pytest.mark.parametrize("asgi", [cell for cell in ASGI_CELLS if cell.backend == "asyncio"], ids=str)
def test_a_loop_that_is_closed_while_it_starts_leaves_it_to_the_next(asgi: Cell) -> None:
    """With the task in it, as a program may that has a loop of its own; trio ends all tasks first."""
    starts: list[str] = []
    second_waits, first_ended = threading.Event(), threading.Event()

    def sync() -> Iterator[dict[str, str]]:
        starts.append("up")
        if starts == ["up"]:
            first_ended.wait(5)
        yield {"name": "pool"}

    async def asynchronous() -> Any:
        starts.append("up")
        if starts == ["up"]:
            await anyio.sleep_forever()
        yield {"name": "pool"}

    app = App(lifespan=asgi.pick(sync, asynchronous))
    app.get("/")(asgi.handler(lambda request: request.state.name))

    async def ask() -> bytes:
        with anyio.fail_after(5):
            return (await call_asgi(app, "/"))[2]

    loop = asyncio.new_event_loop()

    def run(number: int) -> bytes:
        if number == 0:
            with pytest.raises(TimeoutError):
                loop.run_until_complete(asyncio.wait_for(ask(), 0.05))
            while not starts:
                loop.run_until_complete(asyncio.sleep(0.001))
            second_waits.wait(5)
            loop.close()
            first_ended.set()
            return b"closed"
        while not starts:
            time.sleep(0.001)
        threading.Timer(0.05, second_waits.set).start()
        return asyncio.run(ask())

    assert in_threads(2, run) == [b"closed", b"pool"]
    assert starts == ["up", "up"]
    forget_tasks_of(loop)


def forget_tasks_of(loop: asyncio.AbstractEventLoop) -> None:
    """Let the tasks go that were left in a closed loop."""
    for task in [task for task in to_thread._tasks if task.get_loop() is loop]:
        task._log_destroy_pending = False
        task.get_coro().close()
        to_thread._tasks.discard(task)


# --- where it lives ---


def test_what_an_async_one_starts_lives_on_while_requests_come(make_client: MakeClient, cell: Cell) -> None:
    """Under WSGI too: it is what the loop thread is for. A `def` one has no loop to start anything on."""
    ticks: list[int] = []

    async def ticking() -> Any:
        async def tick() -> None:
            while True:
                ticks.append(1)
                await anyio.sleep(0.001)

        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            yield {"ticks": ticks}
            group.cancel_scope.cancel()

    app = App(lifespan=ticking)
    app.get("/")(cell.handler(lambda request: str(len(request.state.ticks))))
    client = make_client(app)
    first = int(client.get("/").text)
    time.sleep(0.02)
    assert int(client.get("/").text) > first


def test_what_an_async_one_makes_is_used_on_its_own_loop(make_client: MakeClient, cell: Cell) -> None:
    loops: list[Any] = []

    def current() -> Any:
        import trio

        return trio.lowlevel.current_trio_token() if trio.lowlevel.in_trio_run() else asyncio.get_running_loop()

    async def connecting() -> Any:
        loops.append(current())
        yield

    app = App(lifespan=connecting)

    @app.get("/")
    async def handler() -> str:
        loops.append(current())
        return "ok"

    make_client(app).get("/")
    assert loops[0] is loops[1]


def test_a_def_one_may_block(make_client: MakeClient, cell: Cell) -> None:
    threads: list[str] = []

    def blocking() -> Iterator[None]:
        time.sleep(0.001)
        threads.append(threading.current_thread().name)
        yield
        time.sleep(0.001)

    app = App(lifespan=blocking)
    app.get("/")(cell.handler(lambda: "ok"))
    assert make_client(app).get("/").text == "ok"
    if cell.gateway == "wsgi":
        assert threads == ["MainThread"]


def test_one_context_holds_a_start_up_and_its_shutdown(cell: Cell) -> None:
    where: contextvars.ContextVar[str] = contextvars.ContextVar("where", default="nowhere")
    tokens: list[Any] = []
    app = App(
        lifespan=lifespan(
            cell, [], before=lambda: tokens.append(where.set("start-up")), after=lambda: where.reset(tokens[0])
        )
    )
    app.get("/")(cell.handler(lambda: where.get()))
    with client_of(app, cell) as client:
        # Servers differ in the task that they call the application from: `request.state` is the way on both gateways.
        assert client.get("/").text in ("nowhere", "start-up")
        assert where.get() == "nowhere"
    assert where.get() == "nowhere"
