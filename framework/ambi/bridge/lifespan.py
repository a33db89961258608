"""Start-up and shutdown of an application: a generator of either colour that yields once, on either gateway.

Facts
- Under ASGI the server's lifespan protocol starts and stops it. Where a server sends none (daphne, a host that mounts
  the application), the first request starts it on the server's loop. Where several loops of one process serve, it is
  started once for all of them. When the loop that it lives on ends, it is stopped, also for requests that others have
  under way; their next ones wait for that, and start it anew there.
- Under WSGI the first request of each process starts it, or `ambi.gunicorn` when a worker starts. What is async of it
  lives on the loop thread, so what it makes is shared by all requests; it stops when the process ends.
- An async generator is entered and left in one task, as cancel scopes and task groups ask; a `def` one in one
  `contextvars.Context`, as tokens ask.
- A loop that ends cancels what still runs on it. A shutdown that this begins may await all the same, for a while; so
  may what undoes a start-up that is cancelled.
- A start-up that fails is undone as far as it went; the next request tries again. So it does where a loop was closed
  in the middle of one, which nothing can undo any more.
- Code of a lifespan may send its own application a request: that is served with what there is, and waits for nothing.
- In a process that is forked from this one nothing is started. What is, is not its to stop.
- One that fails, at its start or its stop, is nothing to the others: each goes on behind its yield.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from contextvars import ContextVar, copy_context
from functools import partial

from ..core.binding import is_async_generator, is_generator, parameters_of
from ..core.errors import ConfigurationError
from .exits import at_exit
from .stopping import forget_stopping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
    from contextvars import Context
    from typing import Any

    LifespanFunction = Callable[..., Any]

_CANCELLED_STOP_S = 30
_LOOK_EVERY_S = 0.01
_FORMS = "a lifespan is a generator function, `def` or `async def`, that yields once and takes nothing or the app"


class Lifespan:
    """One lifespan function of an application, and the names of what it yielded.

    Args:
        function: the generator function.
        app: what it may take.
        state: what it yields is put here, by name, as long as it lasts.

    Attributes:
        given: the names of what it put there.

    Raises:
        ConfigurationError: the function has none of the forms.
    """

    def __init__(self, function: LifespanFunction, app: object, state: MutableMapping[str, Any] | None = None) -> None:
        count = len(parameters_of(function, {}, resolve=False))
        if count > 1:
            raise ConfigurationError.at(function, f"{_FORMS}; it takes {count} parameters")
        call = partial(function, app) if count else function
        self.function = function
        self.given: tuple[str, ...] = ()
        self._state: MutableMapping[str, Any] = {} if state is None else state
        self.is_async = is_async_generator(function)
        if self.is_async:
            self._open: Callable[[], Any] = contextlib.asynccontextmanager(call)
        elif is_generator(function):
            self._open = contextlib.contextmanager(call)
        else:
            inner = getattr(function, "__wrapped__", None)  # made a context manager by contextlib already
            if inner is None or not (is_async_generator(inner) or is_generator(inner)):
                raise ConfigurationError.at(function, _FORMS)
            self.is_async = is_async_generator(inner)
            self._open = call

    def enter_sync(self, stack: contextlib.ExitStack) -> None:
        """Start a `def` one; the stack stops it."""
        manager = self._open()
        yielded = manager.__enter__()
        stack.callback(manager.__exit__, None, None, None)  # it sees no failure but its own
        self._give(yielded)
        stack.callback(self._take_back)

    async def enter_async(self, stack: contextlib.AsyncExitStack) -> None:
        """Start an `async def` one in the current task; the stack stops it."""
        from .interrupting import awaited  # loads asyncio, which import ambi must not

        manager = self._open()
        yielded = await awaited(manager.__aenter__(), "the start-up")
        stack.push_async_callback(manager.__aexit__, None, None, None)  # as above
        self._give(yielded)
        stack.callback(self._take_back)

    def _give(self, yielded: Any) -> None:
        """Put what it yielded into the state. Raises: ConfigurationError: it has no names, or some that are taken."""
        self._take_back()  # what is left of the process that this one was forked from
        values = self._values_of(yielded)
        taken = values.keys() & self._state.keys()
        if taken:
            raise ConfigurationError.at(
                self.function,
                f"it yielded {min(taken)!r}, which the state of the application has already: from a lifespan that was"
                " added before, or from who put it there. Yield it under another name",
            )
        self._state.update(values)
        self.given = tuple(values)

    def _take_back(self) -> None:
        for name in self.given:
            self._state.pop(name, None)
        self.given = ()

    def _values_of(self, yielded: Any) -> dict[str, Any]:
        if yielded is None:
            return {}
        if hasattr(yielded, "keys"):
            return dict(yielded)
        from dataclasses import fields, is_dataclass

        if is_dataclass(yielded) and not isinstance(yielded, type):
            return {field.name: getattr(yielded, field.name) for field in fields(yielded)}
        raise ConfigurationError.at(
            self.function, f"it yielded {yielded!r}; a mapping, a dataclass or nothing was expected"
        )


class Lifespans:
    """All lifespans of an application, its own first, then those of the applications mounted in it."""

    def __init__(self, collect: Callable[[], list[Lifespan]]) -> None:
        self._collect = collect
        self._locks: dict[str, threading.Lock] = {}
        self._starting: Any = None
        self._stop: Callable[[], None] | None = None
        self.pending = True
        _all.add(self)

    def forget(self) -> None:
        """Take note that nothing is started, as in a forked child."""
        if self._stop is not None:
            _of_parents.append(self._stop)
        self._locks = {}
        self._starting = self._stop = None
        self.pending = True

    def _lock(self) -> threading.Lock:
        """Give the lock, made when first needed: an earlier one would be none of gevent's, which patches later."""
        return self._locks.setdefault("", threading.Lock())

    # --- ASGI ---

    async def run(self, started: Callable[[], Awaitable[None]], stopping: Callable[[], Awaitable[None]]) -> None:
        """Start all, say so, wait for the time to stop, stop all in reverse; in one task.

        Raises:
            BaseException: what a start-up or a shutdown raised.
        """
        from anyio import CancelScope, current_time

        try:
            # The scope is opened before those of the lifespans, which are left inside of it.
            with CancelScope() as scope:
                async with contextlib.AsyncExitStack() as stack:
                    try:
                        await self._enter_all(stack)
                        await started()
                        await stopping()
                    except Exception:
                        raise
                    except BaseException:  # cancelled
                        scope.shield, scope.deadline = True, current_time() + _CANCELLED_STOP_S
                        await stack.aclose()  # a stop like any other: each goes on behind its yield, and sees no error
                        raise
        finally:
            self.pending = True

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start all, and stop them when the block is left: for a host that lives between server and application.

        Raises:
            BaseException: what a start-up or a shutdown raised.
        """
        from .background import drain_on_loop

        try:
            async with contextlib.AsyncExitStack() as stack:
                await self._enter_all(stack)
                try:
                    yield
                finally:
                    await drain_on_loop()
                    await stack.aclose()  # what the block raised is none of theirs
        finally:
            self.pending = True

    def _all(self) -> list[Lifespan]:
        """Give all, each once, though its application may be mounted in two places."""
        return list(dict.fromkeys(self._collect()))

    async def _enter_all(self, stack: contextlib.AsyncExitStack) -> None:
        token = _served.set(self)
        try:
            context = copy_context()
            for lifespan in self._all():
                await self._enter(lifespan, stack, context)
        finally:
            _served.reset(token)
        self.pending = False

    async def _enter(self, lifespan: Lifespan, stack: contextlib.AsyncExitStack, context: Context) -> None:
        if lifespan.is_async:
            await lifespan.enter_async(stack)
            return
        from .to_thread import run_in_thread

        blocking = contextlib.ExitStack()

        async def in_thread(function: Callable[[], None]) -> None:
            await run_in_thread(context.run, function)

        stack.push_async_callback(in_thread, blocking.close)
        await in_thread(partial(lifespan.enter_sync, blocking))

    async def start_on_this_loop(self) -> None:
        """Start all for a server that sends no lifespan events; they live in a task of their own.

        Raises:
            BaseException: what a start-up raised; the next request tries again.
        """
        from .to_thread import spawn

        while self.pending and _served.get() is not self:
            own: _Start | None = None
            with self._lock():
                if self._starting is None or self._starting.is_lost:
                    self._starting = own = _Start()
                start = self._starting
            if own is not None:
                spawn(self._live, own)
            await start.wait(partial(self._is_changing, start))
            if start.error is not None:
                raise start.error

    def _is_changing(self, start: _Start) -> bool:
        """Tell whether this start-up, or the shutdown that came of it, is under way."""
        return self.pending and self._starting is start and not start.is_lost

    async def _live(self, start: _Start) -> None:
        """The task in which all live until the loop ends."""
        import anyio

        _served.set(self)

        async def started() -> None:
            start.ended.set()

        async def stopping() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                self.pending = True  # requests of other loops wait from now on, and start it anew

        try:
            await self.run(started, stopping)
        except Exception as exc:
            start.error = exc
        finally:
            if self._starting is start:
                self._starting = None
            start.ended.set()

    # --- WSGI ---

    def start_in_process(self) -> None:
        """Start all in this process unless they are; other threads wait. They stop when the process ends.

        Raises:
            BaseException: what a start-up raised; the next request tries again.
        """
        if _served.get() is self:
            return
        with self._lock():
            if not self.pending:
                return
            forget_stopping()
            context = copy_context()  # what a start-up sets is not left behind in the thread of one request
            context.run(_served.set, self)
            self._stop = partial(context.run, context.run(self._enter_all_here))
            self.pending = False
            at_exit(self.stop_in_process)

    def _enter_all_here(self) -> Callable[[], None]:
        with contextlib.ExitStack() as stack:
            for lifespan in self._all():
                if lifespan.is_async:
                    self._enter_over_loop(lifespan, stack)
                else:
                    lifespan.enter_sync(stack)
            return stack.pop_all().close

    def _enter_over_loop(self, lifespan: Lifespan, stack: contextlib.ExitStack) -> None:
        from .loop_thread import get_loop_thread

        stack.callback(get_loop_thread().live(lifespan.enter_async))

    def stop_in_process(self) -> None:
        """Stop what `start_in_process` started, when what runs in the background has ended. Idempotent."""
        if self._stop is not None:
            from .background import drain_in_process

            drain_in_process()
        with self._lock():
            stop, self._stop = self._stop, None
            if stop is not None:
                self.pending = True
                stop()


_served: ContextVar[Lifespans | None] = ContextVar("ambi_lifespans", default=None)
"""Those whose code this is: a request of theirs that waited for them would wait for ever."""


_all: weakref.WeakSet[Lifespans] = weakref.WeakSet()

_of_parents: list[Callable[[], None]] = []
"""What stops what was started before this process was forked. It is kept, and never called: a generator that is dropped
is closed, and what stands behind its yield would end a connection that is the parent's."""


def _forget_after_fork() -> None:
    for lifespans in _all:
        lifespans.forget()


os.register_at_fork(after_in_child=_forget_after_fork)


class _Start:
    """A start-up that several requests wait for: those of its own loop, and of others that serve as well."""

    def __init__(self) -> None:
        import anyio
        from anyio.lowlevel import current_token

        self.ended = anyio.Event()
        self.error: Exception | None = None
        self._home = current_token()

    @property
    def is_lost(self) -> bool:
        """Whether its loop was closed with the task in it, which comes to no end. Trio ends all tasks first."""
        loop: Any = self._home.native_token
        return hasattr(loop, "is_closed") and bool(loop.is_closed())

    async def wait(self, is_changing: Callable[[], bool]) -> None:
        """Wait for its end; on another loop, which its event cannot wake, by looking."""
        import anyio
        from anyio.lowlevel import current_token

        if current_token() == self._home:
            await self.ended.wait()
        while is_changing():  # noqa: ASYNC110  # it is another thread that ends it
            await anyio.sleep(_LOOK_EVERY_S)
