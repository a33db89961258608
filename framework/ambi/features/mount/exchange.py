"""One HTTP request of an ASGI guest: its messages, on their way between its task and the request that waits for them.

The guest runs in a task of its own, on the loop that the request is on: the server's, or the loop thread. Its task may
outlive the response, as natively: what it does after its last message holds nobody up, and a stop waits for it.

Facts
- An answer that is there at once is one of bytes; one that is not begins at once, as on a server of its own.
- The guest runs ahead of the client by a bounded number of items and bytes; then its `send` waits.
- An event stream that was asked for with GET has no end of its own, and its client comes back: it ends when the server
  stops. Other answers are waited for. Some libraries see the stop by themselves, and return without a last message.
- When the client has left, `receive` says so and `send` raises OSError. A guest that goes on for longer than a grace
  period with an answer that nobody takes is cancelled.
- Where no body is sent (HEAD, 304) servers take it and send nothing, so a guest may go on to the end of it; for as long
  as that grace period.
- A guest that asks on, or sends nothing for ever, gives the others a turn each time: the loop is not its own.
- Under WSGI the server's thread reads the body, when it serves the loop: while it waits for the answer to begin, and
  while it takes chunks. In between a read waits.
"""

from __future__ import annotations

import collections

import anyio
from anyio.lowlevel import checkpoint

from ...bridge.background import run_beside
from ...bridge.interrupting import Grace
from ...bridge.stopping import stopping_for
from ...core.errors import ClientDisconnected, ConnectionLost, HTTPError
from ...core.log import log_cut, log_left
from ...core.response import WITHOUT_BODY, declared_length
from ...core.watching import tell_of_crash
from .answers import GuestResponse, LiveFeed, LiveResponse
from .incoming import Incoming

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from ...bridge.background import Job
    from ...core.headers import Pair
    from ...core.request import Request
    from ...core.response import Response

    ASGIApplication = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[Any]]

GRACE_S = 1.0
"""How long a guest may go on with an answer that nobody takes."""

_MAX_ITEMS = 16
_MAX_BYTES = 256 * 1024
_LOOK_EVERY_S = 0.5

_WAITING, _BETWEEN, _STREAMING, _LEFT = "waiting", "between", "streaming", "left"
"""Where the request is: its handler waits for the answer, has given it, it is sent, or nobody wants it any more."""


class Bell:
    """Wakes the tasks of one loop that wait for something to have changed."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def ring(self) -> None:
        """Wake all who wait."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Wait for the next ring. Look at what is waited for before, without a pause between."""
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()


