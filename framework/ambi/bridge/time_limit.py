"""The time that a handler has.

Facts
- What can be cancelled is an `async def`, where it waits. It sees a cancellation as any other: what it opened by `with`
  is closed, and a `finally` of it runs.
- A `TimeoutError` of the handler's own (of a query, of `asyncio.timeout`) is a failure of that, and none of ours.
- It is a 503, not a 504: that is for gateways, which speak of another server (RFC 9110 15.6.4, 15.6.5).
"""

from __future__ import annotations

from ..core.errors import HTTPError
from ..core.log import log_timeout
from .interrupting import within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from ..core.request import Request


class TimeIsUp(Exception):
    """The handler has had its time."""


def timed(
    call: Callable[[Request], Awaitable[Any]], timeout_s: float, described: str
) -> Callable[[Request], Awaitable[Any]]:
    """Give the call of an `async def` handler that is cancelled after so many seconds.

    Args:
        described: the handler, for the log.
    """

    async def timed_call(request: Request) -> Any:
        try:
            return await within(call(request), timeout_s, TimeIsUp)
        except TimeIsUp:
            log_timeout(request, described, timeout_s)
            raise HTTPError(503, f"the answer was not ready within {timeout_s:g} s") from None

    return timed_call
