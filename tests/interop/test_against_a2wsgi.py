"""The same cases through our mount and through a2wsgi 1.10, the adapter that most people take.

Each case says what is right, asserts that ours does it, and records what a2wsgi does today: when that changes, the test
fails, and its record goes. The guests are bare, so that nothing stands between an adapter and what is seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, Request, Text
from tests.calls import call_asgi, call_wsgi, environ_of, scope_of, sending_body
from tests.interop.drivers import in_process, loop_of_its_own
from tests.interop.serving import serve
from tests.servers.wire import NoAnswerError

a2wsgi = pytest.importorskip("a2wsgi", reason="a2wsgi is not installed")

Adapter = Callable[[Any], Any]

SOON_S, BOUND_S = 0.4, 5.0
name_of_caller: contextvars.ContextVar[str] = contextvars.ContextVar("name_of_caller", default="nobody")


STARTED = contextlib.ExitStack()
"""What a test has to stop: lifespans, and the loops of a2wsgi, which stops none."""


@pytest.fixture(autouse=True)
def stop(no_leaks: None) -> Iterator[None]:
    yield
    STARTED.close()


def ours(guest: Any) -> App:
    app = App()
    app.mount("/guest", guest)
    STARTED.enter_context(in_process(app))
    return app


def theirs_asgi(guest: Any) -> Any:
    return a2wsgi.ASGIMiddleware(guest, loop=STARTED.enter_context(loop_of_its_own()))


theirs_wsgi: Adapter = a2wsgi.WSGIMiddleware


async def no_lifespan(scope: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])  # so an application says that it has none


async def answer(send: Any, body: str | bytes, more: bool = False) -> None:
    body = body.encode() if isinstance(body, str) else body
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body, "more_body": more})


def environ(path: str = "/guest/", body: bytes = b"", **changes: Any) -> dict[str, Any]:
    return environ_of(path, body, **changes)


class Leaving:
    """A call that is left after its first chunk, as by a server whose client has gone."""

    def __init__(self, app: Any) -> None:
        self.chunks = app(environ(), lambda status, fields, exc_info=None: None)
        next(iter(self.chunks))
        began = time.monotonic()
        self.chunks.close()
        self.took_s = time.monotonic() - began


# ====================================================================== an ASGI guest, called by a WSGI server


def test_the_lifespan_of_an_asgi_guest_is_run_and_its_state_passed() -> None:
    """a2wsgi sends no lifespan events: what the guest makes at its start is never made."""

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["pool"] = "open"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await answer(send, str(scope.get("state")))

    assert call_wsgi(ours(guest), environ())[2] == b"{'pool': 'open'}"
    assert call_wsgi(theirs_asgi(guest), environ())[2] == b"None"


def test_work_after_the_last_message_does_not_hold_the_thread() -> None:
    """a2wsgi waits for it: the client has its answer, but the thread serves nobody else meanwhile."""
    may_end, done = threading.Event(), threading.Semaphore(0)

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        await answer(send, "accepted")
        while not may_end.is_set():
            await asyncio.sleep(0.005)
        done.release()

    def is_held(app: Any, for_s: float) -> bool:
        may_end.clear()
        seen: list[bytes] = []
        thread = threading.Thread(target=lambda: seen.append(call_wsgi(app, environ())[2]))
        thread.start()
        thread.join(for_s)
        held = thread.is_alive()
        may_end.set()
        assert done.acquire(timeout=BOUND_S), "the work was not done"
        thread.join(BOUND_S)
        assert seen == [b"accepted"]
        return held

    assert not is_held(ours(guest), BOUND_S)
    assert is_held(theirs_asgi(guest), 2 * SOON_S)


def test_the_task_of_a_guest_whose_client_left_is_cancelled() -> None:
    """a2wsgi leaves it where it is: it waits for ever for somebody to take its next message."""
    tasks: list[asyncio.Task[Any]] = []

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        tasks.append(asyncio.current_task())  # type: ignore[arg-type]
        await answer(send, "tick", more=True)
        while True:
            await asyncio.sleep(0.01)
            await send({"type": "http.response.body", "body": b"tick", "more_body": True})

    left = Leaving(ours(guest))
    assert left.took_s < BOUND_S
    assert ended(tasks.pop(), within_s=BOUND_S)

    Leaving(theirs_asgi(guest))
    leaked = tasks.pop()
    assert not ended(leaked, within_s=2 * SOON_S)
    leaked.get_loop().call_soon_threadsafe(leaked.cancel)


def ended(task: asyncio.Task[Any], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not task.done() and time.monotonic() < deadline:
        time.sleep(0.01)
    return task.done()


def test_a_guest_that_listens_hears_that_its_client_has_left() -> None:
    """Under a2wsgi `receive()` says nothing once the body is over, until the response is."""
    heard = threading.Event()

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        await receive()
        await answer(send, "listening", more=True)
        if (await receive())["type"] == "http.disconnect":
            heard.set()

    Leaving(ours(guest))
    assert heard.wait(BOUND_S)
    heard.clear()
    Leaving(theirs_asgi(guest))
    assert not heard.wait(2 * SOON_S)


def test_a_body_without_a_length_is_passed() -> None:
    """a2wsgi goes by CONTENT_LENGTH alone: a body in chunks is empty."""

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        await answer(send, body)

    def body_seen(app: Any) -> bytes:
        in_chunks = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "CONTENT_LENGTH": None}
        asked = environ(body=b"hello", **in_chunks)
        return call_wsgi(app, asked)[2]

    assert body_seen(ours(guest)) == b"hello"
    assert body_seen(theirs_asgi(guest)) == b""


def test_a_body_is_read_as_the_guest_asks_for_it() -> None:
    """Both are right: what nobody wants stays where it is."""

    class Counted(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        await receive()
        await answer(send, "enough")

    def taken_by(app: Any) -> int:
        body = Counted(b"x" * (8 << 20))
        asked = environ(**{"wsgi.input": body, "CONTENT_LENGTH": str(8 << 20), "REQUEST_METHOD": "POST"})
        assert call_wsgi(app, asked)[2] == b"enough"
        return body.taken

    assert 0 < taken_by(ours(guest)) <= 1 << 20
    assert taken_by(theirs_asgi(guest)) == 65536


def test_a_guest_runs_within_the_call_of_what_is_around_it() -> None:
    """a2wsgi's callable is a generator: the guest starts when a server iterates, outside all that is around the call."""

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        await answer(send, name_of_caller.get())

    def within_a_context(app: Any) -> Any:
        def wrapped(environ: Any, start_response: Any) -> Any:
            token = name_of_caller.set("a middleware")
            try:
                return app(environ, start_response)
            finally:
                name_of_caller.reset(token)

        return wrapped

    assert call_wsgi(within_a_context(ours(guest)), environ())[2] == b"a middleware"
    assert call_wsgi(within_a_context(theirs_asgi(guest)), environ())[2] == b"nobody"


