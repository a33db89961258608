"""What servers need to be, and what they do differently, by what an application uses.

NEEDS          what a feature takes of a server of either kind, and how to start one
DIFFERENCES    what is seen of a feature on some servers and not on others

`DIFFERENCES` says no more than docs/parity.md does: its rows are those of the table "Streams, events, WebSockets and
stops" and some of the numbered list, word for word or with the probe that shows it, and a test holds them to it.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Gateway = Literal["wsgi", "asgi"]

FEATURES = {
    "websocket": "WebSockets",
    "events": "event streams",
    "stream": "streams",
    "upload": "streamed uploads",
    "body": "request bodies",
    "files": "files",
    "async": "async def",
    "def": "def",
    "lifespan": "lifespan",
    "after": "work after a response",
    "leaving": "noticing who leaves",
    "mounted-wsgi": "mounted WSGI apps",
    "mounted-asgi": "mounted ASGI apps",
}
"""What an application may use of which servers think differently: its id, and its name for people."""


class Need(NamedTuple):
    """What a feature needs of servers of one kind. `{name}` in the text is the application's limit of that name."""

    feature: str
    gateway: Gateway
    text: str


_THREADS = "worker threads, {threads} requests at a time (Limits.threads); more wait"
_STREAM_THREADS = "any server; a `def` generator holds one of {stream_threads} threads (Limits.stream_threads)"
_LOOP_THREAD = "one event loop in a thread, per process; a thread of the server waits for each request"


NEEDS = (
    Need(
        "websocket", "wsgi",
        "gunicorn or Werkzeug, which lend their socket, without TLS of their own, and wsproto; elsewhere 501."
        " Each holds a thread: gunicorn -k gthread --threads N, N above Limits.max_websockets ({max_websockets})",
    ),
    Need("websocket", "asgi", "any server; uvicorn needs a WebSocket library: pip install 'uvicorn[standard]'"),
    Need("events", "wsgi", "each holds a thread as long as the page is open: gunicorn -k gthread --threads N"),
    Need("events", "asgi", _STREAM_THREADS),
    Need("stream", "wsgi", "each holds a thread of the server while it lasts: gunicorn -k gthread --threads N"),
    Need("stream", "asgi", _STREAM_THREADS),
    Need("upload", "wsgi", "each holds a thread while it arrives; an `async def` crosses once a chunk"),
    Need("upload", "asgi", "any server; a `def` crosses once a chunk"),
    Need("async", "wsgi", _LOOP_THREAD),
    Need("def", "asgi", _THREADS),
    Need("lifespan", "wsgi", "starts with a process's first request, or before it: gunicorn -c python:ambi.gunicorn"),
    Need("lifespan", "asgi", "starts before the first request, where the server has the protocol (daphne has not)"),
    Need("after", "wsgi", "a `def`: a worker thread, {threads} at a time; an `async def`: the process's event loop"),
    Need("after", "asgi", "a `def`: a worker thread, {threads} at a time; an `async def`: the server's event loop"),
    Need("mounted-wsgi", "asgi", _THREADS),
    Need("mounted-asgi", "wsgi", _LOOP_THREAD),
)  # fmt: skip


class Difference(NamedTuple):
    """What is seen of some features on some servers.

    Attributes:
        features: those it touches.
        gateways: of the servers named.
        seen: what such a server does.
        where: the servers.
        probe: of the numbered list, the probe that shows it; "" for a row of the table.
        items: the colour of streams that it is about; "" for either.
    """

    features: tuple[str, ...]
    gateways: tuple[Gateway, ...]
    seen: str
    where: str
    probe: str = ""
    items: str = ""


_WSGI: tuple[Gateway, ...] = ("wsgi",)
_ASGI: tuple[Gateway, ...] = ("asgi",)
_BOTH: tuple[Gateway, ...] = ("wsgi", "asgi")
_STREAMS = ("stream", "events")

