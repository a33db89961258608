"""Judges of the two protocols: they stand between a test client and an application and note what breaks the rules.

`CheckedWSGI` adds to `wsgiref.validate` what that does not look at; `CheckedASGI` holds the order and the form of
messages. A violation is raised where it happens, and kept: an application that swallows it is found out all the same.

See: PEP 3333; ASGI 3.0, "HTTP & WebSocket" and "Lifespan"; RFC 9110 8.6 and 15.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
BODILESS = (204, 304)

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ProtocolViolation(AssertionError):
    """The application broke a rule of the protocol."""


class Judge:
    """Keeps the violations of one application."""

    def __init__(self) -> None:
        self.violations: list[str] = []

    def require(self, condition: object, rule: str) -> None:
        """Note the rule as broken unless the condition holds. Raises: ProtocolViolation."""
        if not condition:
            self.violations.append(rule)
            raise ProtocolViolation(rule)


def check_length(judge: Judge, status: int, method: str, lengths: list[str], sent: int) -> None:
    """Hold the bytes sent against what was declared, when the response is complete."""
    judge.require(len(lengths) <= 1, "one Content-Length at most")
    if status in BODILESS or method == "HEAD":
        judge.require(sent == 0, f"no body in the answer to {method} with status {status}")
    elif lengths:
        judge.require(sent == int(lengths[0]), f"{sent} bytes were sent, Content-Length is {lengths[0]}")
    if status in BODILESS:
        judge.require(not lengths, f"no Content-Length with status {status}")


# --- WSGI ---


class CheckedWSGI(Judge):
    """A WSGI application under judgement."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self.app = app
        self._validated = validator(app)

    @property
    def lifespans(self) -> Any:
        """Those of the application, for the client to start and stop."""
        return self.app.lifespans

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        started: list[tuple[str, list[tuple[str, str]]]] = []
        source = environ["wsgi.input"] = CountedInput(self, environ)

        def checked_start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self.require(not started and exc_info is None, "start_response is called once, when all is decided")
            self.require(status[3:4] == " " and status[4:].strip(), f"the status line has a reason: {status!r}")
            self.require(source.reads == 0 or source.expected, "a body that nobody sent is not read")
            started.append((status, headers))
            return start_response(status, headers)

        chunks: Any = self._validated(environ, checked_start_response)
        if not started:
            chunks.close()
        self.require(started, "start_response is called before the application returns")
        return CheckedIterable(self, chunks, environ["REQUEST_METHOD"], *started[0])


class CountedInput:
    """`wsgi.input`, with a count of what is read of it."""

    def __init__(self, judge: Judge, environ: dict[str, Any]) -> None:
        self._judge = judge
        self._stream = environ["wsgi.input"]
        self.reads = 0
        self.expected = environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ

    def read(self, size: int) -> bytes:
        """Read, never without a bound."""
        self._judge.require(size > 0, "wsgi.input is read with a bound")
        self.reads += 1
        data: bytes = self._stream.read(size)
        return data

    def _unused(self, *args: object) -> Any:
        self._judge.require(False, "wsgi.input is used through read() alone")

    readline = readlines = __iter__ = _unused


class CheckedIterable:
    """The iterable of an answer."""

    def __init__(self, judge: Judge, chunks: Any, method: str, status: str, headers: list[tuple[str, str]]) -> None:
        self._judge = judge
        self._chunks = chunks
        self._iterator = iter(chunks)
        self._method = method
        self._status = int(status[:3])
        self._lengths = [value for name, value in headers if name.lower() == "content-length"]
        self._sent = self._count = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk: bytes = next(self._iterator)
        except StopIteration:
            # hypercorn sends the start of an answer only with a first item; even an empty one will do
            self._judge.require(self._count, "an answer has one item at least")
            check_length(self._judge, self._status, self._method, self._lengths, self._sent)
            raise
        self._count += 1
        self._sent += len(chunk)
        return chunk

    def close(self) -> None:
        """Close what was checked; a server does so on every exit."""
        self._chunks.close()


# --- ASGI ---


class CheckedASGI(Judge):
    """An ASGI application under judgement.

    Args:
        app: the application.
        lifespan: False makes a server of it that sends no lifespan events, as daphne does.
    """

    def __init__(self, app: Any, *, lifespan: bool = True) -> None:
        super().__init__()
        self.app = app
        self._lifespan = lifespan
        self._running = self._calls = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            serve = self._serve_lifespan if self._lifespan else _pretend_lifespan
            await serve(scope, receive, send)
            return
        if not self._lifespan:
            scope = {key: value for key, value in scope.items() if key != "state"}
        exchange = HTTPExchange(self, scope, receive, send)
        self._calls += 1
        self._running += 1
        with contextlib.ExitStack() as stack:
            stack.callback(self._left)
            alone, calls, tasks = self._running == 1, self._calls, _tasks()
            await exchange.run()
            if alone and calls == self._calls and self._lifespan:
                await _settled(tasks)
                self.require(_tasks() <= tasks, f"a request leaves no tasks behind: {_tasks() - tasks}")

    def _left(self) -> None:
        self._running -= 1

    async def _serve_lifespan(self, scope: Message, receive: Receive, send: Send) -> None:
        sent: list[str] = []
        received: list[str] = []

        async def checked_receive() -> Message:
            self.require(len(received) < 2, "there are two lifespan events at most")
            self.require(len(received) == len(sent), "an event is asked for when the last one is answered")
            message = await receive()
            received.append(message["type"])
            return message

        async def checked_send(message: Message) -> None:
            self.require(len(sent) < len(received), "an event is answered once, after it came")
            event = received[-1]
            self.require(
                message["type"] in (f"{event}.complete", f"{event}.failed"), f"{message['type']} answers {event}"
            )
            self.require(isinstance(message.get("message", ""), str), "the message of a failure is text")
            sent.append(message["type"])
            await send(message)

        await self.app(scope, checked_receive, checked_send)
        self.require(len(sent) == len(received), "every lifespan event is answered")


async def _pretend_lifespan(scope: Message, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _settled(before: set[Any]) -> None:
    """Give what was cancelled at the end of a request the turns of the loop that it needs to end."""
    for _ in range(20):
        if _tasks() <= before:
            return
        await asyncio.sleep(0)


def _tasks() -> set[Any]:
    """Give the tasks of a running asyncio loop but those of the test client, and of work that outlives its request on
    purpose; of trio's none, whose nurseries know.
    """
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        return set()
    return {task for task in tasks if "BlockingPortal" not in repr(task) and "background.py" not in repr(task)}


class HTTPExchange:
    """One request and its answer."""

    def __init__(self, judge: CheckedASGI, scope: Message, receive: Receive, send: Send) -> None:
        self._judge = judge
        self._scope = scope
        self._receive = receive
        self._send = send
        fields = dict(scope["headers"])
        self._more_to_come = (
            fields.get(b"content-length", b"0") != b"0"
            or b"transfer-encoding" in fields
            or scope["http_version"] > "1.1"
        )
        self._receiving = self._sending = self._disconnected = self._returned = False
        self._status = 0
        self._lengths: list[str] = []
        self._sent = self._parts = 0
        self._complete = self._watched = False

    async def run(self) -> None:
        """Call the application."""
        try:
            await self._judge.app(self._scope, self._checked_receive, self._checked_send)
        except Exception as exc:
            self._judge.require(self._status, f"no exception leaves the application before the answer began: {exc!r}")
            self._judge.require(not self._complete, f"no exception leaves it when the answer is complete: {exc!r}")
            raise
        else:
            self._judge.require(self._complete or self._disconnected, "an application returns when it has answered")
        finally:
            self._returned = True

    async def _checked_receive(self) -> Message:
        require = self._judge.require
        require(not self._returned, "receive() is not called when the application has returned")
        require(not self._receiving, "receive() is not called while another one waits")
        self._watched |= not self._more_to_come
        self._receiving = True
        try:
            message = await self._receive()
        finally:
            self._receiving = False
        self._more_to_come = message.get("more_body", False)
        self._disconnected |= message["type"] == "http.disconnect"
        return message

    async def _checked_send(self, message: Message) -> None:
        require = self._judge.require
        require(not self._returned, "send() is not called when the application has returned")
        require(not self._sending, "send() is not called while another one waits")
        require(not self._complete, f"nothing follows the last part of the body: {message['type']}")
        if message["type"] == "http.response.start":
            self._start(message)
        else:
            self._body(message)
        self._sending = True
        try:
            await self._send(message)
        finally:
            self._sending = False

    def _start(self, message: Message) -> None:
        require = self._judge.require
        require(not self._status, "http.response.start is sent once")
        require(message.keys() <= {"type", "status", "headers", "trailers"}, f"known keys alone: {set(message)}")
        status = message["status"]
        require(status.__class__ is int and 200 <= status <= 599, f"a final status: {status!r}")
        for name, value in message["headers"]:
            require(name.__class__ is bytes and value.__class__ is bytes, f"header fields are bytes: {name!r}")
            require(name and TOKEN.issuperset(name), f"field names are tokens in lower case: {name!r}")
            require(not any(byte in b"\r\n\0" for byte in value), f"no CR, LF or NUL in the value of {name!r}")
            require(value == value.strip(b" \t"), f"no white space around the value of {name!r}")
            require(name != b"transfer-encoding", "framing is the server's business")
            if name == b"content-length":
                require(value.isdigit(), f"Content-Length is a number: {value!r}")
                self._lengths.append(value.decode())
        self._status = status

    def _body(self, message: Message) -> None:
        require = self._judge.require
        require(message["type"] == "http.response.body", f"a known message: {message['type']}")
        require(self._status, "http.response.start comes first")
        require(message.keys() <= {"type", "body", "more_body"}, f"known keys alone: {set(message)}")
        body, more = message.get("body", b""), message.get("more_body", False)
        require(body.__class__ is bytes and more.__class__ is bool, "the body is bytes, more_body a bool")
        self._sent += len(body)
        self._parts += 1
        if self._lengths:
            require(self._sent <= int(self._lengths[0]), "no more bytes than Content-Length says")
        if not more:
            # Without a body to come the call waits for a disconnect: what only a stream needs to know.
            whole = self._parts == 1 and body and self._status < 400  # an error may stand for a stream
            require(not (whole and self._watched), "receive() is called only for a body, or while a stream is sent")
            self._complete = True
            check_length(self._judge, self._status, self._scope["method"], self._lengths, self._sent)
