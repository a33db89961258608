"""The cells in which one behaviour must be the same: a gateway with its event loop, and the colour of the handler."""

import contextlib
import functools
import inspect
import os
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

Gateway = Literal["wsgi", "asgi"]
Backend = Literal["asyncio", "trio"]
Colour = Literal["def", "async"]


class Cell(NamedTuple):
    """One cell. Under WSGI the backend is that of the loop thread, which is always asyncio's."""

    gateway: Gateway
    backend: Backend
    colour: Colour

    @property
    def is_async(self) -> bool:
        """Whether handlers are `async def` here."""
        return self.colour == "async"

    @property
    def matches(self) -> bool:
        """Whether handlers have the colour of the gateway, so that nothing has to cross."""
        return self.is_async == (self.gateway == "asgi")

    def handler(self, function: F) -> F:
        """Give a `def` the colour of the cell; a generator function becomes an async generator function.

        Usable as a decorator under the one that registers: `@app.get("/")` over `@cell.handler`.
        """
        if not self.is_async:
            return function
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            async def items(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
                with contextlib.closing(function(*args, **kwargs)) as generator:
                    for item in generator:
                        yield item

            return items  # type: ignore[return-value]  # the same to whoever registers it

        @functools.wraps(function)
        async def handler(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return handler  # type: ignore[return-value]

    def pick(self, sync: F, asynchronous: Callable[..., Any]) -> F:
        """Choose the one of two functions that has the colour of the cell."""
        return asynchronous if self.is_async else sync  # type: ignore[return-value]

    def __str__(self) -> str:
        return f"{self.gateway if self.gateway == 'wsgi' else self.backend}-{self.colour}"


COLOURS: tuple[Colour, ...] = ("def", "async")
WAYS_IN: tuple[tuple[Gateway, Backend], ...] = (("wsgi", "asyncio"), ("asgi", "asyncio"), ("asgi", "trio"))
_ALL = tuple(Cell(gateway, backend, colour) for gateway, backend in WAYS_IN for colour in COLOURS)
_HALVES = {"matching": True, "crossing": False}
CELLS = tuple(cell for cell in _ALL if _HALVES.get(os.environ.get("AMBI_CELLS", ""), cell.matches) is cell.matches)
"""All six; or, as `AMBI_CELLS` says, those where handlers have their gateway's colour ("matching"), or the others."""

GATEWAYS = tuple(cell for cell in _ALL if cell.matches)
"""One cell for each way in: for what runs no handler, or handlers of its own."""
