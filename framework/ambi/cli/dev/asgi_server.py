"""uvicorn, as the development server runs it."""

from __future__ import annotations

import logging
import signal

from ...core.watching import crash_watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

_GRACE_S = 1
"""How long a stop waits for what is open; event streams and WebSockets are open as long as their page is."""


def serve_asgi(
    application: Any, listening: socket.socket, failed: Callable[[Exception], object], *, is_wrapped: bool = False
) -> bool:
    """Serve until a signal says to stop.

    Args:
        application: any ASGI application; its lifespan is run.
        listening: where.
        failed: told of what the start-up of the application raised.
        is_wrapped: the application is in another, which may know of no lifespan.

    Returns:
        Whether it served: False when the start-up failed.
    """
    import uvicorn

    log = logging.getLogger("uvicorn.error")
    log.setLevel(logging.WARNING)

    def tell(error: Exception) -> None:
        if not server.started:
            log.setLevel(logging.CRITICAL)  # it says the same again
            failed(error)

    class Server(uvicorn.Server):
        """One that is quiet about what a stop cuts: here every change of a file is one."""

        def handle_exit(self, sig: int, frame: Any) -> None:
            """Take a signal. A method, as `ambi.bridge.stopping` asks it of a server."""
            log.setLevel(logging.CRITICAL)
            super().handle_exit(sig, frame)

    async def served(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            crash_watcher.set(tell)  # the context is that of the lifespan's own task
        await application(scope, receive, send)

    server = Server(
        uvicorn.Config(
            served, interface="asgi3", lifespan="auto" if is_wrapped else "on", log_config=None, access_log=False,
            proxy_headers=False, timeout_graceful_shutdown=_GRACE_S,
        )
    )  # fmt: skip

    def interrupted(number: int, frame: object) -> None:
        server.should_exit = True  # it has not taken over the signals yet; or it repeats them, as it gives them back

    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listening])
    except SystemExit:  # of a failed start-up, which `failed` was told of
        return False
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return server.started
