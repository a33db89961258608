"""Servers of a few lines, which hand on each item when it is made, as a real one does and most test clients do not."""

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.validate import validator

import anyio

from tests.calls import environ_of
from tests.interop.ours import WAIT_S

HOST = "site.test"


class Answer:
    """A response: status, header lines with names in lower case, and its items as they came."""

    def __init__(self, status: int, lines: list[tuple[str, str]]) -> None:
        self.status = status
        self.lines = lines
        self.items: list[bytes] = []

    @property
    def headers(self) -> dict[str, str]:
        """The fields; the last of a repeated one."""
        return dict(self.lines)

    @property
    def body(self) -> bytes:
        return b"".join(self.items)

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


OnItem = Callable[[bytes], object]


def ignore(item: bytes) -> None:
    """Take an item and do nothing."""


# --- WSGI ---


def ask_wsgi(
    app: Any,
    target: str = "/",
    *,
    method: str = "",
    body: bytes = b"",
    on_item: OnItem = ignore,
    headers: dict[str, str] | None = None,
    leaves: bool = False,
    judged: bool = False,
    **keys: Any,
) -> Answer:
    """Call a WSGI application as a server does, whose client may leave with the first item; `judged` by `wsgiref.validate`, which some wrappers do not pass."""
    path, _, query = target.partition("?")
    fields = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in (headers or {}).items()}
    if "HTTP_CONTENT_TYPE" in fields:
        fields["CONTENT_TYPE"] = fields.pop("HTTP_CONTENT_TYPE")
    environ = environ_of(
        unquote_to_bytes(path).decode("latin-1"), body, QUERY_STRING=query, HTTP_HOST=HOST, REMOTE_ADDR="192.0.2.1",
        **{**({"REQUEST_METHOD": method} if method else {}), **fields, **keys},
    )  # fmt: skip
    started: list[Any] = []

    def start_response(status: str, lines: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [Answer(int(status[:3]), [(name.lower(), value) for name, value in lines])]
        return lambda item: started[0].items.append(item)

    chunks = (validator(app) if judged else app)(environ, start_response)
    received: list[bytes] = []
    try:
        for item in chunks:
            if item:
                received.append(item)
                on_item(item)
                if leaves:
                    break
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    answer: Answer = started[0]
    answer.items += received
    return answer


# --- ASGI ---


class Site:
    """An ASGI application that is being served on the running loop, its lifespan run."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.state: dict[str, Any] = {}

    async def ask(
        self,
        target: str = "/",
        *,
        method: str = "",
        body: bytes = b"",
        on_item: OnItem = ignore,
        headers: dict[str, str] | None = None,
        leaves: bool = False,
        **keys: Any,
    ) -> Answer:
        """Send one request and read its answer, or leave with its first item."""
        fields = {"host": HOST, **({"content-length": str(len(body))} if body else {}), **(headers or {})}
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        ended = anyio.Event()
        answers: list[Answer] = []

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                lines = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in message["headers"]]
                answers.append(Answer(message["status"], lines))
            elif message["type"] == "http.response.body":
                if message.get("body"):
                    answers[0].items.append(message["body"])
                    on_item(message["body"])
                if not message.get("more_body") or (leaves and answers[0].items):
                    ended.set()

        scope = self._scope("http", target, fields, method=method or ("POST" if body else "GET"), **keys)
        with anyio.fail_after(2 * WAIT_S):
            await self._app(scope, receive, send)
        return answers[0]

    @contextlib.asynccontextmanager
    async def connect(
        self, target: str, *, headers: dict[str, str] | None = None, **keys: Any
    ) -> AsyncIterator["Socket"]:
        """Open a WebSocket; leaving closes it."""
        scope = self._scope(
            "websocket", target, {"host": HOST, **(headers or {})}, **{"scheme": "ws", "subprotocols": ["chat"], **keys}
        )
        socket = Socket()
        with anyio.fail_after(2 * WAIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(self._app, scope, socket.to_app.receive, socket.from_app.send)
                yield socket
                socket.leave()

    def _scope(self, kind: str, target: str, fields: dict[str, str], **keys: Any) -> dict[str, Any]:
        path, _, query = target.partition("?")
        return {
            "type": kind, "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "scheme": "http",
            "path": unquote_to_bytes(path).decode(), "raw_path": path.encode(), "query_string": query.encode(),
            "root_path": "", "client": ("192.0.2.1", 50000), "server": (HOST, 80), "extensions": {},
            "headers": [(n.lower().encode(), v.encode("latin-1")) for n, v in fields.items()],
            "state": dict(self.state), **keys,
        }  # fmt: skip


class Mailbox:
    """Messages on their way from one task to another."""

    def __init__(self) -> None:
        self._messages: deque[Any] = deque()
        self._news = anyio.Event()

    def put(self, message: Any) -> None:
        """Put a message in."""
        self._messages.append(message)
        self._news.set()

    async def send(self, message: Any) -> None:
        """Be the `send` of an application."""
        self.put(message)

    async def receive(self) -> Any:
        """Be the `receive` of an application: wait for the next message."""
        while not self._messages:
            self._news = anyio.Event()
            await self._news.wait()
        return self._messages.popleft()


class Socket:
    """The client's end of a WebSocket in messages of ASGI."""

    def __init__(self) -> None:
        self.to_app, self.from_app = Mailbox(), Mailbox()
        self.to_app.put({"type": "websocket.connect"})

    async def next(self) -> Any:
        """Give what the application sends next: the text or bytes of a message, or what else it is."""
        message = await self.from_app.receive()
        return message.get("text") or message.get("bytes") or message

    def say(self, message: str | bytes) -> None:
        """Send the application a message."""
        self.to_app.put({"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message})

    def leave(self) -> None:
        """Close the connection."""
        self.to_app.put({"type": "websocket.disconnect", "code": 1000})


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[Site]:
    """Run the lifespan of an ASGI application around requests to it, as uvicorn does."""
    site = Site(app)
    to_app, from_app = Mailbox(), Mailbox()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": site.state}
    async with anyio.create_task_group() as group:
        group.start_soon(app, scope, to_app.receive, from_app.send)
        for phase in ("startup", "shutdown"):
            with anyio.fail_after(WAIT_S):
                to_app.put({"type": f"lifespan.{phase}"})
                assert (await from_app.receive())["type"] == f"lifespan.{phase}.complete"
            if phase == "startup":
                yield site


@contextlib.contextmanager
def in_process(*apps: Any) -> Iterator[None]:
    """Stop the lifespans of applications that WSGI requests have started in this process."""
    try:
        yield
    finally:
        for app in apps:
            if getattr(app, "lifespans", None) is not None:
                app.lifespans.stop_in_process()


@contextlib.contextmanager
def loop_of_its_own() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread, for an adapter that would start one and never stop it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def cancel_all() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(cancel_all(), loop).result(WAIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()
