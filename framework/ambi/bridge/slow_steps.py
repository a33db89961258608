"""Seeing what holds the event loop, in debug: an `async def` that blocks keeps all other requests waiting.

The gateways drive the coroutine of a request step by step. In debug they drive it through `WatchedCoroutine`, which
times each step that runs on an event loop; a thread beside it looks, while a step takes long, where it is.

Facts
- asyncio's own debug mode sees the same and names a Handle; it also makes every call of the loop slower.
- A step that took long has not always held the loop for that: the machine may have been busy, or the process stopped.
  So either the thread has computed for so long itself, or it was seen twice in the user's code, with time between.
- Code that does not let go of the interpreter (a regular expression, a sort) is seen by nobody: there the time that the
  thread computed is all there is.
- What the thread sees of another's frames is only told, never kept: frames hold what users' code holds.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import threading
import time
import weakref
from functools import cache
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from pathlib import Path
from typing import NamedTuple

from ..core.errors import innermost
from ..core.log import log_slow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import CodeType, FrameType
    from typing import Any

    from ..core.plan import Plan
    from ..core.request import Application, Request

_LOOK_EVERY_S = 0.02
_IDLE_AFTER_S = 1.0
_MAX_PLACES = 1000
_OURS = str(Path(__file__).parent.parent) + os.sep
_THIS = __file__


class Seen(NamedTuple):
    """Where a step was when it was looked at.

    Attributes:
        piece: the function that ambi called: its code.
        file, line: where the user's code was, and the name of the function there.
        at_s: when that was.
    """

    piece: CodeType
    file: str
    line: int
    name: str
    at_s: float


class Step:
    """A step that runs on an event loop.

    Attributes:
        known: the code of the functions that it may call.
        first, last: what was seen of it, where that was the user's code.
        was_elsewhere: a look found none of that: what takes long is not the user's.
    """

    __slots__ = ("first", "known", "last", "limit_s", "started_s", "was_elsewhere")

    def __init__(self, limit_s: float, known: frozenset[CodeType]) -> None:
        self.limit_s = limit_s
        self.known = known
        self.started_s = time.perf_counter()
        self.first: Seen | None = None
        self.last: Seen | None = None
        self.was_elsewhere = False


class WatchedCoroutine:
    """Drives a coroutine of a request as that itself would be driven, and times each step on an event loop.

    Args:
        request: the one that is named.
        plan: whose pieces run.
    """

    __slots__ = ("_coroutine", "_known", "_limit_s", "_plan", "_request")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], request: Request, plan: Plan | None) -> None:
        self._coroutine = coroutine
        self._request = request
        self._plan = plan
        self._limit_s = request.limits.slow_step_s
        self._known: frozenset[CodeType] = frozenset() if plan is None else _codes_of(plan)

    def send(self, value: Any) -> Any:
        """Resume it."""
        return self._watched(self._coroutine.send, value) if _is_on_loop() else self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise in it."""
        return self._watched(self._coroutine.throw, *error) if _is_on_loop() else self._coroutine.throw(*error)

    def close(self) -> None:
        """Close it."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        argument: Any = None
        resume: Callable[..., Any] = self.send
        while True:
            try:
                wanted = resume(argument)
            except StopIteration as stop:
                return stop.value
            resume = self.send
            try:
                argument = yield wanted
            except GeneratorExit:
                self.close()
                raise
            except BaseException as exc:  # cancelled: it is the coroutine's to handle
                resume, argument = self.throw, exc

    def _watched(self, resume: Callable[..., Any], *args: Any) -> Any:
        step = Step(self._limit_s, self._known)
        computed_s = time.thread_time()
        before = _watchdog.begin(step)
        try:
            return resume(*args)
        finally:
            _watchdog.end(before)
            took_s = time.perf_counter() - step.started_s
            if took_s >= step.limit_s:
                self._judge(step, took_s, time.thread_time() - computed_s)

    def _judge(self, step: Step, took_s: float, computed_s: float) -> None:
        """Warn of a step that has held the loop, once a place."""
        first, last = step.first, step.last
        if last is None or first is None:
            is_sure = computed_s >= step.limit_s and not step.was_elsewhere
        else:
            is_sure = computed_s >= step.limit_s or last.at_s - first.at_s >= step.limit_s / 2
        if not is_sure or _is_known(self._request.app, self._place(last)):
            return
        piece, mend = self._piece(last)
        where = "" if last is None else f", at {last.file}:{last.line} in {last.name}{_source(last)}"
        log_slow(self._request, took_s, piece + where, mend)

    def _place(self, seen: Seen | None) -> object:
        return self._plan if seen is None else (seen.file, seen.line)

    def _piece(self, seen: Seen | None) -> tuple[str, str]:
        """Name the function that ambi called, and what may be done about it."""
        if seen is None:
            named = "its handler" if self._plan is None else self._plan.described
            return f"{named}, or in a layer around it", _AWAIT
        code = seen.piece
        named = f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})"
        if code.co_flags & CO_ASYNC_GENERATOR:
            return named, f"make it a generator of a `def`, which runs in a thread; or {_AWAIT}"
        if code.co_flags & CO_COROUTINE:
            may_be_def = self._plan is None or not self._plan.is_websocket
            return named, f"make it a `def`, which runs in a thread; or {_AWAIT}" if may_be_def else _AWAIT
        if code.co_flags & CO_GENERATOR:
            return named, "register it with blocking=True, so that it runs in a thread"
        if self._plan is not None and code is _code_of(self._plan.function):
            return named, "take its blocking=False away, so that it runs in a thread"
        return named, "do that in a `def` handler or in a middleware with blocking=True, which run in a thread"


_AWAIT = "await what takes long: by a library for async code, or by `await anyio.to_thread.run_sync(function)`"


def _is_on_loop() -> bool:
    """Tell whether an event loop runs in this thread, asyncio's or trio's."""
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return True
    trio: Any = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_task())


_warned: weakref.WeakKeyDictionary[Application, set[object]] = weakref.WeakKeyDictionary()


def _is_known(app: Application, place: object) -> bool:
    """Tell whether a place was warned of before; it is from now on."""
    places = _warned.setdefault(app, set())
    if place in places or len(places) >= _MAX_PLACES:
        return True
    places.add(place)
    return False


# --- looking ---


class Watchdog:
    """The thread that looks at steps which take long; it sleeps when there have been none for a while."""

    def __init__(self) -> None:
        self._steps: dict[int, Step] = {}
        self._has_thread = False
        self._is_asleep = False
        self._wake = threading.Event()

    def begin(self, step: Step) -> Step | None:
        """Watch a step of this thread; give the one around it."""
        thread_id = threading.get_ident()
        before = self._steps.get(thread_id)
        self._steps[thread_id] = step
        if not self._has_thread:
            self._has_thread = True
            threading.Thread(target=self._run, name="ambi-slow-steps", daemon=True).start()
        elif self._is_asleep:
            self._wake.set()
        return before

    def end(self, before: Step | None) -> None:
        """Watch the step around this one again, or none."""
        if before is None:
            self._steps.pop(threading.get_ident(), None)
        else:
            self._steps[threading.get_ident()] = before

    def _run(self) -> None:
        busy_s = time.perf_counter()
        while True:
            time.sleep(_LOOK_EVERY_S)
            now_s = time.perf_counter()
            for thread_id, step in tuple(self._steps.items()):
                busy_s = now_s
                if now_s - step.started_s > step.limit_s * 0.3:
                    self._look(thread_id, step)
            if now_s - busy_s > _IDLE_AFTER_S:
                self._is_asleep = True
                self._wake.wait()
                self._is_asleep = False
                self._wake.clear()
                busy_s = time.perf_counter()

    def _look(self, thread_id: int, step: Step) -> None:
        frame = sys._current_frames().get(thread_id)
        seen = None if frame is None else _seen(frame, step.known)
        frame = None
        if self._steps.get(thread_id) is not step:  # it ended while it was looked at
            return
        if seen is None:
            step.was_elsewhere = True
        else:
            step.first = step.first or seen
            step.last = seen


def _seen(frame: FrameType | None, known: frozenset[CodeType]) -> Seen | None:
    """Find the user's code in the frames of a step; None where there is none."""
    inside: list[FrameType] = []
    while frame is not None and not (frame.f_code.co_filename == _THIS and frame.f_code.co_name == "_watched"):
        inside.append(frame)
        frame = frame.f_back
    if frame is None:
        return None
    outermost_first = inside[::-1]
    piece = next((one for one in outermost_first if one.f_code in known), None)
    piece = piece or next((one for one in outermost_first if _is_users(one.f_code.co_filename)), None)
    if piece is None:
        return None
    file = piece.f_code.co_filename
    home = file[: file.rfind(os.sep) + 1] or file  # an application may be installed where libraries are
    where = next(one for one in inside if _is_users(one.f_code.co_filename) or one.f_code.co_filename.startswith(home))
    code = where.f_code
    return Seen(piece.f_code, code.co_filename, where.f_lineno, code.co_qualname, time.perf_counter())


@cache
def _is_users(file: str) -> bool:
    """Tell whether code is the user's: neither ours, nor Python's, nor a library's."""
    return not file.startswith((_OURS, "<frozen", *_LIBRARIES))


_LIBRARIES = tuple(
    {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)  # fmt: skip


def _source(seen: Seen) -> str:
    line = linecache.getline(seen.file, seen.line).strip()
    return f": {line[:120]}" if line else ""


# --- pieces ---


def _codes_of(plan: Plan) -> frozenset[CodeType]:
    """Give the code of a plan's functions."""
    functions = (plan.function, *(layer.function for layer in plan.layers))
    return frozenset(code for function in functions if (code := _code_of(function)) is not None and not _is_ours(code))


def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(_OURS)


def _code_of(function: object) -> CodeType | None:
    inner = innermost(function)
    codes = (getattr(one, "__code__", None) for one in (inner, getattr(inner, "__call__", None)))
    return next((code for code in codes if code is not None), None)


# --- one a process ---


_watchdog = Watchdog()


def _forget_after_fork() -> None:
    global _watchdog  # noqa: PLW0603
    _watchdog = Watchdog()


os.register_at_fork(after_in_child=_forget_after_fork)
