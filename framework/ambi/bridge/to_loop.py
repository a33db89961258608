"""From a WSGI server's thread to the loop thread and back.

The request began in the server's thread. When its coroutine asks for the async side it becomes a task on the loop
thread, while the server's thread waits at a queue: for the task to come to rest, and for sync pieces to run, which so
keep the server's thread, its thread-locals and its bound on threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
from typing import TypeVar

from ..core.response import as_bytes
from .loop_thread import get_loop_thread
from .travel import CROSSED, CROSSING, RAISED, RETURNED, Leg, contexts_of, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
    from contextvars import Context
    from typing import Any

    from ..core.request import Request
    from .travel import Outcome


T = TypeVar("T")


def finish_over_loop(request: Request, coroutine: Coroutine[Any, Any, T], context: Context) -> T:
    """Drive a coroutine that has asked, in this thread, for the async side; give what it returns."""
    loop_side = request._loop_side = LoopSide(context)
    outcome = CROSSED
    while outcome[0] is CROSSING:
        outcome = loop_side.visit(coroutine)
        if outcome[0] is CROSSING:
            outcome = step(coroutine, context)
    result: T = _unpack(outcome)
    return result


def _unpack(outcome: Outcome) -> Any:
    kind, value = outcome
    if kind is RETURNED:
        return value
    if isinstance(value, asyncio.CancelledError):  # no server thread knows what to do with a cancellation
        raise RuntimeError("the async part of the request was cancelled") from value
    raise value


_LOOK_AFTER_S = 1.0


def _take(inbox: queue.SimpleQueue[T], loop: asyncio.AbstractEventLoop) -> T:
    """Wait for what comes from the loop.

    Raises:
        RuntimeError: the loop thread was stopped, so that nothing will come.
    """
    while True:
        try:
            return inbox.get(timeout=_LOOK_AFTER_S)
        except queue.Empty:
            if loop.is_closed() and inbox.empty():
                raise RuntimeError("the loop thread was stopped") from None


class LoopSide:
    """The async side of one request under WSGI, with the server's thread at its service."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._inbox: queue.SimpleQueue[Outcome | Errand] = queue.SimpleQueue()
        self._loop = get_loop_thread().loop
        self._errand: Errand | None = None

    def visit(self, coroutine: Coroutine[Any, Any, Any]) -> Outcome:
        """Let a coroutine run on the loop until it comes to rest; meanwhile run here what it asks this thread for."""
        self._loop.call_soon_threadsafe(self._start, coroutine)
        while True:
            item = _take(self._inbox, self._loop)
            if not isinstance(item, Errand):
                return item
            item.run()

    def _start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._task = self._loop.create_task(self._travel(coroutine))

    async def _travel(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        outcome: Outcome = (RAISED, RuntimeError("the loop thread was stopped"))
        try:
            outcome = await Leg(coroutine, self._context, self.settled)
        finally:
            self._inbox.put(outcome)

    async def settled(self) -> None:
        """Wait until the server's thread runs no sync piece."""
        if self._errand is not None:
            await self._errand.ended()

    async def call(self, function: Callable[..., Any], *args: Any) -> tuple[Outcome, BaseException | None]:
        """Run a sync piece in the server's thread; how it ended, and the cancellation that came meanwhile."""
        errand = self._errand = Errand(function, args, self._loop)
        self._loop.call_soon(self._inbox.put, errand)  # with the next turn: the task has left the context by then
        return await errand.ended()


class Errand:
    """A sync piece on its way to the server's thread."""

    __slots__ = ("_args", "_function", "_loop", "_waiter", "outcome")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], loop: asyncio.AbstractEventLoop) -> None:
        self._function = function
        self._args = args
        self._loop = loop
        self._waiter = loop.create_future()
        self.outcome: Outcome | None = None

    def run(self) -> None:
        """Run it, in the server's thread."""
        try:
            outcome: Outcome = (RETURNED, self._function(*self._args))
        except BaseException as exc:
            outcome = (RAISED, exc)
        self._loop.call_soon_threadsafe(self._arrive, outcome)

    def _arrive(self, outcome: Outcome) -> None:
        self.outcome = outcome
        if not self._waiter.done():
            self._waiter.set_result(None)

    async def ended(self) -> tuple[Outcome, BaseException | None]:
        """Wait for its end, through cancellations; the last of those comes back too."""
        cancelled = None
        while self.outcome is None:
            try:
                await self._waiter
            except asyncio.CancelledError as exc:
                cancelled = exc
                self._waiter = self._loop.create_future()
        return self.outcome, cancelled


