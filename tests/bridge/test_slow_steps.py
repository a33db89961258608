"""In debug, code that holds an event loop is named: which function, where, for how long, and what mends it.

The limit here is lower than the default, so that tests need not block for long. A busy machine may keep the thread
that looks from looking: so what blocks is asked for again until it was seen.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from ambi import App, CallNext, Limits, Middleware, Request, Response, Router, Text, WebSocket
from ambi.bridge import slow_steps
from ambi.bridge.slow_steps import Seen, Step, Watchdog, WatchedCoroutine
from ambi.core.middleware import Layer
from ambi.testing import Client
from tests.cells import GATEWAYS, Cell
from tests.core.fakes import make_request

BLOCK_S = 0.05
LIMIT_S = 0.02
ASGI = [cell for cell in GATEWAYS if cell.gateway == "asgi"]


@pytest.fixture
def app() -> App:
    return App(debug=True, limits=Limits(slow_step_s=LIMIT_S))


@pytest.fixture(params=GATEWAYS, ids=lambda cell: f"{cell.gateway}-{cell.backend}")
def client(request: pytest.FixtureRequest, app: App) -> Iterator[Client]:
    """Give a client for each way in; blocking calls on an event loop are what these tests are about."""
    cell: Cell = request.param
    with Client(app, cell.gateway, backend=cell.backend) as client:
        yield client


@pytest.fixture(params=ASGI, ids=lambda cell: cell.backend)
def asgi_client(request: pytest.FixtureRequest, app: App) -> Iterator[Client]:
    with Client(app, "asgi", backend=request.param.backend) as client:
        yield client


def block() -> None:
    time.sleep(BLOCK_S)


def warning(caplog: pytest.LogCaptureFixture, ask: Callable[[], object]) -> str:
    """Ask until there was a warning; give it."""
    for _ in range(20):
        ask()
        slow = [record for record in caplog.records if record.name == "ambi.slow"]
        if slow:
            assert [record.levelname for record in slow] == ["WARNING"]
            return slow[0].getMessage()
    raise AssertionError("nothing was warned of")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "ambi.slow"]


# --- what holds the loop is named ---


def test_the_warning_names_request_function_line_time_and_mend(
    app: App, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/report/{year:int}")
    async def report(year: int) -> str:
        def total() -> None:
            time.sleep(BLOCK_S)

        total()
        return "done"

    said = warning(caplog, lambda: client.get("/report/2026", headers={"x-request-id": "abc-1"}))
    first = report.__code__.co_firstlineno
    function = re.escape(report.__qualname__)
    file = re.escape(__file__)
    assert re.fullmatch(
        rf"GET /report/2026 held the event loop for 0\.\d\d s in {function} \({file}:{first}\),"
        rf" at {file}:{first + 3} in {function}\.<locals>\.total: time\.sleep\(BLOCK_S\);"
        r" all other requests waited meanwhile\. To mend it, make it a `def`, which runs in a thread; or await what"
        r" takes long: by a library for async code, or by `await anyio\.to_thread\.run_sync\(function\)`\."
        r" route=/report/\{year:int\} name=report id=abc-1",
        said,
    )
    fields: Any = next(record for record in caplog.records if record.name == "ambi.slow")
    assert (fields.route, fields.request_id, fields.method) == ("/report/{year:int}", "abc-1", "GET")


def test_code_that_computes_is_seen_as_well(app: App, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    @app.get("/")
    async def compute() -> str:
        until = time.perf_counter() + BLOCK_S
        while time.perf_counter() < until:
            pass
        return ""

    assert "in test_code_that_computes_is_seen_as_well.<locals>.compute" in warning(caplog, lambda: client.get("/"))


def test_an_async_middleware_is_named(app: App, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    @app.middleware
    async def guard(request: Request, call_next: CallNext) -> Response:
        block()
        return await call_next(request)

    @app.get("/")
    async def handler() -> str:
        return ""

    said = warning(caplog, lambda: client.get("/"))
    assert "<locals>.guard (" in said
    assert " in block: time.sleep(BLOCK_S)" in said


def test_an_async_step_before_the_handler_is_named(app: App, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    async def provide(request: Request) -> None:
        block()

    app.get("/", middleware=[Layer(provide, step=True)])(lambda: "")
    assert "<locals>.provide (" in warning(caplog, lambda: client.get("/"))


def test_an_async_error_handler_is_named(app: App, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    @app.error(KeyError)
    async def missing(request: Request, error: KeyError) -> Response:
        block()
        return Text("", 404)

    @app.get("/")
    async def handler() -> None:
        raise KeyError

    assert "<locals>.missing (" in warning(caplog, lambda: client.get("/"))


@pytest.mark.parametrize("kind", ["stream", "events"])
def test_a_stream_is_named(app: App, client: Client, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    from ambi import SSE, Event

    async def items() -> AsyncIterator[Any]:
        yield "a" if kind == "stream" else Event("a")
        block()
        yield "b" if kind == "stream" else Event("b")

    if kind == "stream":
        app.get("/")(items)
    else:
        app.get("/")(lambda: SSE(items()))
    said = warning(caplog, lambda: client.get("/"))
    assert "<locals>.items (" in said
    assert "make it a generator of a `def`" in said


def test_what_runs_after_a_response_is_named(app: App, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    async def later() -> None:
        block()

    @app.get("/")
    async def handler(request: Request) -> str:
        request.after(later)
        return ""

    assert "<locals>.later (" in warning(caplog, lambda: client.get("/"))


def test_a_websocket_handler_is_named_and_is_not_told_to_be_a_def(
    app: App, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    @app.websocket("/")
    async def chat(ws: WebSocket) -> None:
        async for message in ws:
            block()
            await ws.send(message)

    def ask() -> None:
        with client.websocket("/") as ws:
            ws.send("a")
            assert ws.receive() == "a"

    said = warning(caplog, ask)
    assert "<locals>.chat (" in said
    assert "To mend it, await what takes long: by a library" in said


def test_a_generator_middleware_is_named(app: App, asgi_client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """ASGI alone: under WSGI it opens in the server's own thread, where it keeps nobody waiting."""
    router = Router(prefix="/in")

    @router.middleware
    def layer(request: Request) -> Middleware:
        yield
        block()

    @router.get("")
    async def handler() -> str:
        return ""

    app.include(router)
    said = warning(caplog, lambda: asgi_client.get("/in"))
    assert "<locals>.layer (" in said
    assert "To mend it, register it with blocking=True" in said


