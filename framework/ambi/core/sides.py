"""The two sides of a request, and how it travels between them.

A request is one coroutine (`pipeline.respond`). It starts on the side its gateway lives on: a WSGI server calls
us from a thread of its own (`SYNC`), an ASGI server from its event loop (`ASYNC`). Before a piece of user code that
must run on the other side, the pipeline says `side = await SYNC` or `side = await ASYNC`; when that returns, the
coroutine goes on over there. Nothing is copied: the same coroutine is resumed by another thread, in the same
`contextvars.Context`.

Facts
- Awaiting a side suspends the coroutine with that side as the yielded value. Who drives the coroutine (`ambi.bridge`)
  takes it there; nobody else ever sees the value.
- A coroutine is resumed by one thread at a time, so nothing in the pipeline needs a lock.
- A side is awaited only by code that is not there yet; a request whose pieces agree never suspends.

See: `docs/decisions/0002-a-request-travels.md`.
"""

from __future__ import annotations

from typing import TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

T = TypeVar("T")


class Side:
    """One of the two places where a request can be; await it to go there."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __await__(self) -> Generator[Side, None, Side]:
        yield self
        return self

    def __repr__(self) -> str:
        return f"<{self.name} side>"


SYNC = Side("sync")
"""A thread that may block: the server's own under WSGI, one worker thread a request under ASGI."""

ASYNC = Side("async")
"""An event loop: the server's own under ASGI, the process's loop thread under WSGI."""


async def on_sync_side(function: Callable[..., T], *args: Any) -> T:
    """From the async side: call a function over there, and be back with what it returned or raised."""
    await SYNC
    try:
        result = function(*args)
    except BaseException as exc:
        failure = exc
    else:
        await ASYNC
        return result
    await ASYNC
    raise failure
