"""What a test may leave behind: nothing. No busy or foreign thread, task, open descriptor or temporary file."""

import asyncio
import atexit
import contextlib
import functools
import gc
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

DESCRIPTORS = "/proc/self/fd"
PATIENCE_S = 10.0
STAYING = ("ambi-loop", "ambi-worker", "ambi-slow-steps", "Trio thread ")
"""How the names of threads begin that stay: the loop thread, of which there is one; workers, which must be idle; what
watches steps in debug, and sleeps; and trio's idle ones, which it keeps for ten seconds."""
THEIRS = {
    "bugsnag": "a timer sends what it has counted, again and again",
    "elasticapm": "one thread sends, another asks for settings, as long as the process lives",
    "engineio": "a ping waits for its 25 seconds, and what looks for lost clients for 20, whether or not one is there",
    "sentry_sdk": "it counts sessions, and sends that each minute",
    "sse_starlette": "a task looks whether uvicorn ends, as long as its loop runs",
}
"""Packages whose threads and tasks stay, with what they do."""


def open_descriptors() -> set[str]:
    """Give the open descriptors with what they lead to, but those of the loop thread, which stays."""
    if not os.path.isdir(DESCRIPTORS):
        return set()
    own = _descriptors_of_the_loop_thread()
    found = set()
    for number in os.listdir(DESCRIPTORS):
        with contextlib.suppress(OSError):  # the one that listed the directory is closed by now
            if int(number) not in own:
                found.add(f"{number} -> {os.readlink(f'{DESCRIPTORS}/{number}')}")
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


def all_workers() -> int:
    """Count the worker threads, idle ones too."""
    return sum(thread.name == "ambi-worker" for thread in threading.enumerate())


def busy_workers() -> int:
    """Count the worker threads that are not idle."""
    workers = sys.modules.get("ambi.bridge.workers")
    return all_workers() - (0 if workers is None else len(workers._idle))


def loop_threads() -> int:
    """Count the loop threads; there is one at most."""
    return sum(thread.name == "ambi-loop" for thread in threading.enumerate())


def living_tasks() -> set[asyncio.Task[object]]:
    """Give the tasks on the loop thread, and those that the framework keeps alive elsewhere."""
    loop = _current_loop()
    to_thread = sys.modules.get("ambi.bridge.to_thread")
    tasks = set() if loop is None else asyncio.all_tasks(loop)
    tasks |= to_thread._tasks if to_thread else set()
    return {task for task in tasks if not _is_theirs(task.get_coro())}


def other_threads() -> set[threading.Thread]:
    """Give the threads that have to end."""
    others = (thread for thread in threading.enumerate() if not thread.name.startswith(STAYING))
    return {thread for thread in others if not any(map(_is_theirs, (type(thread), *_run_by(thread))))}


def _run_by(thread: threading.Thread) -> list[object]:
    """Give what a thread runs, or a timer will."""
    return [getattr(thread, name, None) for name in ("_target", "function")]


def _is_theirs(what: object) -> bool:
    """Tell whether a class, a function or a coroutine is of a package that keeps it."""
    frame = getattr(what, "cr_frame", None)
    module = getattr(what, "__module__", None) if frame is None else frame.f_globals.get("__name__")
    return str(module).partition(".")[0] in THEIRS


@contextlib.contextmanager
def own_temporary_folder() -> Iterator[Path]:
    """Let temporary files be made in a folder of its own meanwhile: that of the machine is everybody's.

    Descriptors tell of files that have no name.
    """
    before, folder = tempfile.tempdir, _folder()
    tempfile.tempdir = folder
    try:
        yield Path(folder)
    finally:
        tempfile.tempdir = before


@functools.cache
def _folder() -> str:
    """Make the folder, which goes when the process that made it ends: not with one that was forked from it."""
    folder, owner = tempfile.mkdtemp(prefix="ambi-tests-"), os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return folder


@contextlib.contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Fail when what runs inside leaves something behind that does not go away by itself within ten seconds."""
    descriptors, busy, loops, tasks = open_descriptors(), busy_workers(), max(loop_threads(), 1), living_tasks()
    threads = other_threads()

    with own_temporary_folder() as folder:
        files = set(folder.iterdir())

        def left() -> list[str]:
            return [
                *(["busy worker threads"] if busy_workers() > busy else []),
                *([f"{loop_threads()} loop threads"] if loop_threads() > loops else []),
                *map(repr, living_tasks() - tasks),
                *map(repr, other_threads() - threads),
                *(open_descriptors() - descriptors),
                *map(str, set(folder.iterdir()) - files),
            ]

        yield
        _await_nothing(left)


def _await_nothing(left: Callable[[], list[str]]) -> None:
    """Wait: most of what is about to go goes in milliseconds. To collect garbage takes longer than most tests."""
    began = time.monotonic()
    collect_at = 0.02 * PATIENCE_S
    while found := left():
        waited = time.monotonic() - began
        if waited > PATIENCE_S:
            raise AssertionError(f"left behind: {found}")
        if waited >= collect_at:
            gc.collect()
            collect_at += 0.08 * PATIENCE_S
        time.sleep(0.005)
