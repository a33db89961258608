"""The client of a test that does not await."""

from __future__ import annotations

import contextlib

from .event_stream import EventStream, as_event_stream
from .transports import make_transport
from .user_agent import UserAgent
from .websocket import WebSocketSession, handshake_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Literal, Self

    from typing_extensions import Unpack

    from ..core.url import URL
    from .encoding import BuildOptions, HeaderPairs, RequestOptions
    from .messages import Request, Response


class Client(UserAgent["Response"]):
    """Send requests to an application in process, and keep its cookies.

    In a `with` block the application's lifespan runs; without one requests work too, and under ASGI each has an event
    loop of its own.

    Args:
        app: an `App`; any WSGI or ASGI callable will do for its gateway. Or a factory, a callable without parameters
            that gives one: with "both" each gateway then has an application of its own.
        gateway: "asgi", "wsgi", or "both": each request goes through one gateway after the other, and an answer that
            is not the same is a `GatewaysDiffer`, an AssertionError.
        base_url: scheme and host of the requests, and a path to put before theirs.
        backend: the event loop of the ASGI gateway: "asyncio" or "trio".
        headers: sent with every request.
        root_path: the prefix under which the server says the application is mounted.
        cookies: to begin with; they go to every host.
        follow_redirects: follow redirects, twenty at most, where a request does not say.
        raise_server_exceptions: raise an exception that became a 500 in the test, the very object. What leaves the
            application when its answer has begun is always raised; what fails in `request.after` is only logged.

    Attributes:
        headers: sent with every request, unless the request names the same field.
        cookies: those kept, by the rules of RFC 6265; see `Cookies`.
    """

    def __init__(
        self,
        app: Any,
        gateway: Literal["wsgi", "asgi", "both"] = "asgi",
        *,
        base_url: str = "http://localhost",
        backend: Literal["asyncio", "trio"] = "asyncio",
        headers: HeaderPairs | None = None,
        root_path: str = "",
        cookies: Mapping[str, str] | None = None,
        follow_redirects: bool = False,
        raise_server_exceptions: bool = True,
    ) -> None:
        super().__init__(base_url, headers, cookies, follow_redirects=follow_redirects)
        self.gateway = gateway
        self._transport = make_transport(app, gateway, backend, root_path, raises=raise_server_exceptions)

    def __enter__(self) -> Self:
        self._transport.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._transport.stop()

    def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """Send a request and read the answer.

        Args:
            method: as it is sent; methods have case.
            url: a path, with or without query; or a whole URL, which goes to the same application with that host.
            options: `params` (pairs for the query; a list is several), `headers`, `cookies` (besides those kept),
                `auth` (a name and a password, for Basic);
                one body of `content` (bytes, text, or an iterable of bytes: sent in chunks, each when the application
                asks for it), `data` (form fields), `files` (name -> bytes, text or an open file, or a tuple of file
                name, that, content type and header fields), `json`; `follow_redirects`.

        Raises:
            ClientError: a redirect cannot be followed.
            Exception: what became a 500, see `raise_server_exceptions`.
        """
        with self.stream(method, url, **options) as response:
            response.read()
        return response

    @contextlib.contextmanager
    def stream(
        self, method: str, url: str | URL, *, follow_redirects: bool | None = None, **options: Unpack[BuildOptions]
    ) -> Iterator[Response]:
        """Send a request; the answer's body is read item by item. Arguments as for `request`.

        Leaving the `with` block closes it, and waits for what `request.after` runs.
        """
        with self._sending(self.build_request(method, url, **options), follow_redirects) as response:
            yield response

    def send(self, request: Request, *, follow_redirects: bool | None = None) -> Response:
        """Send a request that was built before, or a `response.next_request`, and read the answer."""
        with self._sending(request, follow_redirects) as response:
            response.read()
        return response

    @contextlib.contextmanager
    def _sending(self, request: Request, follow_redirects: bool | None) -> Iterator[Response]:
        if not isinstance(request.body, bytes) and not hasattr(request.body, "__iter__"):
            raise TypeError(f"a Client sends bytes, or an iterable of bytes, not {request.body!r}; see AsyncClient")
        history: list[Response] = []
        while True:
            with self._transport.exchange(request) as response:
                following = self._take(response, request, history, follow_redirects)
                if following is None:
                    try:
                        yield response
                    finally:
                        response._is_left = True
                    return
                response.read()
            history.append(response)
            request = following

    @contextlib.contextmanager
    def events(
        self,
        url: str | URL,
        *,
        method: str = "GET",
        last_event_id: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> Iterator[EventStream]:
        """Open an event stream; iterate what you get for its events. Leaving the `with` block leaves the stream.

        Args:
            url, options: as for `request`.
            method: most streams are got.
            last_event_id: the id of the last event seen, as a browser sends it that comes back.

        Raises:
            NotAnEventStream: the answer is another one; it has `response`.

        Example:
            with client.events("/prices") as events:
                assert next(events).json() == {"price": 12}
        """
        with self.stream(method, url, **as_event_stream(options, last_event_id)) as response:
            yield EventStream(response)

    @contextlib.contextmanager
    def websocket(
        self,
        url: str | URL,
        *,
        subprotocols: Sequence[str] = (),
        params: Any = None,
        headers: HeaderPairs | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> Iterator[WebSocketSession]:
        """Open a WebSocket. Leaving the `with` block closes it and waits for the handler.

        Under ASGI it passes messages; under WSGI it is a socket, lent as gunicorn does, which needs the extra
        `websocket`.

        Args:
            url, params, headers, cookies: as for `request`.
            subprotocols: those offered.

        Raises:
            WebSocketRefused: the handshake was answered with a response; it has `response`.
            Exception: what crashed the handler, see `raise_server_exceptions`; when the block is left.

        Example:
            with client.websocket("/echo") as ws:
                ws.send("hello")
                assert ws.receive_text() == "hello"
        """
        options = handshake_options(subprotocols, params, headers, cookies)
        request = self.build_request("GET", url, **options)
        with WebSocketSession(self._transport.websocket(request), self._keep_handshake(request)) as session:
            yield session