def test_the_status_is_known_when_the_call_returns() -> None:
    """For the same reason: a WSGI middleware that looks at the status after the call sees none under a2wsgi."""

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        await answer(send, "here")

    def status_after_the_call(app: Any) -> list[str]:
        started: list[str] = []
        chunks = app(environ(), lambda status, fields, exc_info=None: started.append(status))
        seen = list(started)
        assert b"".join(chunks) == b"here"
        return seen

    assert status_after_the_call(ours(guest)) == ["200 OK"]
    assert status_after_the_call(theirs_asgi(guest)) == []


def test_an_exception_before_the_response_reaches_what_handles_it() -> None:
    """a2wsgi answers by itself, and nothing around it learns of the exception."""

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        raise LookupError("lost")

    app = ours(guest)

    @app.error(LookupError)
    def explain(request: Request, error: LookupError) -> Any:
        return Text(f"explained: {error}", 503)

    status, _, body = call_wsgi(app, environ())
    assert (status, body) == (503, b"explained: lost")
    status, _, body = call_wsgi(theirs_asgi(guest), environ())
    assert (status, body) == (500, b"Server got itself in trouble")


def test_an_exception_midway_reaches_the_server() -> None:
    """Only so can a server cut the connection. Under a2wsgi it is a race of two notices, and once in a hundred times
    a body that was cut looks like a whole one; so nothing is recorded but that.
    """

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        await answer(send, "begun", more=True)
        raise LookupError("lost")

    app = ours(guest)
    for _ in range(50):
        with pytest.raises(LookupError, match="lost"):
            call_wsgi(app, environ())
    with contextlib.suppress(LookupError):
        assert call_wsgi(theirs_asgi(guest), environ())[2] == b"begun"


def test_a_guest_that_answers_nothing_is_a_500() -> None:
    """a2wsgi waits for ever for its first message, and the server's thread with it."""
    release: list[Callable[[], Any]] = []

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        late, loop = {"type": "http.response.start", "status": 200, "headers": []}, asyncio.get_running_loop()
        release.append(lambda: asyncio.run_coroutine_threadsafe(send(late), loop).result(BOUND_S))

    threads: list[threading.Thread] = []

    def status_within(app: Any, seconds: float) -> int | None:
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(call_wsgi(app, environ())[0]), daemon=True)
        threads.append(thread)
        thread.start()
        thread.join(seconds)
        return seen[0] if seen else None

    assert status_within(ours(guest), BOUND_S) == 500
    assert status_within(theirs_asgi(guest), 2 * SOON_S) is None
    release[-1]()
    threads[-1].join(BOUND_S)  # it needs the loop, which is stopped behind the test


