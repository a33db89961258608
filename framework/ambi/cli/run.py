"""`ambi run shop:app`: a server for development, which starts again when a file changes."""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from .loading import WrongUseError, add_app_argument, named, roots_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from argparse import ArgumentParser, Namespace

    from .dev.banner import Terminal
    from .dev.serving import Task
    from .dev.watching import Watched
    from .servers import Gateway

_EPILOG = """\
exit status: 0 it was stopped; 1 the application cannot be loaded or started (with --no-reload), or the port is taken;
2 wrong use

For development only. What is deployed is the same application: gunicorn shop:app, or uvicorn shop:app
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    from argparse import RawDescriptionHelpFormatter

    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_app_argument(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on. Default: %(default)s")
    parser.add_argument("--port", type=_port, default=8000, help="0 for one that is free. Default: %(default)s")
    parser.add_argument(
        "--gateway", choices=("wsgi", "asgi"),
        help="wsgi by a server of ambi's own, asgi by uvicorn. Default: asgi where uvicorn is installed",
    )  # fmt: skip
    parser.add_argument("--no-reload", action="store_true", help="do not start again when a file changes")
    parser.add_argument("--no-debug", action="store_true", help="leave App.debug as the application has it")
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="Default: %(default)s")
    parser.add_argument(
        "--watch", action="append", default=[], metavar="DIR", help="watch all files below this directory too"
    )


def _port(text: str) -> int:
    from argparse import ArgumentTypeError

    if not text.isdecimal() or int(text) > 65535:
        raise ArgumentTypeError(f"a number from 0 to 65535 was expected, not {text!r}")
    return int(text)


def run(options: Namespace) -> int:
    """Serve until Ctrl+C; the exit status."""
    from .dev.banner import RED, Terminal
    from .dev.listening import PortTakenError, listen
    from .dev.serving import Task
    from .dev.watching import Watched

    terminal = Terminal(options.log_format)
    try:
        spec, root = named(options.app)
        roots = roots_of(spec, root)
        gateway = _gateway(options.gateway)
        more = [_directory(name) for name in options.watch]
        listening = listen(options.host, options.port)
    except WrongUseError as exc:
        sys.stderr.write(f"ambi run: {exc}\n")
        return 2
    except PortTakenError as exc:
        terminal.say(f"ambi run: {exc}", RED, level="ERROR")
        return 1
    task = Task(spec, str(root), gateway, not options.no_debug, options.log_format)
    with listening, contextlib.suppress(KeyboardInterrupt):  # before it served, or for the second time
        if options.no_reload or os.name == "nt":  # where a child cannot be handed an open socket by its number
            return _run_here(task, listening, terminal)
        return _run_reloading(task, listening, terminal, Watched(roots, more))
    return 0


def _directory(name: str) -> Path:
    path = Path(name)
    if not path.is_dir():
        raise WrongUseError(f"--watch {name}: there is no such directory")
    return path


def _gateway(wanted: Gateway | None) -> Gateway:
    """Give the gateway to serve by. Raises: WrongUseError."""
    has_uvicorn = find_spec("uvicorn") is not None
    if wanted == "asgi" and not has_uvicorn:
        raise WrongUseError("--gateway asgi needs uvicorn: pip install 'uvicorn[standard]'")
    return wanted or ("asgi" if has_uvicorn else "wsgi")


def _run_here(task: Task, listening: socket.socket, terminal: Terminal) -> int:
    from .dev.serving import serve

    _say_banner(task, listening, terminal, "off")
    return serve(task, listening, lambda failure: None)


def _run_reloading(task: Task, listening: socket.socket, terminal: Terminal, watched: Watched) -> int:
    from .dev.supervising import Supervisor
    from .dev.watching import Watcher

    supervisor = Supervisor(task, listening, terminal)
    watcher = Watcher(watched, supervisor.tell_change)
    _say_banner(task, listening, terminal, f"on, by {watcher.how}")
    return supervisor.run(watcher)


def _say_banner(task: Task, listening: socket.socket, terminal: Terminal, reload: str) -> None:
    from .dev.listening import is_open_to_others, url_of

    server = f"asgi, by uvicorn {_version('uvicorn')}" if task.gateway == "asgi" else "wsgi, by ambi's own server"
    if task.gateway == "wsgi" and find_spec("uvicorn") is None:
        server += " (with uvicorn installed: asgi)"
    facts = [("gateway", server), ("reload", reload), ("debug", "on" if task.debug else "as the application has it")]
    warning = ""
    if is_open_to_others(listening):
        warning = f"--host {listening.getsockname()[0]}: other machines can reach this server" + (
            ", and debug is on" if task.debug else ""
        )
    terminal.say_banner(task.spec, url_of(listening), facts, warning)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
