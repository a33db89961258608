"""The end of a request: callbacks on the response that is sent, on its last byte, and what runs after it."""

from __future__ import annotations

from .errors import describe
from .log import log_crash, log_failure
from .sides import ASYNC, SYNC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .request import Request
    from .response import Response
    from .sides import Side


def run_callbacks(request: Request, response: Response) -> None:
    """Show the response that is sent at last to those who asked for it. A failure is logged."""
    for function in request._on_response or ():
        try:
            function(response)
        except Exception as exc:
            log_crash(request, exc, "an on_response callback")
    if response.body.__class__ is bytes:  # a stream may still fail to begin: then they are shown what is sent instead
        request._on_response = None  # most of them hold the request


class Sent:
    """What was sent of a response: told when it is over.

    Attributes:
        status: None when none was sent; 101 for a WebSocket; 499 when the client left before there was one.
        body_bytes: of the body, as given to the server.
        is_complete: the server has taken all of it.
        is_told: for the framework: nothing more is sent, and those who asked for it know.
    """

    __slots__ = ("body_bytes", "functions", "is_complete", "is_told", "status")

    def __init__(self) -> None:
        self.status: int | None = None
        self.body_bytes = 0
        self.is_complete = self.is_told = False
        self.functions: list[Callable[[Sent], object]] = []


CLIENT_CLOSED_REQUEST = 499
"""The status, in logs alone, of a request that nobody waits for any more; nginx's."""


def tell_sent(request: Request) -> None:
    """Tell those who asked for it that nothing more is sent. Idempotent; a failure is logged."""
    sent = request._sent
    if sent is None or sent.is_told:
        return
    sent.is_told = True
    functions, sent.functions = sent.functions, []  # most of them hold the request, which holds this
    for function in functions:
        try:
            function(sent)
        except Exception as exc:
            log_crash(request, exc, "an on_sent callback")
    request.has_end = request._after is not None


async def run_after(request: Request, side: Side) -> None:
    """Run what was asked for after the response. A failure is logged."""
    for function, is_async, args in request._after or ():
        if is_async is not (side is ASYNC):
            side = await (ASYNC if is_async else SYNC)
        try:
            result = function(*args)
            if is_async:
                await result
        except Exception as exc:
            log_crash(request, exc, f"{describe(function)}, which runs after the response,")


async def release(request: Request, side: Side) -> None:
    """Close streams that were not sent, and files of a form: the request is over. A failure is logged."""
    request.has_begun, request.has_end = True, False
    for body in request._dropped or ():
        is_async = hasattr(body, "aclose") and (side is ASYNC or not hasattr(body, "__iter__"))  # both: where it is
        if is_async is not (side is ASYNC):
            side = await (ASYNC if is_async else SYNC)
        try:
            if is_async:
                await body.aclose()
            elif hasattr(body, "close"):
                body.close()
        except Exception as exc:
            log_failure(f"a stream that was not sent did not close: {body!r}", exc)
    if request._form is not None:
        request._form.close()


def close_iterated(iterator: Any, body: Any) -> None:
    """Close an iterator and what it came from, on the sync side. A failure is logged: all items were there."""
    for closable in (iterator, body) if iterator is not body else (body,):
        try:
            if hasattr(closable, "close"):
                closable.close()
        except Exception as exc:
            log_failure(f"a stream did not close: {body!r:.200}", exc)


async def aclose_iterated(iterator: Any, body: Any) -> None:
    """Close an async iterator and what it came from, in the task that iterated it. A failure is logged likewise."""
    for closable in (iterator, body) if iterator is not body else (body,):
        try:
            if hasattr(closable, "aclose"):
                await closable.aclose()
        except Exception as exc:
            log_failure(f"a stream did not close: {body!r:.200}", exc)
