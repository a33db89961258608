"""Cancelled at any await, a request leaves every layer, closes everything, and never abandons a sync piece.

ASGI cancels: the server's shutdown and disconnect, `task.cancel()`, cancel scopes. Under WSGI only time limits within
the application do; those are in the second half, in every cell.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, BodyStream, CallNext, Layer, Limits, Middleware, Request, Response, Stream, UploadFile
from ambi.bridge.background import settled_on_loop
from ambi.bridge.loop_thread import stop_loop_thread
from ambi.bridge.to_thread import limiter_of
from ambi.core.errors import ConnectionLost
from ambi.testing import Client
from tests.bridge.conftest import Hops
from tests.calls import call_asgi, call_wsgi, nothing_comes, scope_of, sending_body
from tests.cells import CELLS, Cell

# --- at every await in turn ---


class CancelledAt:
    """An awaitable that runs a coroutine and asks for its cancellation at one of its suspensions.

    Args:
        coroutine: what is run.
        turn: at which suspension, from 0.
        cancel: asks for it.

    Attributes:
        suspensions: how many there were.
    """

    def __init__(self, coroutine: Any, turn: int, cancel: Callable[[], object]) -> None:
        self._coroutine = coroutine
        self._turn = turn
        self._cancel = cancel
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine.__await__()
        resume, argument = steps.send, None
        while True:
            try:
                wanted = resume(argument)
            except StopIteration as stop:
                return stop.value
            if self.suspensions == self._turn:
                self._cancel()
            self.suspensions += 1
            try:
                argument = yield wanted
                resume = steps.send
            except BaseException as exc:
                resume, argument = steps.throw, exc


async def cancelled_natively(call: Callable[[], Any], turn: int) -> bool:
    """Cancel as asyncio does: once. Tell whether the call was cancelled."""
    runner: CancelledAt | None = None

    async def run() -> None:
        nonlocal runner
        task = asyncio.current_task()
        assert task is not None
        runner = CancelledAt(call(), turn, task.cancel)
        await runner

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    assert runner is not None
    if not task.cancelled():
        task.result()
    return runner.suspensions > turn


async def cancelled_by_scope(call: Callable[[], Any], turn: int) -> bool:
    """Cancel as anyio and trio do: from then on, every await is cancelled."""
    scope = anyio.CancelScope()
    runner = CancelledAt(call(), turn, scope.cancel)
    with scope:
        await runner
    return runner.suspensions > turn


Way = Callable[[Callable[[], Any], int], Any]


ASGI = [cell for cell in CELLS if cell.gateway == "asgi"]
WAYS: list[tuple[Cell, Way]] = [
    *((cell, cancelled_natively) for cell in ASGI if cell.backend == "asyncio"),  # trio cancels by scopes alone
    *((cell, cancelled_by_scope) for cell in ASGI),
]


@pytest.fixture(params=WAYS, ids=lambda pair: f"{pair[0]}-{pair[1].__name__}")
def cancelled(request: pytest.FixtureRequest, no_blocking: None) -> tuple[Cell, Way]:
    """Give the cells of ASGI with the ways to cancel there."""
    pair: tuple[Cell, Way] = request.param
    return pair


class Ledger:
    """What was opened and is not closed yet."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.entered = self.running = 0

    def enter(self, name: str) -> None:
        """Note that something was opened."""
        self.entered += 1
        self.open.append(name)

    def leave(self, name: str) -> None:
        """Note that it was closed: the one opened last."""
        assert self.open.pop() == name, "layers are left in reverse"

    def generator(self, name: str) -> Any:
        """Make a generator layer."""

        def layer(request: Request) -> Middleware:
            self.enter(name)
            try:
                yield
            finally:
                self.leave(name)

        return layer

    def asynchronous(self, name: str) -> Any:
        """Make an async layer that awaits on both ways."""

        async def layer(request: Request, call_next: CallNext) -> Response:
            self.enter(name)
            try:
                await anyio.sleep(0)
                response = await call_next(request)
                await anyio.sleep(0)
                return response
            finally:
                self.leave(name)

        return layer

    def piece(self) -> None:
        """Be a piece that blocks for a while."""
        self.running += 1
        time.sleep(0.0005)
        self.running -= 1


