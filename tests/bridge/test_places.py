"""Who waits on the loop takes nobody's place: `Limits.threads` counts those that are busy in a worker, under ASGI."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from ambi import SSE, App, BodyStream, CallNext, Layer, Limits, Middleware, Request, Response, Text, WebSocket
from ambi.bridge import workers
from ambi.bridge.to_thread import limiter_of, spawn
from ambi.features.sessions import MemoryStore
from tests.calls import scope_of
from tests.cells import Cell

WAITING = 3
"""Requests that wait for their clients, where one thread may be busy."""


@pytest.fixture
def app() -> App:
    """Give an application with one thread, a short wait for it, and a page that needs it."""
    app = App(limits=Limits(threads=1, queue_timeout_s=0.2))
    app.get("/page")(lambda: "page")
    return app


@pytest.fixture
def layered(app: App) -> App:
    """Give it a layer that blocks, which keeps its thread for what is behind its `yield`."""

    @app.middleware(blocking=True)
    def layer(request: Request) -> Middleware:
        before = threading.get_ident()
        yield
        assert threading.get_ident() == before

    return app


class Client:
    """A client of an application that says nothing, or takes nothing, until it is told to leave.

    Attributes:
        messages: what it was sent.
    """

    def __init__(self, *first: Any, takes: int = 1000) -> None:
        self._said = list(first)
        self._takes = takes
        self._left = anyio.Event()
        self.messages: list[Any] = []

    async def receive(self) -> Any:
        if self._said:
            return self._said.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect", "code": 1001}

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        if len(self.messages) > self._takes:
            await self._left.wait()

    async def ask(self, app: App, scope: Any) -> None:
        await app(scope, self.receive, self.send)

    def leave(self) -> None:
        self._left.set()


NO_BODY = {"type": "http.request", "body": b"", "more_body": False}
A_PART = {"type": "http.request", "body": b"x", "more_body": True}


async def page(app: App, **scope: Any) -> int:
    """Ask for the page that needs the thread; give its status."""
    client = Client(NO_BODY)
    with anyio.fail_after(5):
        await client.ask(app, scope_of("/page", **scope))
    status: int = client.messages[0]["status"]
    return status


def statuses_beside(app: App, cell: Cell, scope: Any, *first: Any, takes: int = 1000) -> set[int]:
    """Let some clients wait, ask for pages meanwhile, and give their statuses."""

    async def main() -> set[int]:
        clients = [Client(*first, takes=takes) for _ in range(WAITING)]
        async with anyio.create_task_group() as group:
            for client in clients:
                group.start_soon(client.ask, app, {**scope, "extensions": {}})
            await anyio.sleep(0.1)
            found = {await page(app) for _ in range(3)}
            for client in clients:
                client.leave()
        found.add(await page(app))  # nobody keeps a place behind it
        return found

    return anyio.run(main, backend=cell.backend)


async def never() -> AsyncIterator[str]:
    yield "first"
    await anyio.sleep_forever()


def test_a_stream_of_the_loop_that_a_blocking_handler_made(app: App, loop_cell: Cell) -> None:
    app.get("/events")(lambda: SSE(never()))
    assert statuses_beside(app, loop_cell, scope_of("/events"), NO_BODY) == {200}


def test_a_client_that_takes_nothing(app: App, loop_cell: Cell) -> None:
    app.get("/large")(lambda: b"x" * 100_000)
    assert statuses_beside(app, loop_cell, scope_of("/large"), NO_BODY, takes=1) == {200}


def test_a_client_that_takes_nothing_of_a_response_that_more_comes_after(app: App, loop_cell: Cell) -> None:
    ran: list[int] = []

    @app.get("/large")
    def large(request: Request) -> bytes:
        request.after(ran.append, 1)
        return b"x" * 100_000

    assert statuses_beside(app, loop_cell, scope_of("/large"), NO_BODY, takes=1) == {200}
    assert ran  # the rest runs in tasks of its own, one after the other


def test_an_async_handler_that_waits_inside_a_blocking_layer(layered: App, loop_cell: Cell) -> None:
    @layered.get("/poll", cancel_on_disconnect=True)
    async def poll() -> None:
        await anyio.sleep_forever()

    assert statuses_beside(layered, loop_cell, scope_of("/poll"), NO_BODY) == {200}


@pytest.mark.parametrize("blocking", [True, False], ids=["def", "async def"])
def test_a_body_that_does_not_come_inside_a_blocking_layer(layered: App, loop_cell: Cell, blocking: bool) -> None:
    def handler(request: Request) -> str:
        return str(len(request.body))

    async def async_handler(request: Request) -> str:
        return str(len(request.body))

    layered.post("/slow")(handler if blocking else async_handler)
    scope = scope_of("/slow", method="POST", headers=[(b"transfer-encoding", b"chunked")])
    assert statuses_beside(layered, loop_cell, scope, A_PART) == {200}


def test_a_body_that_a_blocking_handler_reads_by_pieces(app: App, loop_cell: Cell) -> None:
    @app.post("/upload")
    def upload(stream: BodyStream) -> str:
        return str(sum(len(piece) for piece in stream))

    scope = scope_of("/upload", method="POST", headers=[(b"transfer-encoding", b"chunked")])
    assert statuses_beside(app, loop_cell, scope, A_PART) == {200}


def test_a_websocket_inside_a_blocking_layer(layered: App, loop_cell: Cell) -> None:
    @layered.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        await ws.accept()
        async for _ in ws:
            pass

    scope = {**scope_of("/ws"), "type": "websocket", "subprotocols": []}
    assert statuses_beside(layered, loop_cell, scope, {"type": "websocket.connect"}) == {200}


def test_requests_that_wait_for_the_lock_of_a_session(app: App, loop_cell: Cell) -> None:
    app.sessions(secret="s" * 32, store=MemoryStore())

    @app.post("/begin")
    def begin(request: Request) -> str:
        request.session["begun"] = True
        return "begun"

    @app.post("/slow")
    def slow(request: Request) -> str:
        return str(len(request.body))

    async def main() -> set[int]:
        client = Client(NO_BODY)
        await client.ask(app, scope_of("/begin", method="POST", headers=[(b"content-length", b"0")]))
        cookie = dict(client.messages[0]["headers"])[b"set-cookie"].partition(b";")[0]
        headers = [(b"transfer-encoding", b"chunked"), (b"cookie", cookie)]
        clients = [Client(A_PART) for _ in range(WAITING)]  # the first has the lock, the others wait for it
        async with anyio.create_task_group() as group:
            for each in clients:
                group.start_soon(each.ask, app, scope_of("/slow", method="POST", headers=headers))
                await anyio.sleep(0.02)
            await anyio.sleep(0.1)
            found = {await page(app) for _ in range(3)}
            for each in clients:
                each.leave()
        return found

    assert anyio.run(main, backend=loop_cell.backend) == {200}


def test_who_is_back_does_not_wait_for_those_that_wait_for_it(app: App, loop_cell: Cell) -> None:
    lock = threading.Lock()

    def holding(request: Request) -> Middleware:
        assert lock.acquire(timeout=3), "it was held by one that could not go on"
        try:
            yield
        finally:
            lock.release()

    async def handler() -> str:
        await anyio.sleep(0.1)  # the next one takes the place meanwhile, and waits for the lock
        return "ok"

    app.get("/held", middleware=[Layer(holding, blocking=True)])(handler)

    async def main() -> list[int]:
        clients = [Client(NO_BODY) for _ in range(2)]
        async with anyio.create_task_group() as group:
            for client in clients:
                group.start_soon(client.ask, app, scope_of("/held"))
        return [client.messages[0]["status"] for client in clients]

    assert anyio.run(main, backend=loop_cell.backend) == [200, 200]


@pytest.mark.parametrize("asks", [False, True], ids=["who work", "who ask meanwhile"])
def test_those_that_are_in_are_bounded(layered: App, loop_cell: Cell, asks: bool) -> None:
    """To ask whether the client is there is to wait for nobody: such a request is busy between two of its questions."""
    busy: list[int] = []
    most: list[int] = []

    @layered.get("/work")
    def work(request: Request) -> str:
        busy.append(1)
        for _ in range(2):
            most.append(len(busy))
            assert not (asks and request.is_disconnected())
            threading.Event().wait(0.01)
        busy.pop()
        return "worked"

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(Client(NO_BODY).ask, layered, scope_of("/work"))

    anyio.run(main, backend=loop_cell.backend)
    assert max(most) == 1


def test_where_threads_are_many_a_request_keeps_its_place(
    layered: App, loop_cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_MANY", 0)

    @layered.get("/poll", cancel_on_disconnect=True)
    async def poll() -> None:
        await anyio.sleep_forever()

    assert 503 in statuses_beside(layered, loop_cell, scope_of("/poll"), NO_BODY)


# --- the request is over, and something of it is not ---


def places_taken(app: App) -> int:
    """Count the places that are taken on this loop."""
    taken: int = limiter_of(app, "threads").borrowed_tokens
    return taken


async def settles(app: App) -> bool:
    """Tell whether all places are free within a while."""
    with anyio.move_on_after(3):
        while places_taken(app):
            await anyio.sleep(0.01)
        return True
    return False


@pytest.mark.parametrize("blocking", [True, False], ids=["def", "async def"])
def test_a_question_of_a_request_that_is_over_takes_no_place(app: App, loop_cell: Cell, blocking: bool) -> None:
    asked: list[bool] = []

    def work(request: Request) -> None:
        threading.Event().wait(0.05)
        asked.append(request.is_disconnected())

    def handler(request: Request) -> str:
        app.spawn(work, request)
        return "ok"

    async def async_handler(request: Request) -> str:
        return handler(request)

    app.get("/spawns")(handler if blocking else async_handler)

    async def main() -> bool:
        client = Client(NO_BODY)
        await client.ask(app, scope_of("/spawns"))
        client.leave()
        with anyio.fail_after(5):
            while not asked:
                await anyio.sleep(0.01)
        return await settles(app) and await page(app) == 200

    assert anyio.run(main, backend=loop_cell.backend)


@pytest.mark.parametrize("blocking", [True, False], ids=["def", "async def"])
def test_a_worker_belongs_to_what_goes_on_when_its_layer_has_answered(
    app: App, loop_cell: Cell, blocking: bool
) -> None:
    """A layer of asyncio's own: `asyncio.wait` leaves the task alone, where a task group would wait for it."""
    if loop_cell.backend == "trio":
        pytest.skip("trio has no tasks that outlive their parents")
    same_thread: list[bool] = []
    is_busy: list[bool] = []

    @app.middleware
    async def impatient(request: Request, call_next: CallNext) -> Response:
        if request.path == "/page":
            return await call_next(request)
        task = asyncio.ensure_future(call_next(request))
        tasks.add(task)
        await asyncio.wait([task], timeout=0.05)
        return Text("late", 503)

    def layer(request: Request) -> Middleware:
        before = threading.get_ident()
        yield
        same_thread.append(threading.get_ident() == before)

    def handler() -> str:
        threading.Event().wait(0.3)
        return "slow"

    async def async_handler() -> str:
        await anyio.sleep(0.3)
        return "slow"

    app.get("/slow", middleware=[Layer(layer, blocking=True)])(handler if blocking else async_handler)
    tasks: set[Any] = set()

    async def main() -> list[int]:
        client = Client(NO_BODY)
        await client.ask(app, scope_of("/slow"))
        is_busy.append(places_taken(app) == 1)
        await asyncio.wait(tasks)
        found = [client.messages[0]["status"], await page(app)]
        assert await settles(app)
        return found

    assert anyio.run(main, backend=loop_cell.backend) == [503, 200]
    assert same_thread == [True]
    assert is_busy == [blocking]


def test_what_goes_on_upon_the_loop_when_its_layer_has_answered_keeps_no_place(layered: App, loop_cell: Cell) -> None:
    """The outermost layer blocks: it is the last that was in the worker, and left the place taken."""
    ended: list[int] = []

    @layered.middleware
    async def impatient(request: Request, call_next: CallNext) -> Response:
        async def go_on() -> None:
            ended.append((await call_next(request)).status)

        if request.path == "/page":
            return await call_next(request)
        spawn(go_on)
        await anyio.sleep(0.05)
        return Text("late", 503)

    def inner(request: Request) -> Middleware:
        yield

    async def handler() -> str:
        await anyio.sleep(0.2)
        return "slow"

    layered.get("/slow", middleware=[Layer(inner, blocking=True)])(handler)

    async def main() -> list[int]:
        client = Client(NO_BODY)
        await client.ask(layered, scope_of("/slow"))
        found = [client.messages[0]["status"], places_taken(layered), await page(layered)]
        with anyio.fail_after(5):
            while not ended:
                await anyio.sleep(0.01)
        assert await settles(layered)
        return found

    assert anyio.run(main, backend=loop_cell.backend) == [503, 0, 200]
    assert ended == [200]