def test_a_scope_has_the_path_as_it_was_sent_and_the_client() -> None:
    """a2wsgi gives no `raw_path`, and no `client` where the server does not tell the client's port."""

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        client = scope.get("client")
        seen = (scope.get("raw_path"), scope["path"], scope["root_path"], client and client[0])
        await answer(send, repr(seen))

    def seen_by(app: Any, prefix: str) -> str:
        asked = environ("/guest/a/b", RAW_URI="/guest/a%2Fb?q=1", REMOTE_ADDR="192.0.2.1")
        if prefix:  # what a dispatcher around a2wsgi does
            asked |= {"SCRIPT_NAME": prefix, "PATH_INFO": "/a/b"}
        return call_wsgi(app, asked)[2].decode()

    assert seen_by(ours(guest), "") == repr((b"/guest/a%2Fb", "/guest/a/b", "/guest", "192.0.2.1"))
    assert seen_by(theirs_asgi(guest), "/guest") == repr((None, "/guest/a/b", "/guest", None))


def test_a_path_that_is_no_utf_8_is_the_clients_fault() -> None:
    """a2wsgi raises while the server iterates: a 500, with a traceback in the log for whoever wants to fill it."""

    async def guest(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        await answer(send, "here")

    assert call_wsgi(ours(guest), environ("/guest/\xff"))[0] == 400
    with pytest.raises(UnicodeDecodeError):
        call_wsgi(theirs_asgi(guest), environ("/guest/\xff"))


@pytest.mark.parametrize(("adapter", "answers"), [("ambi", True), ("a2wsgi", False)])
def test_a_guest_answers_in_workers_that_were_forked_from_a_loaded_application(adapter: str, answers: bool) -> None:
    """a2wsgi starts its loop when it is made; under `--preload` that is in the process that forks, and no worker has it."""
    asgi = {"AMBI_GUEST": "asgi", "AMBI_ADAPTER": adapter}
    with serve("gunicorn gthread", "tests.interop.large:app", "--preload", **asgi) as server:
        if answers:
            assert server.get("/guest/pid").body.isdigit()
        else:
            with pytest.raises(NoAnswerError, match="silent"):
                server.ask("GET", "/guest/pid", wait_s=4 * SOON_S)


# ====================================================================== a WSGI guest, called by an ASGI server


async def call_until_left(app: Any, stays_s: float, bound_s: float, deaf: threading.Event) -> bool:
    """Call as uvicorn does whose client leaves: `receive` says so, and `send` takes what comes without a word.

    Gives whether the call has ended within the bound; `deaf` ends the guest in any case.
    """
    sent_body = False

    async def receive() -> Any:
        nonlocal sent_body
        if not sent_body:
            sent_body = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await anyio.sleep(stays_s)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        await anyio.sleep(0)

    async with anyio.create_task_group() as tasks:
        over = anyio.Event()

        async def run() -> None:
            await app(scope_of("/guest/", raw_path=b"/guest/"), receive, send)
            over.set()

        tasks.start_soon(run)
        with anyio.move_on_after(stays_s + bound_s):
            await over.wait()
        by_itself = over.is_set()
        deaf.set()
        await over.wait()
    return by_itself


def test_an_iterable_whose_client_left_is_closed() -> None:
    """a2wsgi iterates on: an endless page of a WSGI guest keeps its thread and a core for good."""

    class Endless:
        def __init__(self, stop: threading.Event) -> None:
            self.stop = stop
            self.closed = 0

        def __iter__(self) -> Iterator[bytes]:
            while not self.stop.wait(0.005):
                yield b"tick"

        def close(self) -> None:
            self.closed += 1

    def leave(adapt: Adapter, bound_s: float) -> tuple[bool, int]:
        stop = threading.Event()
        body = Endless(stop)

        def guest(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return body

        return asyncio.run(call_until_left(adapt(guest), 0.1, bound_s, stop)), body.closed

    assert leave(ours, BOUND_S) == (True, 1)
    assert leave(theirs_wsgi, 2 * SOON_S) == (False, 1)  # closed, but only when the guest had come to its end


def ask(adapt: Adapter, guest: Any, body: bytes = b"", **changes: Any) -> str:
    """Call a WSGI guest through an adapter; give the text of the answer, or the name of what was raised."""

    def application(environ: Any, start_response: Any) -> Any:
        text = guest(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(text).encode()]

    scope = scope_of("/guest/", body, raw_path=b"/guest/", method="POST", **changes)

    async def call() -> str:
        app = adapt(application)
        try:
            return (await call_asgi(app, scope, sending_body(body)))[2].decode()
        except Exception as exc:
            return type(exc).__name__

    return asyncio.run(call())


def test_a_line_is_read_to_its_end() -> None:
    """a2wsgi looks at what has come already: before the first read that is nothing, and so is the line."""

    def guest(environ: Any) -> Any:
        return environ["wsgi.input"].readline(1024)

    assert ask(ours, guest, b"one\ntwo\n") == r"b'one\n'"
    assert ask(theirs_wsgi, guest, b"one\ntwo\n") == "b''"


def test_a_body_without_a_length_says_that_it_ends() -> None:
    """Without `wsgi.input_terminated` Werkzeug and others take a body in chunks for none."""

    def guest(environ: Any) -> Any:
        return environ.get("wsgi.input_terminated", False), "CONTENT_LENGTH" in environ

    in_chunks = [(b"transfer-encoding", b"chunked")]
    assert ask(ours, guest, b"hello", headers=in_chunks) == "(True, False)"
    assert ask(theirs_wsgi, guest, b"hello", headers=in_chunks) == "(False, False)"


def test_cookies_that_come_in_several_fields_are_one_list() -> None:
    """HTTP/2 clients split them (RFC 9113 8.2.3); a2wsgi joins them with a comma, which is part of a value."""

    def guest(environ: Any) -> Any:
        return environ["HTTP_COOKIE"]

    split = [(b"cookie", b"a=1"), (b"cookie", b"b=2")]
    assert ask(ours, guest, headers=split) == "a=1; b=2"
    assert ask(theirs_wsgi, guest, headers=split) == "a=1,b=2"


def test_a_field_name_with_an_underscore_is_no_other_field() -> None:
    """WSGI servers drop such fields, since they would pass for one with a hyphen, which a proxy has checked."""

    def guest(environ: Any) -> Any:
        return environ.get("HTTP_X_FORWARDED_FOR")

    forged = [(b"x_forwarded_for", b"192.0.2.1")]
    assert ask(ours, guest, headers=forged) == "None"
    assert ask(theirs_wsgi, guest, headers=forged) == "192.0.2.1"


def test_a_query_may_hold_any_byte() -> None:
    """Servers pass bytes that nobody has encoded; a2wsgi fails on them. Ours encodes them."""

    def guest(environ: Any) -> Any:
        return environ["QUERY_STRING"].encode("latin-1")

    assert ask(ours, guest, query_string=b"q=\xe9") == "b'q=%E9'"
    assert ask(theirs_wsgi, guest, query_string=b"q=\xe9") == "UnicodeDecodeError"


def test_what_a_guest_sets_is_seen_around_it() -> None:
    """a2wsgi runs the guest in a copy of the context."""

    def guest(environ: Any) -> Any:
        name_of_caller.set("the guest")
        return "done"

    seen: list[str] = []

    def watched(adapt: Adapter) -> Adapter:
        def adapted(application: Any) -> Any:
            app = adapt(application)
            if isinstance(app, App):
                app.middleware(watch)
                return app

            async def wrapped(scope: Any, receive: Any, send: Any) -> None:
                await app(scope, receive, send)
                seen.append(name_of_caller.get())

            return wrapped

        return adapted

    def watch(request: Request) -> Any:
        yield
        seen.append(name_of_caller.get())

    assert ask(watched(ours), guest) == ask(watched(theirs_wsgi), guest) == "done"
    assert seen == ["the guest", "nobody"]


def test_a_dozen_slow_requests_are_served_at_the_same_time() -> None:
    """a2wsgi has ten threads, for each application that is mounted; ours are those of all `def` handlers, 40."""

    def meet(adapt: Adapter, within_s: float) -> list[str]:
        all_here = threading.Barrier(12)

        def guest(environ: Any, start_response: Any) -> Any:
            try:
                all_here.wait(within_s)
                met = b"met"
            except threading.BrokenBarrierError:
                met = b"missed"
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [met]

        async def ask_all() -> list[str]:
            app = adapt(guest)
            asked = [call_asgi(app, scope_of("/guest/", raw_path=b"/guest/"), sending_body(b"")) for _ in range(12)]
            return [body.decode() for _, _, body in await asyncio.gather(*asked)]

        return asyncio.run(ask_all())

    assert meet(ours, BOUND_S) == ["met"] * 12
    assert "missed" in meet(theirs_wsgi, 3 * SOON_S)
