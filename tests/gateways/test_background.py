"""Work in the background: supervised, beside the requests, and waited for by a stop; in every cell."""

import asyncio
import contextlib
import contextvars
import gc
import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from ambi import App, Limits, Request, Stream
from ambi.bridge import background, interrupting
from ambi.bridge.leaving import current_leaving
from ambi.testing import Client
from tests.calls import call_asgi
from tests.cells import CELLS, Cell
from tests.conftest import MakeClient

ASGI = [cell for cell in CELLS if cell.gateway == "asgi"]
WSGI = [cell for cell in CELLS if cell.gateway == "wsgi"]
name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


async def for_ever(events: list[str]) -> None:
    """Have no end; note the beginning and the cancellation."""
    try:
        events.append("began")
        await anyio.sleep(60)
    finally:
        events.append("cancelled")


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, for five seconds at most."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_what_is_spawned_runs_with_its_arguments(app: App, client: Client, cell: Cell, late: Any) -> None:
    events: list[Any] = []

    @app.get("/")
    @cell.handler
    def handler() -> str:
        app.spawn(late(lambda *args: events.append(args)), 1, "two")
        return "spawned"

    assert client.get("/").text == "spawned"
    wait_for(lambda: events == [(1, "two")])


def test_what_is_spawned_sees_the_context_it_was_spawned_in(app: App, client: Client, cell: Cell, late: Any) -> None:
    seen: list[str] = []

    @app.get("/")
    @cell.handler
    def handler() -> str:
        name.set("ada")
        app.spawn(late(lambda: seen.append(name.get())))
        return "spawned"

    client.get("/")
    wait_for(lambda: seen == ["ada"])
    assert name.get() == "nobody"


def test_what_a_stream_spawns_is_not_left_with_it(app: App, client: Client, cell: Cell) -> None:
    found: list[Any] = []

    def spawned() -> None:
        found.append(current_leaving.get())

    def items() -> Any:
        yield "a"
        app.spawn(spawned)

    app.get("/")(lambda: Stream(cell.handler(items)(), ends_at_stop=True))
    client.get("/")
    wait_for(lambda: found)
    assert found == [None]


