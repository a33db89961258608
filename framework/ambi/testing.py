"""A client for tests: the application in process, through the gateway of your choice.

    from ambi.testing import Client

    with Client(app, gateway="wsgi") as client:      # `with` runs the lifespan
        assert client.get("/hello/world").text == "Hello, world!"

Names are httpx's. It needs nothing but ambi.
"""

from __future__ import annotations

import contextlib
import io
import json as json_module
import queue
import sys
from typing import NamedTuple

from .bridge.background import settle_in_process, settled_on_loop
from .core.cookies import http_date
from .core.headers import Headers, parse_parameters
from .core.preconditions import parse_http_date
from .core.url import encode_path, encode_query, percent_decode, percent_encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Literal, Self

    from anyio.from_thread import BlockingPortal

    Pairs = Mapping[str, object] | Sequence[tuple[str, object]]
    File = bytes | tuple[str, bytes] | tuple[str, bytes, str]

_TARGET_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%[]")
_BOUNDARY = "ambi-testing-boundary"


class _SentRequest(NamedTuple):
    """A request as a gateway gets it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: list[bytes]
    scheme: str
    host: str


class Response:
    """An answer as the client saw it.

    Attributes:
        status_code: of the answer.
        headers: without case; the lines of a repeated field joined, but see `set_cookies`.
        header_lines: every line in order, names in lower case.
    """

    def __init__(self, status_code: int, header_lines: list[tuple[str, str]], chunks: Iterator[bytes]) -> None:
        self.status_code = status_code
        self.header_lines = header_lines
        self.headers = Headers(header_lines)
        self._chunks = chunks
        self._content: bytes | None = None

    def iter_bytes(self) -> Iterator[bytes]:
        """Give the body item by item, as the application sends it; once."""
        yield from self._chunks

    def read(self) -> bytes:
        """Read the body to its end; cached."""
        if self._content is None:
            self._content = b"".join(self._chunks)
        return self._content

    @property
    def content(self) -> bytes:
        """The whole body."""
        return self.read()

    @property
    def text(self) -> str:
        """The body as text, in the charset of its content type, else UTF-8."""
        charset = dict(parse_parameters(self.headers.get("content-type", ""))[1]).get("charset", "utf-8")
        return self.content.decode(charset)

    def json(self) -> Any:
        """The body as JSON."""
        return json_module.loads(self.content)

    @property
    def set_cookies(self) -> list[str]:
        """The Set-Cookie lines."""
        return [value for name, value in self.header_lines if name == "set-cookie"]

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that this answer sets, by name."""
        return {name: value for name, value, _ in map(_parse_set_cookie, self.set_cookies)}

    def __repr__(self) -> str:
        return f"<Response {self.status_code}>"


