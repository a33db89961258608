"""Calls an application as a server would: ``WSGI`` and ``ASGI`` offer the same names, mostly coroutines.

Those of ``WSGI`` never suspend, and are run without an event loop, as under a WSGI server.
"""

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from wsgiref.util import FileWrapper

from tests.benchmarks.cases import Case

Application = Any  # a WSGI or an ASGI callable
Answer = tuple[int, bytes]

# A browser's: a framework that reads all of them eagerly pays for it here as it would there.
REQUEST_HEADERS = {
    "host": "127.0.0.1:8000",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language": "en-US,en;q=0.5",
    "accept-encoding": "gzip, deflate, br",
    "connection": "keep-alive",
    "cookie": "session=abc123; theme=dark",
}
RECEIVED_AT_ONCE = 65536  # bytes of a request body in one ASGI message


class WSGI:
    name = "wsgi"
    crossed_path = "/plain-async"

    @staticmethod
    def run(work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine that never suspends to its end."""
        try:
            work.send(None)
        except StopIteration as stop:
            return stop.value
        work.close()
        raise RuntimeError("work for WSGI waited for something")

    @staticmethod
    @asynccontextmanager
    async def started(application: Application) -> AsyncIterator[None]:
        yield

    @staticmethod
    async def breathe() -> None:
        """Nothing is left behind on a loop: there is none."""

    @staticmethod
    def request(case: Case) -> dict[str, Any]:
        path = case.path or WSGI.crossed_path
        environ: dict[str, Any] = {
            "REQUEST_METHOD": case.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": case.query,
            "RAW_URI": f"{path}?{case.query}" if case.query else path,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_SOFTWARE": "benchmark",
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": "51234",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
        }
        for name, value in REQUEST_HEADERS.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        if case.body:
            environ |= {"CONTENT_TYPE": case.content_type, "CONTENT_LENGTH": str(len(case.body))}
        return environ

    @staticmethod
    async def repeat(application: Application, request: dict[str, Any], body: bytes, times: int) -> None:
        start_response = ignore_start
        for _ in range(times):
            environ = request.copy()
            environ["wsgi.input"] = io.BytesIO(body)
            result = application(environ, start_response)
            for _chunk in result:
                pass
            close = getattr(result, "close", None)
            if close is not None:
                close()

    @staticmethod
    async def ask(application: Application, case: Case) -> Answer:
        statuses: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            statuses.append(status)

        result = application(WSGI.request(case) | {"wsgi.input": io.BytesIO(case.body)}, start_response)
        try:
            body = b"".join(result)
        finally:
            if hasattr(result, "close"):
                result.close()
        return int(statuses[-1][:3]), body


def ignore_start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
    pass


class ASGI:
    name = "asgi"
    crossed_path = "/plain-sync"

    @staticmethod
    def run(work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the loop that a server would choose: uvloop where it is installed."""
        try:
            import uvloop  # type: ignore[import-not-found, unused-ignore]  # it need not be there
        except ImportError:
            return asyncio.run(work)
        return uvloop.run(work)

    @staticmethod
    @asynccontextmanager
    async def started(application: Application) -> AsyncIterator[None]:
        """Keep the application started, as the lifespan protocol has it."""
        inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        life = asyncio.ensure_future(application(scope, inbox.get, outbox.put))
        inbox.put_nowait({"type": "lifespan.startup"})
        message = await asyncio.wait_for(outbox.get(), timeout=10)
        if message["type"] != "lifespan.startup.complete":
            raise RuntimeError(message.get("message"))
        yield
        inbox.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait_for(life, timeout=10)

    @staticmethod
    async def breathe() -> None:
        """Let what the last application left on the loop come to its end before the next one is timed."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    @staticmethod
    def request(case: Case) -> dict[str, Any]:
        path = case.path or ASGI.crossed_path
        headers = [(name.encode(), value.encode()) for name, value in REQUEST_HEADERS.items()]
        if case.body:
            headers.append((b"content-type", case.content_type.encode()))
            headers.append((b"content-length", str(len(case.body)).encode()))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": case.method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": case.query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 51234),
            "server": ("127.0.0.1", 8000),
        }

    @staticmethod
    async def repeat(application: Application, request: dict[str, Any], body: bytes, times: int) -> None:
        for _ in range(times):
            scope = request.copy()
            scope["state"] = {}
            exchange = Exchange(body)
            await application(scope, exchange.receive, exchange.send)

    @staticmethod
    async def ask(application: Application, case: Case) -> Answer:
        exchange = Exchange(case.body)
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            await exchange.send(message)

        call: Awaitable[None] = application(ASGI.request(case) | {"state": {}}, exchange.receive, send)
        await asyncio.wait_for(call, timeout=20)
        return sent[0]["status"], b"".join(bytes(message.get("body", b"")) for message in sent)


class Exchange:
    """``receive`` and ``send`` of one request: the least that keeps the protocol's rules."""

    __slots__ = ("body", "ended", "offset", "waiting")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.offset: int | None = 0
        self.ended = False
        self.waiting: asyncio.Future[None] | None = None

    async def receive(self) -> dict[str, Any]:
        if self.offset is not None:
            start, end = self.offset, self.offset + RECEIVED_AT_ONCE
            more = end < len(self.body)
            self.offset = end if more else None
            return {"type": "http.request", "body": self.body[start:end], "more_body": more}
        if not self.ended:  # a server says "disconnect" when the response is complete, not before
            self.waiting = asyncio.get_running_loop().create_future()
            await self.waiting
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.ended = True
            if self.waiting is not None and not self.waiting.done():
                self.waiting.set_result(None)


GATEWAYS: dict[str, Any] = {"wsgi": WSGI, "asgi": ASGI}
