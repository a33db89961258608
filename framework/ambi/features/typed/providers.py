"""Providers: functions that make the values that handlers ask for, as layers of the route.

A provider is a layer, so it is opened, unwound and taken from side to side as every middleware is: a `def` runs where
`def` handlers run, an `async def` on the event loop; those of one colour that follow each other share the way there.

Facts
- They are opened in the order of the signature, each behind those that it asks for itself, and before the body is read
  unless one asks for that: who checks credentials refuses a request before it has sent its body, but for a small one
  that is read before a thread is taken.
- A provider whose own parameters do not fit is not called, nor are those behind it, nor the handler: then everything
  that does not fit is told at once.
- They see an exception as it was raised, before it becomes a response: a transaction rolls back for an HTTPError too.
"""

from __future__ import annotations

import contextlib

from ...core.binding import is_async, is_async_generator, is_generator
from ...core.errors import describe
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


class Failed(dict["Any", "Any"]):
    """What stands for the values of a request whose parameters do not fit: there are none, and nobody asks."""


def values_of(request: Request) -> dict[Any, Any]:
    """Give what was provided for a request, by the functions that did."""
    values = request._provided
    if values is None:
        values = request._provided = {}
    return values


class ProviderLayer(Layer):
    """The layer of one provider in one route.

    Args:
        provide: as it was written.
        function: the one to call: that which was written, or what stands for it in a test.
        call: calls it with what it asks for.
        body: it asks for the body, which has to be loaded before.
    """

    __slots__ = ("_written", "call", "key", "provide")

    sees_failures = True

    def __init__(
        self, provide: Provide, key: object, function: Callable[..., Any], call: Callable[[Request], Any], *, body: bool
    ) -> None:
        self.provide = provide
        self.key = key
        self._written = function
        opens, self.call = self._form(function, call)
        has_end = is_generator(function) or is_async_generator(function)
        super().__init__(opens, blocking=provide.blocking and not is_async(opens), body=body, step=not has_end)

    def _form(self, function: Callable[..., Any], call: Callable[[Request], Any]) -> tuple[Any, Any]:
        """Give which of the four forms it has, and what is called there."""
        if is_async_generator(function):
            return self._enter_async, contextlib.asynccontextmanager(call)
        if is_generator(function):
            return self._enter, contextlib.contextmanager(call)
        return (self._await if is_async(function) else self._call), call

    @property
    def written(self) -> Callable[..., Any]:
        """The function that provides the value."""
        return self._written

    def value_of(self, request: Request) -> Any:
        """Give the value. The layer is open."""
        return request._provided[self.key]  # type: ignore[index]  # the layer is open

    def __repr__(self) -> str:
        return f"<Provider {describe(self._written)}>"

    # --- the four forms ---

    def _call(self, request: Request) -> None:
        values = request._provided  # as `values_of`, without a call: its number is held by a test
        if values is None:
            values = request._provided = {}
        if values.__class__ is dict:
            try:
                values[self.key] = self.call(request)
            except Misfit:
                request._provided = Failed()

    async def _await(self, request: Request) -> None:
        values = request._provided  # as `values_of`, without a call: its number is held by a test
        if values is None:
            values = request._provided = {}
        if values.__class__ is dict:
            try:
                values[self.key] = await self.call(request)
            except Misfit:
                request._provided = Failed()

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
        response: Response | None = None
        async with contextlib.AsyncExitStack() as stack:
            values_of(request)[self.key] = await stack.enter_async_context(context)
            response = await call_next(request)
            if self.provide.until == "sent":
                request.closes(stack.pop_all())
        if response is None:
            raise RuntimeError(f"the provider {self!r} swallowed an exception; it has to raise it again, or another")
        return response

    def _context(self, request: Request) -> Any:
        """Give the context manager of a generator; None where a parameter does not fit."""
        if request._provided.__class__ is Failed:
            return None
        try:
            return self.call(request)
        except Misfit:
            request._provided = Failed()
            return None
