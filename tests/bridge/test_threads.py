"""The sync pieces of a request run in one thread; how many threads there are is bounded."""

import contextlib
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from ambi import App, CallNext, Layer, Limits, Middleware, Request, Response, Stream
from ambi.bridge import workers
from ambi.bridge.background import settled_on_loop
from ambi.bridge.loop_thread import get_loop_thread, stop_loop_thread
from ambi.bridge.stopping import forget_stopping, tell_stopping
from ambi.bridge.to_loop import LoopSide
from ambi.bridge.to_thread import run_io
from ambi.testing import Client
from tests.calls import call_asgi, call_wsgi, environ_of, scope_of
from tests.cells import Cell
from tests.conftest import MakeClient
from tests.gateways.taps import in_threads


def test_all_sync_pieces_of_a_request_run_in_one_thread(app: App, client: Client, cell: Cell) -> None:
    threads: list[int] = []

    def here() -> None:
        threads.append(threading.get_ident())

    def blocking(request: Request) -> Middleware:
        here()
        try:
            yield
        finally:
            here()

    async def asynchronous(request: Request, call_next: CallNext) -> Response:
        await anyio.sleep(0)
        response = await call_next(request)
        await anyio.sleep(0)
        return response

    def items() -> Any:
        here()
        yield "a"
        here()
        yield "b"
        here()

    wait = Layer(blocking, blocking=True)

    @app.error(KeyError)
    def handle(request: Request, error: KeyError) -> Stream:
        here()
        request.after(here)
        return Stream(items())

    @app.get("/", middleware=[wait, asynchronous, wait, wait, asynchronous])
    def handler() -> None:
        here()
        raise KeyError

    assert client.get("/").text == "ab"
    assert len(threads) == 6 + 2 + 3 + 1
    late = threads.pop()  # what runs after the response does not hold the server's thread under WSGI
    assert (late == threads[0]) == (cell.gateway == "asgi")
    assert len(set(threads)) == 1
    assert (threads[0] == threading.get_ident()) == (cell.gateway == "wsgi")


def test_thread_locals_of_a_layer_are_the_handlers(app: App, client: Client, cell: Cell) -> None:
    """A `def` handler alone: an async one shares its thread with every other request."""
    local = threading.local()

    @app.middleware(blocking=True)
    def connect(request: Request) -> Middleware:
        local.connection = request.query["name"]
        yield
        del local.connection

    app.get("/")(lambda: local.connection)
    assert [client.get(f"/?name={name}").text for name in "ab"] == ["a", "b"]


def test_sqlite_is_content(app: App, client: Client, cell: Cell) -> None:
    """It refuses to be used in another thread than the one that connected."""

    @app.middleware(blocking=True)
    def connect(request: Request) -> Middleware:
        connection = request.state.connection = sqlite3.connect(":memory:")
        try:
            yield
        finally:
            connection.close()

    @app.get("/")
    def handler(request: Request) -> str:
        (value,) = request.state.connection.execute("select 6 * 7").fetchone()
        return str(value)

    assert client.get("/").text == "42"


def test_async_pieces_run_on_one_loop_thread(app: App, client: Client, cell: Cell) -> None:
    threads: set[str] = set()

    async def handler() -> str:
        threads.add(threading.current_thread().name)
        await anyio.sleep(0)
        threads.add(threading.current_thread().name)
        return "ok"

    app.get("/")(handler)
    for _ in range(3):
        client.get("/")
    assert len(threads) == 1
    assert (threads == {"ambi-loop"}) == (cell.gateway == "wsgi")


# --- WSGI: the loop thread ---


def test_one_loop_thread_serves_many_threads(wsgi_cell: Cell) -> None:
    app = App()
    loops: set[Any] = set()

    async def handler() -> str:
        import asyncio

        loops.add(asyncio.get_running_loop())
        await anyio.sleep(0.001)
        return threading.current_thread().name

    app.get("/")(handler)
    answers = in_threads(8, lambda _: [call_wsgi(app)[2] for _ in range(20)])
    assert answers == [[b"ambi-loop"] * 20] * 8
    assert loops == {get_loop_thread().loop}


