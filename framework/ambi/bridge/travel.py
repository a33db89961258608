"""Driving a request's coroutine: send into it until it returns, raises, or asks for the other side.

Facts
- A coroutine may be resumed by another thread than the one that suspended it, as long as one does at a time.
- All resumptions of a request happen in one `contextvars.Context`, whichever thread does them: so values set on one
  side are seen on the other, and none is left behind in the thread.
- A context is entered by one thread at a time. So whoever hands a coroutine over has left the context before the other
  thread can enter it: a step is submitted outside of `context.run`, or, by code that runs inside of it, with the
  loop's next turn.
- On an event loop a coroutine also yields the loop's own futures; those are passed on to the task.
"""

from __future__ import annotations

from contextvars import copy_context

from ..core.errors import ClientDisconnected, HTTPError
from ..core.log import log_crash
from ..core.sides import ASYNC, SYNC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator
    from contextvars import Context
    from typing import Any

    from ..core.request import Request

    Outcome = tuple[str, Any]

CROSSING = "crossing"
RETURNED = "returned"
RAISED = "raised"
CROSSED: Outcome = (CROSSING, None)


def step(coroutine: Coroutine[Any, Any, Any], context: Context) -> Outcome:
    """Resume a coroutine on the sync side; tell how it came to rest."""
    try:
        wanted = context.run(coroutine.send, None)
        while wanted is SYNC:  # it is there already
            wanted = context.run(coroutine.send, None)
        if wanted is not ASYNC:
            context.run(coroutine.throw, _misplaced(wanted))
    except StopIteration as stop:
        return RETURNED, stop.value
    except BaseException as exc:
        return RAISED, exc
    return CROSSED


def _misplaced(wanted: object) -> RuntimeError:
    return RuntimeError(f"code that runs in a thread awaited {wanted!r}, which needs an event loop")


def contexts_of(request: Request) -> tuple[Context | None, Context]:
    """Tell in which contexts a part of the pipeline runs that user code awaits: its steps on the loop, and elsewhere.

    Code of the request itself is inside the request's context, so its steps run in the current one. Code that user
    code put into a task of its own is outside: it gets a copy, as every task does, and may run beside the request.
    """
    try:
        request._context.run(_nothing)
    except RuntimeError:  # it is entered already: by this very code
        return None, request._context
    copy = copy_context()
    return copy, copy


def _nothing() -> None: ...


def weightier(request: Request, failure: BaseException, cancelled: BaseException) -> BaseException:
    """Give what goes on of a piece that failed while it was to be cancelled: the cancellation, which comes only once.

    The failure, which nobody sees then, is logged, unless it is an answer itself. An exit goes on before all.
    """
    if not isinstance(failure, Exception):
        return failure
    if not isinstance(failure, (HTTPError, ClientDisconnected)):
        log_crash(request, failure, "a piece that was cancelled meanwhile")
    cancelled.__cause__ = failure
    return cancelled


class Leg:
    """Resume a coroutine on the event loop until it comes to rest there.

    Args:
        context: where its steps run; None for the current one, when that is the request's already.
        settled: waits until no thread is in that context; needed with a context, for a cancellation that comes while
            a part of the coroutine is away.
        cancelled: a cancellation that came while the coroutine was away: raised in it as soon as it is here again and
            waits for something, or has nothing to wait for.
        refused: why it cannot go where it waits to be: raised in it first of all.
    """

    __slots__ = ("_cancelled", "_context", "_coroutine", "_refused", "_settled")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        context: Context | None,
        settled: Callable[[], Awaitable[None]] | None = None,
        cancelled: BaseException | None = None,
        refused: BaseException | None = None,
    ) -> None:
        self._coroutine = coroutine
        self._context = context
        self._settled = settled
        self._cancelled = cancelled
        self._refused = refused

    def __await__(self) -> Generator[Any, Any, Outcome]:
        argument: Any = self._refused
        resume: Any = self._coroutine.send if argument is None else self._coroutine.throw
        cancelled = self._cancelled
        while True:
            try:
                wanted = resume(argument) if self._context is None else self._context.run(resume, argument)
            except StopIteration as stop:
                return (RETURNED, stop.value) if cancelled is None else (RAISED, cancelled)
            except BaseException as exc:
                return RAISED, exc
            resume, argument = self._coroutine.send, None
            if cancelled is not None:
                resume, argument, cancelled = self._coroutine.throw, cancelled, None
                continue
            if wanted is SYNC:
                return CROSSED
            if wanted is ASYNC:  # it is there already
                continue
            try:
                argument = yield wanted
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as exc:  # cancelled: it is the coroutine's to handle
                if self._settled is not None:
                    yield from self._settled().__await__()
                resume, argument = self._coroutine.throw, exc
