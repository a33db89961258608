"""Work that no client waits for: what runs after a response, and what an application spawns. Supervised.

Facts
- What runs after a response runs beside the server's call, not inside it: several servers take the next request of a
  connection only when the call is over, and cancel a call whose client has left.
- Under ASGI it is a task of the server's loop; under WSGI a worker thread, or a task on the loop thread.
- A failure is logged, once. A stop waits for what runs, within the application's limit; then it is cancelled, with time
  for a `finally` that awaits, and a thread, which cannot be, is left behind: nobody waits for it any more.
- Threads for it are as many as an application's `Limits.threads`, beside those of requests; more has to wait.
"""

from __future__ import annotations

import collections
import contextlib
import os
import sys
import threading
import time
from contextvars import copy_context
from functools import partial

from ..core.binding import is_async
from ..core.log import log_failure, log_left_behind
from .exits import at_exit
from .leaving import current_leaving
from .stopping import stopping_for
from .workers import give_back, take_worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from contextvars import Context
    from typing import Any

    from ..core.request import Application

    Work = Callable[[], Coroutine[Any, Any, object]]

_LOOK_EVERY_S = 0.02
_CANCELLED_S = 2.0


class Job:
    """A piece of work that runs.

    Attributes:
        name: for the log.
        home: the event loop it runs on under ASGI; None under WSGI.
        limit_s: for how long a stop may take.
        waits: a stop waits for it; else it is cancelled at once.
        is_after: it belongs to a request whose response is sent.
        is_left: a stop has left it behind.
    """

    __slots__ = ("_cancel", "_is_cancelled", "home", "is_after", "is_left", "limit_s", "name", "waits")

    def __init__(self, app: Application, name: str, home: object, *, waits: bool, is_after: bool) -> None:
        self.name = name
        self.home = home
        self.limit_s = app.limits.graceful_stop_s
        self.waits = waits
        self.is_after = is_after
        self._cancel: Callable[[], object] | None = None
        self._is_cancelled = self.is_left = False
        _jobs.add(self)

    def may_be_cancelled(self, cancel: Callable[[], object]) -> None:
        """Take what cancels it; a thread has nothing of the kind."""
        self._cancel = cancel
        if self._is_cancelled:
            self.cancel()

    def cancel(self) -> None:
        """Cancel it now, or as soon as it begins. From any thread."""
        self._is_cancelled = True
        if self._cancel is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed, and the work over
                self._cancel()


_jobs: set[Job] = set()


# --- starting ---


def spawn(app: Application, function: Callable[..., Any], args: tuple[Any, ...], *, wait_at_stop: bool) -> None:
    """Run a function of either colour in the background, from wherever this is called."""
    name = f"the spawned {getattr(function, '__qualname__', function)!s}"
    loop = _loop_of_caller()
    if loop is None:
        _spawn_in_process(app, name, function, args, waits=wait_at_stop)
        return
    from .to_thread import soon_of

    job = Job(app, name, loop, waits=wait_at_stop, is_after=False)
    soon_of(loop)(_context().run, _begin_on_loop, job, loop, partial(_call, app, function, args))


def _context() -> Context:
    """Give a copy of the caller's context, in which nothing is left when the caller's stream is."""
    context = copy_context()
    context.run(current_leaving.set, None)
    return context


def _loop_of_caller() -> object:
    """Give the server's loop under ASGI: the one of this thread, or the one that this worker works for."""
    if "asyncio" not in sys.modules and "trio" not in sys.modules:
        return None
    from .to_thread import loop_of_caller

    return loop_of_caller()


