"""The parent of the development server: it owns the socket, and has a child that serves on it.

Facts
- What happens (a change, the end of the child, a signal) comes through one queue to one thread, which alone decides.
- The old child ends before the new one starts: it may hold what both cannot have. Meanwhile the system keeps the
  connections that come in, as the socket stays open.
- A child that does not end in time is killed: event streams and WebSockets are open as long as their page is.
- Bytecode of a file that changed is thrown away. Python compares seconds and sizes, and two changes of one second may
  be of one size.
- A debugger in the terminal may change how that echoes. A child that is ended there cannot undo it, so the parent does.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import queue
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import cast

from ..document import relative
from .banner import RED, Terminal
from .child import Handed, command_of
from .failing import Failure, FailurePage, loads
from .serving import WRONG_USE
from .wsgi_server import WSGIServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from .serving import Task
    from .watching import Watcher

    Event = tuple[str, object]
    """"changed" and the paths, "ended" and the child, "signal" and its number."""

GRACE_S = 2.0
_SHOWN = 3
_LAST_ANSWERS_S = 0.5


class Supervisor:
    """Runs children, one after the other.

    Args:
        task: what they serve.
        listening: where.
        terminal: where it is said what happens.
    """

    def __init__(self, task: Task, listening: socket.socket, terminal: Terminal) -> None:
        self._task = task
        self._listening = listening
        self._terminal = terminal
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._child: subprocess.Popen[bytes] | None = None
        self._page: tuple[WSGIServer, threading.Thread] | None = None
        self._has_changed = False

    def tell_change(self, paths: list[str]) -> None:
        """Take note that files have changed; from the watcher's thread."""
        self._events.put(("changed", paths))

    def run(self, watcher: Watcher) -> int:
        """Serve until a signal says to stop; the exit status."""
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ambi-run-"))
            self._report = Path(folder, "failure.json")
            self._life, self._alive = os.pipe()
            stack.callback(os.close, self._life)
            stack.callback(os.close, self._alive)
            stack.enter_context(self._signals())
            self._restore_terminal = _terminal_keeper()
            stack.callback(self._end)
            watcher.start()
            stack.callback(watcher.stop)
            self._start()
            return self._loop()

    def _loop(self) -> int:
        while True:
            kind, what = self._events.get()
            if kind == "signal":
                return 0
            if kind == "changed":
                self._restart(cast("list[str]", what))
            elif what is self._child and self._child is not None and not self._mourn(self._child):
                return WRONG_USE

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def take(number: int, frame: object) -> None:
            self._events.put(("signal", number))

        # What is ignored stays so, as `nohup` asks.
        every = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        wanted = [number for number in every if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, take) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # --- the child ---

    def _start(self) -> None:
        self._report.unlink(missing_ok=True)
        handed = Handed(self._task, self._listening.fileno(), self._life, str(self._report))
        command = command_of(handed)
        child = subprocess.Popen(command, pass_fds=(handed.listening, handed.life))  # noqa: S603  # this interpreter
        self._child = child
        threading.Thread(target=self._wait_for, args=(child,), name="ambi-child", daemon=True).start()

    def _wait_for(self, child: subprocess.Popen[bytes]) -> None:
        child.wait()
        self._events.put(("ended", child))

    def _restart(self, paths: list[str]) -> None:
        self._has_changed = True
        named = ", ".join(map(relative, paths[:_SHOWN])) + (", ..." if len(paths) > _SHOWN else "")
        self._terminal.say(f"{named} changed: starting again")
        self._end()
        for path in [*paths, *self._changed_meanwhile()]:
            _forget_bytecode(path)
        self._start()

    def _changed_meanwhile(self) -> list[str]:
        """Take what changed while the child ended: the next one starts with it."""
        paths: list[str] = []
        others: list[Event] = []
        with contextlib.suppress(queue.Empty):
            while True:
                kind, what = self._events.get_nowait()
                if kind == "changed":
                    paths += cast("list[str]", what)
                else:
                    others.append((kind, what))
        for event in others:
            self._events.put(event)
        return paths

    def _end(self) -> None:
        """End the child and the page, whichever there is."""
        if self._page is not None:
            server, thread = self._page
            self._page = None
            server.stop()
            thread.join()
            server.close(_LAST_ANSWERS_S)
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        self._restore_terminal()

    def _reported(self) -> Failure | None:
        """Give what the child has written of its end; None where it wrote nothing, or what cannot be read."""
        try:
            return loads(self._report.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _mourn(self, child: subprocess.Popen[bytes]) -> bool:
        """Say why the child ended by itself, there and to browsers; False where nothing can come of waiting."""
        self._child = None
        self._restore_terminal()
        failure = self._reported()
        if failure is not None:
            if child.returncode == WRONG_USE and not self._has_changed:
                return False
        else:
            failure = Failure(f"the process of {self._task.spec} ended", _ending(child.returncode))
            self._terminal.say(f"{failure.head}: {failure.text}", RED, level="ERROR")
        self._terminal.say("waiting for a change of a file")
        server = WSGIServer(self._listening, FailurePage(failure), keeps_alive=False)
        thread = threading.Thread(target=server.serve, name="ambi-failure", daemon=True)
        self._page = server, thread
        thread.start()
        return True


def _ending(status: int) -> str:
    if status >= 0:
        return f"it left with status {status}"
    with contextlib.suppress(ValueError):
        return f"it was ended by the signal {signal.Signals(-status).name}"
    return f"it was ended by the signal {-status}"


def _forget_bytecode(path: str) -> None:
    if path.endswith(".py"):
        with contextlib.suppress(OSError, NotImplementedError):
            Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)


def _terminal_keeper() -> Callable[[], None]:
    """Give what makes the terminal again what it is now."""
    import termios

    try:
        settings = termios.tcgetattr(0)
    except termios.error:  # no terminal
        return _do_nothing

    def restore() -> None:
        # Who is in the background may not do so, and would be stopped.
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(0, termios.TCSADRAIN, settings)
        finally:
            signal.signal(signal.SIGTTOU, before)

    return restore


def _do_nothing() -> None:
    """Leave it as it is."""