def test_a_handler_that_said_it_would_not_block_is_named(
    app: App, asgi_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """ASGI alone, where that keeps it on the loop."""

    @app.get("/", blocking=False)
    def handler() -> str:
        block()
        return ""

    assert "take its blocking=False away" in warning(caplog, lambda: asgi_client.get("/"))


def test_a_function_that_is_neither_handler_nor_layer_is_told_where_it_may_block(
    app: App, asgi_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """ASGI alone, as before: a callback is a `def` on whichever side the request is."""

    def callback(response: Response) -> None:
        block()

    @app.get("/")
    async def handler(request: Request) -> str:
        request.on_response(callback)
        return ""

    said = warning(caplog, lambda: asgi_client.get("/"))
    assert "<locals>.callback (" in said
    assert "in a `def` handler or in a middleware with blocking=True" in said


def block_here() -> None:
    time.sleep(BLOCK_S)


def block_there() -> None:
    time.sleep(BLOCK_S)


def test_a_place_is_warned_of_once_and_another_place_again(
    app: App, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/{where}")
    async def handler(where: str) -> str:
        if where == "here":
            block_here()
        else:
            block_there()
        return ""

    warning(caplog, lambda: client.get("/here"))
    client.get("/here")
    assert len(warnings(caplog)) == 1
    caplog.clear()
    warning(caplog, lambda: client.get("/there"))


# --- and nothing else is ---


def test_what_awaits_or_runs_in_a_thread_is_not_warned_of(
    app: App, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    app.limits = Limits(slow_step_s=2 * LIMIT_S)  # so that a busy machine is none

    @app.middleware(blocking=True)
    def layer(request: Request) -> Middleware:
        block()
        yield

    @app.get("/awaits")
    async def awaits() -> str:
        await anyio.sleep(BLOCK_S)
        await anyio.to_thread.run_sync(block)
        return ""

    @app.get("/blocks")
    def blocks() -> str:
        block()
        return ""

    @app.get("/streams")
    def streams() -> Iterator[str]:
        yield "a"
        block()
        yield "b"

    for path in ("/awaits", "/blocks", "/streams"):
        assert client.get(path).status_code == 200
    assert warnings(caplog) == []


def test_what_has_a_servers_thread_of_its_own_may_block(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """WSGI alone: there `blocking=False` and a generator middleware run in the server's thread."""

    @app.middleware
    def layer(request: Request) -> Middleware:
        block()
        yield

    @app.get("/", blocking=False)
    def handler() -> str:
        block()
        return ""

    Client(app, "wsgi").get("/")
    assert warnings(caplog) == []


def test_without_debug_nobody_looks(client: Client, app: App, caplog: pytest.LogCaptureFixture) -> None:
    app.debug = False
    begun: list[Any] = []

    @app.get("/")
    async def handler() -> str:
        begun.extend(slow_steps._watchdog._steps)
        block()
        return ""

    client.get("/")
    assert (begun, warnings(caplog)) == ([], [])


def test_debug_may_be_set_when_routes_have_served_already(
    client: Client, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    app.debug = False

    @app.get("/")
    async def handler() -> str:
        block()
        return ""

    client.get("/")
    app.debug = True
    warning(caplog, lambda: client.get("/"))


@pytest.fixture
def judged(caplog: pytest.LogCaptureFixture) -> Callable[..., list[str]]:
    """Give what judges a step of one second that was seen so often, at those times."""

    def judge(*seen_s: float, computed_s: float = 0.0, elsewhere: bool = False) -> list[str]:
        async def coroutine() -> None: ...

        inner = coroutine()
        inner.close()
        step = Step(0.1, frozenset())
        looks = [Seen(judge.__code__, "shop.py", 3, "judge", at_s) for at_s in seen_s]
        step.first, step.last = (looks[0], looks[-1]) if looks else (None, None)
        step.was_elsewhere = elsewhere
        WatchedCoroutine(inner, make_request(), None)._judge(step, 1.0, computed_s)
        return warnings(caplog)

    return judge


@pytest.mark.parametrize("seen_s", [(), (0.05,), (0.05, 0.06)], ids=["never", "once", "twice in a moment"])
def test_a_machine_that_was_busy_is_not_taken_for_a_handler(judged: Any, seen_s: tuple[float, ...]) -> None:
    """A step that took long, and was not seen in the user's code for as long: the process had no time to run."""
    assert judged(*seen_s) == []


def test_a_step_seen_twice_with_time_between_is_sure(judged: Any) -> None:
    assert "at shop.py:3 in judge" in judged(0.05, 0.15)[0]


def test_code_that_keeps_the_interpreter_is_seen_by_its_time_alone(judged: Any) -> None:
    (said,) = judged(computed_s=0.5)
    assert "in its handler, or in a layer around it; all other" in said


def test_time_that_ambi_itself_or_an_import_takes_is_nobodys(judged: Any) -> None:
    assert judged(computed_s=0.5, elsewhere=True) == []


def test_so_many_places_are_warned_of_and_no_more(judged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_steps, "_MAX_PLACES", 0)
    assert judged(0.05, 0.15) == []


# --- the thread that looks, and what drives ---


def test_the_thread_that_looks_sleeps_when_nothing_runs_and_wakes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_steps, "_IDLE_AFTER_S", 0.01)
    watchdog = Watchdog()
    for _ in range(2):
        step = Step(0.001, frozenset())
        assert watchdog.begin(step) is None
        deadline = time.monotonic() + 5
        while not step.was_elsewhere and time.monotonic() < deadline:
            time.sleep(0.005)
        assert step.was_elsewhere  # it was looked at; no user code of a step was there
        watchdog.end(None)
        while not watchdog._is_asleep and time.monotonic() < deadline:
            time.sleep(0.005)
        assert watchdog._is_asleep


def test_a_step_within_a_step_is_watched_and_then_the_outer_one_again() -> None:
    watchdog, outer, inner = Watchdog(), Step(1, frozenset()), Step(1, frozenset())
    assert watchdog.begin(outer) is None
    assert watchdog.begin(inner) is outer
    watchdog.end(outer)
    assert list(watchdog._steps.values()) == [outer]
    watchdog.end(None)
    assert not watchdog._steps


def test_a_child_process_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = slow_steps._watchdog
    monkeypatch.setattr(slow_steps, "_watchdog", before)
    slow_steps._forget_after_fork()
    assert slow_steps._watchdog is not before


def test_what_is_awaited_through_it_is_cancelled_closed_and_gives_its_value() -> None:
    events: list[str] = []

    async def work(seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except BaseException as exc:
            events.append(type(exc).__name__)
            raise
        return "done"

    def watched(seconds: float) -> Any:
        return WatchedCoroutine(work(seconds), make_request(), None)

    async def run() -> None:
        assert await watched(0) == "done"
        task = asyncio.ensure_future(_of(watched(30)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        closing = _of(watched(30))
        closing.send(None)
        closing.close()

    asyncio.run(run())
    assert events == ["CancelledError", "GeneratorExit"]


async def _of(awaitable: Any) -> Any:
    return await awaitable


def test_the_code_of_an_application_that_is_installed_is_its_own() -> None:
    """It stands where libraries do; what is known to be a handler is its, and so is what stands beside it."""
    library = slow_steps._LIBRARIES[0]
    names: dict[str, Any] = {}
    helper = compile("import sys\ndef help(look): look(sys._getframe())", f"{library}shop/parts.py", "exec")
    handler = compile("def handle(look): help(look)", f"{library}shop/views.py", "exec")
    exec(helper, names)
    exec(handler, names)
    found: list[Seen | None] = []

    def _watched(known: Any) -> None:
        names["handle"](lambda frame: found.append(slow_steps._seen(frame, known)))

    watching = _watched.__code__.replace(co_filename=slow_steps.__file__)
    _watched.__code__ = watching
    _watched(frozenset([names["handle"].__code__]))
    _watched(frozenset())
    assert found[0] is not None
    assert (found[0].piece.co_name, found[0].file, found[0].name) == ("handle", f"{library}shop/parts.py", "help")
    assert found[1] is None