async def _call(app: Application, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if is_async(function):
        await function(*args)
    else:
        from .to_thread import run_in_worker

        await run_in_worker(app, "background", function, *args)


def finish_on_loop(app: Application, name: str, work: Work) -> None:
    """Run what comes after a response, in a task of this loop."""
    from anyio.lowlevel import current_token

    home = current_token().native_token
    _begin_on_loop(Job(app, name, home, waits=True, is_after=True), home, work)


def run_beside(app: Application, name: str, work: Work) -> Job:
    """Run what a request needs beside it, and may outlive it, in a task of this loop: a server's or the loop thread.

    Returns:
        The work, which is the request's own until `is_after` is set.
    """
    from anyio.lowlevel import current_token

    from .loop_thread import is_loop_thread

    loop = current_token().native_token
    home = None if is_loop_thread(loop) else loop
    if home is None:
        _drain_at_exit()
    job = Job(app, name, home, waits=True, is_after=False)
    _begin_on_loop(job, loop, work)
    return job


def _begin_on_loop(job: Job, loop: object, work: Work) -> None:
    from .to_thread import start_task

    task = start_task(loop, _live, job, work)
    if task is not None:
        task.add_done_callback(partial(_forget, job))  # a loop that ends may cancel it before its first step


def _forget(job: Job, task: object) -> None:
    _jobs.discard(job)


async def _live(job: Job, work: Work) -> None:
    from anyio.lowlevel import current_token

    from .interrupting import Grace, is_foreign
    from .to_thread import is_left_behind, soon_of

    is_left_behind.set(lambda: job.is_left)
    grace = Grace()
    try:
        with grace:
            job.may_be_cancelled(partial(soon_of(current_token().native_token), grace.ends_in, 0))
            await work()
    except BaseException as exc:
        if not (isinstance(exc, Exception) or is_foreign(exc)):
            raise
        log_failure(f"{job.name} failed", exc)
    finally:
        _jobs.discard(job)


def finish_in_thread(app: Application, name: str, work: Callable[[], object]) -> None:
    """Run what comes after a response of a WSGI server in a worker thread."""
    _drain_at_exit()
    _threads.run(Job(app, name, None, waits=True, is_after=True), app.limits.threads, work)


def _spawn_in_process(
    app: Application, name: str, function: Callable[..., Any], args: tuple[Any, ...], *, waits: bool
) -> None:
    """Run a function beside a WSGI server: in a worker thread, or on the loop thread."""
    _drain_at_exit()
    job = Job(app, name, None, waits=waits, is_after=False)
    context = _context()
    if not is_async(function):
        _threads.run(job, app.limits.threads, partial(context.run, function, *args))
        return
    from .loop_thread import get_loop_thread

    loop: Any = get_loop_thread().loop
    loop.call_soon_threadsafe(context.run, _begin_on_loop, job, loop, partial(function, *args))


class _Threads:
    """Worker threads for the background of a WSGI process; what finds none free waits in line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: collections.deque[tuple[Job, Callable[[], object]]] = collections.deque()
        self._busy = 0

    def run(self, job: Job, limit: int, work: Callable[[], object]) -> None:
        """Run it as soon as there is a thread."""
        with self._lock:
            if self._busy >= limit:
                self._waiting.append((job, work))
                return
            self._busy += 1
        try:
            worker = take_worker()
        except BaseException:  # there are too many threads already
            with self._lock:
                self._busy -= 1
            _jobs.discard(job)
            raise
        worker.submit(self._work, worker, job, work)

    def _work(self, worker: Any, job: Job, work: Callable[[], object]) -> None:
        while True:
            try:
                work()
            except BaseException as exc:  # an exit as well: others wait for this thread
                log_failure(f"{job.name} failed", exc)
            finally:
                _jobs.discard(job)
            with self._lock:
                if not self._waiting:
                    self._busy -= 1
                    break
                job, work = self._waiting.popleft()
        give_back(worker)


_threads = _Threads()
_draining: dict[str, bool] = {}


def _drain_at_exit() -> None:
    if "" not in _draining:
        _draining[""] = True
        at_exit(drain_in_process)


# --- stopping ---


def _left(home: object, *, is_after: bool = False) -> list[Job]:
    return [job for job in list(_jobs) if job.home is home and (job.is_after or not is_after)]


def _time_left_s(jobs: list[Job]) -> float:
    """Tell how long a stop may wait for these: the last sixth of its time is for what comes after them."""
    return max(0.0, max(job.limit_s for job in jobs) * 5 / 6 - (stopping_for() or 0))


def _drain(home: object) -> Iterator[float]:
    """Give the pauses of a stop that waits, then cancels, then gives up."""
    for job in _left(home):
        if not job.waits:
            job.cancel()
    for gives_up in (False, True):
        jobs = _left(home)
        if not jobs:
            return
        for job in jobs if gives_up else ():
            job.cancel()
        deadline = time.monotonic() + (_CANCELLED_S if gives_up else _time_left_s(jobs))
        while _left(home) and time.monotonic() < deadline:
            yield _LOOK_EVERY_S
    for job in _left(home):
        job.is_left = True
        log_left_behind(job.name)


async def drain_on_loop() -> None:
    """Wait for what runs in the background of this loop; cancel what takes too long."""
    from anyio import sleep
    from anyio.lowlevel import current_token

    for pause_s in _drain(current_token().native_token):
        await sleep(pause_s)


def drain_in_process() -> None:
    """Wait for what runs in the background of this process under WSGI; cancel what takes too long."""
    for pause_s in _drain(None):
        time.sleep(pause_s)


async def settled_on_loop() -> None:
    """Wait until what came after the responses of this loop has ended, as a client for tests does."""
    from anyio import sleep
    from anyio.lowlevel import current_token

    while _left(current_token().native_token, is_after=True):  # noqa: ASYNC110  # in tests alone; an event costs always
        await sleep(0.001)


def settle_in_process() -> None:
    """As `settled_on_loop`, under WSGI."""
    while _left(None, is_after=True):
        time.sleep(0.001)


def _forget_after_fork() -> None:
    global _threads  # noqa: PLW0603
    _jobs.clear()
    _draining.clear()
    _threads = _Threads()


os.register_at_fork(after_in_child=_forget_after_fork)