@pytest.fixture
def hasty() -> Iterator[None]:
    """Let threads change as often as they can: what is filled when it is first asked for is then asked for twice."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def _with_all_that_is_made_late() -> App:
    """Make routes of both colours and of a mounted application, typed ones, middlewares, sessions, a lifespan."""
    app, inner = App(), App()
    started: list[int] = []

    @app.lifespan
    def lifespan() -> Iterator[None]:
        started.append(1)
        yield

    def told(request: Request, count: int) -> str:
        seen = request.session.get("seen", 0)
        request.session["seen"] = seen + 1
        link = request.url_for("page", number=count)
        return f"{count} {request.query['q']} {len(request.cookies)} {seen} {len(started)} {link}"

    @app.get("/def/{number:int}", name="page")
    def page(request: Request, number: int) -> str:
        return told(request, number)

    @app.get("/async/{number:int}")
    async def page_async(request: Request, number: int) -> str:
        await anyio.sleep(0)
        return told(request, number)

    inner.get("/{number:int}")(lambda request, number: told(request, number))
    app.mount("/inner", inner)
    app.request_ids()
    app.sessions("a secret of the tests, which is long enough", secure=False)
    return app


@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
def test_the_first_requests_may_come_at_once(hasty: None, gateway: str) -> None:
    """Nothing of a fresh application is made yet. Without a GIL this finds more; with one, threads change all the time.

    No cell: each of eight threads is a server, with a loop of its own.
    """
    paths = [f"/{kind}/{number}" for number in range(3) for kind in ("def", "async", "inner")]

    def ask(app: App, path: str) -> tuple[int, bytes]:
        if gateway == "wsgi":
            environ = environ_of(path, QUERY_STRING="q=x", HTTP_COOKIE="a=1; b=2", HTTP_ACCEPT="text/plain")
            status, _, body = call_wsgi(app, environ)
        else:
            headers = [(b"cookie", b"a=1; b=2"), (b"accept", b"text/plain")]
            status, _, body = anyio.run(call_asgi, app, scope_of(path, query_string=b"q=x", headers=headers))
        return status, body

    expected = [(200, f"{path[-1]} x 2 0 1 /def/{path[-1]}".encode()) for path in paths]
    for _ in range(10):
        app = _with_all_that_is_made_late()
        assert app.lifespans
        with contextlib.ExitStack() as stack:
            if gateway == "asgi":
                server = stack.enter_context(start_blocking_portal())
                stack.enter_context(server.wrap_async_context_manager(app.lifespans.running()))
            stack.callback(app.lifespans.stop_in_process)
            assert in_threads(8, lambda _, app=app: [ask(app, path) for path in paths]) == [expected] * 8


def test_async_handlers_of_many_threads_wait_at_once(wsgi_cell: Cell) -> None:
    app = App()
    waiting_now: list[int] = []

    @app.get("/")
    async def waiting() -> str:
        waiting_now.append(1)
        while len(waiting_now) < 4:
            await anyio.sleep(0.001)
        return "met"

    assert in_threads(4, lambda _: call_wsgi(app)[2]) == [b"met"] * 4


def test_a_loop_thread_that_stopped_is_started_anew(wsgi_cell: Cell) -> None:
    app = App()
    app.get("/")(wsgi_cell.handler(lambda: "ok"))
    for _ in range(2):
        assert call_wsgi(app)[2] == b"ok"
        stop_loop_thread()
        stop_loop_thread()
        assert "ambi-loop" not in {thread.name for thread in threading.enumerate()}


def test_a_request_that_a_stop_meets_is_a_500(wsgi_cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    begun = threading.Event()
    ended: list[str] = []

    @app.get("/")
    async def handler() -> str:
        begun.set()
        try:
            await anyio.sleep(60)
        finally:
            ended.append("closed")
        return "ok"

    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(call_wsgi(app)))
    thread.start()
    begun.wait(10)
    stop_loop_thread()
    thread.join(10)
    assert (answers[0][0], ended) == (500, ["closed"])


@pytest.mark.parametrize("server_stops", [False, True])
def test_a_stream_that_a_stop_of_the_loop_meets_ends(wsgi_cell: Cell, server_stops: bool) -> None:
    app = App()
    closed = []

    @app.get("/")
    async def items() -> Any:
        try:
            yield "a"
            await anyio.sleep(60)
        finally:
            closed.append(1)

    app_of_any: Any = app
    forget_stopping()
    chunks = app_of_any(environ_of(), lambda status, headers, exc_info=None: None)
    iterator = iter(chunks)
    assert next(iterator) == b"a"
    if server_stops:
        tell_stopping()
    stop_loop_thread()
    with pytest.raises(ConnectionResetError if server_stops else RuntimeError):
        next(iterator)
    forget_stopping()
    chunks.close()
    assert closed == [1]


def test_a_request_that_comes_while_the_loop_thread_stops_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed to a loop in its last turn is never run by it: the server's thread must not wait for that.

    Under WSGI alone there is a loop thread; and this test makes its loop block.
    """
    app = App()
    app.get("/")(slow_enough)
    loop, visit = get_loop_thread().loop, LoopSide.visit
    waiting, go_on = threading.Event(), threading.Event()
    answers: list[int] = []

    def late(*args: Any) -> Any:
        waiting.set()
        go_on.wait(5)
        return visit(*args)

    def last_turn() -> None:
        go_on.set()
        time.sleep(0.05)  # the request is handed over in this time
        stop()

    monkeypatch.setattr(LoopSide, "visit", late)
    stop = loop.stop
    loop.stop = last_turn  # type: ignore[method-assign]
    request = threading.Thread(target=lambda: answers.append(call_wsgi(app)[0]), daemon=True)
    request.start()
    assert waiting.wait(5)
    stop_loop_thread()
    request.join(5)
    assert not request.is_alive()
    assert answers[0] in (200, 500)


