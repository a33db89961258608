"""Python in which `await` works at the top level, on the event loop that the application lives on.

Facts
- Code runs in the thread of the terminal; what it awaits runs on the loop (awaiting.py).
- What asks for an exit inside a task would end the loop with it: it is carried over to this thread, and raised here.
"""

from __future__ import annotations

import ast
import code
import linecache
import sys
import traceback
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path

from .awaiting import WAIT, Awaiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from concurrent.futures import Future
    from typing import Any

    from ..testing import Client

    Submit = Callable[[Coroutine[Any, Any, Any]], Future[Any]]
    """Begin a coroutine on an event loop, from another thread."""

_WAYS = (__file__, str(Path("concurrent", "futures", "_base.py")), str(Path("anyio", "from_thread.py")))
"""Files whose frames only tell how something was run."""


def submit_for(client: Client) -> Submit:
    """Give what begins a coroutine on the loop that a client's application lives on: the client has been entered."""
    if client.gateway == "wsgi":
        import asyncio

        from ..bridge.loop_thread import get_loop_thread

        return lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, get_loop_thread().loop)
    transport: Any = client._transport

    async def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await coroutine

    def submit(coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        with transport.portal() as portal:
            future: Future[Any] = portal.start_task_soon(run, coroutine)
            return future

    return submit


def wait_for(make: Callable[[], Awaitable[Any]], submit: Submit) -> Any:
    """Await on the loop what a function gives, and return what comes of it; Ctrl-C cancels it.

    Args:
        make: called on the loop.
        submit: begins something there.

    Raises:
        BaseException: what it raised.
    """

    async def settled() -> tuple[Any, BaseException | None]:
        try:
            return await make(), None
        except (SystemExit, KeyboardInterrupt) as exc:
            return None, exc

    future = submit(settled())
    try:
        value, error = future.result()
    except KeyboardInterrupt:
        future.cancel()
        raise
    except CancelledError:
        raise RuntimeError("what was awaited was cancelled") from None
    if error is not None:
        raise error
    return value


def globals_for(submit: Submit, **names: Any) -> dict[str, Any]:
    """Give the globals of code that awaits, with some names in them."""
    return {"__name__": "__main__", "__doc__": None, WAIT: partial(wait_for, submit=submit), **names}


def run_text(text: str, name: str, names: dict[str, Any]) -> int:
    """Run a whole program, and show its error as Python does; the exit status.

    Args:
        text: of the program; `await` works at its top level.
        name: of where it comes from, as "<stdin>".
        names: its globals, see `globals_for`.
    """
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        tree = Awaiting().visit(ast.parse(text, name))
        exec(compile(tree, name, "exec", dont_inherit=True), names)  # noqa: S102  # what the user typed
    except SystemExit as exc:
        return status_of(exc)
    except BaseException as exc:
        show_error(exc, name)
        return 130 if isinstance(exc, KeyboardInterrupt) else 1
    return 0


def status_of(leaving: SystemExit) -> int:
    """Give the exit status that `sys.exit` asked for; what is no number is written, as Python does."""
    if leaving.code is None or isinstance(leaving.code, int):
        return leaving.code or 0
    sys.stderr.write(f"{leaving.code}\n")
    return 1


def show_error(error: BaseException, name: str) -> None:
    """Write a traceback that begins with the user's own line: how it was run, and awaited, is of no interest."""
    shown = traceback.TracebackException.from_exception(error)
    frames = [frame for frame in shown.stack if not frame.filename.endswith(_WAYS)]
    own = next((index for index, frame in enumerate(frames) if frame.filename == name), len(frames))
    shown.stack[:] = frames[own:]
    sys.stderr.write("".join(shown.format()))


class Console(code.InteractiveConsole):
    """The console of the standard library, with `await`, and with names completed by the tabulator.

    Args:
        names: its globals, see `globals_for`.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__(names, "<console>")
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._names = names

    def runsource(self, source: str, filename: str = "<input>", symbol: str = "single") -> bool:
        """Run what was typed, and show its error; True where it goes on in the next line."""
        try:
            if self.compile(source, filename, symbol) is None:
                return True
            tree = Awaiting().visit(ast.parse(source, filename, symbol))
            compiled = compile(tree, filename, symbol, self.compile.compiler.flags, dont_inherit=True)
        except (OverflowError, SyntaxError, ValueError):
            self.showsyntaxerror(filename)
            return False
        try:
            exec(compiled, self._names)  # noqa: S102  # what the user typed
        except SystemExit:
            raise
        except BaseException as exc:
            show_error(exc, filename)
        return False

    def complete_names(self) -> None:
        """Let the tabulator complete names, where there is readline."""
        try:
            import readline
            import rlcompleter
        except ImportError:  # on Windows, and where Python was built without it
            return
        readline.set_completer(rlcompleter.Completer(self._names).complete)
        readline.parse_and_bind("tab: complete")
