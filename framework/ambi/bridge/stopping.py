"""Is the server about to stop? Streams and websockets that never end by themselves have to know.

Facts
- No gateway tells an application that its server was asked to stop. uvicorn waits for open streams before it sends
  `lifespan.shutdown`, for ever; gunicorn kills what has not ended after its `graceful_timeout`.
- A library must not install signal handlers. But the server's own handler of SIGTERM is a method of an object that
  knows: `should_exit` of uvicorn's server, `alive` of gunicorn's worker. So it is looked at, and nothing is changed.
- gunicorn's asgi worker and hypercorn handle signals on their loop; there the object is a variable of the task that
  serves. From Python 3.12.1 on hypercorn waits for open connections for ever, whatever its `graceful_timeout`.
- granian waits for what is open unless it is told a `--workers-kill-timeout`, and keeps what it knows to itself.
- Once it is known, it stays so for this process, not for one forked from it.
"""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOOK_EVERY_S = 0.5
_since: dict[str, float] = {}
_loop_server: dict[str, object] = {}  # looked for once
_SERVING = {"ASGIWorker._serve": "self", "worker_serve": "context"}
"""The coroutines by which gunicorn's asgi worker and hypercorn serve, and the variable of each that knows."""


def stopping_for() -> float | None:
    """Tell for how many seconds the server has been known to stop; None while it does not."""
    if "" not in _since:
        if not _server_stops():
            return None
        tell_stopping()
    return time.monotonic() - _since[""]


def tell_stopping() -> None:
    """Take note that the server stops, as a lifespan does that is asked to."""
    _since.setdefault("", time.monotonic())


def forget_stopping() -> None:
    """Take note that a server starts: of tests, and of programs that run one server after the other."""
    _since.clear()
    _loop_server.clear()


def _server_stops() -> bool:
    """Ask the object whose method handles SIGTERM, or whose coroutine is the main task of this thread's loop."""
    server: Any = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if hasattr(server, "should_exit"):
        return bool(server.should_exit)
    if not _is_worker(server):
        if "" not in _loop_server:
            _loop_server[""] = _find_server_of_loop()
        server = _loop_server[""]
    terminated: Any = getattr(server, "terminated", None)
    if hasattr(terminated, "is_set"):
        return bool(terminated.is_set())
    return _is_worker(server) and not server.alive


def _is_worker(server: object) -> bool:
    """Tell whether this is a worker of gunicorn's."""
    return hasattr(server, "alive") and hasattr(server, "cfg")


def _find_server_of_loop() -> object:
    """Give what knows of a server whose signals are its loop's: a variable of the task that serves."""
    asyncio: Any = sys.modules.get("asyncio")
    try:
        tasks = asyncio.all_tasks() if asyncio else ()
    except RuntimeError:  # no loop runs in this thread
        return None
    for task in tasks:
        coroutine = task.get_coro()
        variable = _SERVING.get(getattr(coroutine, "__qualname__", ""))
        if variable is not None and coroutine.cr_frame is not None:
            return coroutine.cr_frame.f_locals.get(variable)
    return None


os.register_at_fork(after_in_child=forget_stopping)
