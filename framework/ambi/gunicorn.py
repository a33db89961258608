"""Hooks for gunicorn: `gunicorn -c python:ambi.gunicorn shop:app`.

They start the application when a worker starts, not at its first request, so that a start-up that fails stops the
server; and they stop it when the worker exits. Workers that speak ASGI do both by themselves.

In a configuration file of your own: `from ambi.gunicorn import post_worker_init, worker_exit`.
"""

from __future__ import annotations

from functools import partial

from .app import App, is_app
from .bridge.background import drain_in_process
from .bridge.loop_thread import stop_loop_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WSGI_WORKERS = ("gunicorn.workers.sync", "gunicorn.workers.gthread", "gunicorn.workers.ggevent")


def find_app(served: Any) -> App | None:
    """Find the application in what a server was given: itself, one of its two callables, or something around it."""
    for _ in range(20):
        if served is None or is_app(served):
            return served
        served = _inside(served)
    return None


def _inside(served: Any) -> Any:
    """Give what a callable belongs to or wraps: the object of a method or partial, the application of a middleware."""
    if isinstance(served, partial):
        arguments: tuple[Any, ...] = served.args
        return arguments[0] if arguments else None
    for name in ("__self__", "app", "wsgi_app", "application", "wsgi", "_app"):
        inside = getattr(served, name, None)
        if inside is not None:
            return inside
    return None


def post_worker_init(worker: Any) -> None:
    """Start the application in a worker that speaks WSGI. Raises what the start-up raises: the worker then stops."""
    if not _speaks_wsgi(worker):
        return  # gunicorn's own ASGI worker has no `wsgi`
    app = find_app(worker.wsgi)
    if app is not None and app.lifespans is not None:
        app.lifespans.start_in_process()


def worker_exit(server: Any, worker: Any) -> None:
    """Stop what runs in the background of a worker, the application, and the loop thread."""
    drain_in_process()
    app = find_app(getattr(worker, "wsgi", None))
    if app is not None and app.lifespans is not None:
        app.lifespans.stop_in_process()
    stop_loop_thread()


def _speaks_wsgi(worker: Any) -> bool:
    return (
        any(kind.__module__ in _WSGI_WORKERS for kind in type(worker).__mro__)
        and "gasgi" not in type(worker).__module__
    )
