"""What an ASGI application may do that only one of ASGI can, mounted under either gateway. See: ASGI 3.0."""

import asyncio
import gc
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest

from ambi import App, Limits, Middleware, Request
from ambi.bridge import interrupting, run_ahead, stopping
from ambi.features.mount import exchange, lifetime
from ambi.testing import BrokenAnswer, Client
from tests.calls import call_asgi, call_wsgi, environ_of
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
MORE = {"type": "http.response.body", "body": b"more", "more_body": True}
LAST = {"type": "http.response.body", "body": b"last"}


@pytest.fixture(params=GATEWAYS, ids=lambda cell: cell.gateway if cell.gateway == "wsgi" else cell.backend)
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give one way in after the other."""
    found: Cell = request.param
    return found


on_the_loop_thread = pytest.mark.parametrize("cell", GATEWAYS[:1], indirect=True, ids=["wsgi"])
"""Of what befalls the loop thread; under ASGI the loop is the server's own."""


@pytest.fixture
def events() -> list[Any]:
    """Give a list for what happens."""
    return []


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "GRACE_S", 0.1)


def serving(handle: Callable[[Any, Any, Any], Any]) -> Any:
    """Make an application of what handles its requests."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await handle(scope, receive, send)
        else:
            raise ValueError("no lifespan")

    return application


Ask = Callable[..., Client]


@pytest.fixture
def ask(app: App, make_client: MakeClient) -> Ask:
    """Give what mounts a guest at "/guest" and makes a client."""

    def ask(handle: Callable[[Any, Any, Any], Any], **options: Any) -> Client:
        app.mount("/guest", serving(handle), **options)
        return make_client(app)

    return ask


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


# --- what it is told ---


def test_its_scope(ask: Ask, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        events.append(scope)
        await send(START)
        await send(LAST)

    ask(handle).get("/guest/x?a=%C3%BC", headers={"x-one": "ü".encode().decode("latin-1")})
    (scope,) = events
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/guest", "/guest/x", b"/guest/x")
    assert (scope["query_string"], scope["method"], scope["scheme"]) == (b"a=%C3%BC", "GET", "http")
    assert (b"x-one", "ü".encode()) in scope["headers"]
    assert set(scope["extensions"]) <= {"tls", "websocket.http.response"}


def test_a_body_comes_in_messages_and_then_the_leaving(ask: Ask, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        events.append(await receive())
        await send(START)
        await send(LAST)
        events.append(await receive())  # the answer is complete, and so is the exchange

    assert ask(handle).get("/guest/").text == "last"
    assert events == [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]


def test_a_body_is_read_as_far_as_the_guest_wants(ask: Ask, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        events.append(await receive())
        await send(START)
        await send(LAST)

    response = ask(handle).post("/guest/", content=iter([b"a", b"b" * 100_000]))
    assert response.text == "last"
    assert events[0]["more_body"] is True


def test_a_body_may_be_read_while_the_answer_is_sent(ask: Ask) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"].upper(), "more_body": True})
        await send({"type": "http.response.body"})

    assert ask(handle).post("/guest/", content=iter([b"abc", b"def" * 30_000])).content == b"ABC" + b"DEF" * 30_000


def test_a_body_may_be_read_by_another_task(ask: Ask) -> None:
    """Whatever the order of the two, no byte is lost and nobody waits for ever."""

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        chunks: list[bytes] = []

        async def read() -> None:
            more = True
            while more:
                message = await receive()
                chunks.append(message["body"])
                more = message["more_body"]

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await send(START)
            await anyio.sleep(0)
            await send(MORE)
        await send({"type": "http.response.body", "body": str(len(b"".join(chunks))).encode()})

    client = ask(handle)
    for _ in range(20):
        assert client.post("/guest/", content=iter([b"x" * 70_000] * 3)).text == "more210000"


def test_two_tasks_may_read_while_the_answer_begins(ask: Ask) -> None:
    """Under WSGI a read that began would be left behind when the server's thread goes on to the answer."""

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        async def read() -> None:
            while (await receive())["type"] == "http.request":
                await anyio.sleep(0)

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(read)
            await send(START)
            await send(LAST)

    client = ask(handle)
    for number in range(10):
        assert client.post("/guest/", content=iter([b"x" * 70_000] * number + [b"x"])).text == "last"


