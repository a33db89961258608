"""Waiting for something that another thread or event loop brings about, in either colour.

Facts
- Who waits says so first and looks again afterwards, or says so under the lock that the bringer takes: so nothing is
  missed. Being woken is not being told: who was woken looks again.
- A thousand tasks of one loop are woken by one call into that loop.
- Event and loop are looked up when somebody waits, so that gevent's are taken where it has patched.
- The garbage collector may run at any line, and closes generators there that were left behind: what they do on the way
  out happens in the middle of other code of that thread, which may have the lock. So it must not wait for the lock.
"""

from __future__ import annotations

import collections
import contextlib
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class ThreadWaiter:
    """A thread that waits."""

    __slots__ = ("_event", "loop")

    def __init__(self) -> None:
        self.loop = None
        self._event = threading.Event()

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until woken, for so long at most."""
        self._event.wait(timeout_s)

    def set(self) -> None:
        """Wake it."""
        self._event.set()


class LoopWaiter:
    """A task that waits, on an event loop of asyncio or trio."""

    __slots__ = ("_event", "loop")

    def __init__(self) -> None:
        import anyio
        from anyio.lowlevel import current_token

        self.loop: Any = current_token().native_token
        self._event = anyio.Event()

    async def wait(self) -> None:
        """Wait until woken."""
        await self._event.wait()

    def set(self) -> None:
        """Wake it; called on its loop."""
        self._event.set()


Waiter = ThreadWaiter | LoopWaiter


def wake(waiters: Iterable[Waiter]) -> None:
    """Wake those who wait, from any thread or loop, with one call a loop."""
    loops: dict[int, list[LoopWaiter]] = {}
    for waiter in waiters:
        if isinstance(waiter, ThreadWaiter):
            waiter.set()
        else:
            loops.setdefault(id(waiter.loop), []).append(waiter)
    for tasks in loops.values():
        loop = tasks[0].loop
        soon = loop.call_soon_threadsafe if hasattr(loop, "call_soon_threadsafe") else loop.run_sync_soon
        with contextlib.suppress(RuntimeError):  # the loop has ended, and its tasks with it
            soon(_wake_here, tasks)


def _wake_here(tasks: list[LoopWaiter]) -> None:
    for waiter in tasks:
        waiter.set()


class Lock:
    """A lock to which things can be left: they are done under it, now or by whoever has it as soon as it is free."""

    __slots__ = ("_left", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: collections.deque[Callable[[], Iterable[Waiter]]] = collections.deque()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._lock.release()
        if self._left:
            self._do_left()

    def leave(self, act: Callable[[], Iterable[Waiter]]) -> None:
        """Have something done under the lock, and those woken that it gives; never waits, so it may be called anywhere.

        Who finds the lock taken may rely on its holder, who looks again when it is free.
        """
        self._left.append(act)
        self._do_left()

    def _do_left(self) -> None:
        while self._left and self._lock.acquire(blocking=False):
            waiters: list[Waiter] = []
            try:
                while self._left:
                    waiters += self._left.popleft()()
            finally:
                self._lock.release()
            wake(waiters)
