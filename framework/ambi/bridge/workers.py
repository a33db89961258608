"""Worker threads for the sync pieces of ASGI requests.

Facts
- A request has at most one worker, from its first sync piece to its last. What it holds on to (thread-locals, a
  SQLite connection) is so always met in the same thread.
- How many may be busy is the limiter's business (`to_thread.py`). Those whose request is on the loop meanwhile are
  bounded by the connections alone; so here is told when they are many.
- A worker that is given back waits for the next request, and ends after half a minute without one.
"""

from __future__ import annotations

import collections
import os
import queue
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_IDLE_S = 30.0
_MANY = 1000
_idle: collections.deque[Worker] = collections.deque()


class Worker:
    """A daemon thread that runs what it is given, one after the other."""

    __slots__ = ("_inbox",)

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="ambi-worker", daemon=True).start()

    def submit(self, function: Callable[..., Any], *args: Any) -> None:
        """Run `function(*args)` soon; it must not raise."""
        self._inbox.put((function, args))

    def _work(self) -> None:
        while True:
            try:
                function, args = self._inbox.get(timeout=_IDLE_S)
            except queue.Empty:
                try:
                    _idle.remove(self)
                except ValueError:  # somebody has just taken it, or holds it
                    continue
                return
            function(*args)
            del function, args  # nothing of a request outlives it here


def are_many() -> bool:
    """Tell whether this process has so many threads that a request should let nobody in while it keeps its own."""
    return threading.active_count() > _MANY


def take_worker() -> Worker:
    """Give an idle worker, or a new one."""
    try:
        return _idle.pop()
    except IndexError:
        return Worker()


def give_back(worker: Worker) -> None:
    """Let another request have the worker."""
    _idle.append(worker)


os.register_at_fork(after_in_child=_idle.clear)
