"""From an ASGI server's event loop to a worker thread and back; on asyncio and on trio.

The request began as a task of the server. When its coroutine asks for the sync side, a worker thread resumes it,
while the task waits; what the coroutine does over there in one go is one crossing, however many pieces it runs.

Facts
- Waiting for a worker is cancellable. A sync piece that runs is not abandoned: the task waits for its end, then the
  cancellation is raised where the coroutine waits next. Only what a stop leaves behind is: a loop waits for all tasks.
- Only who is busy over there counts: while a request waits on the loop, for its body, its client or a handler, others
  have its place. It keeps its worker, and does not queue again: it may hold what those who are in wait for, a lock or
  a transaction. Where a process has very many workers already, a request keeps its place.
- A native `task.cancel()` (gunicorn's asgi worker, uvicorn's shutdown) passes through anyio's shield; so the wait
  here begins again until the piece has ended.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from contextvars import ContextVar, copy_context
from typing import TypeVar

import anyio
import anyio.from_thread
from anyio.lowlevel import RunVar, checkpoint_if_cancelled, current_token

from ..core.errors import Overloaded
from ..core.sides import ASYNC, SYNC
from .loop_thread import is_loop_thread
from .stopping import LOOK_EVERY_S
from .travel import CROSSED, RAISED, RETURNED, contexts_of, step, weightier
from .workers import are_many, give_back, take_worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator
    from contextvars import Context
    from typing import Any

    from anyio.lowlevel import EventLoopToken

    from ..core.request import Application, Request
    from .travel import Outcome
    from .workers import Worker

    LimitersByApp = weakref.WeakKeyDictionary[Application, dict[str, anyio.CapacityLimiter]]

T = TypeVar("T")

_limiters: RunVar[LimitersByApp] = RunVar("ambi_limiters")


def limiter_of(app: Application, kind: str) -> anyio.CapacityLimiter:
    """Give the limiter of an application on this event loop.

    Args:
        kind: a limit ("threads", "io_threads", "stream_threads"); or "background", which may have as many threads as
            requests have, but none of theirs: work that takes long keeps no handler out.
    """
    try:
        by_app: LimitersByApp = _limiters.get()
    except LookupError:
        by_app = weakref.WeakKeyDictionary()
        _limiters.set(by_app)
    limiters = by_app.setdefault(app, {})
    if kind not in limiters:
        limiters[kind] = anyio.CapacityLimiter(getattr(app.limits, "threads" if kind == "background" else kind))
    return limiters[kind]


_here = threading.local()
"""Of a worker thread: `token`, that of the loop whose request it works for."""


def soon_of(loop: Any) -> Callable[..., object]:
    """Give what runs a function soon on a loop, asyncio's or trio's own object, from any thread."""
    soon: Callable[..., object] = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
    return soon


def is_in_worker() -> bool:
    """Tell whether this is a worker thread that works for a request of an event loop."""
    return getattr(_here, "token", None) is not None


def loop_of_caller() -> object:
    """Give the server's loop, asyncio's or trio's own object; None under WSGI."""
    token: EventLoopToken | None = getattr(_here, "token", None)
    if token is None:
        try:
            token = current_token()
        except RuntimeError:  # NoEventLoopError, or sniffio's own before AnyIO 4.12
            return None
    return None if is_loop_thread(token.native_token) else token.native_token


