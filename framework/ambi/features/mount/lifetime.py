"""Start-up and shutdown of an ASGI guest, by the lifespan protocol, in the terms of ours.

Facts
- It runs in one task from its first message to its last, so that what it opens is closed in the same task.
- A guest that raises, or returns, before it has said anything knows no lifespan: it is served without. See: ASGI 3.0,
  "Lifespan".
- A loop that ends cancels all its tasks at once. The guest's shutdown begins with that, and may await for a while. A
  guest that cancels its own `receive()`, by a time limit, goes on. So may what undoes a start-up that is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib

import anyio
from anyio.lowlevel import current_token

from ...bridge.to_thread import start_task
from ...core.log import log_failure, log_without_lifespan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from .exchange import ASGIApplication


_UNDONE_S = 5.0
"""How long a start-up that is cancelled may take to end."""


class Lifetime:
    """What a guest lives from start-up to shutdown.

    Attributes:
        state: what it left there for its requests.
    """

    def __init__(self, application: ASGIApplication) -> None:
        self._application = application
        self.state: dict[str, Any] = {}
        self._began = self._told = False
        self._started = anyio.Event()
        self._stopping = anyio.Event()
        self._ended = anyio.Event()
        self._scope = anyio.CancelScope(shield=True)
        self._failure: BaseException | None = None
        self._holder: asyncio.Task[Any] | None = None

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Start it, and stop it at the end.

        Raises:
            RuntimeError: its start-up or shutdown failed; the message is its own.
        """
        self._holder = _task_of_asyncio()
        task: asyncio.Task[Any] | None = start_task(current_token().native_token, self._live)
        if task is not None:
            task.add_done_callback(lambda _: self._ended.set())  # also of one that was cancelled before it began
        cancelled = anyio.get_cancelled_exc_class()
        try:
            await self._started.wait()
        except BaseException as exc:
            if isinstance(exc, cancelled):
                await self._undo(task)
            self._scope.cancel()
            raise
        if self._failure is not None:
            self._stopping.set()  # one that waits to be told may end
        self._raise()
        try:
            yield
        finally:
            self._stopping.set()
            try:
                await self._ended.wait()
            finally:
                self._scope.cancel()  # of one that takes longer than anybody waits
        self._raise()

    async def _undo(self, task: asyncio.Task[Any] | None) -> None:
        """Cancel its start-up, on asyncio once, so that it may await while it cleans up; wait for that, for a while."""
        if task is None:
            self._scope.cancel()
        elif not task.cancelling():
            task.cancel()
        with anyio.move_on_after(_UNDONE_S, shield=True):
            await self._ended.wait()

    def _raise(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def _live(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            with self._scope:
                await self._application(scope, self._receive, self._send)
        except Exception as exc:
            if not self._told:
                log_without_lifespan(repr(self._application)[:100], exc)
            elif not self._stopping.is_set():
                log_failure(f"the lifespan of the mounted {self._application!r:.100} ended early", exc)
            elif self._failure is None:
                self._failure = exc
        except (SystemExit, KeyboardInterrupt) as exc:  # of the start-up that waits for it, not of the loop
            self._failure = exc
        finally:
            self._started.set()
            self._ended.set()

    async def _receive(self) -> dict[str, Any]:
        if not self._began:
            self._began = True
            return {"type": "lifespan.startup"}
        try:
            await self._stopping.wait()
        except anyio.get_cancelled_exc_class():
            if not self._is_loop_ending():
                raise
        self._stopping.set()
        return {"type": "lifespan.shutdown"}

    def _is_loop_ending(self) -> bool:
        """Tell whether the task that holds the guest is cancelled as well. Trio cancels nothing behind a shield."""
        return self._holder is not None and self._holder.cancelling() > 0

    async def _send(self, message: dict[str, Any]) -> None:
        self._told = True
        kind: str = message["type"]
        if kind.endswith(".failed"):
            phase = "start-up" if kind == "lifespan.startup.failed" else "shutdown"
            self._failure = RuntimeError(
                f"the {phase} of the mounted {self._application!r:.100} failed: {message.get('message', '')}"
            )
        if kind.startswith("lifespan.startup."):
            self._started.set()
        else:
            self._ended.set()


def _task_of_asyncio() -> asyncio.Task[Any] | None:
    """Give the current task; None on trio."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
