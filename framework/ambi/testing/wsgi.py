"""Calling an application as a WSGI server does, in the thread of the test. See: PEP 3333."""

from __future__ import annotations

import contextlib
import io
import sys

from ..bridge.background import settle_in_process
from ..core.url import encode_path, percent_decode
from .errors import BrokenAnswer
from .messages import Response
from .watching import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .messages import Request
    from .websocket_wsgi import SocketWire


class WSGITransport:
    """Sends requests to a WSGI application."""

    settle = True
    """Whether an exchange waits for what runs after it."""

    def __init__(self, app: Any, root_path: str, *, raises: bool) -> None:
        self.app = app
        self._root_path = root_path
        self.raises = raises

    def start(self) -> None:
        """Run the start-up of the lifespan."""
        from ..bridge.stopping import forget_stopping

        forget_stopping()
        lifespans = getattr(self.app, "lifespans", None)
        if lifespans is not None:
            lifespans.start_in_process()

    def stop(self) -> None:
        """Run the shutdown of the lifespan."""
        lifespans = getattr(self.app, "lifespans", None)
        if lifespans is not None:
            lifespans.stop_in_process()

    @contextlib.contextmanager
    def exchange(self, request: Request) -> Iterator[Response]:
        """Send one request; leaving closes the body as a server does.

        Raises:
            Exception: what became a 500, if that is wanted; what left the application; what the body of the request
                raised.
        """
        start, watch = Start(), Watch()
        source = _source_of(request.body)
        iterable = watch.call(self.app, self.environ(request, source), start)
        try:
            chunks = iter(iterable)
            first = [] if start.was_called else [next(chunks, b"")]
            if isinstance(source, ChunkedInput):
                source.raise_failure()
            if self.raises:
                watch.raise_crash()
            response = start.response(_filled([*start.written, *first], chunks))
            response._watch = watch
            yield response
        finally:
            if hasattr(iterable, "close"):
                iterable.close()
            if self.settle:
                settle_in_process()
        if self.raises:
            watch.raise_crash()  # of what is mounted, and failed when it had answered

    def environ(self, request: Request, source: Any) -> dict[str, Any]:
        """Make the environ of a request, as gunicorn has it."""
        path, _, query = request.target.partition("?")
        name, port = request.server
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method, "SCRIPT_NAME": self._root_path.encode().decode("latin-1"),
            "PATH_INFO": percent_decode(path.encode()).decode("latin-1"), "QUERY_STRING": query,
            "RAW_URI": encode_path(self._root_path) + request.target, "SERVER_NAME": name,
            "SERVER_PORT": port, "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "50000",
            "wsgi.version": (1, 0), "wsgi.url_scheme": request.scheme, "wsgi.input": source,
            "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }  # fmt: skip
        for field, value in request.header_lines:
            if "_" in field:  # dropped by servers, as nobody could tell it from the one with a hyphen
                continue
            key = field.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
            joiner = "; " if field == "cookie" else ","
            environ[key] = environ[key] + joiner + value if key in environ else value
        return environ

    def websocket(self, request: Request) -> SocketWire:
        """Send the handshake of a WebSocket. Raises: ImportError without the extra."""
        from .websocket_wsgi import SocketWire

        return SocketWire(self, request)


class Start:
    """The `start_response` of one call.

    Attributes:
        written: what was given to the `write` that it returns; the body begins with that.
    """

    def __init__(self) -> None:
        self._head: tuple[str, list[tuple[str, str]]] | None = None
        self.written: list[bytes] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Take what the answer is; the last call counts. See: PEP 3333, "The start_response() Callable"."""
        self._head = status, headers
        return self.written.append

    @property
    def was_called(self) -> bool:
        """Whether the application has said what the answer is."""
        return self._head is not None

    def response(self, chunks: Iterator[bytes]) -> Response:
        """Make the response. Raises: BrokenAnswer where it was not called."""
        if self._head is None:
            raise BrokenAnswer("the application gave a body without a call of start_response (PEP 3333)")
        status, headers = self._head
        return Response(int(status[:3]), [(name.lower(), value) for name, value in headers], chunks)


def _filled(first: list[bytes], chunks: Iterator[bytes]) -> Iterator[bytes]:
    return (chunk for part in (first, chunks) for chunk in part if chunk)


def _source_of(body: Any) -> io.BytesIO | ChunkedInput:
    return io.BytesIO(body) if isinstance(body, bytes) else ChunkedInput(body)


class ChunkedInput:
    """`wsgi.input` of a body that is sent in chunks: the next one is taken when it is read for."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""
        self._failure: Exception | None = None

    def raise_failure(self) -> None:
        """Raise what the chunks raised, which the application took for a broken connection."""
        if self._failure is not None:
            raise self._failure

    def read(self, size: int = -1) -> bytes:
        """Give what there is of the next chunk, b"" at the end; all that is left where no size is asked for.

        Raises:
            ConnectionError: the chunks raised, so that the body has no end.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(65536), b""))
        while not self._rest:
            try:
                chunk = next(self._chunks, None)
            except Exception as exc:
                self._failure = exc
                raise ConnectionError("the client failed while it sent its body") from exc
            if chunk is None:
                return b""
            self._rest = chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def readline(self, size: int = -1) -> bytes:
        """Give the next line, or so many bytes of it."""
        line = b""
        while not line.endswith(b"\n") and (size < 0 or len(line) < size):
            byte = self.read(1)
            if not byte:
                break
            line += byte
        return line

    def readlines(self, hint: int = -1) -> list[bytes]:
        """Give all lines that are left."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")
