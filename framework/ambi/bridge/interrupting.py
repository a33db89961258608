"""Awaiting something that may be interrupted: by a deadline, or by the client's leaving.

Facts
- Most of what is awaited here is there already: a request body, a short stream that a server takes. Then nothing
  suspends, and a timer or a task beside it would cost more than all the rest. So on asyncio both are set when the first
  step has suspended.
- Then it is too late for a cancel scope, which must be entered before those inside of it. An interruption is a native
  cancellation of the task, taken back by `uncancel` where it comes out again.
- On trio a scope is what there is; there it is always set beforehand.
- What `__await__` gives need only be an iterator (granian's is no more): it may have neither `send` nor `throw`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TypeVar, cast

from ..core.log import log_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator
    from typing import Any

    Interrupt = Callable[[], None]

T = TypeVar("T")


class Interrupted(Exception):
    """What was awaited came to no end: the client left, or the server stops."""


def is_foreign(error: BaseException) -> bool:
    """Tell whether it is a cancellation, on asyncio, of something that was awaited: nobody has cancelled this task."""
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = None if _asyncio_loop() is None else asyncio.current_task()  # trio cancels by an exception of its own
    return task is None or not task.cancelling()


async def awaited(awaitable: Awaitable[T], what: str = "it") -> T:
    """Await something of the user's, of which a cancellation may come that is not of this task: of one it waited for.

    Args:
        what: names it in the error.

    Raises:
        RuntimeError: such a one came.
    """
    try:
        return await awaitable
    except BaseException as exc:
        if is_foreign(exc):
            raise RuntimeError(f"{what} has awaited something that was cancelled") from exc
        raise


def within(awaitable: Awaitable[Any], timeout_s: float, error: type[Exception] = TimeoutError) -> Awaitable[Any]:
    """Give what awaits something for so long at most; await that at once.

    Args:
        error: what is raised when the time is up. One of the caller's own cannot be taken for what came from inside.
    """
    if _is_on_trio():
        return _within_on_trio(awaitable, timeout_s, error)

    def arm(interrupt: Interrupt) -> Callable[[], object]:
        return asyncio.get_running_loop().call_later(timeout_s, interrupt).cancel

    return _Interruptible(awaitable, arm, error)


async def unless(awaitable: Awaitable[Any], happens: Callable[[Interrupt], Coroutine[Any, Any, None]]) -> Any:
    """Await something while another coroutine runs beside it, which may interrupt it.

    Args:
        awaitable: is awaited in this task.
        happens: an `async def` that takes the function which interrupts; it is cancelled at the end.

    Raises:
        Interrupted: it was.
    """
    loop = _asyncio_loop()
    if loop is None:
        return await _unless_on_trio(awaitable, happens)

    def arm(interrupt: Interrupt) -> Callable[[], object]:
        return loop.create_task(happens(interrupt)).cancel

    return await _Interruptible(awaitable, arm, Interrupted)


async def aclose_iterated(iterator: Any, body: Any) -> None:
    """Close an async iterator and what it came from, in the task that iterated it. A failure is logged likewise."""
    for closable in (iterator, body) if iterator is not body else (body,):
        try:
            if hasattr(closable, "aclose"):
                await awaited(closable.aclose())
        except Exception as exc:
            log_failure(f"a stream did not close: {body!r:.200}", exc)


_AGAIN_S = 5.0


class Grace:
    """What runs inside is cancelled when its time is up; when that is may be said before, or meanwhile.

    On asyncio it is cancelled as code there is by servers: once, so that a `finally` of it can await; and again for as
    long as it does not end, after five seconds each. On trio a `finally` that awaits has a shield of its own.
    """

    __slots__ = ("_is_over", "_loop", "_scope", "_task", "_timer", "_until_s")

    def __init__(self) -> None:
        self._until_s: float | None = None
        self._is_over = False
        self._scope: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._loop = _asyncio_loop()
        if self._loop is None:
            from anyio import CancelScope

            self._scope = CancelScope()
            self._scope.__enter__()
        else:
            self._task = asyncio.current_task()
        self._set()

    def ends_in(self, seconds: float) -> None:
        """Give it so many seconds from now, unless that was said before. Called on its loop."""
        from anyio import current_time

        if self._until_s is not None:
            return
        now_s = current_time() if self._loop is None else self._loop.time()  # a callback is in no task, to ask it of
        self._until_s = now_s + seconds
        self._set()

    def _set(self) -> None:
        if self._until_s is None:
            return
        if self._scope is not None:
            self._scope.deadline = self._until_s
        elif self._loop is not None and self._task is not None:
            self._timer = self._loop.call_at(self._until_s, self._cancel, self._loop, self._task)

    def _cancel(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        self._is_over = True
        self._timer = loop.call_later(_AGAIN_S, self._cancel, loop, task)
        task.cancel()

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> bool:
        if self._scope is not None:
            return bool(self._scope.__exit__(kind, exc, traceback))
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._task = self._timer = None
        return self._is_over and isinstance(exc, asyncio.CancelledError)


def _asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """Give the loop that runs here; None on trio: what is awaited inside an `except` shows its error in tracebacks."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _is_on_trio() -> bool:
    """Tell whether this runs on trio. Where nobody has loaded that, no loop has to be asked for."""
    return "trio" in sys.modules and _asyncio_loop() is None


