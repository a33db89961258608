"""A thread that a stop has left behind is waited for by nobody: the process ends. Under ASGI, where tasks wait for it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

import anyio
import pytest

from ambi import App, Limits, Request, Stream, UploadFile
from ambi.bridge import background, to_thread
from ambi.bridge.stopping import tell_stopping
from tests.bridge.test_places import NO_BODY, Client
from tests.calls import call_asgi, scope_of, sending_body
from tests.cells import Cell


class Stuck:
    """What waits in a thread, until the test has ended."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go_on = threading.Event()

    def __call__(self) -> None:
        self.began.set()
        self.go_on.wait(10)


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    """Give what is stuck in a thread, and hurry those who look after it."""
    monkeypatch.setattr(to_thread, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(background, "_CANCELLED_S", 0.1)
    stuck = Stuck()
    yield stuck
    stuck.go_on.set()


@pytest.fixture
def app() -> App:
    """Give an application that a stop takes a fifth of a second of."""
    return App(limits=Limits(graceful_stop_s=0.2))


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, for five seconds at most."""
    with anyio.fail_after(5):
        while not condition():
            await anyio.sleep(0.005)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what was left behind, as the log has it."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_runs_after_a_stream_is_cancelled_though_the_thread_of_that_is_stuck(
    app: App, stuck: Stuck, loop_cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[str] = []

    async def after() -> None:
        events.append("began")
        try:
            await anyio.sleep_forever()
        finally:
            events.append("cancelled")

    def items() -> Iterator[str]:
        yield "first"
        stuck()

    @app.get("/")
    def handler(request: Request) -> Stream:
        request.after(after)
        return Stream(items())

    async def main() -> None:
        client = Client(NO_BODY)
        async with anyio.create_task_group() as group:
            group.start_soon(client.ask, app, scope_of())
            await until(stuck.began.is_set)
            client.leave()
            tell_stopping()
        await until(lambda: events)
        await background.drain_on_loop()
        assert events == ["began", "cancelled"]

    anyio.run(main, backend=loop_cell.backend)
    assert len(said(caplog)) == 1, "the thread alone"


@pytest.mark.parametrize("how", ["spawned", "after"])
def test_a_loop_ends_though_a_thread_of_the_background_does_not(
    app: App, stuck: Stuck, loop_cell: Cell, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """A loop that ends cancels its tasks and waits for them; what the request holds is released all the same."""
    uploads: list[UploadFile] = []

    @app.post("/")
    def handler(request: Request) -> str:
        uploads.append(request.form.file("f"))
        if how == "spawned":
            app.spawn(stuck)
        else:
            request.after(stuck)
        return "ok"

    body = b'--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n--b--\r\n'
    headers = [(b"content-type", b"multipart/form-data; boundary=b"), (b"content-length", str(len(body)).encode())]

    async def main() -> None:
        await call_asgi(app, scope_of(method="POST", headers=headers), sending_body(body))
        await until(stuck.began.is_set)
        await background.drain_on_loop()

    started = time.monotonic()
    anyio.run(main, backend=loop_cell.backend)
    assert time.monotonic() - started < 5
    assert not stuck.go_on.is_set()
    assert [message.rpartition(" did ")[2] for message in said(caplog)] == ["not end in time and was left behind"]
    assert [upload.file.closed for upload in uploads] == [True]


def test_what_is_left_behind_is_not_waited_for_where_the_loop_goes_on(app: App, stuck: Stuck, loop_cell: Cell) -> None:
    """As in programs that run one server after the other. A thread that ends at last is there for others."""

    @app.get("/")
    def handler(request: Request) -> str:
        request.after(stuck)
        return "ok"

    app.get("/page")(lambda: "page")

    async def main() -> None:
        await call_asgi(app)
        await until(stuck.began.is_set)
        await background.drain_on_loop()
        await until(lambda: not to_thread.limiter_of(app, "background").borrowed_tokens)
        assert (await call_asgi(app, "/page"))[0] == 200
        stuck.go_on.set()
        await background.drain_on_loop()

    anyio.run(main, backend=loop_cell.backend)
