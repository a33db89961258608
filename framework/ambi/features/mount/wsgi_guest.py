"""A mounted WSGI application: a handler that may block, whose response streams what the application gives.

Facts
- An application may call `start_response` only when its first item is asked for; may call it again, with `exc_info`,
  before that item is sent; and may use the `write` that it returns. See: PEP 3333.
- Its `close` is called at the end of the request, once, whatever became of the response. Most answers are one item of
  a known length: those are sent as bytes, and `close` comes after.
- A generator may have work to do behind its last item (a commit, a log line). Servers ask for items until there is
  none; so whoever has got all that were declared asks once more before it calls `close`.
- One that took the server's socket for a WebSocket says so by raising StopIteration, as gunicorn wants it.
"""

from __future__ import annotations

import tempfile
from itertools import chain
from typing import cast

from ...core.errors import HTTPError
from ...core.plan import Plan
from ...core.response import WITHOUT_BODY, Response, Switched, declared_length
from ...core.websocket import WEBSOCKET
from .answers import GuestResponse
from .environ import environ_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ...core.request import Application, Request

_WRITTEN_IN_MEMORY_BYTES = 1024 * 1024
_BLOCK_BYTES = 65536


class WSGIGuest:
    """A mounted WSGI application."""

    lifespan = None

    def __init__(self, application: Any, host: Application, max_body_bytes: int | None) -> None:
        self._application = application
        self._max_body_bytes = max_body_bytes
        loaded = host.limits.max_body_bytes if max_body_bytes is None else max_body_bytes
        self._plan = Plan(
            application, self.respond, codec=host.json, max_body_bytes=loaded, blocking=True, keeps_raw=True
        )
        self._handshake_plan = Plan(
            application, self.converse, codec=host.json, max_body_bytes=loaded, blocking=True, keeps_raw=True
        )
        self._refusal = Plan(application, _refuse_websocket, codec=host.json, max_body_bytes=loaded)

    def plan_for(self, request: Request) -> Plan:
        """Give the plan by which it answers; a WebSocket it can have only of a WSGI server's socket."""
        if request.method != WEBSOCKET:
            return self._plan
        return self._refusal if request.gateway == "asgi" else self._handshake_plan

    def respond(self, request: Request) -> Response:
        """Call the application, as far as the beginning of its answer.

        Raises:
            Exception: what it raised before, or what kept it from reading the body.
        """
        try:
            return self._begin(request)
        except StopIteration as exc:  # no generator and no coroutine lets that pass
            raise RuntimeError(f"{self._application!r:.100} raised StopIteration") from exc

    def converse(self, request: Request) -> Response:
        """Do the same for the handshake of a WebSocket, which it may answer on the server's socket by itself.

        Raises:
            Exception: as for `respond`.
        """
        try:
            return self._begin(request)
        except StopIteration:
            return Switched(None)

    def _begin(self, request: Request) -> Response:
        environ, body = environ_of(request, self._max_body_bytes)
        answer = Answer()
        try:
            answer.begin(self._application(environ, answer.start_response))
            return answer.response(request)
        except BaseException:
            answer.close()
            if body is not None and body.failure is not None:
                raise body.failure from None
            raise


def _refuse_websocket(request: Request) -> Response:
    raise HTTPError(501, "the application here is one of WSGI, which has WebSockets on WSGI servers only")


class Answer:
    """What a WSGI application answers: an iterator of the items of its body, to be closed once."""

    def __init__(self) -> None:
        self._status = 0
        self._fields: list[tuple[str, str]] = []
        self._is_sent = self._is_single = False
        self._left: int | None = None
        self._written: Any = None
        self._iterable: Any = ()
        self._iterator: Iterator[bytes] = iter(())

    # --- what the application does ---

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., Any]:
        """Take the status and the header fields.

        Raises:
            Exception: that of `exc_info`, when it is too late for another answer.
            AssertionError: it is called a second time without one, as PEP 3333 asks for.
        """
        if exc_info is not None and self._is_sent:
            try:
                raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # the traceback holds this frame
        if exc_info is None and self._status:
            raise AssertionError("start_response was called a second time without exc_info")
        self._status, self._fields = int(status[:3]), list(headers)
        return self.write

    def write(self, data: bytes) -> None:
        """Take a part of the body, the old way: it is kept until the application returns, if large in a file."""
        if self._written is None:
            self._written = tempfile.SpooledTemporaryFile(_WRITTEN_IN_MEMORY_BYTES)  # noqa: SIM115  # see `close`
        self._written.write(data)

    # --- what is made of it ---

    def begin(self, iterable: Any) -> None:
        """Take what the application returned, and ask for items until it has said how its answer begins.

        Raises:
            RuntimeError: it never does.
        """
        self._iterable = iterable
        self._is_single = iterable.__class__ in (list, tuple) and len(iterable) == 1
        self._iterator = items = cast("Iterator[bytes]", iter(iterable))
        while not self._status:
            first = next(items, None)
            if first is None:
                break
            self._iterator = chain((first,), items)
        if not self._status:
            raise RuntimeError("the application gave its body without calling start_response")
        if self._written is not None:
            self._written.seek(0)
            self._iterator = chain(iter(self._read_written, b""), self._iterator)
            self._is_single = False

    def _read_written(self) -> bytes:
        block: bytes = self._written.read(_BLOCK_BYTES)
        return block

    def response(self, request: Request) -> Response:
        """Make the response: of bytes, where the first item is all there is."""
        response = GuestResponse(self, self._status, self._fields)
        declared = declared_length(response._pairs)
        has_body = request.method != "HEAD" and self._status not in WITHOUT_BODY
        first: bytes = next(filter(None, self._iterator), b"") if has_body else b""
        if has_body and declared is not None:
            self._left = declared
        if not has_body or declared == len(first) or (declared is None and (self._is_single or not first)):
            response.body = self._counted(bytes(first))
            request.closes(self)
        else:
            self._iterator = chain((first,), self._iterator)
        self._is_sent = True
        return response

    def __iter__(self) -> Answer:
        return self

    def __next__(self) -> bytes:
        self._is_sent = True
        return self._counted(next(self._iterator))

    def _counted(self, item: bytes) -> bytes:
        if self._left is not None:
            self._left -= len(item)
        return item

    def close(self) -> None:
        """Close what the application returned. Idempotent."""
        iterable, self._iterable = self._iterable, ()
        left, self._left = self._left, None
        try:
            if left is not None and left <= 0:
                next(filter(None, self._iterator), None)
        finally:
            self._close(iterable)

    def _close(self, iterable: Any) -> None:
        try:
            if hasattr(iterable, "close"):
                iterable.close()
        finally:
            if self._written is not None:
                self._written.close()
