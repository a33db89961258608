"""The life of a request, from the matched route to the response. Start reading here.

    open the layers, outermost first       a layer may answer at once
    load the body                          within the route's limits
    call the handler                       with what it asks for
    make the response                      of what it returned, as its signature says
    unwind the layers, innermost first     each sees the response, or the exception

`respond` is one coroutine and never knows which gateway called it. It knows on which side it is (`sides.py`), and
says `side = await SYNC` or `await ASYNC` before a piece of user code that must run on the other one. A request whose
pieces agree with the server never suspends here at all. What its plan decided (`plan.py`) is not decided again.
"""

from __future__ import annotations

from functools import partial

from .body import load_body, load_body_first, reach_body, read_ahead
from .ending import run_callbacks
from .middleware import close_layers, fail_layer, innermost, open_layers
from .recovery import crash, open_late, recover
from .response import Response, make_response, settle_status
from .sides import ASYNC, SYNC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .middleware import Opened
    from .plan import Plan
    from .recovery import Recovered
    from .request import Request
    from .sides import Side


async def respond(  # noqa: C901, PLR0912, PLR0915  # the life of a request is told in one piece
    request: Request, plan: Plan, side: Side, depth: int = 0
) -> Response:
    """Answer a request. `depth` counts the layers that are open already: those outside an async one.

    Raises:
        BaseException: cancellation and exit. At depth 0 an Exception becomes a 500 and does not leave.
    """
    here, outermost, codec = side, depth == 0, plan.codec
    raw = depth > 0 and plan.layers[depth - 1].sees_failures
    opened: Opened = []
    response: Response | None = None
    failure: BaseException | None = None
    try:
        if plan.body_first and outermost and request._has_body:
            here = await load_body_first(request, here, plan.max_body_bytes, raw=plan.keeps_raw)
        while depth < plan.depth and response is None:
            layer = plan.layers[depth]
            if not layer.is_async:
                depth, response = open_layers(plan.layers, depth, request, here, opened, codec)
                if response is not None or depth == plan.depth:
                    break
                layer = plan.layers[depth]  # one that cannot be opened on this side
            if layer.on_loop is not None and (layer.is_async or not plan.blocking):
                if here is SYNC:
                    here = await ASYNC
                if layer.is_step:
                    await layer.function(request)
                    depth += 1
                else:
                    call_next = partial(_call_next, plan, depth + 1)
                    response = make_response(await layer.on_loop(request, call_next), codec, layer, request)
            else:
                if plan.loads_body and request._has_body:
                    await read_ahead(request)
                here = await SYNC
        if response is None:
            if plan.loads_body and request._has_body and request._body is None and request._form is None:
                here = await reach_body(request, here)
                await load_body(request, request._body_source, plan.max_body_bytes, raw=plan.keeps_raw)
            if plan.is_async:
                if here is SYNC:
                    here = await ASYNC
                value = await plan.call(request)
            else:
                if plan.blocking and here is ASYNC:
                    here = await SYNC
                value = plan.call(request)
            answer = plan.answer
            response = make_response(value, codec, plan, request) if answer is None else answer(request, value)
        if response.body.__class__ is not bytes:
            if not response.is_open:
                here = here if here is SYNC else await SYNC
                response = response.open(request)
            request.drop(response)  # unless it is the one that is sent
        if opened:
            response, failure = close_layers(opened, here, response, request, codec)
    except BaseException as exc:
        failure = exc
    if opened or failure is not None:
        response, failure, here = await _unwind(request, plan, opened, response, failure, here, raw=raw)
    if response is not None and outermost and not response.is_open:  # one that a layer made
        response, failure, here = await open_late(request, plan, response, here)
    if response is not None and not (response.status.__class__ is int and 200 <= response.status <= 599):
        failure = settle_status(response)
    if failure is not None and outermost and isinstance(failure, Exception):
        response, failure, here = await crash(request, plan, failure, here)
    if not outermost and here is not side and not isinstance(failure, GeneratorExit):
        await side  # the user's `await call_next(request)` goes on where it was
    if response is None or failure is not None:
        request.has_begun = outermost  # nothing will be sent
        try:
            raise failure or RuntimeError("neither a response nor a failure")
        finally:
            failure = None  # its traceback holds this frame
    if outermost:
        if request._on_response is not None:
            run_callbacks(request, response)
        request.has_begun = True
    return response


async def _unwind(
    request: Request, plan: Plan, opened: Opened, response: Response | None, failure: BaseException | None, here: Side,
    *, raw: bool,
) -> Recovered:  # fmt: skip
    """Resume the open layers, innermost first, each on the side it was opened on.

    An exception that has a handler becomes a response before the next layer sees it, unless that layer sees failures as
    they are raised (`raw`: the one outside of these does); any other travels outward.
    """
    while True:
        if failure is not None and not (opened[-1][1].sees_failures if opened else raw):
            response, failure, here = await recover(request, plan, failure, here)
        if not opened:
            return response, failure, here
        generator, layer, home = innermost(opened, request, here)
        if home is not here and not isinstance(failure, GeneratorExit):  # a coroutine being closed may not await
            try:
                here = await home
            except BaseException as exc:  # cancelled on the way: the layers are unwound all the same
                failure = exc
        if failure is not None or response is None:
            opened.pop()
            failure = failure or RuntimeError("no response")
            response, failure = fail_layer(generator, layer, failure, request, plan.codec)
        else:
            response, failure = close_layers(opened, here, response, request, plan.codec)


def _call_next(plan: Plan, depth: int, request: Request, /) -> Awaitable[Response]:
    """Run what lies inside an async middleware, which calls this with the request."""
    return request._edge.travel(request, respond(request, plan, ASYNC, depth))
