"""From a WSGI server's thread to the loop thread and back.

The request began in the server's thread. When its coroutine asks for the async side it becomes a task on the loop
thread, while the server's thread waits at a queue: for the task to come to rest, and for sync pieces to run, which so
keep the server's thread, its thread-locals and its bound on threads.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import errno
import queue
import time
from functools import partial
from typing import TypeVar

from ..core.errors import ClientDisconnected, ConnectionLost
from ..core.log import log_failure, log_left_behind
from .interrupting import aclose_iterated
from .loop_thread import get_loop_thread
from .run_ahead import Closed, LoopBell, LoopStopped
from .stopping import stopping_for
from .travel import CROSSED, CROSSING, RAISED, RETURNED, Leg, contexts_of, step, weightier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from contextvars import Context
    from typing import Any

    from ..core.request import Request
    from .run_ahead import RunAhead
    from .travel import Outcome


T = TypeVar("T")


def finish_over_loop(
    request: Request,
    coroutine: Coroutine[Any, Any, T],
    context: Context,
    has_left: Callable[[], bool] | None = None,
) -> T:
    """Drive a coroutine that has asked, in this thread, for the async side; give what it returns.

    Args:
        has_left: asked a few times a second, while it is on the loop; where it says so, the coroutine is cancelled.

    Raises:
        ClientDisconnected: it was.
    """
    loop_side = request._loop_side = LoopSide(context, has_left)
    try:
        outcome = _finish(coroutine, context, loop_side, loop_side.visit(coroutine))
    except BaseException:  # an exit, or a time-out of gevent's, that struck this thread while it waited
        _finish_left(request, coroutine, context, loop_side)
        raise
    if loop_side.has_been_left and isinstance(outcome[1], asyncio.CancelledError):
        raise ClientDisconnected("the client left before its answer was ready")
    result: T = _unpack(outcome)
    return result


def _finish(
    coroutine: Coroutine[Any, Any, Any], context: Context, loop_side: LoopSide, outcome: Outcome = CROSSED
) -> Outcome:
    """Drive on a coroutine that has come to rest here; tell how it ended."""
    while outcome[0] is CROSSING:
        outcome = step(coroutine, context)
        if outcome[0] is CROSSING:
            outcome = loop_side.visit(coroutine)
        else:
            loop_side.end()
    return outcome


def _finish_left(request: Request, coroutine: Coroutine[Any, Any, Any], context: Context, loop_side: LoopSide) -> None:
    """Cancel a coroutine that this thread, which has to go, waits for; let it leave its layers here, within a time."""
    try:
        with contextlib.suppress(RuntimeError):  # a loop that was stopped has ended it
            loop_side.leave()
            _finish(coroutine, context, loop_side, loop_side.wait())
    except TimeoutError:
        loop_side.end()
        log_left_behind(repr(request))


def _unpack(outcome: Outcome) -> Any:
    kind, value = outcome
    if kind is RETURNED:
        return value
    if isinstance(value, asyncio.CancelledError):  # no server thread knows what to do with a cancellation
        raise RuntimeError("the async part of the request was cancelled") from value
    raise value


_LOOK_AFTER_S = 1.0
_LOOK_AT_CLIENT_S = 0.2
_DROP_S = _LEAVE_S = 5.0
_LEFT = "the client left before its answer was complete"
_OVER = "the request does not wait for this any more"


class LoopSide:
    """The async side of one request under WSGI, with the server's thread at its service.

    Attributes:
        has_been_left: the client left, so the coroutine was cancelled.
    """

    def __init__(self, context: Context, has_left: Callable[[], bool] | None = None) -> None:
        self._context = context
        self._inbox: queue.SimpleQueue[Outcome | Errand] = queue.SimpleQueue()
        thread = get_loop_thread()
        thread.must_be_elsewhere()
        self._loop = thread.loop
        self._errand: Errand | None = None
        self._has_left = has_left
        self._has_ended = self._is_to_be_cancelled = False
        self._gives_up_at: float | None = None
        self.has_been_left = False

    def visit(self, coroutine: Coroutine[Any, Any, Any]) -> Outcome:
        """Let a coroutine run on the loop until it comes to rest; meanwhile run here what it asks this thread for.

        Raises:
            RuntimeError: the loop thread was stopped, so that nothing will come.
        """
        self._loop.call_soon_threadsafe(self._start, coroutine)
        return self.wait()

    def wait(self) -> Outcome:
        """Wait for the coroutine that is on the loop, as `visit`. Raises: TimeoutError, where this thread has to go."""
        while True:
            if self._gives_up_at is not None and time.monotonic() > self._gives_up_at:
                raise TimeoutError
            try:
                item = self._inbox.get(timeout=_LOOK_AFTER_S if self._has_left is None else _LOOK_AT_CLIENT_S)
            except queue.Empty:
                self._look()
                continue
            if not isinstance(item, Errand):
                return item
            item.run()

    def _look(self) -> None:
        if self._loop.is_closed() and self._inbox.empty():
            raise RuntimeError("the loop thread was stopped") from None
        if self._has_left is not None and self._has_left():
            self.has_been_left = True
            self._cancel_soon()

    def leave(self) -> None:
        """Cancel the coroutine, as this thread has to go: from now on it waits for a few seconds in all."""
        self._gives_up_at = time.monotonic() + _LEAVE_S
        if not self.has_been_left:
            self._cancel_soon()

    def _cancel_soon(self) -> None:
        self._has_left = None
        self._loop.call_soon_threadsafe(self._cancel_next)

    def _cancel_next(self) -> None:
        self._is_to_be_cancelled = True  # when it comes back, where it is on its way to the server's thread
        self._loop.call_soon(self._cancel, self._task)  # behind its first step: what never begins tells nobody

    def _cancel(self, task: asyncio.Task[None]) -> None:
        if task.cancel():
            self._is_to_be_cancelled = False

    def _start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._task = self._loop.create_task(self._travel(coroutine))
        if self._is_to_be_cancelled:
            self._loop.call_soon(self._cancel, self._task)

    async def _travel(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        outcome: Outcome = (RAISED, RuntimeError("the loop thread was stopped"))
        try:
            outcome = await Leg(coroutine, self._context, self.settled)
        finally:
            self._has_ended = outcome[0] is not CROSSING  # what was asked for before is run before it is taken
            self._inbox.put(outcome)

    def end(self) -> None:
        """Serve no longer: the coroutine came to its end in the server's thread."""
        with contextlib.suppress(RuntimeError):  # a loop that is closed has ended all who waited
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._has_ended = True
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._inbox.get_nowait()
                if isinstance(item, Errand):
                    item.refuse(ConnectionLost(_OVER))

    async def settled(self) -> None:
        """Wait until the server's thread runs no sync piece."""
        if self._errand is not None:
            await self._errand.ended()

    async def call(self, function: Callable[..., Any], *args: Any) -> tuple[Outcome, BaseException | None]:
        """Run a sync piece in the server's thread; how it ended, and the cancellation that came meanwhile.

        A task that outlives the request finds that the thread is not there any more: that is a `ConnectionLost`.
        """
        errand = self._errand = Errand(function, args, self._loop)
        self._loop.call_soon(self._submit, errand)  # with the next turn: the task has left the context by then
        return await errand.ended()

    def _submit(self, errand: Errand) -> None:
        if self._has_ended:
            errand.refuse(ConnectionLost(_OVER))
        else:
            self._inbox.put(errand)


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

    def refuse(self, error: Exception) -> None:
        """Let it have failed, on the loop: nobody is going to run it."""
        self._arrive((RAISED, error))

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
    """Drive a part of the pipeline that user code on the loop awaits; its sync pieces run in the server's thread.

    Where that is not there any more the part is told so, and leaves its layers here.
    """
    cancelled = refused = None
    here, away = contexts_of(request)
    while True:
        kind, value = await Leg(coroutine, here, request._loop_side.settled, cancelled, refused)
        refused = None
        if kind is CROSSING:
            (ended, outcome), cancelled = await request._loop_side.call(step, coroutine, away)
            if ended is RAISED:  # the step itself raises nothing
                refused = outcome
                continue
            kind, value = outcome
        if kind is RAISED:
            raise value if cancelled is None else weightier(request, value, cancelled)
        if kind is RETURNED:
            if cancelled is not None:
                raise cancelled
            result: T = value
            return result


