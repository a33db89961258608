"""The client of a test that awaits, on asyncio and on trio."""

from __future__ import annotations

import contextlib

from .event_stream import EventStream, as_event_stream
from .transports import make_async_transport
from .user_agent import UserAgent
from .websocket import AsyncWebSocketSession, handshake_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence  # noqa: F401  # in the text of a base
    from typing import Any, Literal, Self

    from typing_extensions import Unpack

    from ..core.url import URL
    from .encoding import BuildOptions, HeaderPairs, RequestOptions
    from .messages import Request, Response


class AsyncClient(UserAgent["Coroutine[Any, Any, Response]"]):
    """As `Client`, awaited: `await client.get("/")`, `async with client.stream(...)`.

    Under ASGI the application runs on the event loop of the test, under WSGI in a thread. In an `async with` block the
    lifespan runs; it may be entered in one task and left in another one of the loop, as in fixtures.

    Args:
        app, gateway, base_url, headers, root_path, cookies, follow_redirects, raise_server_exceptions: as for `Client`.

    Attributes:
        headers: sent with every request, unless the request names the same field.
        cookies: those kept, by the rules of RFC 6265; see `Cookies`.

    Example:
        async with AsyncClient(app) as client:
            response = await client.get("/hello/world")
            assert response.text == "Hello, world!"
    """

    def __init__(
        self,
        app: Any,
        gateway: Literal["wsgi", "asgi", "both"] = "asgi",
        *,
        base_url: str = "http://localhost",
        headers: HeaderPairs | None = None,
        root_path: str = "",
        cookies: Mapping[str, str] | None = None,
        follow_redirects: bool = False,
        raise_server_exceptions: bool = True,
    ) -> None:
        super().__init__(base_url, headers, cookies, follow_redirects=follow_redirects)
        self.gateway = gateway
        self._transport = make_async_transport(app, gateway, root_path, raises=raise_server_exceptions)

    async def __aenter__(self) -> Self:
        await self._transport.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._transport.stop()

    async def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """Send a request and read the answer. Arguments as for `Client.request`; `content` may be an async iterable."""
        async with self.stream(method, url, **options) as response:
            await response.aread()
        return response

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, url: str | URL, *, follow_redirects: bool | None = None, **options: Unpack[BuildOptions]
    ) -> AsyncIterator[Response]:
        """Send a request; the answer's body is read item by item, by `aiter_bytes` and its like."""
        async with self._sending(self.build_request(method, url, **options), follow_redirects) as response:
            yield response

    async def send(self, request: Request, *, follow_redirects: bool | None = None) -> Response:
        """Send a request that was built before, or a `response.next_request`, and read the answer."""
        async with self._sending(request, follow_redirects) as response:
            await response.aread()
        return response

    @contextlib.asynccontextmanager
    async def _sending(self, request: Request, follow_redirects: bool | None) -> AsyncIterator[Response]:
        history: list[Response] = []
        while True:
            async with self._transport.exchange(request) as response:
                following = self._take(response, request, history, follow_redirects)
                if following is None:
                    try:
                        yield response
                    finally:
                        response._is_left = True
                    return
                await response.aread()
            history.append(response)
            request = following

    @contextlib.asynccontextmanager
    async def events(
        self,
        url: str | URL,
        *,
        method: str = "GET",
        last_event_id: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> AsyncIterator[EventStream]:
        """Open an event stream: `async with client.events("/") as events`, `async for event in events`.

        Arguments as for `Client.events`.

        Raises:
            NotAnEventStream: the answer is another one; it has `response`.
        """
        async with self.stream(method, url, **as_event_stream(options, last_event_id)) as response:
            yield EventStream(response)

    @contextlib.asynccontextmanager
    async def websocket(
        self,
        url: str | URL,
        *,
        subprotocols: Sequence[str] = (),
        params: Any = None,
        headers: HeaderPairs | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> AsyncIterator[AsyncWebSocketSession]:
        """Open a WebSocket. Arguments and exceptions as for `Client.websocket`."""
        request = self.build_request("GET", url, **handshake_options(subprotocols, params, headers, cookies))
        wire = self._transport.websocket(request)
        async with AsyncWebSocketSession(wire, self._keep_handshake(request)) as session:
            yield session