class Client:
    """Send requests to an application in process, and keep its cookies.

    Args:
        app: the application; any WSGI or ASGI callable will do for its gateway.
        gateway: "wsgi" or "asgi".
        base_url: scheme and host of the requests.
        backend: the event loop of the ASGI gateway: "asyncio" or "trio".
        headers: sent with every request.
        root_path: the prefix under which the server says the application is mounted.
    """

    def __init__(
        self,
        app: Any,
        gateway: Literal["wsgi", "asgi"] = "asgi",
        *,
        base_url: str = "http://localhost",
        backend: Literal["asyncio", "trio"] = "asyncio",
        headers: Mapping[str, str] | None = None,
        root_path: str = "",
    ) -> None:
        if gateway not in ("wsgi", "asgi"):
            raise ValueError(f"gateway must be 'wsgi' or 'asgi', not {gateway!r}")
        self.gateway = gateway
        self.cookies: dict[str, str] = {}
        self.headers = dict(headers or {})
        self._scheme, _, self._host = base_url.partition("://")
        self._cookie_paths: dict[str, str] = {}
        self._transport: _WSGITransport | _ASGITransport = (
            _WSGITransport(app, root_path) if gateway == "wsgi" else _ASGITransport(app, root_path, backend)
        )

    def __enter__(self) -> Self:
        self._transport.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._transport.stop()

    def get(self, url: str, **options: Any) -> Response:
        """Send a GET; options as for `request`."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Response:
        """Send a HEAD; options as for `request`."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> Response:
        """Send an OPTIONS; options as for `request`."""
        return self.request("OPTIONS", url, **options)

    def post(self, url: str, **options: Any) -> Response:
        """Send a POST; options as for `request`."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> Response:
        """Send a PUT; options as for `request`."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> Response:
        """Send a PATCH; options as for `request`."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> Response:
        """Send a DELETE; options as for `request`."""
        return self.request("DELETE", url, **options)

    def request(self, method: str, url: str, **options: Any) -> Response:
        """Send a request and read the answer.

        Args:
            method: as it is sent.
            url: a path, with or without query.
            options: `params` (pairs for the query), `headers`, `cookies`; one body of `content` (bytes, text or an
                iterable of bytes, sent in chunks), `data` (form fields), `files` (name -> bytes, or a tuple of
                file name, bytes and content type), `json`.
        """
        with self.stream(method, url, **options) as response:
            response.read()
        return response

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        params: Pairs | None = None,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        cookies: Mapping[str, str] | None = None,
        content: bytes | str | Iterable[bytes] | None = None,
        data: Pairs | None = None,
        files: Mapping[str, File] | Sequence[tuple[str, File]] | None = None,
        json: Any = None,
    ) -> Iterator[Response]:
        """Send a request; the answer's body is read item by item.

        Leaving the `with` block closes it, and waits for what `request.after` runs.
        """
        target = percent_encode(url, _TARGET_SAFE)
        if params:
            target += ("&" if "?" in target else "?") + encode_query(_pairs(params))
        lines = [(n.lower(), v) for n, v in (*self.headers.items(), *(_pairs(headers) if headers else ()))]
        body, content_type = _encode_body(content, data, files, json)
        names = {name for name, _ in lines}
        if content_type and "content-type" not in names:
            lines.append(("content-type", content_type))
        if isinstance(body, bytes):
            if (body or method in ("POST", "PUT", "PATCH")) and not names & {
                "content-length",
                "transfer-encoding",
            }:
                lines.append(("content-length", str(len(body))))
            chunks = [body]
        else:
            chunks = list(body)
            lines.append(("transfer-encoding", "chunked"))
        cookie = "; ".join(f"{n}={v}" for n, v in self._cookies_for(target, cookies or {}).items())
        if cookie:
            lines.append(("cookie", cookie))
        if "host" not in names:
            lines.insert(0, ("host", self._host))
        sent = _SentRequest(method, target, [(n, str(v)) for n, v in lines], chunks, self._scheme, self._host)
        with self._transport.exchange(sent) as response:
            self._keep_cookies(response)
            yield response

    def _cookies_for(self, target: str, cookies: Mapping[str, str]) -> dict[str, str]:
        path = target.partition("?")[0]
        kept = {n: v for n, v in self.cookies.items() if _path_matches(path, self._cookie_paths.get(n, "/"))}
        return {**kept, **cookies}

    def _keep_cookies(self, response: Response) -> None:
        for name, value, attributes in map(_parse_set_cookie, response.set_cookies):
            expires = parse_http_date(attributes.get("expires", ""))
            now = parse_http_date(http_date(_now()))
            if attributes.get("max-age") == "0" or (expires is not None and now is not None and expires <= now):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
                self._cookie_paths[name] = attributes.get("path", "/")


def _now() -> float:
    import time

    return time.time()


def _pairs(pairs: Any) -> Sequence[tuple[str, Any]]:
    return list(pairs.items()) if hasattr(pairs, "items") else list(pairs)


def _path_matches(path: str, cookie_path: str) -> bool:
    """Tell whether a cookie's path covers a request's. See: RFC 6265 5.1.4."""
    return path == cookie_path or path.startswith(cookie_path if cookie_path.endswith("/") else cookie_path + "/")


def _parse_set_cookie(line: str) -> tuple[str, str, dict[str, str]]:
    pair, *attributes = line.split(";")
    name, _, value = pair.partition("=")
    parsed = (attribute.strip(" ").partition("=") for attribute in attributes)
    return name, value, {key.lower(): content for key, _, content in parsed}


def _encode_body(content: Any, data: Any, files: Any, json: Any) -> tuple[bytes | Iterable[bytes], str]:
    if content is not None:
        return content.encode() if isinstance(content, str) else content, ""
    if json is not None:
        return json_module.dumps(json).encode(), "application/json"
    if files:
        return _encode_multipart(_pairs(data or ()), _pairs(files)), f"multipart/form-data; boundary={_BOUNDARY}"
    if data is not None:
        return encode_query(_pairs(data)).encode(), "application/x-www-form-urlencoded"
    return b"", ""


def _encode_multipart(fields: Sequence[tuple[str, Any]], files: Sequence[tuple[str, File]]) -> bytes:
    out: list[Any] = []
    for name, value in fields:
        out.append(f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    for name, file in files:
        filename, data, *rest = file if isinstance(file, tuple) else (name, file)
        content_type = rest[0] if rest else "application/octet-stream"
        head = (
            f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"; filename="{filename}"\r\n'
            f"content-type: {content_type}\r\n\r\n"
        )
        out += [head.encode(), data, b"\r\n"]
    return b"".join([*out, f"--{_BOUNDARY}--\r\n".encode()])


class _WSGITransport:
    """Calls the application as a WSGI server would, in the thread of the test."""

    settle = True
    """Whether an exchange waits for what runs after it."""

    def __init__(self, app: Any, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    def start(self) -> None:
        """Run the start-up of the lifespan."""
        from .bridge.stopping import forget_stopping

        forget_stopping()
        lifespans = getattr(self._app, "lifespans", None)
        if lifespans is not None:
            lifespans.start_in_process()

    def stop(self) -> None:
        """Run the shutdown of the lifespan."""
        lifespans = getattr(self._app, "lifespans", None)
        if lifespans is not None:
            lifespans.stop_in_process()

    @contextlib.contextmanager
    def exchange(self, sent: _SentRequest) -> Iterator[Response]:
        """Send one request; leaving closes the body as a server does."""
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            started[:] = [status, headers]
            return started.append  # `write`, which nobody should use

        iterable = self._app(self._environ(sent), start_response)
        try:
            chunks = iter(iterable)
            first = [] if started else [next(chunks, b"")]
            status, headers = started[:2]
            lines = [(name.lower(), value) for name, value in headers]
            yield Response(int(status[:3]), lines, (chunk for part in (first, chunks) for chunk in part if chunk))
        finally:
            if hasattr(iterable, "close"):
                iterable.close()
            if self.settle:
                settle_in_process()

    def _environ(self, sent: _SentRequest) -> dict[str, Any]:
        path, _, query = sent.target.partition("?")
        body = b"".join(sent.body)
        name, _, port = sent.host.partition(":")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": sent.method, "SCRIPT_NAME": self._root_path.encode().decode("latin-1"),
            "PATH_INFO": percent_decode(path.encode()).decode("latin-1"), "QUERY_STRING": query,
            "RAW_URI": encode_path(self._root_path) + sent.target, "SERVER_NAME": name,
            "SERVER_PORT": port or ("443" if sent.scheme == "https" else "80"),
            "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "50000",
            "wsgi.version": (1, 0), "wsgi.url_scheme": sent.scheme, "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }  # fmt: skip
        for field, value in sent.headers:
            if "_" in field:  # dropped by servers, as nobody could tell it from the one with a hyphen
                continue
            key = field.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
            joiner = "; " if field == "cookie" else ", "
            environ[key] = environ[key] + joiner + value if key in environ else value
        return environ


class _ASGITransport:
    """Calls the application as an ASGI server would, on an event loop in a thread."""

    settle = True
    """Whether an exchange waits for what runs after it."""

    def __init__(self, app: Any, root_path: str, backend: str) -> None:
        self._app = app
        self._root_path = root_path
        self._backend = backend
        self._portal: BlockingPortal | None = None
        self._closing = contextlib.ExitStack()
        self._state: dict[str, Any] = {}

    def start(self) -> None:
        """Start the loop and run the start-up of the lifespan.

        Raises:
            RuntimeError: the start-up failed; the message is the application's.
        """
        from anyio.from_thread import start_blocking_portal

        self._portal = self._closing.enter_context(start_blocking_portal(self._backend))
        try:
            self._closing.enter_context(self._portal.wrap_async_context_manager(self._lifespan()))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Run the shutdown of the lifespan and stop the loop."""
        self._portal = None
        self._closing.close()

    @contextlib.asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        import anyio

        to_app, from_app = anyio.Event(), anyio.Event()
        messages: list[Any] = []
        sent_startup = False

        async def receive() -> Any:
            nonlocal sent_startup
            if not sent_startup:
                sent_startup = True
                return {"type": "lifespan.startup"}
            await to_app.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Any) -> None:
            messages.append(message)
            from_app.set()

        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        async with anyio.create_task_group() as group:
            group.start_soon(self._app, scope, receive, send)
            await from_app.wait()
            if messages[0]["type"] == "lifespan.startup.complete":
                yield
            to_app.set()
        for phase, message in zip(
            ("start-up", "shutdown"), messages, strict=False
        ):  # outside of the group, which wraps
            if message["type"].endswith(".failed"):
                raise RuntimeError(f"the {phase} failed: {message.get('message', '')}")

    @contextlib.contextmanager
    def exchange(self, sent: _SentRequest) -> Iterator[Response]:
        """Send one request; leaving before the end of the body is a disconnect."""
        from anyio.from_thread import start_blocking_portal

        with contextlib.ExitStack() as stack:
            portal = self._portal or stack.enter_context(start_blocking_portal(self._backend))
            exchange = _ASGIExchange(self._scope(sent), sent.body)
            future = portal.start_task_soon(exchange.run, self._app)
            try:
                status, lines = exchange.started()
                yield Response(status, lines, exchange.chunks())
            finally:
                portal.call(exchange.disconnect)
                try:
                    future.result()
                finally:
                    if self.settle:
                        portal.call(settled_on_loop)

    def _scope(self, sent: _SentRequest) -> dict[str, Any]:
        path, _, query = sent.target.partition("?")
        raw_path = (encode_path(self._root_path) + path).encode("latin-1")
        name, _, port = sent.host.partition(":")
        return {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
            "method": sent.method, "scheme": sent.scheme, "raw_path": raw_path,
            "path": percent_decode(raw_path).decode("utf-8", "replace"), "query_string": query.encode("latin-1"),
            "root_path": self._root_path, "client": ("127.0.0.1", 50000),
            "server": (name, int(port) if port else 443 if sent.scheme == "https" else 80),
            "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in sent.headers],
            "state": dict(self._state), "extensions": {},
        }  # fmt: skip