class Exchange:
    """One request of a guest, and the body of its answer: an async iterator, closed when nobody wants more of it.

    Args:
        request: as the guest sees it.
        max_body_bytes: None leaves the limit to the guest.

    Raises:
        HTTPError: 413 for a body that says it is larger; 411 where the server cannot tell where it ends.
    """

    def __init__(self, request: Request, max_body_bytes: int | None) -> None:
        self._request = request
        self._incoming = Incoming(request, max_body_bytes)
        self._phase = _WAITING
        self._changed = Bell()
        self._room = Bell()
        self._status = 0
        self._fields: Any = ()
        self._items: collections.deque[bytes] = collections.deque()
        self._size = 0
        self._is_whole = self._is_over = self._is_bodiless = False
        self._is_told = False
        self._failure: BaseException | None = None
        self._grace = Grace()
        self._job: Job | None = None

    # --- the request's side ---

    async def answer(self, application: ASGIApplication, scope: dict[str, Any]) -> Response:
        """Let the guest begin, and give its answer as soon as that begins.

        Raises:
            Exception: what the guest raised before.
            HTTPError: its body was refused.
        """

        async def run() -> None:
            await self._run(application, scope)

        self._job = run_beside(self._request.app, f"{self._request!r} to the mounted {application!r:.100}", run)
        if self._is_whole:
            self._is_after()
        try:
            while not self._status or (self._incoming.reads_in_thread and self._incoming.is_reading):
                if self._failure is not None:
                    raise self._taken_failure()
                await self._changed.wait()
            response = self._response()
        except BaseException:
            self._leave()
            raise
        self._phase = _BETWEEN
        return response

    def _response(self) -> Response:
        kind = GuestResponse if self._is_whole else LiveFeed if self._is_feed() else LiveResponse
        response = kind(self, self._status, decoded(self._fields))
        self._is_bodiless = self._request.method == "HEAD" or response.status in WITHOUT_BODY
        if self._is_whole and not self._is_bodiless and declared_length(response._pairs) in (None, self._size):
            response.body = b"".join(self._items)
        return response

    def _is_feed(self) -> bool:
        if self._request.method != "GET":
            return False
        types = (bytes(value) for name, value in self._fields if bytes(name).lower() == b"content-type")
        return next(types, b"").lower().startswith(b"text/event-stream")

    def _taken_failure(self) -> BaseException:
        failure, self._failure = self._failure, None
        return RuntimeError("the mounted application failed") if failure is None else failure

    def __aiter__(self) -> Exchange:
        return self

    async def __anext__(self) -> bytes:
        if self._phase is _BETWEEN:
            self._phase = _STREAMING
            self._changed.ring()
        while not self._items:
            if self._is_whole or self._phase is _LEFT:
                raise StopAsyncIteration
            if self._is_over or self._failure is not None:
                raise self._taken_failure()
            await self._changed.wait()
        chunk = self._items.popleft()
        self._size -= len(chunk)
        self._room.ring()
        return chunk

    async def aclose(self) -> None:
        """Take no more of the answer. Idempotent."""
        self._leave()

    def _leave(self) -> None:
        if self._phase is _LEFT:
            return
        self._phase = _LEFT
        self._is_after()
        self._failure = None
        self._items.clear()
        self._size = 0
        if not (self._is_whole or self._is_over):
            self._grace.ends_in(GRACE_S)
        self._changed.ring()
        self._room.ring()

    def _is_after(self) -> None:
        """Tell that what the guest does from now on is not the request's any more."""
        if self._job is not None:  # a loop whose tasks begin at once is not there yet
            self._job.is_after = True

    # --- the guest's side ---

    async def _run(self, application: ASGIApplication, scope: dict[str, Any]) -> None:
        """Run the guest. Raises what nobody else will tell of: a failure when its answer was complete."""
        failure: BaseException | None = None
        try:
            with self._grace:
                await application(scope, self.receive, self.send)
        except Exception as exc:
            if self._is_told:  # what it made of the news
                log_left(self._request, exc)
            elif self._is_whole or self._phase is _LEFT:
                tell_of_crash(exc)
                raise
            else:
                failure = exc
        except (SystemExit, KeyboardInterrupt) as exc:  # the request's, whose thread or task is the server's own
            if self._is_whole or self._phase is _LEFT:
                raise
            failure = exc
        except BaseException as exc:
            failure = RuntimeError("the mounted application was cancelled")
            failure.__cause__ = exc
            raise
        finally:
            self._is_over = True
            if not (self._is_whole or self._failure is not None or self._phase is _LEFT):
                self._failure = self._unfinished() if failure is None else failure
            failure = None  # its traceback holds this frame
            self._changed.ring()

    def _unfinished(self) -> Exception | None:
        """Tell what is wrong with a guest that is through before its answer: nothing, where a stop ends a feed."""
        if self._is_told:
            return ConnectionLost("the client left before its answer was ready")
        if not self._status or stopping_for() is None:
            return RuntimeError("the mounted application ended without a whole answer")
        if self._is_feed():
            self._is_whole = True
            return None
        log_cut(self._request)
        return ConnectionLost("the server stops")

    async def receive(self) -> dict[str, Any]:
        """Give the guest the next part of the body, then, when that is so, that the client has left."""
        if not self._incoming.is_read and self._phase is not _LEFT:
            message = self._incoming.at_hand() or await self._read()
            if message is not None:
                return message
        await checkpoint()
        while not self._has_left():
            with anyio.move_on_after(None if self._status else _LOOK_EVERY_S):
                await self._changed.wait()
        self._is_told = not self._is_whole
        return {"type": "http.disconnect"}

    def _has_left(self) -> bool:
        """Tell whether the client has left, or may as well have: its answer is complete, its body ended early."""
        if self._is_whole or self._phase is _LEFT or self._failure is not None:
            return True
        return not self._status and self._request.is_disconnected()  # a stream that has begun is told

    async def _read(self) -> dict[str, Any] | None:
        """Read a part of the body; None where there is no more to be had."""
        async with self._incoming.lock:
            while self._phase is _BETWEEN and not self._is_whole:
                await self._changed.wait()
            if self._incoming.is_read or self._has_left():
                return None
            try:
                return await self._incoming.next()
            except (HTTPError, ClientDisconnected) as exc:  # the request's to answer, or nobody's
                self._failure = exc
                return None
            except (Exception, GeneratorExit, anyio.get_cancelled_exc_class()):
                raise
            except BaseException as exc:  # what ends the server's thread (gevent's), not the guest
                self._failure = exc
                return None
            finally:
                self._changed.ring()

    async def send(self, message: dict[str, Any]) -> None:
        """Take a message of the guest's answer; wait while the client does not keep up.

        Raises:
            ConnectionLost: the client has left; an OSError, as ASGI 2.4 has it.
            RuntimeError: a message that cannot come here.
        """
        kind = message["type"]
        self._check_left()
        if kind == "http.response.start" and not self._status:
            self._status, self._fields = message["status"], message.get("headers", ())
            self._changed.ring()
            return
        if kind != "http.response.body" or not self._status or self._is_whole:
            when = "after its answer was complete" if self._is_whole else "now"
            raise RuntimeError(f"the mounted application sent {kind!r}, which cannot come {when}")
        chunk = message.get("body", b"") if self._phase is not _LEFT else b""
        if chunk:
            self._items.append(bytes(chunk))
            self._size += len(chunk)
        self._is_whole = not message.get("more_body", False)
        self._changed.ring()
        if self._is_whole:
            self._is_after()
            self._room.ring()  # for one who sends in another task
        elif not chunk:
            await checkpoint()
        while self._is_full() and not self._is_whole:
            await self._room.wait()
            self._check_left()

    def _check_left(self) -> None:
        is_left = (self._phase is _LEFT or self._is_told) and not self._is_bodiless
        if not self._is_whole and (is_left or self._failure is not None):
            self._is_told = True
            raise ConnectionLost("the client has left")

    def _is_full(self) -> bool:
        return len(self._items) >= _MAX_ITEMS or self._size >= _MAX_BYTES


def decoded(fields: Any) -> list[Pair]:
    """Give the header fields of a message as text."""
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in fields]
