"""The limits of one application: what a client may make it hold, and for how long."""

from __future__ import annotations

from .errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KIB, MIB = 1 << 10, 1 << 20


class Limits:
    """Hold the limits of an application; frozen, given to `App(limits=Limits(...))`.

    What is counted is bytes received, never a declared length. Every parser takes its limits from here.

    Args:
        max_body_bytes: a whole request body; past it 413. A route may have its own.
        max_form_fields, max_form_files, max_form_parts: how many text fields, files, and both together; 413.
        max_field_bytes, max_fields_bytes: one text field, all text fields of a form together; 413.
        max_json_bytes: a body or WebSocket message that is parsed as JSON (or MessagePack) in one go, in which nothing
            else runs on the event loop; 413, or closed with 1009. A route that has its own `max_body_bytes` or
            `max_message_bytes` has that instead.
        spool_bytes: a file larger than this goes to disk.
        max_part_headers, max_part_header_bytes: header lines of one part, and bytes of one such line; 400.
        max_query_fields: arguments of a query string; 400.
        max_json_depth: lists and objects inside of each other in a body of JSON or MessagePack; 400. Where Python's own
            limits end is twice as deep, and depends on where one stands.
        max_cookies, max_cookie_bytes: cookies read, and bytes of the header read; the rest is ignored.
        max_header_lines, max_header_bytes: header lines and their bytes together; 431.
        max_target_bytes: path and query as sent; 414.
        body_timeout_s: seconds without progress while a body is read under ASGI; 408.
        threads: worker threads that may be busy with `def` pieces under ASGI; more requests wait, cancellably. One that
            was let in, and comes back from the loop, does not wait again. As many again, on either gateway, for what
            runs in the background.
        queue_timeout_s: seconds that a request waits for a worker thread under ASGI, of either kind; 503. Under WSGI
            the threads are the server's, and so is the queue.
        io_threads: worker threads for ambi's own file work under ASGI.
        stream_threads: worker threads that may be busy with streamed bodies of `def` generators under ASGI.
        graceful_stop_s: seconds that a stop waits for what still runs: two thirds for streams, until five sixths for
            what runs in the background, the rest for lifespans. Servers have a limit of their own (gunicorn's
            `--graceful-timeout`, 30 s).
        slow_step_s: seconds that user code may hold the event loop without a warning, in debug; others do not look.
        max_message_bytes: one WebSocket message, all its fragments together, inflated; past it the connection is closed
            with 1009. A route may have its own. ASGI servers have a limit of their own in front of it.
        max_websockets: how many may be open in a process under WSGI, where each takes a thread of the server; 503.

    For WebSockets under WSGI; ASGI servers do this by settings of their own:
        websocket_ping_s: seconds of silence after which the client is pinged.
        websocket_pong_s: seconds that a client has to answer a ping, or to take some of what is sent to it.
        websocket_idle_s: seconds without any message, either way, after which the connection is closed; 1001.
        websocket_close_s: seconds that the client has to answer a close frame.

    Raises:
        ConfigurationError: an unknown name, or a value that is no positive number.
    """

    max_body_bytes: int = 16 * MIB
    max_form_fields: int = 1000
    max_form_files: int = 100
    max_form_parts: int = 1100
    max_field_bytes: int = 1 * MIB
    max_fields_bytes: int = 2 * MIB
    max_json_bytes: int = 1 * MIB
    spool_bytes: int = 64 * KIB
    max_part_headers: int = 8
    max_part_header_bytes: int = 4 * KIB
    max_query_fields: int = 1000
    max_json_depth: int = 400
    max_cookies: int = 200
    max_cookie_bytes: int = 32 * KIB
    max_header_lines: int = 100
    max_header_bytes: int = 64 * KIB
    max_target_bytes: int = 8 * KIB
    body_timeout_s: float = 60
    threads: int = 40
    io_threads: int = 8
    stream_threads: int = 100
    queue_timeout_s: float = 30
    graceful_stop_s: float = 30
    slow_step_s: float = 0.1
    max_message_bytes: int = 16 * MIB
    max_websockets: int = 100
    websocket_ping_s: float = 20
    websocket_pong_s: float = 20
    websocket_idle_s: float = 3600
    websocket_close_s: float = 5

    def __init__(self, **values: float) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, check_limit(name, value))
        share = self.max_header_bytes // self.max_header_lines
        object.__setattr__(self, "harmless_name_bytes", share // 4)
        object.__setattr__(self, "harmless_value_bytes", share - share // 4)

    @property
    def streams_stop_s(self) -> float:
        """For how long a stop waits for a stream: what comes after it, tasks and lifespans, wants time as well."""
        return self.graceful_stop_s * 2 / 3

    if TYPE_CHECKING:
        harmless_name_bytes: int
        harmless_value_bytes: int
        """Where no name and no value is longer, all header fields together are within their limit."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"Limits are frozen; make a new one with Limits({name}={value!r}, ...)")

    def __repr__(self) -> str:
        given = {name: value for name, value in vars(self).items() if name in Limits.__annotations__}
        return f"Limits({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def check_limit(name: str, value: float) -> float:
    """Give `value` back if it can be the limit `name`.

    Raises:
        ConfigurationError: there is no such limit, or the value is not a positive number.
    """
    kind = Limits.__annotations__.get(name)
    if kind is None:
        known = ", ".join(Limits.__annotations__)
        raise ConfigurationError(f"Limits has no {name!r}; there are {known}")
    wanted = int if kind == "int" else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted) or not value > 0:
        raise ConfigurationError(f"the limit {name} must be a positive {kind}, not {value!r}")
    return value


def check_size(name: str, value: object) -> int:
    """Give `value` back if it can be the number of bytes that an argument `name` says.

    Raises:
        ConfigurationError: it is no whole number, or less than 0.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigurationError(f"{name} must be a number of bytes, 0 or more, not {value!r}")
    return value
