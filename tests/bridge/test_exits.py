"""An exit that strikes a WSGI server's thread while a request is on the loop ends that in order, within a time.

WSGI alone: such a thread is ended by a signal (gunicorn's time limit) or by gevent; under ASGI an exit ends the loop.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import anyio
import pytest

from ambi import App, BodyStream, CallNext, Layer, Middleware, Request, Response
from ambi.bridge import to_loop
from ambi.bridge.background import settle_in_process
from ambi.core.errors import ConnectionLost
from tests.calls import call_wsgi, environ_of

Strike = Callable[[], None]

FORM = b'--B\r\ncontent-disposition: form-data; name="f"; filename="f.txt"\r\n\r\ncontent\r\n--B--\r\n'


@pytest.fixture
def strike() -> Iterator[Strike]:
    """Give what lets an exit strike the server's thread, which is this one; to be called from another."""

    def leave(number: int, frame: Any) -> None:
        raise SystemExit("the time is up")

    before = signal.signal(signal.SIGUSR1, leave)
    yield partial(signal.pthread_kill, threading.get_ident(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server's thread wait for a moment only."""
    monkeypatch.setattr(to_loop, "_LEAVE_S", 0.1)
    monkeypatch.setattr(to_loop, "_LOOK_AFTER_S", 0.02)


def exits(app: App, environ: dict[str, Any] | str = "/") -> None:
    """Call the application, which is left by an exit."""
    with pytest.raises(SystemExit, match="the time is up"):
        call_wsgi(app, environ)
    settle_in_process()


def test_the_handler_is_cancelled_and_its_layers_are_left_before_the_request_is_over(strike: Strike) -> None:
    app, events, files = App(), [], []

    def noting(name: str) -> Any:
        def layer(request: Request) -> Middleware:
            try:
                yield
            except BaseException as exc:
                events.append(f"{name} {type(exc).__name__} {threading.current_thread().name}")
                raise

        return layer

    async def asynchronous(request: Request, call_next: CallNext) -> Response:
        try:
            return await call_next(request)
        finally:
            await anyio.sleep(0.01)
            events.append("async")

    layers = [Layer(noting("blocking"), blocking=True), asynchronous, noting("plain")]

    @app.post("/", middleware=layers)
    async def handler(request: Request) -> str:
        request.on_sent(lambda sent: events.append(f"sent {sent.status}"))
        request.after(events.append, "after")
        files.append(request.form.file("f"))
        strike()
        try:
            await anyio.sleep(5)
        finally:
            events.append(files[0].read())
        return "never"

    exits(app, environ_of(body=FORM, CONTENT_TYPE="multipart/form-data; boundary=B"))
    assert events == [
        b"content", "plain CancelledError ambi-loop", "async", "blocking CancelledError MainThread", "sent None", "after",
    ]  # fmt: skip
    assert files[0].file.closed


@pytest.mark.parametrize("where", ["before", "behind"])
def test_an_async_layer_around_a_handler_of_the_thread_is_cancelled(strike: Strike, where: str) -> None:
    app, events = App(), []

    @app.middleware
    async def layer(request: Request, call_next: CallNext) -> Response:
        try:
            response = None if where == "before" else await call_next(request)
            strike()
            await anyio.sleep(5)
            return response or await call_next(request)
        finally:
            events.append("left")

    app.get("/")(lambda: events.append("handled"))
    exits(app)
    assert events == ["handled"] * (where == "behind") + ["left"]


def test_what_comes_to_its_end_in_the_thread_is_ended_there(strike: Strike) -> None:
    """The cancellation comes while it is on its way there, and is kept until it is on the loop again."""
    app, events = App(), []

    async def guard(request: Request) -> None:
        strike()
        time.sleep(0.05)  # noqa: ASYNC251  # the loop learns of it when the request has gone on

    def blocking(request: Request) -> Middleware:
        events.append("opened")
        try:
            yield
        finally:
            events.append("closed")

    @app.get("/", middleware=[Layer(guard, step=True), Layer(blocking, blocking=True)])
    async def handler() -> None:
        try:
            await anyio.sleep(5)
        finally:
            events.append("handler left")

    exits(app)
    assert events == ["opened", "handler left", "closed"]


@pytest.mark.usefixtures("hurried")
def test_a_handler_that_does_not_end_is_left_behind(strike: Strike, caplog: pytest.LogCaptureFixture) -> None:
    app, ended = App(), threading.Event()
    raised: list[type[Exception]] = []

    @app.post("/")
    async def handler(body: BodyStream) -> None:
        strike()
        try:
            await anyio.sleep(5)
        finally:
            await anyio.sleep(0.3)
            try:
                await anext(aiter(body))
            except Exception as exc:
                raised.append(type(exc))
            ended.set()

    exits(app, environ_of(body=b"content"))
    assert "<Request POST /> did not end in time and was left behind" in caplog.text
    assert ended.wait(5)
    assert raised == [ConnectionLost]


@pytest.mark.usefixtures("hurried")
def test_a_handler_that_goes_on_asking_for_the_thread_is_left_behind(strike: Strike) -> None:
    app, ended = App(), threading.Event()

    @app.middleware
    async def layer(request: Request, call_next: CallNext) -> Response:
        strike()
        try:
            await anyio.sleep(5)
        finally:
            while (await call_next(request)).status == 200:
                pass
            ended.set()

    app.get("/")(lambda: str(time.sleep(0.01)))
    started = time.monotonic()
    exits(app)
    assert time.monotonic() - started < 3
    assert ended.wait(5)