@pytest.mark.parametrize("blocking", [False, True])
def test_a_layer_may_take_a_part_of_an_answer_while_the_guest_reads(
    app: App, ask: Ask, events: list[Any], blocking: bool
) -> None:
    """What the guest asks for when the request has ended is refused: nobody would come for it."""

    @app.middleware(blocking=blocking)
    def pass_on(request: Request) -> Middleware:
        yield

    @app.middleware
    async def take(request: Request, call_next: Any) -> str:
        response = await call_next(request)
        iterator = aiter(response.body)
        return (await anext(iterator)).decode()

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        while (message := await receive())["type"] == "http.request":
            await anyio.sleep(0)
        events.append(message["type"])

    assert ask(handle).post("/guest/", content=iter([b"x" * 70_000] * 5)).text == "more"
    wait_for(lambda: events)
    assert events == ["http.disconnect"]


def test_one_task_may_complete_what_another_still_sends(ask: Ask, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        async def send_much() -> None:
            await send({**MORE, "body": b"x" * 300_000})
            events.append("sent")

        await send(START)
        async with anyio.create_task_group() as group:
            group.start_soon(send_much)
            await anyio.sleep(0.02)  # it waits for room, or for the client
            await send(LAST)

    assert ask(handle).get("/guest/").content[-4:] == b"last"
    wait_for(lambda: events)


def test_a_read_that_is_cancelled_loses_nothing(ask: Ask) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        messages: list[Any] = []
        with anyio.CancelScope() as cancelled:
            cancelled.cancel()
            messages.append(await receive())  # where one is there already, it is given
        while not messages or messages[-1]["more_body"]:
            messages.append(await receive())
        body = b"".join(message["body"] for message in messages)
        await send(START)
        await send({"type": "http.response.body", "body": body})

    assert ask(handle).post("/guest/", content=b"whole").text == "whole"


# --- its answer ---


@on_the_loop_thread
def test_an_exit_is_the_requests_and_no_end_of_the_loop(app: App, make_client: MakeClient) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        sys.exit(3)

    @app.get("/own")
    async def own() -> str:
        return "own"

    app.mount("/guest", serving(handle))
    client = make_client(app)
    with pytest.raises(SystemExit):
        client.get("/guest/")
    assert client.get("/own").text == "own"


@on_the_loop_thread
@pytest.mark.parametrize("where", ["after its answer", "in a task of its own"])
def test_an_exit_that_nobody_waits_for_is_logged(
    app: App, make_client: MakeClient, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    async def leave() -> None:
        sys.exit(3)

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(LAST)
        if where == "after its answer":
            await leave()
        task = asyncio.get_running_loop().create_task(leave())
        await asyncio.wait([task])
        assert isinstance(task.exception(), SystemExit)

    app.mount("/guest", serving(handle))
    client = make_client(app)
    assert client.get("/guest/").text == "last"
    assert client.get("/guest/").text == "last"
    told = "a task on the loop thread asked for an exit"
    wait_for(lambda: errors(caplog).count(told) == 2)
    gc.collect()


def test_an_answer_begins_before_its_first_item(ask: Ask, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        with anyio.move_on_after(5):
            while not events:
                await anyio.sleep(0.001)
        await send({"type": "http.response.body", "body": str(events).encode()})

    with ask(handle).stream("GET", "/guest/") as response:
        events.append(response.status_code)
        assert response.read() == b"[200]"


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([LAST], "cannot come now"),
        ([START, START], "cannot come now"),
        ([{"type": "http.response.push"}], "cannot come now"),
        ([{**START, "status": 99}], "status from 200 to 599"),
        ([{**START, "headers": [(b"a b", b"c")]}, LAST], "token was expected"),
    ],
    ids=["body first", "start twice", "unknown", "status", "header"],
)
def test_messages_that_cannot_be_are_a_500(
    ask: Ask, messages: list[Any], problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    client = ask(handle)
    if messages == [START, START]:  # the answer has begun
        with pytest.raises(RuntimeError, match=problem), client.stream("GET", "/guest/") as response:
            response.read()
        return
    assert client.get("/guest/").status_code == 500
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert problem in str(record.exc_info and record.exc_info[1])


def test_an_answer_that_never_begins_is_a_500(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None: ...

    assert ask(handle).get("/guest/").status_code == 500
    assert len(errors(caplog)) == 1


def test_an_answer_that_never_ends_is_cut(ask: Ask) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)

    with (
        pytest.raises(RuntimeError, match="without a whole answer"),
        ask(handle).stream("GET", "/guest/") as response,
    ):
        response.read()


def test_a_failure_that_counts_as_false_is_the_one_that_is_told(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    class Failures(Exception):
        def __len__(self) -> int:
            return 0

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        raise Failures

    assert ask(handle).get("/guest/").status_code == 500
    assert [type(record.exc_info[1]) for record in caplog.records if record.exc_info] == [Failures]


def test_a_failure_after_the_answer_is_logged(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(LAST)
        raise ValueError("late")

    assert ask(handle).get("/guest/").text == "last"
    (line,) = errors(caplog)
    assert line.startswith("<Request GET /> to the mounted ")


def test_nothing_may_be_sent_after_the_answer(ask: Ask, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(LAST)
        with pytest.raises(RuntimeError, match="after its answer was complete"):
            await send(LAST)
        events.append("refused")

    ask(handle).get("/guest/")
    assert events == ["refused"]


def test_what_comes_after_the_answer_holds_nobody_up(app: App, ask: Ask, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(LAST)
        with anyio.move_on_after(5):
            while not events:
                await anyio.sleep(0.001)
        events.append("after")

    with ask(handle).stream("GET", "/guest/") as response:
        assert response.read() == b"last"
        events.append("answered")
    assert events == ["answered", "after"]


def test_a_guest_waits_for_its_client(ask: Ask, events: list[Any], cell: Cell) -> None:
    """A client that does not read stops the guest: at most so much is made ahead."""
    made = 0

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        nonlocal made
        await send(START)
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            made += 1
        await send({"type": "http.response.body"})

    client = ask(handle)
    if cell.gateway == "asgi":
        assert len(client.get("/guest/").content) == 65536 * 1000  # the client of the tests reads without end
        return
    with client.stream("GET", "/guest/") as response:
        next(response.iter_bytes())
        time.sleep(0.2)
        assert made <= 32 + 16 + 8


# --- the client leaves ---


def test_a_guest_that_sends_on_is_told(ask: Ask, events: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            while True:
                await send(MORE)
                await anyio.sleep(0)
        except OSError as exc:
            events.append(type(exc).__name__)
            raise

    with ask(handle).stream("GET", "/guest/") as response:
        next(response.iter_bytes())
    wait_for(lambda: events)
    assert events == ["ConnectionLost"]
    assert errors(caplog) == []


def test_a_guest_that_waits_for_the_leaving_is_told(ask: Ask, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await send(MORE)
        events.append((await receive())["type"])

    with ask(handle).stream("GET", "/guest/") as response:
        next(response.iter_bytes())
    wait_for(lambda: events)
    assert events == ["http.disconnect"]


def test_a_guest_that_does_not_care_is_cancelled_within_its_grace(
    ask: Ask, events: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        try:
            await anyio.sleep(60)
        finally:
            events.append("cancelled")

    with ask(handle).stream("GET", "/guest/") as response:
        next(response.iter_bytes())
        began_s = time.monotonic()
    wait_for(lambda: events)
    assert time.monotonic() - began_s < 3
    assert errors(caplog) == []


def test_a_guest_that_is_cancelled_may_clean_up(ask: Ask, events: list[Any], cell: Cell) -> None:
    """As on a server of its own: on asyncio it is cancelled once, on trio it takes a shield."""

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        try:
            await anyio.sleep(60)
        finally:
            with anyio.CancelScope(shield=cell.backend == "trio"):
                await anyio.sleep(0.02)
                events.append("cleaned up")

    with ask(handle).stream("GET", "/guest/") as response:
        next(response.iter_bytes())
    wait_for(lambda: events)


def test_a_guest_that_swallows_its_cancellation_is_cancelled_again(
    ask: Ask, events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupting, "_AGAIN_S", 0.1)

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        for _ in range(3):
            try:
                await anyio.sleep(60)
            except BaseException:
                events.append("swallowed")

    with ask(handle).stream("GET", "/guest/") as response:
        next(response.iter_bytes())
    wait_for(lambda: len(events) == 3)


@on_the_loop_thread
def test_a_quiet_answer_whose_client_left_is_cut_and_not_ended(
    app: App, ask: Ask, events: list[Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WSGI alone looks at the socket, where a client that closed its sending half, and reads on, looks the same."""
    monkeypatch.setattr(run_ahead, "LOOK_EVERY_S", 0.02)

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        await anyio.sleep(60)

    @app.middleware
    def telling(request: Request) -> Any:
        request.on_sent(lambda sent: events.append((sent.status, sent.body_bytes, sent.is_complete)))
        yield

    ask(handle)
    with pytest.raises(ConnectionResetError, match="the client left"):
        call_wsgi(app, environ_of("/guest/", **{"waitress.client_disconnected": lambda: True}))
    assert events == [(200, 4, False)]
    assert errors(caplog) == []


@pytest.mark.parametrize("turns", ["asks", "sends nothing"])
def test_a_guest_that_does_not_end_leaves_the_loop_to_others(app: App, ask: Ask, events: list[Any], turns: str) -> None:
    @app.get("/own")
    async def own() -> str:
        return "own"

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        try:
            while True:
                if turns == "asks":
                    await receive()
                else:
                    await send({**MORE, "body": b""})
        finally:
            events.append("ended")

    client = ask(handle)
    with client.stream("GET", "/guest/") as response:
        next(response.iter_bytes())
        assert client.get("/own").text == "own"
    wait_for(lambda: events)


def test_a_guest_may_go_on_with_a_body_that_is_not_sent(ask: Ask, events: list[Any]) -> None:
    """As on a server of its own, which takes the body of an answer to a HEAD: nobody has left."""

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for _ in range(30):
            await send({**MORE, "body": b"x" * 65536})
        await send(LAST)
        events.append("whole")

    assert ask(handle).head("/guest/").content == b""
    wait_for(lambda: events)


def test_a_body_that_is_not_sent_has_to_end(ask: Ask, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            while True:
                await send(MORE)
        finally:
            events.append("cancelled")

    assert ask(handle).head("/guest/").content == b""
    wait_for(lambda: events)


def test_a_layer_that_replaces_an_unfinished_answer_ends_it(app: App, ask: Ask, events: list[Any]) -> None:
    @app.middleware
    def replace(request: Request) -> Middleware:
        yield
        return {"instead": True}  # type: ignore[return-value]  # as plain as a handler may say it

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        events.append((await receive())["type"])
        events.append((await receive())["type"])

    assert ask(handle).get("/guest/").json() == {"instead": True}
    wait_for(lambda: len(events) == 2)
    assert events == ["http.request", "http.disconnect"]


# --- the server stops ---


@pytest.fixture
def stop() -> Iterator[Callable[[], None]]:
    """Give what makes it seem that the server stops."""
    yield stopping.tell_stopping
    stopping.forget_stopping()


def test_a_feed_ends_when_the_server_stops(
    ask: Ask, events: list[Any], stop: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"Content-Type", b"text/event-stream; charset=utf-8")]})
        await send(MORE)
        try:
            await anyio.sleep(60)
        finally:
            events.append("ended")

    with ask(handle).stream("GET", "/guest/") as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b"more"
        stop()
        assert list(chunks) == []
    wait_for(lambda: events)
    assert caplog.messages == []


def test_the_answer_to_a_post_is_no_feed_and_waited_for(ask: Ask, stop: Callable[[], None]) -> None:
    """Else its client could not tell whether the call went through."""

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"content-type", b"text/event-stream")]})
        await send(MORE)
        await anyio.sleep(1.2)  # longer than it takes to see a stop
        await send(LAST)

    with ask(handle).stream("POST", "/guest/") as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b"more"
        stop()
        assert list(chunks) == [b"last"]


def seeing_a_stop(stop: Callable[[], None], of_type: bytes) -> Callable[[Any, Any, Any], Any]:
    """Make what returns without a last message when the server stops, as libraries of event streams do."""

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"content-type", of_type)]})
        await send(MORE)
        await anyio.sleep(0.1)
        stop()

    return handle


def test_a_feed_that_sees_the_stop_by_itself_has_ended_well(
    ask: Ask, stop: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(seeing_a_stop(stop, b"text/event-stream")).get("/guest/").content == b"more"
    assert caplog.messages == []


@pytest.mark.parametrize(("method", "of_type"), [("POST", b"text/event-stream"), ("GET", b"text/plain")])
def test_any_other_answer_that_sees_it_is_cut_without_a_traceback(
    make_client: MakeClient,
    stop: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    cell: Cell,
    method: str,
    of_type: bytes,
) -> None:
    app = App()
    app.mount("/guest", serving(seeing_a_stop(stop, of_type)))
    client = make_client(app, judged=False)
    # In ASGI, that the end is missing is what a server makes a cut of.
    with pytest.raises(ConnectionResetError if cell.gateway == "wsgi" else BrokenAnswer):
        client.request(method, "/guest/")
    assert errors(caplog) == []
    assert caplog.messages[0] == f"{method} /: the stream was cut, as the server stops"


def test_a_body_that_is_too_large_is_told_as_a_leaving(ask: Ask, events: list[Any]) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            events.append(len(message["body"]))
        events.append(message["type"])
        with pytest.raises(OSError, match="left"):
            await send(START)

    client = ask(handle, max_body_bytes=5)
    response = client.post("/guest/", content=iter([b"1234", b"5678"]))
    assert response.status_code == 413
    wait_for(lambda: "http.disconnect" in events)


# --- start-up and shutdown ---


def living(events: list[Any], *, state: Any = None, fails: str = "") -> Any:
    """Make an application with a lifespan, as servers know it."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            events.append(dict(scope.get("state", {})))
            await send(START)
            await send(LAST)
            return
        for phase in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{phase}"
            if phase == fails:
                await send({"type": f"lifespan.{phase}.failed", "message": "no luck"})
                return
            events.append(phase)
            scope["state"].update(state or {})
            await send({"type": f"lifespan.{phase}.complete"})

    return application


def test_its_lifespan_runs_inside_ours(make_client: MakeClient, cell: Cell, events: list[Any]) -> None:
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        events.append("ours up")
        yield
        events.append("ours down")

    app = App(lifespan=lifespan)
    app.mount("/guest", living(events, state={"pool": 1}))
    with Client(app, gateway=cell.gateway, backend=cell.backend) as client:
        assert client.get("/guest/").text == "last"
    assert events == ["ours up", "startup", {"pool": 1}, "shutdown", "ours down"]


def test_each_request_has_a_copy_of_its_state(make_client: MakeClient, events: list[Any]) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            events.append(dict(scope["state"]))
            scope["state"]["request"] = True
            await send(START)
            await send(LAST)
        else:
            await living([], state={"pool": 1})(scope, receive, send)

    app = App()
    app.mount("/guest", application)
    client = make_client(app)
    client.get("/guest/")
    client.get("/guest/")
    assert events == [{"pool": 1}, {"pool": 1}]


def test_two_mounts_of_one_guest_are_two_lives(cell: Cell, events: list[Any]) -> None:
    inner, outer = App(), App()
    guest = living(events)
    inner.mount("/a", guest)
    outer.mount("/b", guest)
    outer.mount("/in", inner)
    with Client(outer, gateway=cell.gateway, backend=cell.backend) as client:
        assert [client.get(path).status_code for path in ("/b/", "/in/a/")] == [200, 200]
    assert events == ["startup", "startup", {}, {}, "shutdown", "shutdown"]


def test_a_lifespan_runs_where_the_server_sends_none(app: App, cell: Cell, events: list[Any]) -> None:
    app.mount("/guest", living(events, state={"pool": 1}))
    client = Client(app, gateway=cell.gateway, backend=cell.backend)
    assert client.get("/guest/").text == "last"
    assert events[:2] == ["startup", {"pool": 1}]
    if cell.gateway == "wsgi":
        app.lifespans.stop_in_process()
    assert events == ["startup", {"pool": 1}, "shutdown"]


def test_a_start_up_that_fails_is_ours(app: App, cell: Cell, events: list[Any]) -> None:
    app.mount("/guest", living(events, fails="startup"))
    with pytest.raises(RuntimeError, match="no luck"), Client(app, gateway=cell.gateway, backend=cell.backend):
        pass


def test_a_shutdown_that_fails_is_ours(app: App, cell: Cell, events: list[Any]) -> None:
    app.mount("/guest", living(events, fails="shutdown"))
    with pytest.raises(RuntimeError, match="no luck"), Client(app, gateway=cell.gateway, backend=cell.backend):
        pass


def test_a_guest_without_a_lifespan_is_served_without(
    ask: Ask, events: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        events.append("state" in scope and scope["state"])
        await send(START)
        await send(LAST)

    with caplog.at_level(logging.INFO, "ambi.request"):
        assert ask(handle).get("/guest/").text == "last"
    assert [line for line in caplog.messages if "without a lifespan" in line]


def test_a_lifespan_that_ends_early_is_logged(app: App, cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(START)
            await send(LAST)
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise ValueError("early")

    app.mount("/guest", application)
    with Client(app, gateway=cell.gateway, backend=cell.backend) as client:
        assert client.get("/guest/").text == "last"
    (line,) = errors(caplog)
    assert "ended early" in line


async def by_anyio(receive: Any) -> Any:
    with anyio.move_on_after(0.01):
        return await receive()


async def by_wait_for(receive: Any) -> Any:
    with suppress(TimeoutError):
        return await asyncio.wait_for(receive(), 0.01)


async def by_asyncio_timeout(receive: Any) -> Any:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            return await receive()


@pytest.mark.parametrize(
    ("cell", "within"),
    [
        (cell, within)
        for cell in GATEWAYS
        for within in (by_anyio, by_wait_for, by_asyncio_timeout)
        if within is by_anyio or cell.backend == "asyncio"
    ],
    indirect=["cell"],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_guest_that_waits_for_its_shutdown_with_a_time_limit_is_told_when_it_is_time(
    app: App, cell: Cell, events: list[Any], within: Any
) -> None:
    """One that does something every so often, say."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        while True:
            message = await within(receive)
            events.append(message and message["type"])
            if message is not None:
                await send({"type": "lifespan.shutdown.complete"})
                return

    app.mount("/guest", application)
    app.get("/")(lambda: "ours")
    with Client(app, gateway=cell.gateway, backend=cell.backend) as client:
        assert client.get("/").text == "ours"
        wait_for(lambda: len(events) >= 3)
        assert set(events) == {None}
    assert events[-1] == "lifespan.shutdown"


@on_the_loop_thread
def test_a_start_up_that_exits_is_told_to_whoever_starts(app: App, cell: Cell) -> None:
    """An exit in a task of its own would end the loop thread, and the server's thread would wait for ever."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        sys.exit("no database")

    app.mount("/guest", application)
    with pytest.raises(SystemExit, match="no database"), Client(app, gateway=cell.gateway, backend=cell.backend):
        pass


def test_a_start_up_that_failed_leaves_no_task_that_waits_to_be_told(app: App, cell: Cell) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no luck"})
        await receive()

    app.mount("/guest", application)
    with pytest.raises(RuntimeError, match="no luck"), Client(app, gateway=cell.gateway, backend=cell.backend):
        pass


async def by_limit(app: App) -> None:
    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        pytest.fail(f"it says {message}")

    with anyio.move_on_after(0.02):
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)


async def by_task(app: App) -> None:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.ensure_future(by_limit(app)), 0.01)


async def by_end_of_loop(app: App) -> None:
    """The request that starts it is no longer waited for, and then nothing is."""
    with suppress(TimeoutError), anyio.fail_after(0.02):
        await call_asgi(app, "/")


@pytest.mark.parametrize(
    ("backend", "cancelled"),
    [(backend, how) for backend in ("asyncio", "trio") for how in (by_limit, by_task, by_end_of_loop)
     if backend == "asyncio" or how is not by_task],
)  # fmt: skip
def test_a_start_up_that_is_cancelled_is_undone_before_ours(backend: str, cancelled: Any, events: list[Any]) -> None:
    """Code for asyncio may await then; that for trio has a shield. WSGI cancels nothing."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=backend == "trio"):
                await anyio.sleep(0.02)
                events.append("undone")

    async def ours() -> AsyncIterator[None]:
        yield
        events.append("ours is down")

    app = App(lifespan=ours)
    app.mount("/guest", application)
    anyio.run(cancelled, app, backend=backend)
    assert events == ["undone", "ours is down"]


def test_a_guest_that_does_not_end_its_start_up_when_it_is_cancelled_is_left(
    monkeypatch: pytest.MonkeyPatch, events: list[Any]
) -> None:
    monkeypatch.setattr(lifetime, "_UNDONE_S", 0.05)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            await asyncio.sleep(60)
        finally:
            events.append("cancelled")
            await asyncio.sleep(60)

    app = App()
    app.mount("/guest", application)
    anyio.run(by_limit, app)
    assert events == ["cancelled"]


# --- limits of the whole ---


def test_many_requests_leave_nothing(make_client: MakeClient, app: App, events: list[Any]) -> None:
    """What is left is looked at by the fixtures; here it is the exchanges themselves."""

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await send(MORE)
        await anyio.sleep(0)
        await send(LAST)

    app.limits = Limits()
    app.mount("/guest", serving(handle))
    client = make_client(app)
    for number in range(30):
        if number % 3:
            assert client.get("/guest/").text == "morelast"
        else:
            with client.stream("GET", "/guest/") as response:
                next(response.iter_bytes())
    gc.collect()
    assert [found for found in gc.get_objects() if type(found) is exchange.Exchange] == []
