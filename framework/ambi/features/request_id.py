"""The id of a request: on its response, in its log records, and in what it sends to other services.

    handler.addFilter(RequestIDFilter())           # every record has request_id and trace_id
    httpx.get(url, headers=outgoing_headers())     # the trace goes on there

Both look into the context, so they work in handlers of either colour, in streams, in functions that run after the
response, and in what `app.spawn` starts.
"""

from __future__ import annotations

import logging

from ..core.errors import ConfigurationError
from ..core.headers import check_name
from ..core.middleware import Middleware
from ..core.request import Request
from ..core.tracing import Trace, current_trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.response import Response
    from ..core.routing import Router

_NONE = "-"


class RequestIDFilter(logging.Filter):
    """Give every log record the attributes `request_id` and `trace_id`; "-" outside of a request.

    It belongs on handlers: a filter of a logger sees nothing of the loggers below it.

    Example:
        "filters": {"ids": {"()": "ambi.features.request_id.RequestIDFilter"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["ids"]}},
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes, and let the record pass."""
        trace: Trace | None = current_trace.get()
        if trace is not None:
            record.request_id, record.trace_id = trace.request_id, trace.trace_id
        else:  # ambi tells of a request, outside of its context too
            record.request_id = getattr(record, "request_id", None) or _NONE
            record.trace_id = getattr(record, "trace_id", None) or _NONE
        return True


def outgoing_headers() -> dict[str, str]:
    """Give the fields by which another service knows that this request calls it; none outside of a request.

    They are `traceparent`, `tracestate` where one came, and `x-request-id`. See: W3C Trace Context 3.
    """
    trace = current_trace.get()
    if trace is None:
        return {}
    state = {"tracestate": trace.state} if trace.state else {}
    return {"traceparent": trace.traceparent, **state, "x-request-id": trace.request_id}


def setup(app: Router, *, header: str, accept: bool) -> None:
    """Add the layer that names requests. Arguments and errors as for `App.request_ids`."""
    try:
        name = check_name(header)
    except ValueError as exc:
        raise ConfigurationError(f"app.request_ids({header!r}): {exc}") from None

    @app.middleware
    def identify(request: Request) -> Middleware:
        if not accept:
            request._trace = Trace()
        elif name != "x-request-id":
            request._trace = Trace(*map(request.headers.get, (name, "traceparent", "tracestate")))
        trace = request.trace
        if request.route is not None:
            trace.route = request.route.path
        current_trace.set(trace)

        def add_id(response: Response) -> None:
            response.headers[name] = trace.request_id

        request.on_response(add_id)
        yield
