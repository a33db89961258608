"""An MCP server, mounted, as the official package's own client sees it, on a WSGI server and on an ASGI server."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.interop.serving import serve
from tests.servers.holding import TROUBLE
from tests.servers.processes import Running
from tests.servers.wire import Answer, collect
from tests.streaming.serving import chosen

Client = pytest.importorskip("mcp.client.client").Client

WAIT_S = 20.0
QUICK = ("gunicorn gthread", "uvicorn h11")
SERVERS = (*QUICK, "gunicorn asgi", "hypercorn asyncio", "granian asgi", "granian wsgi", "waitress")
THREADS = {"gunicorn gthread": "--threads 16", "granian wsgi": "--blocking-threads 16", "waitress": "--threads 16"}
"""An event stream holds one of them on a WSGI server."""
MODES = ("legacy", "auto")
"""The client begins with a handshake and has a session; or it asks for what it needs, as newer servers can."""

SILENT = {"gunicorn asgi", "waitress"}
"""They send the head of an answer with its first byte, whatever the application is."""

POSTED = [("Accept", "application/json, text/event-stream"), ("Content-Type", "application/json")]


@pytest.fixture(scope="module", params=chosen(SERVERS, QUICK))
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with serve(request.param, "tests.interop.mcp_app:app", THREADS.get(request.param, "")) as found:
        yield found


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, WAIT_S))


def url(server: Running, path: str = "/mcp") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def left(server: Running) -> dict[str, int]:
    found: dict[str, int] = json.loads(server.get("/left").body)
    return found


def wait_for(server: Running, condition: Callable[[dict[str, int]], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition(now := left(server)):
        assert time.monotonic() < deadline, now
        time.sleep(0.05)


RACE = re.compile(
    r"ERROR +(?:Error handling POST request.*?ClosedResourceError|"
    r"<Request POST /mcp> to the mounted.*?cannot\s+come\s+after\s+its\s+answer\s+was\s+complete)",
    re.DOTALL,
)
"""What the package writes when a client ends its session while the package still takes its last notification, which it
has answered already; and of the second answer that it sends then, a 500."""


def trouble(server: Running) -> list[str]:
    text = RACE.sub("", (server.folder / "log").read_text(errors="replace"))
    return [text] if TROUBLE.search(text) else []


def post(server: Running, method: str, *fields: tuple[str, str], **params: Any) -> Answer:
    """Send a call by hand."""
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return server.ask("POST", "/mcp", [*POSTED, *fields], json.dumps(call).encode())


def session(server: Running) -> tuple[str, str]:
    """Begin a session by hand, and give the field that names it."""
    who = {"name": "tests", "version": "1"}
    answer = post(server, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=who)
    assert answer.status == 200
    name = answer.head.get("mcp-session-id")
    assert name is not None
    return ("Mcp-Session-Id", name)


async def use(address: str, mode: str) -> tuple[list[str], str, list[float], str, str]:
    """Do what a client does: list, call, be told of progress, read."""
    seen: list[float] = []

    async def progress(at: float, total: float | None, message: str | None) -> None:
        assert (total, message) == (3, f"at {at:.0f}")
        seen.append(at)

    async with Client(address, mode=mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        counted = await client.call_tool("count", {"to": 3}, progress_callback=progress)
        blocked = await client.call_tool("thread_of", {})
        read = await client.read_resource("tests://pid")
    return tools, counted.content[0].text, seen, blocked.content[0].text, read.contents[0].text


PATHS = [("/mcp", "legacy"), ("/mcp", "auto"), ("/stateless/mcp", "legacy"), ("/redirected", "auto")]


@pytest.mark.parametrize(("path", "mode"), PATHS)
def test_tools_progress_and_resources(server: Running, path: str, mode: str) -> None:
    tools, counted, seen, thread, pid = run(use(url(server, path), mode))
    assert (tools, counted, seen) == (["count", "thread_of"], "counted to 3", [1, 2, 3])
    assert thread.startswith("AnyIO worker thread")
    assert int(pid) > 0
    assert trouble(server) == []


def test_the_path_needs_no_redirect(server: Running) -> None:
    assert post(server, "ping").status == 400  # without a session; what it is not is a 307


def test_progress_comes_while_the_call_runs(server: Running) -> None:
    async def call() -> list[float]:
        times: list[float] = []

        async def progress(*told: Any) -> None:
            times.append(time.monotonic())

        async with Client(url(server)) as client:
            await client.call_tool("count", {"to": 3, "pause_s": 0.2}, progress_callback=progress)
        return [*times, time.monotonic()]

    first, *_, last = run(call())
    assert last - first > 0.5


@pytest.mark.parametrize("mode", MODES)
def test_clients_are_served_at_once(server: Running, mode: str) -> None:
    async def one() -> list[float]:
        seen: list[float] = []

        async def progress(at: float, total: float | None, message: str | None) -> None:
            seen.append(at)

        async with Client(url(server), mode=mode) as client:
            await client.call_tool("count", {"to": 2, "together": 6}, progress_callback=progress)
        return seen

    async def all_of_them() -> list[list[float]]:
        return await asyncio.gather(*(one() for _ in range(6)))

    assert run(all_of_them()) == [[1, 2]] * 6  # one after the other they would wait for each other without end
    wait_for(server, lambda now: now["sessions"] == now["running"] == 0)


@pytest.mark.parametrize("mode", MODES)
def test_a_call_that_is_given_up_ends(server: Running, mode: str) -> None:
    before = left(server)

    async def give_up() -> None:
        began = asyncio.Event()

        async def progress(*told: Any) -> None:
            began.set()

        async with Client(url(server), mode=mode) as client:
            call = asyncio.create_task(
                client.call_tool("count", {"to": 100, "pause_s": 0.1}, progress_callback=progress)
            )
            await began.wait()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    run(give_up())
    wait_for(server, lambda now: now["running"] == now["sessions"] == 0 and now["tasks"] <= before["tasks"] + 1)
    assert trouble(server) == []


def test_an_idle_event_stream_begins_at_once_and_ends_with_its_client(server: Running) -> None:
    if server.server.name in SILENT:
        pytest.skip("the server sends nothing of an answer before its first byte")
    who = session(server)
    wait_for(server, lambda now: now["sessions"] == 1)
    before = left(server)
    began_s = time.monotonic()
    with server.connect() as connection:
        connection.ask("GET", "/mcp", [("Accept", "text/event-stream"), who])
        head = connection.read_head()
        assert (head.status, head.get("content-type")) == (200, "text/event-stream")
        assert time.monotonic() - began_s < 2
        wait_for(server, lambda now: now["tasks"] > before["tasks"])
    if server.server.name != "granian wsgi":  # there it is seen when the next ping is sent, in 15 s
        wait_for(server, lambda now: now["tasks"] <= before["tasks"])
    assert server.ask("DELETE", "/mcp", [who]).status == 200
    wait_for(server, lambda now: now["sessions"] == 0 and now["descriptors"] <= before["descriptors"])
    assert trouble(server) == []


def test_what_there_is_too_much_of_is_refused(server: Running) -> None:
    assert server.ask("POST", "/mcp", POSTED, b" " * (4 * 1024 * 1024 + 1)).status == 413  # the package's own limit
    with server.connect() as connection:
        connection.send(b"POST /mcp HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n")
        connection.send(b"Content-Type: application/json\r\nConnection: close\r\n\r\n{}")
        assert connection.read_answer("POST").status == 421


@pytest.mark.parametrize("name", chosen(SERVERS[:4], QUICK))
def test_an_open_event_stream_does_not_hold_up_a_stop(name: str) -> None:
    with serve(name, "tests.interop.mcp_app:app") as started:
        with started.connect() as connection:
            connection.ask("GET", "/mcp", [("Accept", "text/event-stream"), session(started)])
            if name not in SILENT:
                assert connection.read_head().status == 200
            started.terminate()
            if name in SILENT:
                assert connection.read_head().status == 200
            assert collect(connection.read_chunks()) == ([], "complete")
        assert started.ended_within(5)
        assert trouble(started) == []


async def order(address: str) -> tuple[str, int]:
    """Order what the example brews; give what came, and how many steps were told of."""
    steps: list[float] = []

    async def progress(at: float, total: float | None, message: str | None) -> None:
        steps.append(at)

    async with Client(address) as client:
        pot = await client.call_tool("brew", {"tea": "Sencha"}, progress_callback=progress)
    return pot.content[0].text, len(steps)


@pytest.mark.parametrize("name", chosen(SERVERS, QUICK))
def test_the_example_is_a_page_and_a_server(name: str) -> None:
    with serve(name, "examples.mcp_anywhere:app") as started:
        assert run(order(url(started))) == ("A pot of Sencha.", 3)
        assert b"Sencha: 1 brewed" in started.get("/").body
        assert json.loads(started.get("/teas/Sencha").body) == {"tea": "Sencha", "brewed": 1}
