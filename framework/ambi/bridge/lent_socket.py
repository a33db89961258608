"""A connected socket that a WSGI server lends for one call, read and written on the loop thread meanwhile.

Facts
- The server's thread waits while the loop works with the socket, so the two never use it at the same time.
- The socket does not block while it is lent, and does as it did before when it is given back. Under gevent it is
  gevent's own, which keeps to the same rules.
- Nothing is read from it by an operation that may be cancelled: what was read would be lost. What is waited for, with a
  timer of the loop, is that there is something to read; then it is read in one step.
- What was put to be sent stays until the socket has taken it, whoever of those that send it is cancelled: half of a
  frame is not to be followed by another one.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque

from .loop_thread import get_loop_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine
    from typing import Any

_READ_BYTES = 65536


class LentSocket:
    """The socket, and the tasks that live as long as it is lent. All but `give_back` is for the loop thread.

    Attributes:
        unsent: what the socket has not taken yet of what was put.
    """

    def __init__(self, lent: socket.socket) -> None:
        self._socket = lent
        self._timeout_s = lent.gettimeout()
        self.loop = get_loop_thread().loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_fast = False
        self.unsent: deque[memoryview] = deque()

    def borrow(self) -> None:
        """Begin to use it."""
        self._socket.settimeout(0)
        with contextlib.suppress(OSError):  # a Unix socket
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a small message goes out at once

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something beside the handler, until it ends or the socket is given back."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop_tasks(self) -> None:
        """Cancel what still runs, and wait for it."""
        import asyncio

        while tasks := self._tasks - {asyncio.current_task()}:  # one may start another as it ends
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._tasks -= tasks

    async def read(self, timeout_s: float) -> bytes | None:
        """Give the next bytes, b"" when there will be none, None when nothing came in time. Raises: OSError."""
        if self._is_fast:  # a client that is always faster than we are leaves the loop to others as well
            await _give_turn()
        self._is_fast = True
        while True:
            try:
                return self._socket.recv(_READ_BYTES)
            except (BlockingIOError, InterruptedError):
                self._is_fast = False
            if not await self._ready(self.loop.add_reader, self.loop.remove_reader, timeout_s):
                return None

    def put(self, data: bytes) -> None:
        """Take what `flush` is to send."""
        self.unsent.append(memoryview(data))

    async def flush(self, timeout_s: float) -> None:
        """Send everything that was put. Raises: OSError; TimeoutError when the other side takes nothing for so long."""
        unsent = self.unsent
        while unsent:
            try:
                left = unsent[0][self._socket.send(unsent[0]) :]
            except (BlockingIOError, InterruptedError):
                if not await self._ready(self.loop.add_writer, self.loop.remove_writer, timeout_s):
                    raise TimeoutError("the other side of the connection takes nothing") from None
                continue
            if left:
                unsent[0] = left
            else:
                unsent.popleft()

    async def _ready(self, watch: Callable[..., object], forget: Callable[..., object], timeout_s: float) -> bool:
        """Wait until the socket can be read or written; False when the time is up."""
        waiter: asyncio.Future[bool] = self.loop.create_future()
        timer = self.loop.call_later(timeout_s, _settle, waiter, False)
        number = self._socket.fileno()
        watch(number, _settle, waiter, True)
        try:
            return await waiter
        finally:
            timer.cancel()
            forget(number)

    def shut_down_writing(self) -> None:
        """Say to the other side that nothing more comes."""
        with contextlib.suppress(OSError):  # it is broken or shut down already
            self._socket.shutdown(socket.SHUT_WR)

    def shut_down(self) -> None:
        """End the connection; the descriptor is the server's to close."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def give_back(self) -> None:
        """Let it block as it did before."""
        with contextlib.suppress(OSError):  # the server has closed it already
            self._socket.settimeout(self._timeout_s)


async def _give_turn() -> None:
    import asyncio

    await asyncio.sleep(0)


def _settle(waiter: asyncio.Future[bool], is_ready: bool) -> None:
    if not waiter.done():
        waiter.set_result(is_ready)
