"""Providers: functions that make the values that handlers ask for, as layers of the route.

A provider is a layer, so it is opened, unwound and taken from side to side as every middleware is: a `def` runs where
`def` handlers run, an `async def` on the event loop, and those of one colour that follow each other share the way there.

Facts
- They are opened in the order of the signature, each behind those that it asks for itself, and before the body is read
  unless one asks for that: who checks credentials refuses a request before it has sent its body.
- A provider whose own parameters do not fit is not called, nor are those behind it, nor the handler: then everything
  that does not fit is told at once.
- They see an exception as it was raised, before it becomes a response: a transaction rolls back for an HTTPError too.
"""

from __future__ import annotations

import contextlib

from ...core.binding import is_async, is_async_generator, is_generator
from ...core.middleware import Layer
from .faults import Misfit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...core.middleware import CallNext, Middleware
    from ...core.request import Request
    from ...core.response import Response
    from .marks import Provide


class _Failed(dict["Any", "Any"]):
    """What stands for the values of a request whose parameters do not fit: there are none."""

    def __missing__(self, key: object) -> Any:
        raise Misfit([])


def values_of(request: Request) -> dict[Any, Any]:
    """Give what was provided for a request, by the functions that did."""
    try:
        return request._provided
    except AttributeError:
        values = request._provided = {}
        return values


def has_failed(request: Request) -> bool:
    """Tell whether the parameters of a provider did not fit."""
    return values_of(request).__class__ is _Failed


class ProviderLayer(Layer):
    """The layer of one provider in one route.

    Args:
        provide: as it was written.
        function: the one to call: that which was written, or what stands for it in a test.
        call: calls it with what it asks for.
        body: it asks for the body, which has to be loaded before.
    """

    __slots__ = ("call", "key", "provide")

    sees_failures = True

    def __init__(
        self, provide: Provide, key: object, function: Callable[..., Any], call: Callable[[Request], Any], *, body: bool
    ) -> None:
        self.provide = provide
        self.key = key
        self.call = call
        blocking, waits = provide.blocking, None
        if is_async_generator(function):
            self.call = contextlib.asynccontextmanager(call)  # type: ignore[arg-type]  # of one parameter: the request
            opens, blocking = self._enter_async, False
        elif is_async(function):
            opens, blocking = self._await, False
        elif is_generator(function):
            self.call = contextlib.contextmanager(call)
            opens = self._enter
        else:
            opens = self._call
            waits = self._is_to_be_called if blocking else None
        super().__init__(opens, blocking=blocking, body=body, waits=waits)

    def value_of(self, request: Request) -> Any:
        """Give the value. Raises: Misfit where a parameter of some provider did not fit."""
        return values_of(request)[self.key]

    # --- the four forms ---

    def _call(self, request: Request) -> Middleware:
        values = values_of(request)
        if values.__class__ is not _Failed:
            try:
                values[self.key] = self.call(request)
            except Misfit:
                request._provided = _Failed()
        yield

    def _is_to_be_called(self, request: Request) -> bool:
        values = values_of(request)
        return self.key not in values and values.__class__ is not _Failed

    async def _await(self, request: Request, call_next: CallNext) -> Response:
        values = values_of(request)
        if values.__class__ is not _Failed:
            try:
                values[self.key] = await self.call(request)
            except Misfit:
                request._provided = _Failed()
        return await call_next(request)

    def _enter(self, request: Request) -> Middleware:
        context = self._context(request)
        if context is None:
            yield
            return
        with contextlib.ExitStack() as stack:
            values_of(request)[self.key] = stack.enter_context(context)
            yield
            if self.provide.until == "sent":
                request.closes(stack.pop_all())

    async def _enter_async(self, request: Request, call_next: CallNext) -> Response:
        context = self._context(request)
        if context is None:
            return await call_next(request)
        async with contextlib.AsyncExitStack() as stack:
            values_of(request)[self.key] = await stack.enter_async_context(context)
            response = await call_next(request)
            if self.provide.until == "sent":
                request.closes(stack.pop_all())
        return response

    def _context(self, request: Request) -> Any:
        """Give the context manager of a generator; None where a parameter does not fit."""
        if has_failed(request):
            return None
        try:
            return self.call(request)
        except Misfit:
            request._provided = _Failed()
            return None