@pytest.mark.parametrize("piece", ["handler", "stream", "unsent stream", "lifespan"])
def test_an_async_handler_that_calls_a_wsgi_application_in_place_is_told_so(
    piece: str, caplog: pytest.LogCaptureFixture
) -> None:
    """WSGI alone: the loop would wait for itself, and with it all requests of the process, for ever."""
    app, inner = App(), App()
    answers: list[int] = []
    closed = threading.Event()

    class Body:
        def __aiter__(self) -> AsyncIterator[str]:
            return self

        async def __anext__(self) -> str:
            return "item"

        async def aclose(self) -> None:
            closed.set()

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield

    if piece == "lifespan":
        inner.lifespan(lifespan)
    inner.get("/")(slow_enough if piece == "handler" else lambda: Stream(Body()) if "stream" in piece else "ok")

    @app.get("/")
    async def handler() -> str:
        answers.append(call_wsgi(inner, environ_of(REQUEST_METHOD="HEAD" if "unsent" in piece else "GET"))[0])
        return "there"

    assert call_wsgi(app)[2] == b"there"
    assert answers == [200 if "unsent" in piece else 500]
    assert ("from a thread, as by `await asyncio.to_thread(...)`" in caplog.text) is (answers == [500])
    assert "stream" not in piece or closed.wait(2)


async def slow_enough() -> str:
    await anyio.sleep(0)
    return "ok"


def test_an_inline_request_starts_no_loop_thread(wsgi_cell: Cell) -> None:
    app = App()
    app.get("/")(lambda: "ok")
    stop_loop_thread()
    assert call_wsgi(app)[2] == b"ok"
    assert "ambi-loop" not in {thread.name for thread in threading.enumerate()}


# --- ASGI: the workers ---


async def serve_at_once(app: App, count: int) -> list[bytes]:
    """Send that many requests at once on one loop."""
    answers: list[bytes] = []

    async def one() -> None:
        answers.append((await call_asgi(app))[2])

    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(one)
    await settled_on_loop()
    return answers


@pytest.mark.parametrize("piece", ["handler", "layer", "stream", "after", "error handler"])
def test_a_limit_bounds_the_threads(asgi_cell: Cell, piece: str) -> None:
    """Whatever piece it is that blocks; two threads, five requests."""
    limits = Limits(stream_threads=2) if piece == "stream" else Limits(threads=2)
    app = App(limits=limits)
    lock = threading.Lock()
    running = most = 0
    ran: list[int] = []

    def busy() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)  # long enough for the second to begin on a busy machine
        with lock:
            running -= 1
        ran.append(1)
        return "ok"

    def layer(request: Request) -> Middleware:
        busy()
        yield

    def items() -> Any:
        yield busy()

    @app.error(KeyError)
    def handle(request: Request, error: KeyError) -> str:
        return busy()

    async def handler(request: Request) -> Any:
        if piece == "after":
            request.after(busy)
        if piece == "error handler":
            raise KeyError
        return Stream(items()) if piece == "stream" else "ok"

    layers = [Layer(layer, blocking=True)] if piece == "layer" else []
    app.get("/", middleware=layers)(busy if piece == "handler" else handler)
    answers = anyio.run(serve_at_once, app, 5, backend=asgi_cell.backend)
    assert answers == [b"ok"] * 5
    assert (most, len(ran)) == (2, 5)


