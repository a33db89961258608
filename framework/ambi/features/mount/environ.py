"""The environ that a WSGI guest is given. See: PEP 3333.

Under WSGI it is a copy of the server's own, so that what the server lends (its socket, its file wrapper) is there too.
Under ASGI it is made of the request. Whatever the server, `wsgi.input` may be read to its end: with some servers' own,
that would wait for the next request.
"""

from __future__ import annotations

import io
import sys

from ...core.body import CountedSource
from ...core.errors import ClientDisconnected, ConnectionLost, HTTPError
from .addresses import raw_path_of, server_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...core.request import Request

_BUFFER_BYTES = 65536


class Input(io.RawIOBase):
    """The request's body as a file: it is read from the client while the guest reads.

    Attributes:
        failure: what ended it early; the guest has seen an OSError.
    """

    def __init__(self, source: CountedSource) -> None:
        super().__init__()
        self._source = source
        self._chunk = memoryview(b"")
        self.failure: HTTPError | ClientDisconnected | None = None

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer, which is what `io.BufferedReader` calls.

        Raises:
            ConnectionLost: the body ended early: the client left, or was refused the rest.
        """
        if not self._chunk:
            self._chunk = memoryview(self._read())
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._chunk))
        target[:count] = self._chunk[:count]
        self._chunk = self._chunk[count:]
        return count

    def _read(self) -> bytes:
        if self.failure is None:
            try:
                return self._source.read_blocking()
            except (HTTPError, ClientDisconnected) as exc:
                self.failure = exc
        raise ConnectionLost("the request body ended early") from self.failure


def environ_of(request: Request, max_body_bytes: int | None) -> tuple[dict[str, Any], Input | None]:
    """Make the environ of a guest's request, and its body where that is read through us.

    Args:
        request: as the guest is to see it.
        max_body_bytes: None leaves the limit to the guest.

    Raises:
        HTTPError: 413 for a body that says it is larger; 411 where the server cannot tell where it ends.
    """
    is_native = request.gateway == "wsgi"
    environ: dict[str, Any] = dict(request.native) if is_native else _made_of(request)
    environ["SCRIPT_NAME"] = request.root_path.encode().decode("latin-1")
    environ["PATH_INFO"] = request.path.encode().decode("latin-1")
    body: Input | None = None
    if request.is_loaded:
        environ["wsgi.input"] = io.BytesIO(request.body)
        environ["CONTENT_LENGTH"] = str(len(request.body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
    elif not request._has_body:
        if "HTTP_UPGRADE" not in environ:  # else the guest may look for the connection behind it
            environ["wsgi.input"] = io.BytesIO()  # reading that of some servers would wait for the next request
            environ["wsgi.input_terminated"] = True
    else:
        source = request._edge.body_source(request)
        body = Input(CountedSource(source, sys.maxsize if max_body_bytes is None else max_body_bytes))
        environ["wsgi.input"] = io.BufferedReader(body, _BUFFER_BYTES)
        environ["wsgi.input_terminated"] = True
    return environ, body


def _made_of(request: Request) -> dict[str, Any]:
    """Make an environ of a request that came as a scope."""
    name, port = server_of(request)
    query = request.query_string
    target = raw_path_of(request).decode("latin-1") + (f"?{query}" if query else "")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method, "QUERY_STRING": query, "RAW_URI": target, "REQUEST_URI": target,
        "SERVER_NAME": name, "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{request.native.get('http_version', '1.1')}",
        "wsgi.version": (1, 0), "wsgi.url_scheme": request.scheme, "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True, "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip
    if request.client is not None:
        address, client_port = request.client
        environ["REMOTE_ADDR"] = address
        if client_port is not None:
            environ["REMOTE_PORT"] = str(client_port)
    for field, value in request.headers.items():
        key = field.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ
