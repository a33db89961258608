"""Files that the server sends by itself: `wsgi.file_wrapper`, and two extensions of ASGI.

Facts (seen in the sources of the servers)
- gunicorn sends a wrapped file with `sendfile`, from its position and as much as the Content-Length says. When the
  file has become shorter it keeps the connection, whose next answer the client would take for the missing bytes; an
  exception from `close()` makes it drop the connection.
- Others (uWSGI, bjoern) send a descriptor to its end, whatever the Content-Length says, and a file may have grown. So
  they are shown none: every wrapper reads from what has no `fileno`, as PEP 3333 asks, and those reads are counted.
- A wrapper counts only as the outermost object (PEP 3333), so a request with something to do after it has none.
- `http.response.pathsend` opens the path later than we did, and once more: for a file that nobody but the application
  names that is right. `http.response.zerocopysend` takes the open file.
"""

from __future__ import annotations

from ..core.files import CHUNK_BYTES, FileBody
from ..core.log import log_disconnect
from ..core.sides import on_sync_side
from .asgi_streams import close_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from typing import Any

    from ..core.headers import Pair
    from ..core.request import Request


def wrap_file(request: Request, pairs: list[Pair], body: object) -> Iterable[bytes] | None:
    """Give the server's own wrapper around a file; None where it has none, or could not be the outermost object."""
    environ: Mapping[str, Any] = request.native
    if not isinstance(body, FileBody) or "wsgi.file_wrapper" not in environ:
        return None
    if request.has_end:  # nobody would close what the end needs, nor count what the server sends by itself
        return None
    if ("content-length", str(body.length)) not in pairs:  # a middleware has its own idea of what is sent
        return None
    file = SentByDescriptor(body) if body.is_sendable and "gunicorn.socket" in environ else body
    try:
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file, CHUNK_BYTES)
    except TypeError:  # one that takes nothing but a descriptor, as bjoern's did for long
        return None
    return wrapped


class SentByDescriptor:
    """A file for servers that send a descriptor from its position on, as much as the Content-Length says."""

    __slots__ = ("_body", "fileno", "read", "seek")

    def __init__(self, body: FileBody) -> None:
        self._body = body
        self.read = body.read
        self.seek = body.file.seek
        self.fileno = body.file.fileno

    def close(self) -> None:
        """Close the file. Raises: RuntimeError when it became shorter, so that the server drops the connection."""
        if not self._body.file.closed:
            try:
                self._body.check_length()
            finally:
                self._body.close()


def file_messages(scope: Any, pairs: list[Pair], body: object) -> list[dict[str, Any]] | None:
    """Give the messages by which this server sends a file itself; None where it cannot. See: ASGI, "Extensions"."""
    if not isinstance(body, FileBody):
        return None
    extensions: Mapping[str, Any] = scope.get("extensions") or {}
    if ("content-length", str(body.length)) not in pairs:
        return None
    if "http.response.zerocopysend" in extensions and body.is_sendable:
        part = {"file": body.file, "offset": body.offset, "count": body.length, "more_body": True}
        end = {"type": "http.response.body", "body": b"", "more_body": False}
        return [{"type": "http.response.zerocopysend", **part}, end]
    if "http.response.pathsend" in extensions and body.path is not None:
        return [{"type": "http.response.pathsend", "path": body.path}]
    return None


async def send_file(
    request: Request, body: Any, messages: list[dict[str, Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Let the server send a file, then close it.

    Raises:
        RuntimeError: the file became shorter; the response is not complete, so that the server cuts the connection.
    """
    from ..bridge.to_thread import Trip

    context = request._context
    try:
        for message in messages:
            await send(message)
            if message.get("more_body"):
                await Trip(request, on_sync_side(body.check_length), context, context)
    except OSError:  # some servers say so that the client left
        log_disconnect(request)
    finally:
        await close_body(request, body)
