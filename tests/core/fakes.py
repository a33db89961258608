"""A request without a gateway: what the core is given, made by hand."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from ambi.core.json import JSONCodec, StandardJSON
from ambi.core.limits import Limits
from ambi.core.request import Request
from ambi.core.response import Response
from ambi.core.sides import ASYNC, SYNC, Side

T = TypeVar("T")


class FakeApplication:
    """What a request needs of its application."""

    debug = False
    allowed_hosts: tuple[str, ...] = ()
    csrf_tokens: Any = None

    def __init__(self, limits: Limits | None = None, json: Any = None) -> None:
        self.limits = limits or Limits()
        self.json: JSONCodec = json or StandardJSON()
        self.lifespan_state: Mapping[str, Any] = {}

    def url_path(self, name: str, params: Mapping[str, object]) -> str:
        raise LookupError(name)


class FakeBody:
    """A body that comes in the chunks given."""

    def __init__(self, *chunks: bytes, side: Side = SYNC, declared: int | None = None) -> None:
        self.chunks = list(chunks)
        self.side = side
        self.declared = declared
        self.ahead: bytes | None = None
        self.io: list[str] = []

    @property
    def ended(self) -> bool:
        return not self.chunks

    async def read(self) -> bytes:
        return self.read_blocking()

    def read_blocking(self) -> bytes:
        return self.chunks.pop(0) if self.chunks else b""

    async def read_async(self) -> bytes:
        return self.read_blocking()

    async def read_ahead(self) -> None:
        return None

    async def run_io(self, function: Callable[..., Any], *args: Any) -> Any:
        self.io.append(function.__name__)
        return function(*args)


class FakeEdge:
    """What a gateway tells of a request; the native structure is a dict of header fields."""

    name = "wsgi"

    def __init__(self, body: FakeBody | None = None, scheme: str = "http") -> None:
        self.body = body
        self._scheme = scheme

    def header(self, native: Any, name: str) -> str | None:
        found: str | None = native.get(name)
        return found

    def field(self, request: Request, name: str) -> str | None:
        return self.header(request.native, name)

    def headers(self, native: Any) -> list[tuple[str, str]]:
        return list(native.items())

    def scheme(self, native: Any) -> str:
        return self._scheme

    def client(self, native: Any) -> tuple[str, int | None] | None:
        return None

    def server(self, native: Any) -> str:
        return "server.example:8000"

    def raw_path(self, native: Any) -> bytes:
        """Tell nothing, as some servers do."""
        return b""

    def lifespan_state(self, native: Any) -> Mapping[str, Any] | None:
        return None

    def body_source(self, request: Request) -> FakeBody:
        assert self.body is not None
        return self.body

    def travel(self, request: Request, coroutine: Coroutine[Any, Any, Response]) -> Awaitable[Response]:
        return coroutine

    def awaited(self, awaitable: Awaitable[Any]) -> Awaitable[Any]:
        return awaitable


def make_request(
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    path: str = "/",
    query: str = "",
    host: str | None = None,
    body: FakeBody | None = None,
    scheme: str = "http",
    limits: Limits | None = None,
    json: Any = None,
) -> Request:
    """Make a request; header names are lower case, as gateways give them."""
    edge: Any = FakeEdge(body, scheme)
    application = FakeApplication(limits, json)
    return Request(application, edge, dict(headers or {}), method, path, query, "", host, body is not None)


def drive(coroutine: Coroutine[Any, Any, T]) -> tuple[T, list[Side]]:
    """Drive a coroutine as the bridges do; give what it returns, and the sides it asked for."""
    sides: list[Side] = []
    try:
        while True:
            side = coroutine.send(None)
            assert side in (SYNC, ASYNC), "something suspended that is no change of sides"
            sides.append(side)
    except StopIteration as stop:
        result: T = stop.value
        return result, sides


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Drive a coroutine to its end; give what it returns."""
    return drive(coroutine)[0]
