"""A request that no worker thread comes free for is answered with 503 in time; under ASGI, where the threads are ours."""

import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest

from ambi import SSE, App, CallNext, HTTPError, Layer, Limits, Middleware, Request, Response, Stream
from ambi.bridge.to_thread import limiter_of, spawn
from tests.calls import call_asgi, scope_of
from tests.cells import Cell

Answer = tuple[int, dict[str, str], bytes]
Ask = Callable[[str], Awaitable[Answer]]

WAIT_S = 0.05


@pytest.fixture
def app() -> App:
    """Give an application with one thread of each kind, and a short wait for it."""
    return App(limits=Limits(threads=1, stream_threads=1, queue_timeout_s=WAIT_S))


class Kept:
    """A handler that keeps its thread until it is let go."""

    def __init__(self, app: App, *, streams: bool = False) -> None:
        self._go_on = threading.Event()
        self.began = threading.Event()
        app.get("/kept")(self.stream if streams else self.handler)

    def handler(self) -> str:
        self.began.set()
        self._go_on.wait(10)
        return "kept"

    def stream(self) -> Any:
        yield self.handler()

    def let_go(self) -> None:
        self._go_on.set()


def meanwhile(app: App, cell: Cell, work: Callable[[Ask], Awaitable[Any]], *, streams: bool = False) -> Any:
    """Do some work while the only thread is kept; give its result, and let all come to its end."""
    kept = Kept(app, streams=streams)

    async def ask(path: str) -> Answer:
        return await call_asgi(app, path)

    async def main() -> Any:
        result: Any = None
        async with anyio.create_task_group() as group:
            group.start_soon(call_asgi, app, "/kept")
            with anyio.fail_after(5):
                while not kept.began.is_set():
                    await anyio.sleep(0.001)
                try:
                    result = await work(ask)
                finally:
                    kept.let_go()
        assert (await ask("/kept"))[0] == 200  # the thread is there again
        return result

    return anyio.run(main, backend=cell.backend)


def assert_busy(answer: Answer) -> None:
    status, headers, body = answer
    assert (status, headers["retry-after"]) == (503, "1")
    assert b"the server is busy; come again later" in body


def test_a_handler_that_gets_no_thread_is_a_503(app: App, loop_cell: Cell) -> None:
    ran: list[str] = []
    app.get("/")(lambda: ran.append("handler"))

    async def work(ask: Ask) -> Answer:
        return await ask("/")

    started = time.monotonic()
    assert_busy(meanwhile(app, loop_cell, work))
    assert ran == []
    assert time.monotonic() - started >= WAIT_S


def test_a_request_that_gets_one_in_time_waits_for_it(loop_cell: Cell) -> None:
    app = App(limits=Limits(threads=1, queue_timeout_s=10))
    kept = Kept(app)

    async def main() -> list[int]:
        statuses: list[int] = []

        async def ask(path: str) -> None:
            statuses.append((await call_asgi(app, path))[0])

        async with anyio.create_task_group() as group:
            group.start_soon(ask, "/kept")
            group.start_soon(ask, "/kept")
            await anyio.sleep(0.02)
            kept.let_go()
        return statuses

    assert anyio.run(main, backend=loop_cell.backend) == [200, 200]


def test_parts_of_one_request_that_wait_side_by_side_are_both_let_in(loop_cell: Cell) -> None:
    app = App(limits=Limits(threads=1, queue_timeout_s=1))
    kept = Kept(app)
    statuses: list[int] = []

    async def twice(request: Request, call_next: CallNext) -> Response:
        async def part() -> None:
            statuses.append((await call_next(request)).status)

        async with anyio.create_task_group() as group:
            group.start_soon(part)
            group.start_soon(part)
        return Response("both")

    app.get("/", middleware=[twice])(lambda: "ok")

    async def main() -> bytes:
        async with anyio.create_task_group() as group:
            group.start_soon(call_asgi, app, "/kept")
            await anyio.sleep(0.02)
            with anyio.move_on_after(0.01):  # a part that gives up its turn takes none of another's
                await call_asgi(app)
            group.start_soon(kept_for_a_while, kept)
            answer = await call_asgi(app)
        assert limiter_of(app, "threads").borrowed_tokens == 0
        return answer[2]

    assert anyio.run(main, backend=loop_cell.backend) == b"both"
    assert statuses == [200, 200]


async def kept_for_a_while(kept: Kept) -> None:
    await anyio.sleep(0.05)
    kept.let_go()


@pytest.mark.parametrize("lasts_s", [0.0, 0.1])
def test_a_stream_does_not_wait_for_a_part_of_its_request_that_waits_for_another_kind_of_thread(
    loop_cell: Cell, lasts_s: float
) -> None:
    app = App(limits=Limits(threads=1, stream_threads=1, queue_timeout_s=2))
    kept = Kept(app)
    statuses: list[int] = []

    async def impatient(request: Request, call_next: CallNext) -> Response:
        async def go_on() -> None:
            statuses.append((await call_next(request)).status)

        spawn(go_on)
        await anyio.sleep(0.01)
        return Stream(items())

    def items() -> Iterator[str]:
        yield "a"
        time.sleep(lasts_s)  # the other part has its turn meanwhile
        yield "b"

    app.get("/", middleware=[impatient])(lambda: "late")

    async def main() -> bytes:
        async with anyio.create_task_group() as group:
            group.start_soon(call_asgi, app, "/kept")
            await anyio.sleep(0.02)
            if lasts_s:
                group.start_soon(kept_for_a_while, kept)
            answer = await call_asgi(app)
            kept.let_go()
        with anyio.fail_after(5):
            while not statuses:
                await anyio.sleep(0.001)
        await anyio.sleep(0.01)
        assert [limiter_of(app, kind).borrowed_tokens for kind in ("threads", "stream_threads")] == [0, 0]
        return answer[2]

    assert anyio.run(main, backend=loop_cell.backend) == b"ab"
    assert statuses == [200]