async def call_in_thread(request: Request, function: Callable[[], T]) -> T:
    """From the loop: run a function in the server's thread of a request and wait for it."""
    (kind, value), cancelled = await request._loop_side.call(function)
    if cancelled is not None:
        raise cancelled
    if kind is RAISED:
        raise value
    result: T = value
    return result


class LoopMaker:
    """Makes the chunks of an async body in a task on the loop thread, in the request's context.

    Meanwhile it is the request's async side: what a body asks the server's thread for (the next bytes of the request)
    is run by that thread when it takes chunks.

    Attributes:
        drive: gives what iterates the body instead, driving what it is given; None for nothing.
    """

    drive: Callable[[Coroutine[Any, Any, None]], Awaitable[None]] | None = None

    def __init__(self, body: Any, encode: Callable[[Any], bytes], context: Context) -> None:
        self._body = body
        self._encode = encode
        self._context = context
        self._thread = get_loop_thread()
        self._loop = self._thread.loop
        self._ahead: RunAhead | None = None
        self._task: asyncio.Task[BaseException | None] | None = None
        self._is_closing = self._has_ended = False
        self._errands: collections.deque[Errand] = collections.deque()
        self.bell = LoopBell(self._loop.call_soon_threadsafe, asyncio.Event)

    @property
    def is_dead(self) -> bool:
        """Whether the loop thread was stopped."""
        return self._loop.is_closed()

    def begin(self, ahead: RunAhead) -> None:
        """Let a task on the loop begin."""
        self._thread.must_be_elsewhere()
        self._ahead = ahead
        self._loop.call_soon_threadsafe(self._begin, ahead)

    def _begin(self, ahead: RunAhead) -> None:
        ahead.begin()
        self._task = self._loop.create_task(self._make(ahead), context=self._context)
        self._task.add_done_callback(partial(self._finish, ahead))

    def _finish(self, ahead: RunAhead, task: asyncio.Task[BaseException | None]) -> None:
        """Tell how the task ended. Called when it has left the context, which the taker may need at once."""
        failure: BaseException | None = None
        self._task = None  # what it raised holds this object
        self._has_ended = True
        self._refuse(_OVER)
        try:
            failure = task.result()
        except asyncio.CancelledError as exc:  # by the taker, who has left; or by a loop that stops
            if stopping_for() is not None:
                failure = LoopStopped(errno.ECONNRESET, "the server stops")
            elif not ahead.is_left:
                failure = RuntimeError("the async part of the request was cancelled")
                failure.__cause__ = exc
        ahead.finish(failure)

    async def _make(self, ahead: RunAhead) -> BaseException | None:
        """Iterate the body in this task, from its first step to its closing; give what it raised."""
        iterating, drive = self._iterate(ahead), self.drive
        self.drive = None  # it holds the request, which holds this object
        try:
            await (iterating if drive is None else drive(iterating))
        except Closed:
            return None
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # an exit as well, which would end the loop thread
            return exc
        return None

    async def _iterate(self, ahead: RunAhead) -> None:
        iterator = self._body
        try:
            iterator = aiter(self._body)
            async for item in iterator:
                chunk = self._encode(item)
                if chunk and ahead.put(chunk):
                    while ahead.is_full:
                        await self.bell.wait()
        finally:
            self._is_closing = True
            await aclose_iterated(iterator, self._body)

    # --- the async side of the request ---

    async def settled(self) -> None:
        """Wait until the server's thread runs no sync piece: none in the request's context is its business here."""

    async def call(self, function: Callable[..., Any], *args: Any) -> tuple[Outcome, BaseException | None]:
        """Run a function in the server's thread, when that takes chunks; as `LoopSide.call`."""
        if self._ahead is None or self._ahead.is_left or self._has_ended:
            return (RAISED, ConnectionLost(_OVER if self._has_ended else _LEFT)), None
        self._errands.append(errand := Errand(function, args, self._loop))
        self._ahead.wake_taker()
        return await errand.ended()

    def serve(self) -> None:
        """Run what the body has asked this thread for."""
        while self._errands:
            with contextlib.suppress(IndexError):  # refused meanwhile
                self._errands.popleft().run()

    # --- leaving ---

    def cancel(self) -> None:
        """Cancel the task; what it waits for is interrupted."""
        with contextlib.suppress(RuntimeError):  # a loop that is closed has ended the task already
            self._loop.call_soon_threadsafe(self._cancel)

    def _refuse(self, why: str) -> None:
        while self._errands:
            with contextlib.suppress(IndexError):  # run meanwhile
                self._errands.popleft().refuse(ConnectionLost(why))

    def _cancel(self) -> None:
        self._refuse(_LEFT)
        if self._task is not None and not self._is_closing:  # what it closes already is not to be interrupted
            self._loop.call_soon(self._task.cancel)  # behind its first step: what never begins closes nothing

    def drop(self) -> None:
        """Close a body that was never begun; wait for that, for a bounded time, on the loop's own thread not at all."""
        self.drive = None
        if hasattr(self._body, "aclose") and not self.is_dead:
            closing = asyncio.run_coroutine_threadsafe(self._drop(), self._loop)
            if self._thread.is_here:
                return
            try:
                closing.result(_DROP_S)
            except (TimeoutError, concurrent.futures.CancelledError) as exc:  # it may still end, or its loop has
                log_failure(f"a stream that was not sent did not close in time: {self._body!r:.200}", exc)

    async def _drop(self) -> None:
        await self._loop.create_task(aclose_iterated(self._body, self._body), context=self._context)