async def _within_on_trio(awaitable: Awaitable[Any], timeout_s: float, error: type[Exception]) -> Any:
    from anyio import move_on_after

    with move_on_after(timeout_s):
        return await awaitable
    raise error


async def _unless_on_trio(awaitable: Awaitable[Any], happens: Callable[[Interrupt], Coroutine[Any, Any, None]]) -> Any:
    from anyio import create_task_group

    failure: Exception | None = None
    result: Any = None
    is_done = False
    async with create_task_group() as group:
        group.start_soon(happens, group.cancel_scope.cancel)
        try:
            result = await awaitable
        except Exception as exc:  # kept out of the group, which would wrap it
            failure = exc
        is_done = True
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not is_done:
        raise Interrupted
    return result


class _Interruptible:
    """An awaitable on asyncio; `arm` is called when it first suspends, and gives what disarms.

    An interruption cancels the task; where that comes out again it becomes the error.
    """

    __slots__ = ("_arm", "_awaitable", "_before", "_error", "_is_interrupted", "_task")

    def __init__(
        self,
        awaitable: Awaitable[Any],
        arm: Callable[[Interrupt], Callable[[], object]],
        error: type[Exception],
    ) -> None:
        self._awaitable = awaitable
        self._arm = arm
        self._error = error
        self._is_interrupted = False
        self._before = 0
        self._task: asyncio.Task[Any] | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        steps: Any = self._awaitable.__await__()
        try:
            wanted = next(steps)
        except StopIteration as stop:
            return stop.value
        self._task = task = asyncio.current_task()
        self._before = 0 if task is None else task.cancelling()  # those that the code outside has taken itself
        disarm = self._arm(self._interrupt)
        try:
            return (yield from _rest(steps, wanted))
        except asyncio.CancelledError:
            if self._is_interrupted:
                if self._take_back():
                    raise self._error from None
                yield from _cancelled_by_scope().__await__()
            raise
        finally:
            disarm()
            if self._is_interrupted:  # and it came to its end all the same
                self._take_back()
            self._task = None

    def _take_back(self) -> bool:
        """Take the cancellation back; tell whether it was the only one."""
        task, self._task = self._task, None
        return task is not None and task.uncancel() <= self._before

    def _interrupt(self) -> None:
        if self._task is not None and not self._is_interrupted:
            self._is_interrupted = True
            self._task.cancel()


async def _cancelled_by_scope() -> None:
    """Be cancelled by a scope of anyio, where one wants that: it lets pass, as another's, what is not its own."""
    from anyio.lowlevel import checkpoint_if_cancelled

    await checkpoint_if_cancelled()


def _rest(steps: Any, wanted: Any) -> Generator[Any, Any, Any]:
    """Yield what the first step wanted, then go on with the others."""
    try:
        yield wanted
    except BaseException as exc:
        if not hasattr(steps, "throw"):
            raise
        try:
            wanted = steps.throw(exc)
        except StopIteration as stop:
            return stop.value
        return (yield from _rest(steps, wanted))
    return (yield from cast("Generator[Any, Any, Any]", steps))
