"""Is the server about to stop? Streams and websockets that never end by themselves have to know.

Facts
- No gateway tells an application that its server was asked to stop. uvicorn waits for open streams before it sends
  `lifespan.shutdown`, for ever; gunicorn kills what has not ended after its `graceful_timeout`.
- A library must not install signal handlers. But the server's own handler of SIGTERM is a method of an object that
  knows: `should_exit` of uvicorn's server, `alive` of gunicorn's worker; under gunicorn's asgi worker that method is
  asyncio's to call. So it is looked at, and nothing is changed.
- hypercorn, granian and daphne end what is open by themselves.
- Once it is known, it stays so for this process, not for one forked from it.
"""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOOK_EVERY_S = 0.5
_since: dict[str, float] = {}


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


def _server_stops() -> bool:
    """Ask the object whose method handles SIGTERM."""
    server: Any = getattr(_handler_of_term(), "__self__", None)
    if hasattr(server, "should_exit"):
        return bool(server.should_exit)
    return hasattr(server, "alive") and hasattr(server, "cfg") and not server.alive


def _handler_of_term() -> object:
    handler: object = signal.getsignal(signal.SIGTERM)
    if getattr(handler, "__module__", "") != "asyncio.unix_events":
        return handler
    handlers: Any = getattr(_running_loop(), "_signal_handlers", {})  # a private name: absent, nothing is known
    return getattr(handlers.get(signal.SIGTERM), "_callback", None)


def _running_loop() -> object:
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


os.register_at_fork(after_in_child=_since.clear)
