"""How a request is named in logs and in other services: its id, and its place in a trace.

Facts
- A traceparent is `version-traceid-parentid-flags` in lower-case hexadecimal; one that is malformed is as good as none,
  and a tracestate without a valid one is dropped (W3C Trace Context 3.2, 3.3).
- Of a version higher than 00 the first 55 characters are read as those of 00; what is sent on is version 00.
- An id that a client sends goes into logs and other services: one that is long, or holds what may be more than a name
  there, is not taken.
"""

from __future__ import annotations

from contextvars import ContextVar

from .chance import random_bytes

_HEX = frozenset("0123456789abcdef")
_ID_CHARS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:+/=@")
_MAX_ID_LENGTH = 128
_MAX_STATE_LENGTH = 2048
_SAMPLED = 1


class Trace:
    """The names of one request.

    Attributes:
        request_id: that of X-Request-ID where it is well-formed, else the trace's.
        trace_id: of the traceparent, else new: 32 hexadecimal digits.
        span_id: of this request within the trace, new: 16 hexadecimal digits.
        is_sampled: whether the caller records the trace.
        state: the tracestate, as received; "" for none.
        route: the template of the route that it matched, for log lines; None where none did, or nobody said so.
    """

    __slots__ = ("is_sampled", "request_id", "route", "span_id", "state", "trace_id")

    def __init__(self, request_id: str | None = None, traceparent: str | None = None, tracestate: str | None = None):
        parent = parse_traceparent(traceparent) if traceparent else None
        self.trace_id, flags = parent or (random_bytes(16).hex(), 0)
        self.span_id = random_bytes(8).hex()
        self.is_sampled = bool(flags & _SAMPLED)
        self.route: str | None = None
        self.state = tracestate if parent and tracestate and _is_state(tracestate) else ""
        self.request_id = request_id if request_id and is_request_id(request_id) else self.trace_id

    @property
    def traceparent(self) -> str:
        """What is sent on to other services: this request is the parent there."""
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED if self.is_sampled else 0:02x}"

    def __repr__(self) -> str:
        return f"<Trace {self.request_id} {self.traceparent}>"


current_trace: ContextVar[Trace | None] = ContextVar("ambi_trace", default=None)
"""Of the request in whose context the code runs; set only where an application asked for it."""


def is_request_id(text: str) -> bool:
    """Tell whether an id from outside may be taken: 1 to 128 letters, digits and a few signs of ASCII."""
    return 0 < len(text) <= _MAX_ID_LENGTH and _ID_CHARS.issuperset(text)


def parse_traceparent(text: str) -> tuple[str, int] | None:
    """Give the trace id and the flags; None for what is malformed. See: W3C Trace Context 3.2.2."""
    version, trace_id, parent_id, flags = text[:2], text[3:35], text[36:52], text[53:55]
    if len(text) < 55 or text[2] + text[35] + text[52] != "---" or version == "ff":
        return None
    if not _HEX.issuperset(version + trace_id + parent_id + flags):
        return None
    if trace_id == "0" * 32 or parent_id == "0" * 16:
        return None
    if len(text) > 55 and (version == "00" or text[55] != "-"):
        return None
    return trace_id, int(flags, 16)


def _is_state(text: str) -> bool:
    return len(text) <= _MAX_STATE_LENGTH and text.isascii() and text.isprintable()