class _ASGIExchange:
    """One request on the loop, its messages handed to the thread of the test."""

    def __init__(self, scope: dict[str, Any], body: list[bytes]) -> None:
        self._scope = scope
        self._body = body or [b""]
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._gone: Any = None

    async def run(self, app: Any) -> None:
        """Call the application."""
        import anyio

        self._gone = anyio.Event()
        unread = list(enumerate(self._body, 1))

        async def receive() -> Any:
            if unread:
                number, chunk = unread.pop(0)
                return {"type": "http.request", "body": chunk, "more_body": number < len(self._body)}
            await self._gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            self._messages.put(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._gone.set()

        failure: BaseException | None = None
        try:
            await app(self._scope, receive, send)
        except BaseException as exc:
            failure = exc
            raise
        finally:
            self._messages.put(failure)

    async def disconnect(self) -> None:
        """Let the client be gone."""
        if self._gone is not None:
            self._gone.set()

    def _next(self) -> Any:
        message = self._messages.get()
        if isinstance(message, BaseException):
            raise message
        return message

    def started(self) -> tuple[int, list[tuple[str, str]]]:
        """Wait for the start of the answer."""
        message = self._next()
        if message is None:
            raise RuntimeError("the application ended without an answer")
        lines = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in message.get("headers", ())]
        return message["status"], lines

    def chunks(self) -> Iterator[bytes]:
        """Give the body item by item."""
        while (message := self._next()) is not None:
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body", False):
                return
