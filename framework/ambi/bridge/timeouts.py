"""Waiting with a deadline, cheap where nothing has to be waited for.

Facts
- Most request bodies are there when they are asked for: then `receive()` returns without suspending, and a timer would
  cost more than all the rest of reading. So on asyncio the timer is set when the first step has suspended.
- On trio a deadline is a cancel scope, which must be entered before what it surrounds; there it is always set.
- What `__await__` gives need only be an iterator (granian's is no more): it may have neither `send` nor `throw`.
"""

from __future__ import annotations

import asyncio
from typing import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator
    from typing import Any


async def within(awaitable: Awaitable[Any], timeout_s: float) -> Any:
    """Await something for so long at most. Raises: TimeoutError."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        from anyio import fail_after

        with fail_after(timeout_s):
            return await awaitable
    return await _Deadline(awaitable, timeout_s, loop)


class _Deadline:
    """An awaitable on asyncio whose task is cancelled, and that cancellation made a TimeoutError, when it is late."""

    __slots__ = ("_awaitable", "_is_late", "_loop", "_timeout_s")

    def __init__(self, awaitable: Awaitable[Any], timeout_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self._awaitable = awaitable
        self._timeout_s = timeout_s
        self._loop = loop
        self._is_late = False

    def __await__(self) -> Generator[Any, Any, Any]:
        steps: Any = self._awaitable.__await__()
        try:
            wanted = next(steps)
        except StopIteration as stop:
            return stop.value
        task: asyncio.Task[Any] | None = asyncio.current_task()
        timer = self._loop.call_later(self._timeout_s, self._cancel, task)
        try:
            return (yield from _rest(steps, wanted))
        except asyncio.CancelledError:
            if self._is_late and task is not None and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()

    def _cancel(self, task: asyncio.Task[Any] | None) -> None:
        self._is_late = True
        if task is not None:
            task.cancel()


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
