"""`ambi shell shop:app`: Python with an application that has been started, and a client for it."""

from __future__ import annotations

import contextlib
import sys

from ..core.origins import is_allowed
from ..testing import Client
from .awaiting import Awaiting
from .console import Console, globals_for, run_text, status_of, submit_for
from .loading import FailedImportError, WrongUseError, add_app_argument, load_app, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

    from ..app import App

_EPILOG = """\
exit status: that of the code, 0 if it ends by itself, 1 if it raises; 1 the application cannot be loaded or started;
2 wrong use

`await` works at the top level, on the event loop that the lifespan of the application lives on. Without -c and with a
standard input that is no terminal, the code is read from there. IPython is taken where it is installed.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    from argparse import RawDescriptionHelpFormatter

    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_app_argument(parser)
    parser.add_argument("-c", metavar="CODE", dest="code", help="run this and leave")
    parser.add_argument(
        "--gateway", choices=("asgi", "wsgi"), default="asgi", help="what `client` sends through. Default: asgi"
    )
    parser.add_argument("--plain", action="store_true", help="take Python's own console, even if there is IPython")


def run(options: Namespace) -> int:
    """Start the application, run what is typed, stop it; the exit status."""
    with contextlib.redirect_stdout(sys.stderr):  # what the user's modules print is none of the code's output
        options.app, root = named(options.app)
        app = load_app(options.app, root)
    client = Client(app, options.gateway, base_url=_base_url(app))
    try:
        client.__enter__()
    except Exception as exc:
        raise FailedImportError(options.app, exc) from exc
    try:
        return _run_code(options, globals_for(submit_for(client), app=app, client=client, Client=Client))
    finally:
        client.__exit__(*sys.exc_info())


def _base_url(app: App) -> str:
    """Give the URL that paths are below: of a host that the application answers."""
    hosts = [host for host in app.allowed_hosts if "*" not in host]
    if not app.allowed_hosts or is_allowed("localhost", app.allowed_hosts) or not hosts:
        return "http://localhost"
    return f"http://{hosts[0]}"


def _run_code(options: Namespace, names: dict[str, Any]) -> int:
    if options.code is not None:
        return run_text(options.code, "<-c>", names)
    if sys.stdin is None:
        raise WrongUseError("there is no standard input to read code from; -c CODE was expected")
    if not sys.stdin.isatty():
        return run_text(sys.stdin.read(), "<stdin>", names)
    try:
        return _talk(options, names)
    except SystemExit as exc:
        return status_of(exc)


def _talk(options: Namespace, names: dict[str, Any]) -> int:
    """Read and run until the user has enough."""
    banner = _banner(options, names["app"])
    if not options.plain and _has_talked_ipython(banner, names):
        return 0
    console = Console(names)
    console.complete_names()
    console.interact(banner, "")
    return 0


def _has_talked_ipython(banner: str, names: dict[str, Any]) -> bool:
    """Do so with IPython; False where it is not installed."""
    from importlib import import_module

    try:
        start: Any = import_module("IPython").start_ipython
        config: Any = import_module("traitlets.config").Config()
    except ImportError:
        return False
    config.TerminalInteractiveShell.banner1 = f"{banner}\n\n"
    config.TerminalInteractiveShell.ast_transformers = [Awaiting()]
    config.TerminalInteractiveShell.loop_runner = _run_here
    config.TerminalInteractiveShell.confirm_exit = False
    start(argv=[], user_ns=names, config=config)
    return True


def _run_here(coroutine: Any) -> Any:
    """Run what IPython makes of a line: nothing of it waits, as what awaits has been rewritten by `Awaiting`."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("the line awaits where `ambi shell` cannot: within one of IPython's own commands")


def _banner(options: Namespace, app: App) -> str:
    other = "wsgi" if options.gateway == "asgi" else "asgi"
    count = len(app.routes)
    return (
        f"{options.app} is started, under {options.gateway.upper()}. `await` works here. Ctrl-D stops it.\n"
        f"    app       the application, with {count} route{'s' * (count != 1)}\n"
        f'    client    sends it requests: client.get("/").text\n'
        f'    Client    Client(app, "{other}") sends them through the other gateway'
    )