class SyncSide:
    """The sync side of one request under ASGI: at most one worker, taken when first needed."""

    __slots__ = (
        "__weakref__", "_app", "_errand", "_gives_up", "_is_let_in", "_is_over", "_kind", "_limiter", "_queues",
        "_timeout_s", "_travellers", "_worker", "token",
    )  # fmt: skip

    def __init__(self, app: Application) -> None:
        self._app = app
        self.token = current_token()
        self._kind = "threads"
        self._timeout_s: float | None = app.limits.queue_timeout_s
        self._is_let_in = self._is_over = False
        self._travellers = 0
        self._limiter: anyio.CapacityLimiter | None = None
        self._queues: dict[anyio.CapacityLimiter, anyio.Lock] = {}
        self._worker: Worker | None = None
        self._errand: Errand | None = None
        self._gives_up: Callable[[], bool] | None = None

    async def resume(
        self, coroutine: Coroutine[Any, Any, Any], context: Context, *, inside: bool
    ) -> tuple[Outcome, BaseException | None]:
        """Let the worker resume a coroutine of the request; how that came to rest, and a cancellation meanwhile.

        Args:
            inside: this is awaited by code that runs in the context itself.

        Raises:
            BaseException: cancelled while waiting for a worker, or none came free in time; the coroutine has not been
                resumed.
        """
        worker = await self.engage()
        errand = self._errand = Errand(step, (coroutine, context), self.token)
        if inside:
            errand.soon(worker.submit, errand.run)
        else:
            worker.submit(errand.run)
        cancelled = await errand.ended(self._gives_up)
        if self._gives_up is not None and not errand.has_ended:
            self.leave_behind()
            return (RAISED, cancelled or errand.outcome[1]), None
        return errand.outcome[1], cancelled

    def start(self, function: Callable[..., Any], *args: Any) -> Errand:
        """Let the worker, which it has, run a function; the caller waits for its end."""
        worker: Any = self._worker
        errand = self._errand = Errand(function, args, self.token)
        worker.submit(errand.run)
        return errand

    def soon(self, function: Callable[[], None]) -> None:
        """Run a function on the loop, soon. Raises: RuntimeError when the loop is closed."""
        soon_of(self.token.native_token)(function)

    async def settled(self) -> None:
        """Wait until the worker runs nothing."""
        if self._errand is not None:
            await self._errand.ended()

    async def engage(self) -> Worker:
        """Have a worker, within the limit.

        Raises:
            Overloaded: none came free in time.
        """
        if self._is_let_in:
            self.step_in()
        else:
            limiter = limiter_of(self._app, self._kind)
            if limiter not in self._queues and _acquire_nowait(limiter, self):
                self._limiter, self._is_let_in = limiter, True
            else:
                await self._queue_for(limiter)
        if self._worker is None:
            self._worker = take_worker()
        return self._worker

    async def _queue_for(self, limiter: anyio.CapacityLimiter) -> None:
        """Wait for a place: once for all parts of the request, which may want one side by side. Raises: Overloaded."""
        with anyio.move_on_after(self._timeout_s):
            async with self._queues.setdefault(limiter, anyio.Lock()):
                if not self._is_let_in:
                    await limiter.acquire_on_behalf_of(self)
                    self._be_let_in(limiter)
            return
        raise Overloaded(self._timeout_s or 0)

    def _be_let_in(self, limiter: anyio.CapacityLimiter) -> None:
        """Have a place that was waited for, unless the request is in by another limit meanwhile."""
        if self._is_let_in:
            limiter.release_on_behalf_of(self)
        else:
            self._limiter, self._is_let_in = limiter, True

    def become(self, kind: str) -> None:
        """Let the worker count among those of another limit, when it is needed again."""
        self._kind = kind
        self._gives_up = is_left_behind.get() if kind == "background" else None
        self._leave()

    def step_out(self) -> None:
        """Leave the place to others, as this waits for somebody; it keeps its worker, and may be back at any time."""
        if not are_many():
            self._give_up_place()

    def step_in(self) -> None:
        """Take a place again where there is one, and none else."""
        if self._is_let_in and self._limiter is None:
            limiter = limiter_of(self._app, self._kind)
            self._limiter = limiter if _acquire_nowait(limiter, self) else None

    async def aside(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await what the worker waits for."""
        self.step_out()
        try:
            return await function()
        finally:
            self.step_in()

    def begin_trip(self) -> None:
        """Take note of a part of the request that has been in the worker, and may have left something open there."""
        self._travellers += 1

    def end_trip(self) -> None:
        """Take note that it has come to its end, which may be later than that of the request."""
        self._travellers -= 1
        if self._is_over:
            self.rest()

    def _leave(self) -> None:
        self._is_let_in = False
        self._give_up_place()

    def _give_up_place(self) -> None:
        if self._limiter is not None:
            limiter, self._limiter = self._limiter, None
            limiter.release_on_behalf_of(self)

    def be_patient(self) -> None:
        """Wait for a worker for as long as it takes: what is to be done now has to be done."""
        self._timeout_s = None

    def leave_behind(self) -> None:
        """Have a worker no longer, nor wait for it: it runs something that does not end in time."""
        worker, self._worker = self._worker, None
        self._errand = None
        if worker is not None:
            worker.submit(give_back, worker)  # others may have it where that ends at last

    def release(self) -> None:
        """Give the worker back as the request is over; once nothing of it is on its way any more.

        An async layer may have answered while what it called, in a task of its own, goes on.
        """
        self._is_over = True
        self.rest()

    def rest(self) -> None:
        """Give the worker back, unless something of the request is on its way; another may be needed yet."""
        if self._travellers:
            if self._errand is None or self._errand.has_ended:  # it waits on the loop
                self.step_out()
            return
        if self._worker is not None:
            give_back(self._worker)
            self._worker = None
        self._leave()


def _acquire_nowait(limiter: anyio.CapacityLimiter, borrower: object) -> bool:
    """Take a place of a limiter where one is free; tell whether it was."""
    try:
        limiter.acquire_on_behalf_of_nowait(borrower)
    except _would_block():
        return False
    return True


def _would_block() -> tuple[type[Exception], ...]:
    """Give what a limiter raises that has none left: up to AnyIO 4.14.0 that of trio is trio's own."""
    trio = sys.modules.get("trio")
    return (anyio.WouldBlock,) if trio is None else (anyio.WouldBlock, trio.WouldBlock)


is_left_behind: ContextVar[Callable[[], bool] | None] = ContextVar("ambi_is_left_behind", default=None)
"""Of work in the background: tells whether a stop has left it behind, with a thread it waits for. None elsewhere."""


class Errand:
    """A function on its way to a worker."""

    __slots__ = ("_args", "_arrived", "_function", "_token", "outcome", "soon")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], token: EventLoopToken) -> None:
        self.soon = soon_of(token.native_token)
        self._token = token
        self._function = function
        self._args = args
        self._arrived = anyio.Event()
        self.outcome: Outcome = (RAISED, RuntimeError("the worker has not run it"))

    def run(self) -> None:
        """Run it, in the worker."""
        _here.token = self._token
        try:
            outcome: Outcome = (RETURNED, self._function(*self._args))
        except BaseException as exc:
            outcome = (RAISED, exc)
        _here.token = None
        self._args = ()  # they may hold who holds this
        with contextlib.suppress(RuntimeError):  # the loop is closed; nobody waits any more
            self.soon(self._arrive, outcome)
        del outcome  # the traceback of a failure holds this frame

    def _arrive(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._arrived.set()

    @property
    def has_ended(self) -> bool:
        """Whether it has run."""
        return self._arrived.is_set()

    async def ended(self, gives_up: Callable[[], bool] | None = None) -> BaseException | None:
        """Wait for its end, through cancellations; the last of those is given.

        Args:
            gives_up: asked now and then whether to wait no longer.
        """
        cancelled: BaseException | None = None
        with anyio.CancelScope(shield=True):
            while not self._arrived.is_set():
                try:
                    with anyio.move_on_after(None if gives_up is None else LOOK_EVERY_S):
                        await self._arrived.wait()
                except anyio.get_cancelled_exc_class() as exc:
                    cancelled = exc
                if gives_up is not None and gives_up():
                    break
        try:
            await checkpoint_if_cancelled()
        except anyio.get_cancelled_exc_class() as exc:
            cancelled = exc
        return cancelled


def sync_side_of(request: Request) -> SyncSide:
    """Give the request's sync side, made when first asked for."""
    if request._sync_side is None:
        request._sync_side = SyncSide(request.app)
    side: SyncSide = request._sync_side
    return side


class Trip:
    """Drive a coroutine of a request within a task of the server.

    Args:
        context: where its steps on the loop run; None runs them in the current one.
        away: where its steps in the worker run.
        wanted: what the coroutine has yielded already; None when it has not begun.
    """

    __slots__ = ("_away", "_cancelled", "_context", "_coroutine", "_outcome", "_request", "_side", "_wanted")

    def __init__(
        self,
        request: Request,
        coroutine: Coroutine[Any, Any, Any],
        context: Context | None,
        away: Context,
        wanted: object = None,
    ) -> None:
        self._request = request
        self._coroutine = coroutine
        self._context = context
        self._away = away
        self._wanted = wanted
        self._outcome: Outcome = CROSSED
        self._cancelled: BaseException | None = None
        self._side: SyncSide | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        try:
            return (yield from self._steps())
        except Exception as exc:
            if self._cancelled is not None:
                raise weightier(self._request, exc, self._cancelled) from exc
            raise
        finally:
            if self._side is not None:
                self._side.end_trip()

    def _steps(self) -> Generator[Any, Any, Any]:
        wanted = self._wanted
        resume: Callable[[Any], Any] | None = self._coroutine.send if wanted is None else None
        argument: Any = None
        while True:
            if resume is not None:
                try:
                    wanted = resume(argument) if self._context is None else self._context.run(resume, argument)
                except StopIteration as stop:
                    return self._kept(stop.value)
            resume, argument = self._coroutine.send, None
            if self._cancelled is not None:  # while it was away; it knows again where it is, so it can be told now
                resume, argument, self._cancelled = self._coroutine.throw, self._cancelled, None
                continue
            try:
                if wanted is SYNC:
                    yield from self._cross()
                    if self._outcome is not CROSSED:
                        break
                elif wanted is not ASYNC:
                    argument = yield wanted
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as exc:  # cancelled: it is the coroutine's to handle
                if self._context is not None and self._request._sync_side is not None:
                    yield from sync_side_of(self._request).settled().__await__()
                resume, argument = self._coroutine.throw, exc
        if self._outcome[0] is RAISED:
            raise self._outcome[1]
        return self._kept(self._outcome[1])

    def _cross(self) -> Generator[Any, Any, None]:
        """Let the worker resume the coroutine, and wait until that came to rest."""
        side = sync_side_of(self._request)
        if self._side is None:
            self._side = side
            side.begin_trip()
        crossing = side.resume(self._coroutine, self._away, inside=self._context is None)
        self._outcome, self._cancelled = yield from crossing.__await__()
        if self._outcome is CROSSED:
            side.step_out()

    def _kept(self, value: Any) -> Any:
        """Give what the coroutine returned; where it was cancelled meanwhile, raise. A stream is closed at the end."""
        if self._cancelled is not None:
            raise self._cancelled
        return value


async def travel(request: Request, coroutine: Coroutine[Any, Any, T]) -> T:
    """Drive a part of the pipeline that user code on the loop awaits."""
    here, away = contexts_of(request)
    result: T = await Trip(request, coroutine, here, away)
    return result


async def run_io(app: Application, function: Callable[..., Any], *args: Any) -> Any:
    """Run blocking file work of the framework in a thread, under a limiter of its own."""
    return await run_in_worker(app, "io_threads", function, *args)


async def run_in_worker(app: Application, kind: str, function: Callable[..., Any], *args: Any) -> Any:
    """Run a function in a worker thread, in a copy of this context, under one of the application's limiters."""
    limiter = limiter_of(app, kind)
    borrower = object()
    if not _acquire_nowait(limiter, borrower):
        await limiter.acquire_on_behalf_of(borrower)
    try:
        return await run_in_thread(copy_context().run, function, *args)
    finally:
        limiter.release_on_behalf_of(borrower)


async def run_in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Run a function in a worker thread, and wait for its end through cancellations, of which the last is raised."""
    errand, worker = Errand(function, args, current_token()), take_worker()
    worker.submit(errand.run)
    try:
        cancelled = await errand.ended(is_left_behind.get())
    finally:
        if errand.has_ended:
            give_back(worker)
        else:
            worker.submit(give_back, worker)
    kind, value = errand.outcome
    has_failed = kind is RAISED and (errand.has_ended or cancelled is None)
    failure: BaseException | None = value if has_failed else cancelled
    if failure is not None:
        raise failure
    return value


def call_on_loop(request: Request, function: Callable[[], Coroutine[Any, Any, T]], *, keeps_place: bool = False) -> T:
    """From the worker of a request: run an async function on the server's loop and wait for it.

    Args:
        keeps_place: it waits for nobody. A place that is left for a moment is another's when that is over.

    Raises:
        RuntimeError: this is that loop, which would wait for itself.
    """
    if not is_in_worker():
        raise RuntimeError(
            "a BodyStream was read by `for` on the event loop, which would have to wait for itself:"
            " write `async for` in an `async def`; a `def` with blocking=False cannot read one"
        )
    side: SyncSide | None = request._sync_side  # of a request on the loop another worker asks: what it has spawned
    if side is None or keeps_place:
        return anyio.from_thread.run(function, token=_here.token)
    return anyio.from_thread.run(side.aside, function, token=side.token)


@contextlib.contextmanager
def waiting(request: Request) -> Iterator[None]:
    """From the worker of a request: leave its place to others while it waits for long."""
    if not is_in_worker():
        yield
        return
    side = sync_side_of(request)
    anyio.from_thread.run_sync(side.step_out, token=side.token)
    try:
        yield
    finally:
        anyio.from_thread.run_sync(side.step_in, token=side.token)


def spawn(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    """Start a task on this loop that outlives the request which starts it."""
    start_task(current_token().native_token, function, *args)


def start_task(loop: Any, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> Any:
    """Start a task on a loop, asyncio's or trio's own object; from a task or a callback of it. Give asyncio's."""
    if hasattr(loop, "create_task"):
        task = loop.create_task(function(*args))
        _tasks.add(task)  # the loop keeps only weak references
        task.add_done_callback(_tasks.discard)
        return task
    import trio

    trio.lowlevel.spawn_system_task(function, *args, context=copy_context())
    return None


_tasks: set[Any] = set()