def every_form(ledger: Ledger) -> list[Layer]:
    """Make layers of all forms, those of one side next to those of the other."""
    return [
        Layer(ledger.generator("g1")), Layer(ledger.asynchronous("a1")), Layer(ledger.generator("b1"), blocking=True),
        Layer(ledger.generator("g2")), Layer(ledger.asynchronous("a2")), Layer(ledger.generator("b2"), blocking=True),
    ]  # fmt: skip


def plain(app: App, cell: Cell, ledger: Ledger) -> None:
    def handler() -> str:
        ledger.piece()
        return "ok"

    async def handler_async() -> str:
        await anyio.sleep(0)
        await anyio.sleep(0.0005)
        return "ok"

    app.get("/", middleware=every_form(ledger))(cell.pick(handler, handler_async))


def with_body(app: App, cell: Cell, ledger: Ledger) -> None:
    app.get("/", middleware=every_form(ledger))(cell.handler(lambda request: request.body))


def streaming_in(app: App, cell: Cell, ledger: Ledger) -> None:
    def read(stream: BodyStream) -> bytes:
        return b"".join(stream)

    async def read_async(stream: BodyStream) -> bytes:
        return b"".join([chunk async for chunk in stream])

    app.get("/", middleware=every_form(ledger))(cell.pick(read, read_async))


def streaming_out(app: App, cell: Cell, ledger: Ledger) -> None:
    def items() -> Iterator[str]:
        ledger.enter("stream")
        try:
            for _ in range(3):
                ledger.piece()
                yield "x"
        finally:
            ledger.leave("stream")

    async def items_async() -> AsyncIterator[str]:
        ledger.enter("stream")
        try:
            for _ in range(3):
                await anyio.sleep(0)
                yield "x"
        finally:
            ledger.leave("stream")

    app.get("/", middleware=every_form(ledger))(
        cell.handler(lambda: Stream(items_async() if cell.is_async else items()))
    )


def failing(app: App, cell: Cell, ledger: Ledger) -> None:
    def handler() -> None:
        raise KeyError

    def handle(request: Request, error: KeyError) -> str:
        ledger.piece()
        return "handled"

    async def handle_async(request: Request, error: KeyError) -> str:
        await anyio.sleep(0)
        return "handled"

    app.error(KeyError)(cell.pick(handle_async, handle))  # of the other colour than the handler
    app.get("/", middleware=every_form(ledger))(cell.handler(handler))


def crashing(app: App, cell: Cell, ledger: Ledger) -> None:
    def handler() -> None:
        raise ValueError

    app.get("/", middleware=every_form(ledger))(cell.handler(handler))


def with_end(app: App, cell: Cell, ledger: Ledger) -> None:
    async def after() -> None:
        await anyio.sleep(0)

    @app.get("/", middleware=every_form(ledger))
    @cell.handler
    def handler(request: Request) -> str:
        request.after(ledger.piece)
        request.after(after)
        request.after(ledger.piece)
        return "ok"


SCENES = [plain, with_body, streaming_in, streaming_out, failing, crashing, with_end]


