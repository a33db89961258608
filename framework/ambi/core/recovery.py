"""From an exception within the pipeline to a response: what the user's handlers make of it, or what we render.

An exception that has a handler, and an `HTTPError`, become a response where they are raised, so that every layer
outside sees a response. Any other travels outward through the layers, so that a transaction rolls back, and becomes
a 500 at the edge.
"""

from __future__ import annotations

import errno

from .ending import run_callbacks
from .error_handling import find_handler, find_last_handler, is_miss, render_error
from .errors import ClientDisconnected, HTTPError, Overloaded, Unavailable, describe
from .log import log_crash, log_disconnect, log_failure, log_refusal
from .response import Response, Text, make_response
from .sides import ASYNC, SYNC
from .watching import tell_of_crash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .error_handling import ErrorHandler
    from .plan import Plan
    from .request import Request
    from .sides import Side

    Recovered = tuple[Response | None, BaseException | None, Side]
    """The response or what is left of the failure, and the side that the request is on now."""


async def recover(request: Request, plan: Plan, failure: BaseException, here: Side) -> Recovered:
    """Make a response of an exception that has a handler, or is an answer itself."""
    if not isinstance(failure, Exception):
        return None, failure, here
    handler = find_handler(plan.errors, failure) if plan.errors else None
    if handler is not None and (handler.is_async or not isinstance(failure, Overloaded)):  # a `def` would wait as well
        response, raised, here = await _call_handler(request, plan, handler, failure, here)
        if isinstance(raised, HTTPError) and find_handler(plan.errors, raised) is handler:
            # It leaves that to be rendered: further out it would only be asked the same again.
            response, raised = _answer_safely(request, raised)
    else:
        if request.app.debug and is_miss(request, failure):
            here = await _on_thread(here)
        response, raised = _answer_safely(request, failure)
    if response is not None:
        _let_go(failure)
    return response, raised, here


def _let_go(failure: BaseException) -> None:
    """Drop the frames of an exception that is dealt with.

    One that the application raises again and again would keep, and gather, those of all its requests; and one that the
    request itself holds, as a 404, would keep that until the collector comes.
    """
    failure.__traceback__ = None


def _answer(request: Request, failure: Exception) -> Response | None:
    """Make a response of an exception that is an answer itself; None of any other."""
    if isinstance(failure, HTTPError):
        if failure.status not in (404, 405):
            log_refusal(request, failure)
        return render_error(request, failure)
    if isinstance(failure, ClientDisconnected):
        log_disconnect(request)
        return render_error(request, HTTPError(400, "the request body is incomplete"))
    return None


def _answer_safely(request: Request, failure: Exception) -> tuple[Response | None, BaseException | None]:
    """Make the response, or give what goes wrong in making it: header fields or extensions that cannot be sent."""
    try:
        response = _answer(request, failure)
    except Exception as exc:
        return None, exc
    if response is None:
        return None, failure
    _let_go(failure)
    return response, None


async def open_late(request: Request, plan: Plan, response: Response, here: Side) -> Recovered:
    """Open a response that is not the handler's own but a layer's; no layer sees how that went."""
    try:
        here = here if here is SYNC else await SYNC
        return response.open(request), None, here
    except Exception as exc:
        return await recover(request, plan, exc, here)


async def crash(request: Request, plan: Plan, failure: Exception, here: Side) -> Recovered:
    """Log what no layer and no handler took, and answer with a 500: the user's, if there is one and it works.

    Before the user's comes what shows the crash to who develops the application: what visitors would see tells little.
    """
    log_crash(request, failure, plan.described)
    tell_of_crash(failure)
    shown: Response | None = None
    if request.app.debug and not plan.is_websocket:
        here = await _on_thread(here)
        shown = _shown(request, failure, plan) if here is SYNC else None
    _let_go(failure)
    if shown is not None:
        return shown, None, here
    handler = find_last_handler(plan.errors)
    if handler is not None:
        response, second, here = await _call_handler(request, plan, handler, failure, here)
        if isinstance(second, HTTPError):  # it leaves that to be rendered
            response, second = _answer_safely(request, second)
        if response is not None or not isinstance(second, Exception):
            return response, second, here
        log_crash(request, second, describe(handler.function))
    return server_error(request, failure), None, here


async def _on_thread(here: Side) -> Side:
    """Go where what is shown in debug is made: files are read for it, and reprs of the user's objects called."""
    if here is SYNC:
        return SYNC
    try:
        return await SYNC
    except Exception as exc:  # no thread came free
        log_failure("there was no thread to make the debug page on", exc)
        return here


def _shown(request: Request, failure: Exception, plan: Plan | None) -> Response | None:
    """Show a crash to who develops the application; None where it is not to be seen, or cannot be."""
    try:
        return request.app.show_failure(request, failure, plan)
    except Exception as exc:
        log_failure("the debug page was not made", exc)
        return None


async def _call_handler(
    request: Request, plan: Plan, handler: ErrorHandler, failure: Exception, here: Side
) -> Recovered:
    """Let the user's handler make the response; a plain value of it gets the status of the error, or 500."""
    try:
        if handler.is_async is not (here is ASYNC):
            here = await (ASYNC if handler.is_async else SYNC)
        value = handler.call(request, failure)
        if handler.is_async:
            value = await value
        response = make_response(value, plan.codec, handler, request)
    except BaseException as exc:
        if exc is not failure and exc.__context__ is None:
            exc.__context__ = failure  # so that the log shows both
        return None, exc, here
    if response.body.__class__ is not bytes:
        request.drop(response)  # unless it is the one that is sent
    if not isinstance(value, (Response, tuple)):
        response.status = failure.status if isinstance(failure, HTTPError) else 500
    return response, None, here


_RETRY_AFTER_S = "5"
_RAN_OUT = {errno.ENOSPC: 507, errno.EDQUOT: 507, errno.EMFILE: 503, errno.ENFILE: 503}
"""What the machine has run out of, disk or descriptors -> the status that says so: later it may work. RFC 4918 11.5."""


def server_error(request: Request, failure: Exception) -> Response:
    """Make the plain 500, or what says that something is away or full: nothing else of the cause leaves it."""
    status = 500
    if isinstance(failure, OSError):
        status = _RAN_OUT.get(failure.errno or 0, 500)
    elif isinstance(failure, Unavailable):
        status = failure.status
    try:
        return render_error(
            request, HTTPError(status, headers={"retry-after": _RETRY_AFTER_S} if status == 503 else None)
        )
    except Exception:  # the application's own JSON codec may be what crashed
        return Text("500 Internal Server Error\n", 500)


def late_error(request: Request, error: Exception, where: str) -> Response:
    """Make what is sent instead of that which failed outside of the pipeline: an error's own answer, or a plain 500."""
    try:
        response = _answer(request, error)
    except Exception as exc:
        response, error = None, exc
    if response is None:
        log_crash(request, error, where)
        tell_of_crash(error)
        if request.app.debug and request.route is not None:  # before there is a route, a start-up failed
            response = _shown(request, error, request.route._plan)
        response = response or server_error(request, error)
    _let_go(error)
    run_callbacks(request, response)
    return response