DIFFERENCES = (
    Difference(_STREAMS, _WSGI, "A client that left is noticed at the next write, not at once", "WSGI servers"),
    Difference(
        ("leaving",), _WSGI, "`is_disconnected()` is always False, `cancel_on_disconnect` does nothing",
        "granian WSGI, cheroot, wsgiref, uWSGI, gevent.pywsgi; waitress without `--channel-request-lookahead=1`",
    ),
    Difference(("leaving",), _WSGI, "A cancelled request is a 499 in the server's log", "WSGI servers"),
    Difference(
        ("events",), _WSGI, "A `def` generator of `SSE` runs in another thread than its handler", "WSGI servers",
        items="def",
    ),
    Difference(
        _STREAMS, _ASGI,
        "A tight `async def` generator makes more than 100 items, for a tenth of a second at most, when its client has"
        " gone",
        "granian ASGI", items="async def",
    ),
    Difference(
        _STREAMS, _BOTH, "A stream that is cut looks complete, or stays open",
        "granian WSGI, wsgiref and uWSGI, daphne",
    ),
    Difference(_STREAMS, _ASGI, "A stream runs ahead of its client into memory", "daphne"),
    Difference(
        (*_STREAMS, "websocket"), _WSGI,
        "While a stream, an event stream or a WebSocket is open, nobody else is served; after `--timeout` the worker is"
        " killed",
        "gunicorn sync",
    ),
    Difference(
        _STREAMS, _ASGI, "On SIGTERM open streams are ended by the server: after `--graceful-timeout` (3 s)",
        "hypercorn",
    ),
    Difference(
        _STREAMS, _BOTH,
        "On SIGTERM open streams are waited for without end, or with `--workers-kill-timeout` killed, so that no"
        " `finally` runs",
        "granian, both",
    ),
    Difference(
        (*_STREAMS, "after"), _BOTH, "On SIGTERM everything is cut at once, and what runs after a response with it",
        "daphne, uWSGI; waitress, cheroot, Werkzeug, wsgiref, gevent.pywsgi",
    ),
    Difference(
        _STREAMS, _ASGI,
        'A stream that is cut at a stop is an error line of the server\'s too ("returned without completing response")',
        "uvicorn, gunicorn with uvicorn's or its own ASGI worker",
    ),
    Difference(
        _STREAMS, _BOTH, "The `finally` of a `def` generator that waits for its next item does not run at a stop",
        "every server", items="def",
    ),
    Difference(
        ("mounted-asgi",), _BOTH, "The header fields of a mounted ASGI application arrive with its first item",
        "waitress, cheroot, gevent.pywsgi, gunicorn asgi", "an_asgi_guests_answer_begins_before_its_first_item",
    ),
    Difference(
        ("mounted-asgi",), _WSGI,
        "A mounted ASGI application whose stream is quiet is not told that its client has left",
        "granian wsgi, waitress, cheroot, gevent.pywsgi", "an_asgi_guest_is_told_that_its_client_left",
    ),
    Difference(
        ("mounted-asgi",), _WSGI,
        "The same; and while such a stream is open, nobody else is served",
        "wsgiref, uWSGI", "an_asgi_guest_is_told_that_its_client_left",
    ),
    Difference(
        ("websocket",), _ASGI, "A WebSocket is closed at a stop with 1012, or 1011, instead of 1001",
        "uvicorn; hypercorn",
    ),
    Difference(
        ("websocket",), _WSGI, "A WebSocket is answered with 501",
        "WSGI servers but gunicorn, Werkzeug and ambi run, and the first two where they speak TLS themselves",
    ),
    Difference(
        ("websocket",), _ASGI,
        "A client of a WebSocket that takes nothing is waited for until its connection ends, however long its pings are"
        " unanswered",
        "uvicorn",
    ),
    Difference(
        ("websocket",), _WSGI, "A GET of a WebSocket's path is a 426 without the `Upgrade` field", "WSGI servers"
    ),
    Difference(("websocket",), _ASGI, "A denied WebSocket is a plain 403", "daphne, gunicorn asgi"),
    Difference(
        ("websocket",), _ASGI, "Close codes, reasons and empty messages are not passed on as they are",
        "daphne, hypercorn, granian, gunicorn asgi",
    ),
    Difference(
        ("body", "upload"), _WSGI, "A chunked upload is answered with 411", "wsgiref, uWSGI",
        "a_chunked_body_is_decoded",
    ),
    Difference(
        ("upload",), _WSGI, "A body whose framing breaks looks complete", "granian wsgi", "a_malformed_chunk_is_refused"
    ),
    Difference(
        ("body", "upload"), _BOTH, "A body that is too large is refused only when it has come", "waitress, daphne",
        "a_declared_body_that_is_too_large_is_refused_at_once",
    ),
    Difference(
        ("files",), _ASGI, "A file that is cut while it is sent leaves the client waiting", "daphne",
        "a_file_that_is_cut_ends_the_connection",
    ),
    Difference(
        ("lifespan",), _WSGI, "On SIGTERM the lifespan does not stop",
        "waitress, cheroot, Werkzeug, wsgiref, gevent.pywsgi", "the_stop_is_seen_on_term",
    ),
    Difference(("lifespan",), _ASGI, "The lifespan never stops", "daphne", "the_stop_is_seen_on_term"),
    Difference(
        ("lifespan",), _ASGI, "On Ctrl-C the lifespan does not stop", "gunicorn asgi", "the_stop_is_seen_on_interrupt"
    ),
    Difference(
        ("lifespan",), _ASGI, "With several workers, not every lifespan stops", "hypercorn asyncio, hypercorn trio",
        "every_worker_starts_and_stops_once",
    ),
)  # fmt: skip