def test_a_failure_is_logged_once_and_names_the_function(
    app: App, client: Client, cell: Cell, late: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("of the background")

    @app.get("/")
    @cell.handler
    def handler() -> str:
        app.spawn(late(fail))
        return "spawned"

    client.get("/")
    wait_for(lambda: "of the background" in caplog.text)
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "spawned" in record.getMessage()


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.backend != "trio"], indirect=True, ids=str)
def test_one_that_awaits_what_was_cancelled_has_failed(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody has cancelled the work itself, so somebody has to be told. Trio has no such cancellation."""

    async def poll() -> None:
        waiting = asyncio.ensure_future(asyncio.sleep(9))
        waiting.cancel()
        await waiting

    @app.get("/")
    @cell.handler
    def handler() -> str:
        app.spawn(poll)
        return "spawned"

    client.get("/")
    wait_for(lambda: "poll failed" in caplog.text)


def test_what_has_not_begun_when_its_loop_ends_is_not_kept() -> None:
    """A host may have a loop for each request; asyncio cancels what it has then before its first step. Trio does not."""
    app, held = App(), []

    @app.get("/")
    async def handler(request: Request) -> str:
        held.append(weakref.ref(request))
        app.spawn(anyio.sleep, 0)
        request.after(anyio.sleep, 0)
        return "ok"

    for _ in range(3):
        assert asyncio.run(call_asgi(app, "/"))[2] == b"ok"
    gc.collect()
    assert (background._jobs, [request() for request in held]) == (set(), [None] * 3)


def test_where_no_thread_can_be_started_no_place_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """WSGI alone: under ASGI the limiter takes it back."""
    app, events = App(limits=Limits(threads=1)), []

    def take_none() -> Any:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(background, "take_worker", take_none)
        with pytest.raises(RuntimeError, match="can't start"):
            app.spawn(events.append, "first")
    app.spawn(events.append, "second")
    wait_for(lambda: events == ["second"])
    wait_for(lambda: not background._jobs)


def test_a_stop_waits_for_what_runs(make_client: MakeClient, cell: Cell) -> None:
    app, events = App(), []

    def slow() -> None:
        time.sleep(0.1)
        events.append("spawned")

    async def slow_async() -> None:
        await anyio.sleep(0.1)
        events.append("spawned")

    @app.get("/")
    @cell.handler
    def handler() -> str:
        app.spawn(cell.pick(slow, slow_async))
        return "ok"

    client = Client(app, gateway=cell.gateway, backend=cell.backend)
    with client:
        client.get("/")
        if cell.gateway == "wsgi":
            background.drain_in_process()  # as the process does when it ends
    assert events == ["spawned"]


@pytest.mark.parametrize("cell", ASGI, indirect=True, ids=str)
def test_a_stop_cancels_what_runs_after_a_response_and_releases_what_it_held(
    cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """ASGI alone: under WSGI it runs in a thread, which nobody can interrupt."""
    app, events, uploads = App(limits=Limits(graceful_stop_s=0.2)), [], []

    @app.post("/")
    @cell.handler
    def handler(request: Request) -> str:
        uploads.append(request.form["file"])
        request.after(for_ever, events)
        request.after(events.append, "too late for this")
        return "ok"

    client = Client(app, gateway=cell.gateway, backend=cell.backend)
    client._transport.settle = False
    started = time.monotonic()
    with client:
        client.post("/", files={"file": b"x"})
        wait_for(lambda: events == ["began"])
    assert (events, uploads[0].file.closed) == (["began", "cancelled"], True)
    assert time.monotonic() - started < 1.5
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("cell", WSGI, indirect=True, ids=str)
def test_a_function_that_exits_costs_no_thread(cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    """WSGI alone: on an event loop an exit ends the loop."""
    app, events = App(limits=Limits(threads=1)), []

    @app.get("/")
    @cell.handler
    def handler() -> str:
        app.spawn(sys.exit, 3)
        app.spawn(events.append, "next")
        return "ok"

    Client(app, gateway="wsgi").get("/")
    wait_for(lambda: events == ["next"])
    assert "SystemExit" in caplog.text


@pytest.mark.parametrize("endless", [False, True])
def test_a_stop_cancels_what_takes_too_long_or_has_no_end(
    cell: Cell, endless: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app, events = App(limits=Limits(graceful_stop_s=30 if endless else 0.2)), []

    @app.get("/")
    @cell.handler
    def handler() -> str:
        app.spawn(for_ever, events, wait_at_stop=not endless)
        return "ok"

    client = Client(app, gateway=cell.gateway, backend=cell.backend)
    started = time.monotonic()
    with client:
        client.get("/")
        wait_for(lambda: events == ["began"])
        if cell.gateway == "wsgi":
            background.drain_in_process()
    assert events == ["began", "cancelled"]
    assert time.monotonic() - started < 5
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("endless", [False, True])
def test_what_a_stop_cancels_may_await_while_it_cleans_up(cell: Cell, endless: bool) -> None:
    """As code expects that was written for asyncio; on trio such code has a shield."""
    app, events = App(limits=Limits(graceful_stop_s=30 if endless else 0.2)), []

    async def pool() -> None:
        try:
            events.append("began")
            await anyio.sleep(60)
        finally:
            with anyio.CancelScope(shield=cell.backend == "trio"):
                await anyio.sleep(0.01)
                events.append("said goodbye")
                await anyio.sleep(0.01)
                events.append("closed")

    @app.get("/")
    @cell.handler
    def handler() -> str:
        app.spawn(pool, wait_at_stop=not endless)
        return "ok"

    with Client(app, gateway=cell.gateway, backend=cell.backend) as client:
        client.get("/")
        wait_for(lambda: events == ["began"])
        if cell.gateway == "wsgi":
            background.drain_in_process()
    assert events == ["began", "said goodbye", "closed"]


def test_a_job_that_takes_no_notice_is_cancelled_again(
    cell: Cell, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupting, "_AGAIN_S", 0.05)
    app, events = App(limits=Limits(graceful_stop_s=30)), []

    async def deaf() -> None:
        events.append("began")
        with contextlib.suppress(BaseException):
            await anyio.sleep(60)
        await anyio.sleep(60)

    @app.get("/")
    @cell.handler
    def handler() -> str:
        app.spawn(deaf, wait_at_stop=False)
        return "ok"

    started = time.monotonic()
    with Client(app, gateway=cell.gateway, backend=cell.backend) as client:
        client.get("/")
        wait_for(lambda: events == ["began"])
        if cell.gateway == "wsgi":
            background.drain_in_process()
    assert time.monotonic() - started < 5
    assert caplog.records == []


def test_a_thread_that_does_not_end_is_left_behind_with_a_warning(
    cell: Cell, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_CANCELLED_S", 0.1)
    app, go_on = App(limits=Limits(graceful_stop_s=0.1)), threading.Event()

    @app.get("/")
    @cell.handler
    def handler() -> str:
        app.spawn(go_on.wait, 5)
        return "ok"

    client = Client(app, gateway=cell.gateway, backend=cell.backend)
    timer = threading.Timer(0.6, go_on.set)
    with client:
        client.get("/")
        timer.start()
        if cell.gateway == "wsgi":
            background.drain_in_process()
    assert "left behind" in caplog.text
    timer.join()


def test_what_is_left_behind_is_named_without_a_line_or_a_secret_of_the_client(
    cell: Cell, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_CANCELLED_S", 0.01)
    app, go_on = App(limits=Limits(graceful_stop_s=0.01)), threading.Event()

    @app.get("/reset/{token}")
    @app.get("/pages/{name}")
    @cell.handler
    def handler(request: Request) -> str:
        request.after(go_on.wait, 5)
        return "ok"

    client = Client(app, gateway=cell.gateway, backend=cell.backend)
    client._transport.settle = False
    timer = threading.Timer(0.3, go_on.set)
    with client:
        client.get("/reset/hush")
        client.get("/pages/a%0AERROR forged")
        timer.start()
        if cell.gateway == "wsgi":
            background.drain_in_process()
    end = "> did not end in time and was left behind"
    assert sorted(caplog.messages) == [
        f"what runs after <Request GET {path}{end}" for path in ("/pages/a\\nERROR\\x20forged", "/reset/{token}")
    ]
    timer.join()


def test_a_lifespan_ends_when_the_background_has(cell: Cell) -> None:
    events: list[str] = []

    def lifespan() -> Any:
        yield
        events.append("lifespan ended")

    app = App(lifespan=lifespan)

    async def slow() -> None:
        await anyio.sleep(0.05)
        events.append("spawned")

    @app.get("/")
    @cell.handler
    def handler() -> str:
        app.spawn(slow)
        return "ok"

    with Client(app, gateway=cell.gateway, backend=cell.backend) as client:
        client.get("/")
    assert events == ["spawned", "lifespan ended"]


def test_a_lifespan_may_spawn(cell: Cell, late: Any) -> None:
    events: list[str] = []

    def lifespan(app: App) -> Any:
        app.spawn(late(events.append), "spawned")
        yield

    async def lifespan_async(app: App) -> Any:
        app.spawn(late(events.append), "spawned")
        yield

    app = App(lifespan=cell.pick(lifespan, lifespan_async))
    with Client(app, gateway=cell.gateway, backend=cell.backend):
        wait_for(lambda: events == ["spawned"])


@pytest.mark.parametrize("how", ["spawned", "after"])
def test_what_takes_long_keeps_no_handler_out(cell: Cell, how: str) -> None:
    app, go_on, results = App(limits=Limits(threads=1)), threading.Event(), []

    @app.get("/begin")
    @cell.handler
    def begin(request: Request) -> str:
        if how == "spawned":
            app.spawn(go_on.wait, 10)
        else:
            request.after(go_on.wait, 10)
        return "begun"

    @app.get("/")
    def handler() -> str:
        return "served"

    client = Client(app, gateway=cell.gateway, backend=cell.backend)
    client._transport.settle = False
    with client:
        client.get("/begin")
        time.sleep(0.02)
        asking = threading.Thread(target=lambda: results.append(client.get("/").text), daemon=True)
        asking.start()
        asking.join(2)
        found = list(results)
        go_on.set()
        asking.join(5)
    assert found == ["served"]


def test_no_more_threads_than_the_limit_are_busy(cell: Cell) -> None:
    app = App(limits=Limits(threads=2))
    lock = threading.Lock()
    running = most = ended = 0

    def busy() -> None:
        nonlocal running, most, ended
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
            ended += 1

    @app.get("/", blocking=False)
    @cell.handler
    def handler() -> str:
        for _ in range(6):
            app.spawn(busy)
        return "ok"

    with Client(app, gateway=cell.gateway, backend=cell.backend) as client:
        client.get("/")
        wait_for(lambda: ended == 6)
    assert most == 2


def test_a_request_that_is_over_does_not_wait_for_what_runs_after_it(cell: Cell) -> None:
    """The client has its answer, and may send its next request, while the function still runs."""
    app, go_on, events = App(), threading.Event(), []

    def after() -> None:
        assert go_on.wait(5)
        events.append("after")

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        request.after(after)
        return "answer"

    @app.get("/next")
    @cell.handler
    def following() -> str:
        go_on.set()
        return "next"

    client = Client(app, gateway=cell.gateway, backend=cell.backend)
    client._transport.settle = False  # type: ignore[attr-defined]  # as a server, which does not wait either
    with client:
        assert client.get("/").text == "answer"
        assert events == []
        assert client.get("/next").text == "next"
        wait_for(lambda: events == ["after"])