@pytest.mark.parametrize("scene", SCENES)
def test_a_request_that_is_cancelled_at_any_await_leaves_nothing_open(
    cancelled: tuple[Cell, Way], scene: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cell, way = cancelled
    app, ledger = App(limits=Limits(threads=2, stream_threads=2)), Ledger()
    scene(app, cell, ledger)
    body = b"abc" if scene in (with_body, streaming_in) else b""

    async def receive() -> Any:
        await anyio.sleep(0)
        return {"type": "http.request", "body": b"abc"} if body else await nothing_comes()

    async def send(message: Any) -> None:
        await anyio.sleep(0)

    async def main() -> int:
        turn = 0
        while await way(lambda: app(scope_of(body=body, method="GET"), receive, send), turn):
            await settled_on_loop()
            assert ledger.open == [], turn
            assert ledger.running == 0, "a sync piece was abandoned"
            for kind in ("threads", "io_threads", "stream_threads"):
                assert limiter_of(app, kind).borrowed_tokens == 0, (turn, kind)
            turn += 1
        return turn

    turns = anyio.run(main, backend=cell.backend)
    assert turns > 4
    assert ledger.open == []
    assert ledger.entered >= 6
    assert [r for r in caplog.records if r.levelname == "ERROR" and "ValueError" not in str(r.exc_info)] == []


def test_files_of_a_form_are_closed_when_the_request_is_cancelled(cancelled: tuple[Cell, Way]) -> None:
    cell, way = cancelled
    app = App(limits=Limits(spool_bytes=10))
    files: list[UploadFile] = []
    finished: list[int] = []

    async def after() -> None:
        await anyio.sleep(0)
        finished.append(1)

    @app.get("/", middleware=[Layer(Ledger().asynchronous("a"))])
    @cell.handler
    def handler(request: Request) -> str:
        files.append(request.form.file("f"))
        request.after(after)
        request.after(finished.append, 2)
        return "ok"

    body = b'--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"x" * 400_000 + b"\r\n--b--\r\n"
    headers = [
        (b"content-type", b"multipart/form-data; boundary=b"), (b"content-length", str(len(body)).encode()),
    ]  # fmt: skip

    async def send(message: Any) -> None:
        await anyio.sleep(0)

    async def main() -> int:
        turn = 0
        while await way(lambda: app(scope_of(method="GET", headers=headers), sending_body(body), send), turn):
            await settled_on_loop()
            assert [file for file in files if not file.file.closed] == [], turn
            turn += 1
        return turn

    turns = anyio.run(main, backend=cell.backend)
    assert turns > 3
    assert files
    assert finished[-1] == 2


# --- closed ---


class ClosedAt:
    """An awaitable that runs a coroutine and closes it at one of its suspensions, as a loop does that is thrown away."""

    def __init__(self, coroutine: Any, turn: int) -> None:
        self._coroutine = coroutine
        self._turn = turn
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        argument: Any = None
        while True:
            try:
                wanted = self._coroutine.send(argument)
            except StopIteration:
                return
            if self.suspensions == self._turn:
                self._coroutine.close()
                self.suspensions += 1
                return
            self.suspensions += 1
            argument = yield wanted


def test_a_request_that_is_closed_at_any_await_leaves_nothing_open(caplog: pytest.LogCaptureFixture) -> None:
    """Async pieces on asyncio, without a stream: a coroutine that is closed may not await, so nobody can close one that
    a thread runs, or that holds a task group.
    """
    app, ledger = App(), Ledger()

    @app.get("/", middleware=[
        ledger.generator("g1"), ledger.asynchronous("a1"), ledger.generator("g2"), ledger.asynchronous("a2"),
    ])  # fmt: skip
    async def handler() -> str:
        await asyncio.sleep(0)
        return "ok"

    async def send(message: Any) -> None:
        await asyncio.sleep(0)

    async def main() -> int:
        for turn in range(100):
            closed = ClosedAt(app(scope_of(), nothing_comes, send), turn)
            await closed
            assert ledger.open == [], turn
            if closed.suspensions <= turn:
                return turn
        return 0

    assert asyncio.run(main()) > 5
    assert caplog.records == []


# --- sync pieces and slots ---


def test_a_sync_piece_that_runs_is_never_abandoned(cancelled: tuple[Cell, Way]) -> None:
    cell, way = cancelled
    app = App()
    events: list[str] = []

    @app.middleware(blocking=True)
    def layer(request: Request) -> Middleware:
        try:
            yield
        finally:
            events.append("left")

    @app.get("/")
    def handler() -> str:
        events.append("begun")
        time.sleep(0.02)
        events.append("ended")
        return "dropped"

    async def main() -> None:
        await way(lambda: call_asgi(app), 0)
        assert events == ["begun", "ended", "left"]

    anyio.run(main, backend=cell.backend)


def test_a_response_that_is_dropped_is_closed(cancelled: tuple[Cell, Way]) -> None:
    """The piece ran to its end and made a stream, which nobody will send."""
    cell, way = cancelled
    app = App()
    closed = []

    class Source:
        def __iter__(self) -> Iterator[str]:
            return iter("x")

        def close(self) -> None:
            closed.append(threading.current_thread().name)

    @app.get("/")
    def handler() -> Stream:
        time.sleep(0.005)
        return Stream(Source())

    async def main() -> None:
        await way(lambda: call_asgi(app), 0)

    anyio.run(main, backend=cell.backend)
    assert closed == ["ambi-worker"]


def test_waiting_for_a_slot_is_cancellable_and_loses_none(asgi_cell: Cell) -> None:
    app = App(limits=Limits(threads=2))
    go_on = threading.Event()
    app.get("/wait")(lambda: str(go_on.wait(10)))
    app.get("/")(lambda: "ok")

    async def main() -> None:
        limiter = limiter_of(app, "threads")
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(call_asgi, app, "/wait")
            await anyio.sleep(0.01)
            assert limiter.borrowed_tokens == 2
            for _ in range(3):
                with anyio.move_on_after(0.005) as scope:
                    await call_asgi(app)
                assert scope.cancelled_caught
            assert limiter.statistics().tasks_waiting == 0
            go_on.set()
        assert limiter.borrowed_tokens == 0
        for _ in range(3):
            assert (await call_asgi(app))[2] == b"ok"

    anyio.run(main, backend=asgi_cell.backend)


def test_a_slot_handed_to_a_cancelled_request_is_handed_on(cancelled: tuple[Cell, Way]) -> None:
    """Cancelled in the very moment in which its turn came."""
    cell, way = cancelled
    app = App(limits=Limits(threads=1))
    app.get("/")(lambda: "ok")

    async def main() -> None:
        for turn in range(4):
            async with anyio.create_task_group() as group:
                group.start_soon(call_asgi, app)
                group.start_soon(way, lambda: call_asgi(app), turn)
                group.start_soon(call_asgi, app)
            assert limiter_of(app, "threads").borrowed_tokens == 0
            assert (await call_asgi(app))[2] == b"ok"

    anyio.run(main, backend=cell.backend)


# --- time limits within the application, in every cell ---

asyncio_cells = pytest.mark.parametrize("cell", [c for c in CELLS if c.backend == "asyncio"], indirect=True, ids=str)


def limit_s(request: Request) -> float:
    """Give a limit that one handler breaks and the other keeps, on a machine that is busy as well."""
    return 5 if "fast" in request.query else 0.01


async def by_asyncio_timeout(request: Request, call_next: CallNext) -> Response:
    try:
        async with asyncio.timeout(limit_s(request)):
            return await call_next(request)
    except TimeoutError:
        return Response("too slow", 504)


async def by_wait_for(request: Request, call_next: CallNext) -> Response:
    try:
        return await asyncio.wait_for(call_next(request), limit_s(request))
    except TimeoutError:
        return Response("too slow", 504)


async def by_fail_after(request: Request, call_next: CallNext) -> Response:
    try:
        with anyio.fail_after(limit_s(request)):
            return await call_next(request)
    except TimeoutError:
        return Response("too slow", 504)


async def by_move_on_after(request: Request, call_next: CallNext) -> Response:
    with anyio.move_on_after(limit_s(request)):
        return await call_next(request)
    return Response("too slow", 504)


def slow_handler(cell: Cell, events: list[str]) -> Any:
    """Give a handler that takes longer than the layers above allow, and notes what becomes of it."""

    def handler(request: Request) -> str:
        if "fast" in request.query:
            return "in time"
        try:
            time.sleep(0.05)
            return "late"
        finally:
            events.append("ended")

    async def handler_async(request: Request) -> str:
        if "fast" in request.query:
            return "in time"
        try:
            await anyio.sleep(30)
            return "late"
        finally:
            events.append("ended")

    return cell.pick(handler, handler_async)


in_time = pytest.mark.parametrize(
    ("cell", "layer"),
    [
        *((cell, layer) for cell in CELLS for layer in (by_fail_after, by_move_on_after)),
        *((cell, layer) for cell in CELLS if cell.backend == "asyncio" for layer in (by_asyncio_timeout, by_wait_for)),
    ],
    indirect=["cell"],
    ids=lambda value: getattr(value, "__name__", str(value)),
)


@in_time
def test_a_layer_limits_the_time_of_what_lies_inside(app: App, client: Client, cell: Cell, layer: Any) -> None:
    events: list[str] = []
    ledger = Ledger()
    layers = [Layer(ledger.generator("g")), Layer(layer), Layer(ledger.generator("b"), blocking=True)]
    app.get("/", middleware=layers)(slow_handler(cell, events))
    slow = client.get("/")
    assert (slow.status_code, slow.text, events) == (504, "too slow", ["ended"])
    assert client.get("/?fast").text == "in time"
    assert ledger.open == []


@in_time
def test_a_time_limit_holds_though_what_it_meets_then_fails(
    app: App, client: Client, cell: Cell, layer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A piece runs to its end before it is told. Where that is a failure the cancellation goes on all the same.

    The failure is logged: nobody else learns of it.
    """

    def failing(request: Request) -> Middleware:
        time.sleep(0.03)
        raise ValueError
        yield

    app.get("/", middleware=[Layer(layer), Layer(failing, blocking=True)])(cell.handler(lambda: "not reached"))
    response = client.get("/")
    assert (response.status_code, response.text) == (504, "too slow")
    crashes = [record.exc_info[0] for record in caplog.records if record.levelname == "ERROR" and record.exc_info]
    assert crashes == [ValueError]


def test_a_handler_limits_its_own_time(app: App, client: Client, cell: Cell) -> None:
    """Async alone: a `def` has no awaits to be interrupted at."""

    @app.get("/anyio")
    async def by_anyio() -> tuple[str, int]:
        with anyio.move_on_after(0.01):
            await anyio.sleep(30)
        return "too slow", 504

    @app.get("/asyncio")
    async def by_asyncio() -> tuple[str, int]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(30)
        return "too slow", 504

    for path in ("/anyio",) if cell.backend == "trio" else ("/anyio", "/asyncio"):
        assert client.get(path).status_code == 504


def test_a_read_of_the_body_is_interrupted_by_a_time_limit(asgi_cell: Cell) -> None:
    """ASGI, where the loop reads: a `def` handler that waits for the next chunk waits for no longer than is asked."""
    app = App(limits=Limits(body_timeout_s=1))

    def read(stream: BodyStream) -> bytes:
        return b"".join(stream)

    async def read_async(stream: BodyStream) -> bytes:
        return b"".join([chunk async for chunk in stream])

    app.post("/", middleware=[by_fail_after])(asgi_cell.pick(read, read_async))

    async def main() -> tuple[int, dict[str, str], bytes]:
        with anyio.fail_after(5):
            return await call_asgi(app, scope_of(body=b"abc"), nothing_comes)

    assert anyio.run(main, backend=asgi_cell.backend)[0] == 504


# --- tasks within a request ---


@asyncio_cells
@pytest.mark.parametrize("how", ["TaskGroup", "gather", "create_task"])
def test_call_next_may_run_in_a_task_of_its_own(app: App, client: Client, cell: Cell, hops: Hops, how: str) -> None:
    """While the layer goes on with other things."""
    ticks: list[int] = []

    @app.middleware
    async def beside(request: Request, call_next: CallNext) -> Response:
        async def tick() -> None:
            for _ in range(20):
                await asyncio.sleep(0.001)
                ticks.append(1)

        async def inner() -> Response:
            return await call_next(request)

        if how == "TaskGroup":
            async with asyncio.TaskGroup() as group:
                task = group.create_task(inner())
                await tick()
            return task.result()
        if how == "gather":
            response, _ = await asyncio.gather(inner(), tick())
            return response
        task = asyncio.create_task(inner())
        await tick()
        return await task

    def handler() -> str:
        time.sleep(0.01)
        return "ok"

    async def handler_async() -> str:
        await asyncio.sleep(0.01)
        return "ok"

    app.get("/", middleware=[Layer(Ledger().generator("b"), blocking=True)])(cell.pick(handler, handler_async))
    response = client.get("/")
    assert (response.status_code, response.text, len(ticks)) == (200, "ok", 20)


def test_call_next_may_run_in_a_task_group_of_anyio(app: App, client: Client, cell: Cell) -> None:
    ticks: list[int] = []

    @app.middleware
    async def beside(request: Request, call_next: CallNext) -> Response:
        responses: list[Response] = []

        async def inner() -> None:
            responses.append(await call_next(request))

        async with anyio.create_task_group() as group:
            group.start_soon(inner)
            for _ in range(20):
                await anyio.sleep(0.001)
                ticks.append(1)
        return responses[0]

    def handler() -> str:
        time.sleep(0.01)
        return "ok"

    async def handler_async() -> str:
        await anyio.sleep(0.01)
        return "ok"

    app.get("/", middleware=[Layer(Ledger().generator("b"), blocking=True)])(cell.pick(handler, handler_async))
    response = client.get("/")
    assert (response.status_code, response.text, len(ticks)) == (200, "ok", 20)


def test_a_failure_beside_cancels_what_lies_inside(app: App, client: Client, cell: Cell) -> None:
    events: list[str] = []
    ledger = Ledger()

    @app.middleware
    async def beside(request: Request, call_next: CallNext) -> Response:
        with contextlib.suppress(ExceptionGroup):
            async with anyio.create_task_group() as group:
                inside: Any = call_next
                group.start_soon(inside, request)
                await anyio.sleep(0.01)
                raise KeyError
        return Response("cancelled", 503)

    layers = [Layer(ledger.generator("g")), Layer(ledger.generator("b"), blocking=True)]
    app.get("/", middleware=layers)(slow_handler(cell, events))
    assert client.get("/").status_code == 503
    assert (events, ledger.open) == (["ended"], [])


def test_a_handler_has_task_groups(app: App, client: Client, cell: Cell) -> None:
    """Async alone, of course."""

    @app.get("/")
    async def handler() -> list[int]:
        found: list[int] = []

        async def add(number: int) -> None:
            await anyio.sleep(0.001)
            found.append(number)

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(add, number)
        if cell.backend == "asyncio":
            async with asyncio.TaskGroup() as asyncio_group:
                asyncio_group.create_task(add(3))
        else:
            await add(3)
        return sorted(found)

    assert client.get("/").json() == [0, 1, 2, 3]


def test_an_async_piece_that_cancels_itself_is_a_500_under_wsgi(
    wsgi_cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """WSGI alone: no server thread knows what to do with a cancellation."""
    app = App()

    @app.get("/")
    async def handler() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)
        return "not reached"

    assert call_wsgi(app)[0] == 500
    assert "cancelled" in caplog.text


async def _items() -> AsyncIterator[bytes]:
    yield b"too "
    yield b"slow"


@pytest.mark.parametrize("answer", [lambda: Response("too slow"), lambda: Stream(_items())], ids=["whole", "stream"])
@pytest.mark.parametrize("cell", [c for c in CELLS if c.gateway == "wsgi"], indirect=True, ids=str)
def test_what_a_layer_shields_and_does_not_wait_for_leaves_its_layers_all_the_same(
    app: App, client: Client, cell: Cell, answer: Callable[[], Response]
) -> None:
    """The server's thread has gone by then: a transaction is told so, and rolled back. Under ASGI a worker is there."""
    events: list[str] = []
    tasks: list[asyncio.Future[Response]] = []

    @app.middleware
    async def impatient(request: Request, call_next: CallNext) -> Response:
        tasks.append(asyncio.ensure_future(call_next(request)))
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(tasks[0]), 0.02)
        return answer()

    def transaction(request: Request) -> Middleware:
        events.append("opened")
        try:
            yield
            events.append("committed")
        except ConnectionLost:
            events.append("rolled back")
            raise
        finally:
            events.append("closed")

    app.middleware(blocking=True)(transaction)
    app.middleware(blocking=True)(transaction)

    def handler() -> str:
        time.sleep(0.1)
        return "late"

    async def handler_async() -> str:
        await anyio.sleep(0.1)
        return "late"

    app.get("/")(cell.pick(handler, handler_async))
    assert client.get("/").text == "too slow"
    deadline = time.monotonic() + 5
    while not (tasks and tasks[0].done()) and time.monotonic() < deadline:
        time.sleep(0.01)
    how = "rolled back" if cell.is_async else "committed"  # by the thread that runs the handler
    assert events == ["opened"] * 2 + [how, "closed"] * 2


@pytest.mark.parametrize("cell", [c for c in CELLS if c.backend == "asyncio" and c.is_async], indirect=True, ids=str)
def test_a_task_that_a_handler_starts_outlives_its_request_and_not_the_loop(
    cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """As everywhere in asyncio: the loop is the worker's, under WSGI too. That one has failed is told of.

    A def handler has no loop to start one on.
    """
    app, tasks, ended = App(), set[Any](), list[str]()

    async def stay() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled" if asyncio.current_task() in tasks else "lost")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("of a task that nobody waits for")

    @app.get("/")
    async def handler() -> str:
        if tasks:
            asyncio.create_task(fail())  # noqa: RUF006  # nobody holds it
            await asyncio.sleep(0.01)
            return f"{sum(not task.done() for task in tasks)} goes on"
        tasks.add(asyncio.create_task(stay()))
        await asyncio.sleep(0)
        return "started"

    async def main() -> list[bytes]:
        return [(await call_asgi(app))[2] for _ in range(2)]

    try:
        bodies = anyio.run(main) if cell.gateway == "asgi" else [call_wsgi(app)[2] for _ in range(2)]
        assert ended == ["cancelled"] * (cell.gateway == "asgi"), "with its server's loop"
    finally:
        stop_loop_thread()
    assert bodies == [b"started", b"1 goes on"]
    assert ended == ["cancelled"]
    assert "of a task that nobody waits for" in caplog.text
