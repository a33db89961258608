"""Serving in this process: the application is loaded, started, and answers until a signal says to stop."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import NamedTuple

from ...core.errors import ConfigurationError
from ...core.log import log_failure
from ..loading import FailedImportError, WrongUseError, load_served
from ..printing import Page, print_failure
from .access import add_access_log, configure_logging
from .banner import Terminal
from .failing import Failure, failure_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    from ...app import App
    from ..servers import Gateway
    from .banner import LogFormat

    Report = Callable[[Failure], object]

SERVED, FAILED, WRONG_USE = 0, 1, 2
"""The exit status of a process that served."""

_GRACE_S = 1.0


class Task(NamedTuple):
    """What is to be served, and how.

    Attributes:
        spec: the application, as on the command line.
        root: the directory it is imported from.
        gateway: of the two.
        debug: whether it shows what went wrong.
        log_format: of what is written to stderr.
    """

    spec: str
    root: str
    gateway: Gateway
    debug: bool
    log_format: LogFormat


def serve(task: Task, listening: socket.socket, report: Report) -> int:
    """Load and serve the application; the exit status.

    Args:
        task: what, and how.
        listening: where.
        report: told why there is no application; the terminal is told here.
    """
    configure_logging(task.log_format)
    try:
        served, app = load_served(task.spec, Path(task.root))
        _check_interface(task, served, app)
    except WrongUseError as exc:
        Terminal(task.log_format).say(f"ambi run: {exc}", "", level="ERROR")
        report(Failure(f"{task.spec} is not there", str(exc)))
        return WRONG_USE
    except FailedImportError as exc:
        report(_show_failed_import(task, exc))
        return FAILED
    if task.debug:
        for each in (app, *app._all_mounted()):
            each.debug = True
    add_access_log(app, task.log_format)

    def failed(error: BaseException) -> None:
        report(failure_of(f"{task.spec} could not be started", error))

    if task.gateway == "asgi":
        from .asgi_server import serve_asgi

        return SERVED if serve_asgi(served, listening, failed, is_wrapped=served is not app) else FAILED
    return SERVED if _serve_wsgi(served, app, listening, failed) else FAILED


def _check_interface(task: Task, served: Any, app: App) -> None:
    """Refuse a wrapper that has the other interface only. Raises: WrongUseError."""
    if served is app:
        return
    from ...core.interfaces import detected_interface

    interface = detected_interface(served)
    if interface is not None and interface != task.gateway:
        raise WrongUseError(
            f"{task.spec} is an App within a {type(served).__name__}, which speaks {interface} only:"
            f" say --gateway {interface}, or wrap one side of the App: app.{interface} = wrapper(app.{interface})"
        )


def _show_failed_import(task: Task, failed: FailedImportError) -> Failure:
    """Say in the terminal why the application could not be loaded, and give it for others."""
    error = failed.error
    is_configuration = isinstance(error, ConfigurationError)
    failure = failure_of(f"{task.spec} could not be loaded", error, failed.frames)
    if task.log_format == "json":
        place = "".join(f"; {file}:{line}" for file, line, _, _ in failure.frames[-1:])
        Terminal("json").say(f"{failure.head}: {failure.text}{place}", level="ERROR")
    else:
        kind = "" if is_configuration else type(error).__name__
        print_failure(Page(sys.stderr), task.spec, kind, str(error), failed.frames, command="run", mend=failed.mend)
        sys.stderr.flush()
    return failure._replace(text=str(error)) if is_configuration else failure


def _serve_wsgi(served: Any, app: App, listening: socket.socket, failed: Callable[[BaseException], object]) -> bool:
    """Serve by the server of the standard library's parts; False when the start-up failed."""
    from ...bridge.background import drain_in_process
    from .wsgi_server import WSGIServer

    try:
        if app.lifespans is not None:
            app.lifespans.start_in_process()
    except Exception as exc:
        log_failure("the startup of the application failed", exc)
        failed(exc)
        return False
    server = WSGIServer(listening, served)
    before = {number: signal.signal(number, server.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.serve()
        server.close(_GRACE_S)
        drain_in_process()
        if app.lifespans is not None:
            app.lifespans.stop_in_process()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return True
