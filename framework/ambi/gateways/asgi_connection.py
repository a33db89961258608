"""The receiving half of an ASGI connection: the body of the request, then the news that the client has left.

Facts
- Never do two receive at once: who reads the body and who waits for `http.disconnect` take turns.
- The news of the leaving comes behind the body. Who waits for it takes in what is not read, up to `AHEAD_BYTES`, for
  the next who reads; past that it waits until somebody does, and the client with it.
- On several servers `receive()` answers `Expect: 100-continue`: a client that waits for that is asked for its body only
  by who reads it. Once the response has begun that is decided, and receiving asks for nothing.
- A request whose client nobody asks about costs no task: the reader begins to wait when a stream suspends, when the
  handler asks, or for a route with `cancel_on_disconnect`.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache

from ..core.body import MULTIPART, too_large
from ..core.errors import ClientDisconnected, HTTPError
from ..core.sides import ASYNC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from ..core.request import Request
    from ..core.sides import Side
    from .asgi_early_body import EarlyBody

    Receive = Callable[[], Awaitable[Any]]

AHEAD_BYTES = 65536
"""How large a body is that is taken in though nobody has asked for it."""

_DRAIN_S = 1.0

_READER_FIRST_S = 1.0
"""How long one who reads a body in whose middle the client left has to learn it from that, and to do something."""


class Connection:
    """What comes in from the client of one request.

    Attributes:
        ended: the body has been read, or there is none.
        declared: the Content-Length; None without one.
        ahead: the whole body, where it was read ahead.
        is_gone: the client has left, as far as is known.
    """

    __slots__ = (
        "_early", "_is_asked", "_is_read", "_is_reading", "_receive", "_request", "_watch", "ahead", "declared",
        "ended", "is_gone",
    )  # fmt: skip

    side: Side = ASYNC

    def __init__(self, request: Request, receive: Receive, length: bytes | None, *, has_body: bool) -> None:
        self._request: Request | None = request
        self._receive = receive
        self._watch: _Watch | None = None
        self._early: EarlyBody | None = None
        self._is_asked = False  # for the body; or there is nothing to ask for any more
        self._is_reading = False
        self._is_read = False  # by one who waits for the leaving
        self.ended = not has_body
        self.declared = int(length) if length is not None and length.isdigit() else None
        self.ahead: bytes | None = None
        self.is_gone = False

    # --- the body ---

    async def read(self) -> bytes:
        """Give the next bytes, b"" at the end.

        Raises:
            ClientDisconnected: the client left first, the connection broke, or the request is over.
            HTTPError: 408 without progress for `Limits.body_timeout_s`.
        """
        request, waiting = self._of_request(), _waiting()
        timeout_s = request.app.limits.body_timeout_s
        while not self.ended:
            early = self._early
            self._is_asked = self._is_reading = True
            try:
                message = await waiting(self._receive(), timeout_s)
            except TimeoutError:
                raise HTTPError(408, f"no byte of the body arrived for {timeout_s:g} seconds") from None
            except OSError as exc:  # how a server may say that the connection broke
                self.is_gone = True
                raise ClientDisconnected("the connection broke while the request body was read") from exc
            finally:
                self._is_reading = False
                if early is None and self._early is not None:  # which was made meanwhile, and waits for this
                    self._early.turn.release()
            if message["type"] == "http.disconnect":
                self.is_gone = True
                raise ClientDisconnected("the client left before the end of its body")
            if not ("more_body" in message and message["more_body"]):
                self.ended = True
            if "body" in message and message["body"]:
                chunk: bytes = message["body"]
                return chunk
        return b""

    read_async = read

    async def read_ahead(self) -> None:
        """Read a small body that is on its way, before a thread is taken: it need not be left again for that.

        Not of a client that waits to be asked for it, which may be refused first (RFC 9110 10.1.1), and no form with
        files.

        Raises:
            ClientDisconnected, HTTPError: as `read`; and 413 where more comes than was declared.
        """
        declared, request = self.declared, self._of_request()
        if declared is None or declared > AHEAD_BYTES or self.ended or request.content_type[0] == MULTIPART:
            return
        if request._edge.field(request, "expect") is not None:
            return
        body = await self.read()
        while chunk := await self.read():
            body += chunk
            if len(body) > AHEAD_BYTES:
                raise too_large(AHEAD_BYTES)
        self.ahead = body

    async def drain(self) -> None:
        """Take what is on its way, for a second at most; what it is does not matter, nor whether it comes."""
        with suppress(TimeoutError, ClientDisconnected, HTTPError):
            await _waiting()(self._drain(), _DRAIN_S)

    async def _drain(self) -> None:
        while await self.read():
            pass

    def read_blocking(self) -> bytes:
        """As `read`, from a worker thread: the server's loop receives."""
        from ..bridge.to_thread import call_on_loop

        return call_on_loop(self._of_request(), self.read)

    async def run_io(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run file work in a thread: the loop must not block."""
        from ..bridge.to_thread import run_io

        return await run_io(self._of_request().app, function, *args)

    def _of_request(self) -> Request:
        """Give the request. Raises: ClientDisconnected when it is over: what comes now is not for it."""
        if self._request is None:
            raise ClientDisconnected("the request is over")
        return self._request

    # --- the client ---

    async def gone(self) -> None:
        """Wait until the client has left.

        While its body is not at its end, a task of its own waits: who awaits this may be cancelled, and some servers
        lose what comes for a `receive()` that is.
        """
        if self._watch is None and not (self.ended or self.is_gone):
            self._watch = _Watch(self._read_leaving)
        if self._watch is not None and not self.is_gone:
            await self._watch.left.wait()
            return
        self._is_read = True
        try:
            await self._read_leaving()
        finally:
            self._is_read = False

    async def _read_leaving(self) -> None:
        if not self.ended:
            await self._read_early()
        while not self.is_gone:
            try:
                message = await self._receive()
            except Exception:  # whatever a server raises here: nobody is there to receive from any more
                message = {"type": "http.disconnect"}
            self.is_gone = message["type"] == "http.disconnect"

    async def _read_early(self) -> None:
        """Take in what is not read of the body, and wait until the client has left."""
        from anyio import sleep

        from .asgi_early_body import EarlyBody

        if not self.is_gone:
            request = self._of_request()
            may_ask = self._is_asked or request._edge.field(request, "expect") is None
            self._early = EarlyBody(self._receive, may_ask=may_ask, is_taken=self._is_reading)
            self._receive = self._early.next
            await self._early.take_in()
            self.is_gone = self.is_gone or not self._early.is_over
        if not (self.ended or (self._early is not None and self._early.has_come)):
            await sleep(_READER_FIRST_S)

    def answered(self) -> None:
        """Take note that the response has begun."""
        self._is_asked = True
        if self._early is not None:
            self._early.ask()

    def look(self) -> bool:
        """Tell whether the client is known to have left; from now on, a task waits for that. On the loop."""
        if self._watch is None and self.ended and not (self.is_gone or self._is_read or self._request is None):
            self._watch = _Watch(self._read_leaving)
        return self.is_gone

    async def look_now(self) -> bool:
        """Tell whether the client has left, for one who may wait for the answer."""
        from anyio.lowlevel import checkpoint

        for _ in range(3):  # the task begins, the server's news wakes it, it takes note
            if self.look():
                break
            await checkpoint()
        return self.is_gone

    def close(self) -> None:
        """Receive no longer: what is known of the client now stays."""
        self._request = None  # which holds this object
        if self._early is not None:
            self._early.is_over = True
        if self._watch is not None:
            self._watch.scope.cancel()


@cache
def _waiting() -> Callable[[Awaitable[Any], float], Awaitable[Any]]:
    """Load what waits for so long at most. A server of ASGI has loaded what that loads; `import ambi` must not."""
    from ..bridge.interrupting import within

    return within


class _Watch:
    """A task that waits for a client to leave."""

    def __init__(self, gone: Callable[[], Coroutine[Any, Any, None]]) -> None:
        import anyio

        from ..bridge.to_thread import spawn

        self.left = anyio.Event()
        self.scope = anyio.CancelScope()
        spawn(self._wait, gone)

    async def _wait(self, gone: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with self.scope:
            if self.scope.cancel_called:  # the request was over before this task began
                return
            await gone()
            self.left.set()


def connection_of(request: Request) -> Connection:
    """Give the connection of a request, made when first asked for; a closed one where the request is over."""
    connection: Connection | None = request._body_source
    if connection is None:
        connection = request._body_source = Connection(request, request._receive, None, has_body=False)
        if request._receive is None:
            connection.close()
    return connection