async def travel(request: Request, coroutine: Coroutine[Any, Any, T]) -> T:
    """Drive a part of the pipeline that user code on the loop awaits; its sync pieces run in the server's thread."""
    cancelled: BaseException | None = None
    here, away = contexts_of(request)
    while True:
        kind, value = await Leg(coroutine, here, request._loop_side.settled, cancelled)
        if kind is CROSSING:
            ((_, (kind, value)), cancelled) = await request._loop_side.call(step, coroutine, away)
        if cancelled is not None and kind is not CROSSING:
            raise cancelled
        if kind is RETURNED:
            result: T = value
            return result
        if kind is RAISED:
            raise value


async def call_in_thread(request: Request, function: Callable[[], T]) -> T:
    """From the loop: run a function in the server's thread of a request and wait for it."""
    (kind, value), cancelled = await request._loop_side.call(function)
    if cancelled is not None:
        raise cancelled
    if kind is RAISED:
        raise value
    result: T = value
    return result


class LoopBody:
    """The iterator of an async body for a WSGI server: one task on the loop makes the items, one when asked.

    `close` may come from any thread, more than once, and before the first item; it ends the task and waits for that
    within a bounded time.
    """

    _CLOSE_TIMEOUT_S = 5

    def __init__(self, body: AsyncIterable[bytes | str], context: Context) -> None:
        self._body = body
        self._context = context
        self._inbox: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._loop = get_loop_thread().loop
        self._task: asyncio.Task[None] | None = None
        self._asked: asyncio.Future[None] | None = None
        self._ended = False

    def __iter__(self) -> LoopBody:
        return self

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        self._loop.call_soon_threadsafe(self._ask)
        kind, value = _take(self._inbox, self._loop)
        if kind is CROSSING:
            item: bytes = value
            return item
        self._ended = True
        if kind is RETURNED:
            raise StopIteration
        _unpack((kind, value))
        raise StopIteration

    def close(self) -> None:
        """End the task that makes the items; its `finally` blocks have run when this returns, or the time is up."""
        if self._ended:
            return
        self._ended = True
        with contextlib.suppress(queue.Empty, RuntimeError):  # a loop that is closed has ended the task already
            self._loop.call_soon_threadsafe(self._end)
            while self._inbox.get(timeout=self._CLOSE_TIMEOUT_S)[0] is CROSSING:
                pass

    def _ask(self) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._make(), context=self._context)
        elif self._asked is not None and not self._asked.done():
            self._asked.set_result(None)

    def _end(self) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._drop(), context=self._context)
        else:
            self._task.cancel()

    async def _make(self) -> None:
        outcome: Outcome = (RETURNED, None)
        try:
            async with _closing(self._body):
                async for item in self._body:
                    self._asked = self._loop.create_future()
                    self._inbox.put((CROSSING, as_bytes(item)))
                    await self._asked
        except BaseException as exc:
            outcome = (RAISED, exc)
        self._inbox.put(outcome)

    async def _drop(self) -> None:
        try:
            async with _closing(self._body):
                pass
        finally:
            self._inbox.put((RETURNED, None))


@contextlib.asynccontextmanager
async def _closing(body: object) -> AsyncIterator[None]:
    """Close an async generator in the task that iterated it, on every exit."""
    try:
        yield
    finally:
        aclose = getattr(body, "aclose", None)
        if aclose is not None:
            await aclose()
