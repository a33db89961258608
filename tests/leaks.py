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
    module = sys.modules.get("ambi.bridge.loop_thread")
    current = None if module is None else module._current
    return None if current is None or current.loop.is_closed() else current.loop


def _descriptors_of_the_loop_thread() -> set[int]:
    loop = _current_loop()
    if loop is None:
        return set()
    return {part.fileno() for part in (loop._selector, loop._ssock, loop._csock)}  # type: ignore[attr-defined]


def busy_threads() -> list[str]:
    """Give what is wrong with the threads of the framework: workers that are not idle, two loop threads."""
    names = [thread.name for thread in threading.enumerate()]
    workers = sys.modules.get("ambi.bridge.workers")
    busy = names.count("ambi-worker") - (0 if workers is None else len(workers._idle))
    loops = names.count("ambi-loop")
    return [f"{busy} busy worker threads"] * (busy != 0) + [f"{loops} loop threads"] * (loops > 1)


def tasks_left() -> list[str]:
    """Give the tasks on the loop thread, and those that the framework keeps alive elsewhere."""
    loop = _current_loop()
    to_thread = sys.modules.get("ambi.bridge.to_thread")
    tasks = [] if loop is None else list(asyncio.all_tasks(loop))
    return [repr(task) for task in (*tasks, *(to_thread._tasks if to_thread else ()))]


@contextlib.contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Fail when what runs inside leaves something behind that does not go away by itself within two seconds."""
    before = open_descriptors()
    yield
    deadline = time.monotonic() + PATIENCE_S
    while left := [*busy_threads(), *tasks_left(), *(open_descriptors() - before)]:
        if time.monotonic() > deadline:
            raise AssertionError(f"left behind: {left}")
        gc.collect()
        time.sleep(0.01)
