"""The loop thread: one event loop a process, for the async pieces of WSGI requests and for an async lifespan.

Facts
- It is started by the first piece that needs it, never at import, so that a preloading server may fork afterwards;
  a forked child has no threads and starts its own.
- It is a daemon: the interpreter joins other threads before `atexit` runs, and would wait for this one for ever.
- An exit (`sys.exit`) of code that runs in a task of its own ends asyncio's `run_forever`. Nobody waits for that task,
  and all other requests need the loop: so it is logged, and the loop goes on.
- It is a plain asyncio loop: uvloop dies under gevent. Thread, lock and queue are looked up when used, so that
  gevent's patched ones are taken where there are some.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import sys
import threading

from ..core.log import log_failure
from .exits import at_exit
from .stopping import tell_stopping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

_running: dict[str, LoopThread] = {}  # one a process, and none in a process forked from it
_locks: dict[str, threading.Lock] = {}  # made when first needed: gevent patches locks after a preload


class LoopThread:
    """An event loop in a daemon thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.SelectorEventLoop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ambi-loop", daemon=True)
        self._thread.start()
        self._started.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self._started.set)
        try:
            while not self._has_run():
                pass
        finally:
            self.loop.close()

    def _has_run(self) -> bool:
        """Run the loop; tell whether it was stopped, and not ended by an exit."""
        try:
            self.loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as exc:
            log_failure("a task on the loop thread asked for an exit", exc)
            return False
        return True

    def live(self, enter: Callable[[contextlib.AsyncExitStack], Awaitable[None]]) -> Callable[[], None]:
        """Enter something async in a task of its own, in which it lives; give what ends it.

        Raises:
            BaseException: what entering raised.
        """
        entered: concurrent.futures.Future[None] = concurrent.futures.Future()
        leave = asyncio.Event()

        async def live() -> None:
            try:
                async with contextlib.AsyncExitStack() as stack:
                    await enter(stack)
                    entered.set_result(None)
                    await leave.wait()
            except BaseException as exc:
                if entered.done():
                    raise
                entered.set_exception(exc)

        ended = asyncio.run_coroutine_threadsafe(live(), self.loop)
        try:
            entered.result()
        except BaseException:
            ended.cancel()  # it is still entering where it was this thread that was interrupted
            raise

        def end() -> None:
            if not self.loop.is_closed():
                self.loop.call_soon_threadsafe(leave.set)
                ended.result()

        return end

    def stop(self, timeout_s: float) -> None:
        """Cancel what still runs, wait for it within the time, and end the thread. Idempotent."""
        if not self._thread.is_alive() or self.loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._wind_up(timeout_s), self.loop)
        self._thread.join(timeout_s + 1)

    async def _wind_up(self, timeout_s: float) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        await self.loop.shutdown_asyncgens()
        self.loop.call_soon(self.loop.stop)


def get_loop_thread() -> LoopThread:
    """Give this process's loop thread, started if need be."""
    if "" not in _running:
        with _locks.setdefault("", threading.Lock()):
            if "" not in _running:
                _running[""] = LoopThread()
                at_exit(_stop_at_exit)
    return _running[""]


def _stop_at_exit() -> None:
    """Stop it when what runs in the background, which may need it, has ended."""
    tell_stopping()  # streams may still be open: of a server that does not wait for its threads, as wsgiref's
    background: Any = sys.modules.get(f"{__package__}.background")
    if background is not None:
        background.drain_in_process()
    stop_loop_thread()


def is_loop_thread(loop: object) -> bool:
    """Tell whether an event loop is that of this process's loop thread."""
    return "" in _running and _running[""].loop is loop


def stop_loop_thread(timeout_s: float = 5) -> None:
    """Stop the loop thread if there is one; a later request starts another."""
    stopped = _running.pop("", None)
    if stopped is not None:
        stopped.stop(timeout_s)


def _forget_after_fork() -> None:
    _running.clear()
    _locks.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