def test_a_limit_bounds_the_threads_of_file_work(asgi_cell: Cell) -> None:
    """Two threads, five files; those of handlers are not theirs."""
    app = App(limits=Limits(io_threads=2, threads=1))
    meeting, lock, running = threading.Barrier(2), threading.Lock(), []

    def write(number: int) -> None:
        with lock:
            running.append(number)
            assert len(running) <= 2
        if number < 4:
            meeting.wait(10)  # two at once, or it breaks
        with lock:
            running.remove(number)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(run_io, app, write, number)

    anyio.run(main, backend=asgi_cell.backend)
    assert running == []


def test_requests_of_two_applications_have_limits_of_their_own(asgi_cell: Cell) -> None:
    first, second = App(limits=Limits(threads=1)), App(limits=Limits(threads=1))
    meeting = threading.Barrier(2)
    for app in (first, second):
        app.get("/")(lambda: str(meeting.wait(10) in (0, 1)))

    async def main() -> list[bytes]:
        answers: list[bytes] = []

        async def one(app: App) -> None:
            answers.append((await call_asgi(app))[2])

        async with anyio.create_task_group() as group:
            group.start_soon(one, first)
            group.start_soon(one, second)
        return answers

    assert anyio.run(main, backend=asgi_cell.backend) == [b"True"] * 2


def test_a_request_holds_one_thread_at_most(asgi_cell: Cell) -> None:
    """So no request waits for a thread that it holds itself: one thread is enough for any number of layers."""
    app = App(limits=Limits(threads=1))

    def blocking(request: Request) -> Middleware:
        time.sleep(0)
        yield
        time.sleep(0)

    async def asynchronous(request: Request, call_next: CallNext) -> Response:
        return await call_next(request)

    layers = [Layer(blocking, blocking=True), Layer(asynchronous)] * 3
    app.get("/", middleware=layers)(lambda: "ok")
    assert anyio.run(serve_at_once, app, 5, backend=asgi_cell.backend) == [b"ok"] * 5


def test_a_streaming_request_leaves_its_thread_to_others(asgi_cell: Cell) -> None:
    """A stream may last for hours: it counts among the streams, and the next `def` handler has the thread."""
    app = App(limits=Limits(threads=1, stream_threads=1))
    go_on = threading.Event()

    @app.get("/stream")
    def stream() -> Any:
        yield "a"
        go_on.wait(10)
        yield "b"

    app.get("/")(lambda: "ok")

    async def main() -> list[bytes]:
        answers: list[bytes] = []

        async def ask(path: str) -> None:
            answers.append((await call_asgi(app, path))[2])

        async with anyio.create_task_group() as group:
            group.start_soon(ask, "/stream")
            await anyio.sleep(0.01)
            with anyio.fail_after(5):
                await ask("/")
            go_on.set()
        return answers

    assert anyio.run(main, backend=asgi_cell.backend) == [b"ok", b"ab"]


def test_workers_are_used_again(asgi_cell: Cell) -> None:
    app = App()
    threads: set[int] = set()
    app.get("/")(lambda: str(threads.add(threading.get_ident())))

    async def main() -> None:
        for _ in range(5):
            await call_asgi(app)

    anyio.run(main, backend=asgi_cell.backend)
    assert len(threads) == 1


def test_a_worker_ends_when_nobody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is served here, so there is no cell."""
    monkeypatch.setattr(workers, "_IDLE_S", 0.01)
    taken = [workers.Worker() for _ in range(3)]
    ran = threading.Event()
    taken[0].submit(ran.set)
    assert ran.wait(5)
    for worker in taken:
        workers.give_back(worker)
    deadline = time.monotonic() + 5
    while any(worker in workers._idle for worker in taken):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_worker_that_is_taken_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is served here, so there is no cell."""
    monkeypatch.setattr(workers, "_IDLE_S", 0.005)
    worker = workers.Worker()
    time.sleep(0.05)
    ran = threading.Event()
    worker.submit(ran.set)
    assert ran.wait(5)
    workers.give_back(worker)
    deadline = time.monotonic() + 5
    while worker in workers._idle:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_slots_and_workers_come_back_after_trouble(make_client: MakeClient, cell: Cell) -> None:
    app = App(limits=Limits(threads=1, stream_threads=1))

    def trouble(request: Request) -> Any:
        if "crash" in request.query:
            raise KeyError
        return Stream(broken())

    def broken() -> Any:
        yield "a"
        raise ValueError("mid-stream")

    app.get("/")(trouble)
    app.get("/fine")(lambda: "ok")
    client = make_client(app)
    for _ in range(3):
        assert client.get("/?crash").status_code == 500
        with pytest.raises(ValueError, match="mid-stream"):
            client.get("/")
        assert client.get("/fine").text == "ok"