def test_handlers_on_the_loop_need_no_thread(app: App, loop_cell: Cell) -> None:
    @app.get("/")
    async def handler() -> str:
        return "ok"

    async def work(ask: Ask) -> Answer:
        return await ask("/")

    assert meanwhile(app, loop_cell, work)[2] == b"ok"


@pytest.mark.parametrize("form", ["blocking layer", "async layer around", "none"])
def test_layers_see_the_503(app: App, loop_cell: Cell, form: str) -> None:
    seen: list[int] = []

    @app.middleware
    def outer(request: Request) -> Middleware:
        response = yield
        seen.append(response.status)

    def blocks(request: Request) -> Middleware:
        yield

    async def around(request: Request, call_next: CallNext) -> Response:
        return await call_next(request)

    async def handler() -> str:
        return "ok"

    forms: dict[str, list[Any]] = {"blocking layer": [Layer(blocks, blocking=True)], "async layer around": [around]}
    layers = forms.get(form, [])
    app.get("/", middleware=layers)(handler if form == "blocking layer" else lambda: "ok")

    async def work(ask: Ask) -> Answer:
        return await ask("/")

    assert_busy(meanwhile(app, loop_cell, work))
    assert seen[0] == 503


def test_an_error_handler_that_needs_a_thread_is_not_waited_for(app: App, loop_cell: Cell) -> None:
    """It would wait for the same thread, once more."""
    ran: list[str] = []
    app.get("/")(lambda: "ok")

    @app.error(HTTPError)
    def page(request: Request, error: HTTPError) -> str:
        ran.append("page")
        return "sorry"

    async def work(ask: Ask) -> Answer:
        return await ask("/")

    assert_busy(meanwhile(app, loop_cell, work))
    assert ran == []


def test_an_async_error_handler_makes_the_answer(app: App, loop_cell: Cell) -> None:
    app.get("/")(lambda: "ok")

    @app.error(503)
    async def page(request: Request, error: HTTPError) -> str:
        return "sorry"

    async def work(ask: Ask) -> Answer:
        return await ask("/")

    status, _, body = meanwhile(app, loop_cell, work)
    assert (status, body) == (503, b"sorry")


class Body:
    """A sync body that notes its closing."""

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[str]:
        self._events.append("begun")
        yield "a"

    def close(self) -> None:
        self._events.append("closed")


@pytest.mark.parametrize("make", [Stream, SSE])
def test_a_stream_that_gets_no_thread_is_a_503_and_closed(app: App, loop_cell: Cell, make: Any) -> None:
    """An event stream too, which starts before its first event: but not before it has a thread."""
    events: list[str] = []

    @app.get("/")
    async def handler() -> Response:
        response: Response = make(Body(events))
        return response

    async def work(ask: Ask) -> Answer:
        return await ask("/")

    assert_busy(meanwhile(app, loop_cell, work, streams=True))
    assert events == ["closed"]


def test_what_has_to_be_closed_waits_for_as_long_as_it_takes(app: App, loop_cell: Cell) -> None:
    """A HEAD never iterates its body; to close it needs the thread, which comes free long after the time-out."""
    events: list[str] = []

    @app.get("/")
    async def handler() -> Response:
        return Stream(Body(events))

    kept = Kept(app)

    async def main() -> None:
        async def head() -> None:
            assert (await call_asgi(app, scope_of("/", method="HEAD")))[0] == 200

        async with anyio.create_task_group() as group:
            group.start_soon(call_asgi, app, "/kept")
            await anyio.sleep(0.01)
            group.start_soon(head)
            await anyio.sleep(3 * WAIT_S)
            kept.let_go()

    anyio.run(main, backend=loop_cell.backend)
    assert events == ["closed"]


def test_what_runs_after_the_response_waits_for_as_long_as_it_takes(app: App, loop_cell: Cell) -> None:
    ran: list[str] = []
    go_on = threading.Event()

    @app.get("/")
    async def handler(request: Request) -> str:
        request.after(lambda: ran.append(str(go_on.wait(10))))
        return "ok"

    async def main() -> None:
        for _ in range(2):
            await call_asgi(app)
        await anyio.sleep(3 * WAIT_S)
        go_on.set()
        with anyio.fail_after(5):
            while len(ran) < 2:
                await anyio.sleep(0.001)

    anyio.run(main, backend=loop_cell.backend)
    assert ran == ["True", "True"]


def test_a_client_that_leaves_while_it_waits_is_not_answered(loop_cell: Cell) -> None:
    """Waiting stays cancellable, and the thread goes to the next one."""
    app = App(limits=Limits(threads=1, queue_timeout_s=10))
    app.get("/")(lambda: "ok")

    async def work(ask: Ask) -> None:
        with anyio.move_on_after(0.02) as scope:
            await ask("/")
        assert scope.cancelled_caught

    meanwhile(app, loop_cell, work)
