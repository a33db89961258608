"""What a request may leave behind: nothing. Looked at after each, on the loop that served it, or in the process."""

import asyncio
import contextlib
import gc
import logging
import os
import time
from collections.abc import Iterator
from typing import Any

import anyio

from ambi import App
from ambi.bridge import background
from ambi.bridge.to_thread import limiter_of
from tests.faults.app import Book
from tests.leaks import busy_workers, living_tasks

PATIENCE_S = 2.0
KINDS_OF_THREADS = ("threads", "io_threads", "stream_threads", "background")


class Leftovers:
    """What is there before a request, to be held against what is there after it.

    Args:
        app: the application.
        book: its ledgers.
        caplog: what is logged.
    """

    def __init__(self, app: App, book: Book, caplog: Any) -> None:
        self._app = app
        self._book = book
        self._caplog = caplog
        self._before: dict[str, Any] = {}

    def begin(self) -> None:
        """Note what is there."""
        self._caplog.clear()
        self._before = _standing()

    def errors(self, least: int = logging.WARNING) -> list[str]:
        """Give what was logged, from a level on."""
        return [
            f"{record.name}: {record.getMessage()} {record.exc_info and record.exc_info[1]!r}"
            for record in self._caplog.records
            if record.levelno >= least
        ]

    async def check_on_loop(self, visit: str) -> None:
        """Wait until the request is over, and hold that nothing is left. Raises: AssertionError."""
        deadline = time.monotonic() + PATIENCE_S
        while found := self._left(visit, on_loop=True):
            assert time.monotonic() < deadline, f"left behind: {found}"
            await anyio.sleep(0.001)

    def check(self, visit: str) -> None:
        """As `check_on_loop`, under WSGI."""
        deadline = time.monotonic() + PATIENCE_S
        while found := self._left(visit, on_loop=False):
            assert time.monotonic() < deadline, f"left behind: {found}"
            time.sleep(0.001)

    def _left(self, visit: str, *, on_loop: bool) -> list[str]:
        ledger = self._book.named(visit)
        standing = _standing()
        return [
            *(f"{name} is open" for name in ledger.open),
            *ledger.wrong,
            *(f"{name} was ended {ledger.closed[name]} times" for name in ledger.opened - ledger.closed),
            *(f"the lock {token} is held" for token in self._book.store.locked),
            *(f"{key}: {standing[key]} of {value}" for key, value in self._before.items() if standing[key] > value),
            *(_slots(self._app) if on_loop else ()),
            *(job.name for job in list(background._jobs)),
        ]


def _slots(app: App) -> Iterator[str]:
    for kind in KINDS_OF_THREADS:
        if taken := limiter_of(app, kind).borrowed_tokens:
            yield f"{taken} slots of {kind}"


def _standing() -> dict[str, int]:
    return {
        "tasks": _tasks(),
        "tasks of the framework": len(living_tasks()),
        "busy workers": busy_workers(),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        pass
    with contextlib.suppress(ImportError, RuntimeError):
        import trio

        return trio.lowlevel.current_statistics().tasks_living
    return 0


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Let nothing be closed by chance while this runs."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
