"""What a test may leave behind: nothing. Busy worker threads, tasks of the loop thread, and open descriptors."""

import asyncio
import contextlib
import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

DESCRIPTORS = Path("/proc/self/fd")
PATIENCE_S = 2.0


def open_descriptors() -> set[str]:
    """Give the open descriptors with what they lead to, but those of the loop thread, which stays."""
    if not DESCRIPTORS.is_dir():
        return set()
    own = _descriptors_of_the_loop_thread()
    found = set()
    for number in os.listdir(DESCRIPTORS):
        with contextlib.suppress(OSError):  # the one that listed the directory is closed by now
            if int(number) not in own:
                found.add(f"{number} -> {os.readlink(DESCRIPTORS / number)}")
    return found


def _current_loop() -> asyncio.AbstractEventLoop | None:
    if not any(thread.name == "ambi-loop" for thread in threading.enumerate()):
        return None  # asking for it would start one
    from ambi.bridge.loop_thread import get_loop_thread

    loop = get_loop_thread().loop
    return None if loop.is_closed() else loop


def _descriptors_of_the_loop_thread() -> set[int]:
    loop = _current_loop()
    if loop is None:
        return set()
    return {part.fileno() for part in (loop._selector, loop._ssock, loop._csock)}  # type: ignore[attr-defined]


def busy_workers() -> int:
    """Count the worker threads that are not idle."""
    workers = sys.modules.get("ambi.bridge.workers")
    alive = sum(thread.name == "ambi-worker" for thread in threading.enumerate())
    return alive - (0 if workers is None else len(workers._idle))


def loop_threads() -> int:
    """Count the loop threads; there is one at most."""
    return sum(thread.name == "ambi-loop" for thread in threading.enumerate())


def living_tasks() -> set[asyncio.Task[object]]:
    """Give the tasks on the loop thread, and those that the framework keeps alive elsewhere."""
    loop = _current_loop()
    to_thread = sys.modules.get("ambi.bridge.to_thread")
    tasks = set() if loop is None else asyncio.all_tasks(loop)
    return tasks | (to_thread._tasks if to_thread else set())


@contextlib.contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Fail when what runs inside leaves something behind that does not go away by itself within two seconds."""
    descriptors, busy, loops, tasks = open_descriptors(), busy_workers(), max(loop_threads(), 1), living_tasks()

    def left() -> list[str]:
        return [
            *(["busy worker threads"] if busy_workers() > busy else []),
            *([f"{loop_threads()} loop threads"] if loop_threads() > loops else []),
            *map(repr, living_tasks() - tasks),
            *(open_descriptors() - descriptors),
        ]

    yield
    deadline = time.monotonic() + PATIENCE_S
    while found := left():
        if time.monotonic() > deadline:
            raise AssertionError(f"left behind: {found}")
        gc.collect()
        time.sleep(0.01)
