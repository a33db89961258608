"""What servers do in place of what a probe asks for, each with the reason why no framework can mend it.

An entry is as strict as the probe: when a server ceases to do what stands here, the run fails, and the entry goes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """What some servers do when a probe is put to them; one line below the tables.

    Args:
        probes: the names of the probes' functions.
        servers: names in the catalogue.
        seen: the words of the probe's `Differs`.
        because: what the server does, and why a framework cannot change that.
        sometimes: a race in the server decides, so that what is asked for is seen as well.
    """

    probes: tuple[str, ...]
    servers: tuple[str, ...]
    seen: str
    because: str
    sometimes: bool = False


GUNICORN_WSGI = ("gunicorn sync", "gunicorn gthread", "gunicorn gevent")
NO_CHUNKED_REQUESTS = ("wsgiref", "uWSGI")
FINISHES_ON_TERM = (
    "a_def_handler_in_flight_finishes_on_term",
    "an_async_handler_in_flight_finishes_on_term",
)
ENDED_BY_DEFAULT_SIGTERM = ("waitress", "cheroot", "Werkzeug", "wsgiref", "gevent.pywsgi")

LENGTH_NEEDED = (
    "The server leaves the chunks in the socket and does not say where the body ends: reading it would hang or give"
    " nothing. ambi asks for a Content-Length instead."
)
SIGTERM_KILLS = (
    "The server installs no handler for SIGTERM, so the operating system ends the process: neither `finally` nor"
    " `atexit` runs. A library must not install signal handlers; an application may, and with"
    " `signal.signal(signal.SIGTERM, lambda *_: sys.exit())` its lifespan stops"
    " (`the_stop_is_seen_where_the_application_asks`)."
)

DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        ("blocking_handlers_run_beside_each_other", "awaiting_handlers_run_beside_each_other"),
        ("gunicorn sync", "wsgiref", "uWSGI"),
        "they run one after the other",
        "As started here, the server has one process with one thread and takes the next request when it has answered"
        " the last. An `async def` handler waits on the loop thread, but the server's thread waits for it.",
    ),
    Difference(
        ("an_absolute_target_is_understood",),
        ("cheroot",),
        "the status is 400, not 200",
        "cheroot refuses such a target itself, unless it is told to be a proxy; the application is not asked.",
    ),
    Difference(
        ("repeated_fields_are_joined",),
        ("cheroot",),
        "the field is ['b'], not ['a', 'b']",
        "cheroot keeps the last of repeated fields, but for some that it knows to be lists.",
    ),
    Difference(
        ("repeated_cookie_fields_are_joined",),
        (*GUNICORN_WSGI, "waitress", "Werkzeug", "wsgiref", "uWSGI"),
        """the cookies, as JSON, is b'{"a":"1,b=2"}', not b'{"a":"1","b":"2"}'""",
        "The server joins repeated fields by a comma, Cookie too, and a comma may well be part of a cookie's value. RFC"
        " 6265 s.5.4 allows a client of HTTP/1.1 one Cookie field.",
    ),
    Difference(
        ("repeated_cookie_fields_are_joined",),
        ("cheroot",),
        """the cookies, as JSON, is b'{"b":"2"}', not b'{"a":"1","b":"2"}'""",
        "cheroot keeps the last of repeated fields.",
    ),
    Difference(
        ("a_field_with_an_underscore_is_dropped",),
        ("granian wsgi", "cheroot", "wsgiref", "uWSGI"),
        "the JSON is 'spoofed', not None",
        "Both names are `HTTP_X_SECRET` in an environ, and the server does not drop the one with the underscore as"
        " others do. Behind such a server do not trust a field that a proxy sets, unless the proxy drops the other.",
    ),
    Difference(
        ("bytes_in_a_field_are_latin_1",),
        ("granian wsgi",),
        "the JSON is '', not 'café'",
        "granian empties a field with bytes above ASCII before the application sees it.",
    ),
    Difference(
        ("two_hosts_are_refused",),
        ("cheroot",),
        "the status is 200, not 400",
        "cheroot keeps the last of repeated fields, so that the application sees one Host.",
    ),
    Difference(
        ("a_target_that_is_too_long_is_refused",),
        ("uWSGI",),
        "no answer: the connection is closed",
        "uWSGI has a buffer of 4 KiB for the head of a request and closes the connection without a word when it is"
        " full; `--buffer-size` enlarges it.",
    ),
    Difference(
        ("too_many_fields_are_refused",),
        ("uWSGI",),
        "no answer: the connection is closed",
        "uWSGI has room for a fixed number of variables in an environ, and closes the connection without a word when"
        " there are more; `--max-vars` enlarges it.",
    ),
    Difference(
        ("too_many_fields_are_refused",),
        ("gevent.pywsgi",),
        "the status is 400, not 431",
        "gevent.pywsgi itself refuses more than 100 fields, with 400.",
    ),
    Difference(("a_chunked_body_is_decoded",), NO_CHUNKED_REQUESTS, "the status is 411, not 200", LENGTH_NEEDED),
    Difference(("a_malformed_chunk_is_refused",), NO_CHUNKED_REQUESTS, "the status is 411, not 400", LENGTH_NEEDED),
    Difference(
        ("a_malformed_chunk_is_refused",),
        ("granian wsgi",),
        "the status is 200, not 400",
        "When the framing breaks, granian ends the body as if it were whole; the application cannot tell.",
    ),
    Difference(
        ("a_declared_body_that_is_too_large_is_refused_at_once",),
        ("waitress", "daphne"),
        "413, but only when the whole body has come",
        "The server takes in the whole body, to disk if it is large, before it asks the application.",
    ),
    Difference(
        ("an_undeclared_body_that_is_too_large_is_refused",),
        NO_CHUNKED_REQUESTS,
        "the status is 411, not 413",
        LENGTH_NEEDED,
    ),
    Difference(
        ("a_client_that_waits_for_100_gets_it",),
        ("wsgiref", "uWSGI"),
        "no 100: the client has to send without it",
        "The server never sends an interim answer, and WSGI gives an application no means to. Clients wait a second or"
        " so and then send the body all the same, as RFC 9110 s.10.1.1 tells them to.",
    ),
    Difference(
        ("no_100_for_a_body_that_nobody_wants",),
        (*GUNICORN_WSGI, "waitress", "cheroot", "Werkzeug", "hypercorn asyncio", "hypercorn trio", "daphne"),
        "100 before the application is asked",
        "The server sends it as soon as the head of the request has come. The refusal follows, but the client may send"
        " its body in vain.",
    ),
    Difference(
        ("head_of_a_stream_has_no_body", "head_of_a_stream_with_something_to_do_after_it_has_no_body"),
        ("waitress", "wsgiref", "gevent.pywsgi"),
        "Content-Length is '0', not None",
        "The server makes this field out of the one empty item that stands for no body. Without a length it would frame"
        " the answer in chunks, whatever the method, and the last chunk would follow the head, where clients take it for"
        " the next answer. A Content-Length that the application sets is kept.",
    ),
    Difference(
        ("a_client_of_http_1_0_gets_no_chunks",),
        ("Werkzeug", "gunicorn uvicorn-worker", "uvicorn httptools"),
        "chunks, for a client that cannot read them",
        "The server frames a body without a length in chunks, whatever the version of the request. How a body"
        " is framed is the server's choice, under WSGI and ASGI alike.",
    ),
    Difference(
        ("a_connection_carries_many_requests",),
        ("uWSGI",),
        "the connection is closed, though no answer said that it would be",
        "`--http-socket` answers one request a connection, as HTTP/1.1, and sends no `Connection: close`, a field"
        " that WSGI forbids to applications. Clients ask again on a new connection.",
    ),
    Difference(
        ("an_error_midway_is_seen_by_the_client",),
        ("granian wsgi",),
        "it looks complete",
        "granian ends the chunks as after a whole body, whatever the application raised. Where the length is known, a"
        " Content-Length shows the loss; that is the row below.",
    ),
    Difference(
        ("an_error_midway_is_seen_by_the_client",),
        ("wsgiref", "uWSGI"),
        "it looks complete: the body ends with the connection",
        "The server frames such a body by the end of the connection only, so a body that is cut ends like any other."
        " Where the length is known, a Content-Length shows it; that is the row below.",
    ),
    Difference(
        (
            "an_error_midway_is_seen_by_the_client",
            "an_error_midway_of_a_known_length_is_seen_by_the_client",
            "a_body_shorter_than_its_length_is_seen_by_the_client",
            "a_file_that_is_cut_ends_the_connection",
        ),
        ("daphne",),
        "the connection stays open, and the client waits",
        "When an application raises after its answer has begun, daphne logs it and leaves the connection open. ASGI has"
        " no message by which an application could ask for the connection to be closed.",
    ),
    Difference(("the_stop_is_seen_on_term",), ENDED_BY_DEFAULT_SIGTERM, "the stop is not seen", SIGTERM_KILLS),
    Difference(
        ("a_stream_waits_for_a_client_that_does_not_read",),
        ("daphne",),
        "it runs ahead",
        "daphne takes all that it is given into memory, whether the client reads or not; awaiting `send` waits for"
        " nothing.",
    ),
    Difference(
        ("the_stop_is_seen_on_term", "the_stop_is_seen_on_interrupt"),
        ("daphne",),
        "the stop is not seen",
        "daphne has no lifespan protocol. ambi starts at the first request, on daphne's loop, and is told nothing when"
        " that loop ends.",
    ),
    Difference(
        ("the_stop_is_seen_on_interrupt",),
        ("gunicorn asgi",),
        "the stop is not seen",
        "On SIGINT gunicorn's own ASGI worker leaves without the lifespan's shutdown event; on SIGTERM it sends it.",
    ),
    Difference(
        ("the_stop_is_seen_on_interrupt",),
        ("gunicorn gthread",),
        "the process does not end",
        "Ctrl-C reaches the worker twice, from the terminal and from gunicorn's main process. When the second one comes"
        " while the first one closes the worker's thread pool, the worker waits for a lock that it holds itself.",
        sometimes=True,
    ),
    Difference(
        ("the_stop_is_seen_on_interrupt",),
        ("gunicorn gevent",),
        "the stop is not seen",
        "Ctrl-C reaches the worker twice, from the terminal and from gunicorn's main process, and the second one raises"
        " SystemExit within what the first one has set going.",
        sometimes=True,
    ),
    Difference(
        ("the_stop_is_seen_on_interrupt",),
        ("granian wsgi",),
        "the process does not end",
        "When its main process and its worker get SIGINT together, granian may wait for its worker for ever, whatever"
        " the application. SIGTERM to the main process ends both.",
        sometimes=True,
    ),
    Difference(
        FINISHES_ON_TERM,
        ENDED_BY_DEFAULT_SIGTERM,
        "no answer: the connection is closed",
        SIGTERM_KILLS,
    ),
    Difference(("guests_get_bodies_in_chunks",), NO_CHUNKED_REQUESTS, "the status is 411, not 203", LENGTH_NEEDED),
    Difference(
        ("an_asgi_guests_answer_begins_before_its_first_item",),
        ("waitress", "cheroot", "gevent.pywsgi", "gunicorn asgi"),
        "they arrive with it",
        "The server sends nothing before there is a byte of the body.",
    ),
    Difference(
        ("an_asgi_guest_is_told_that_its_client_left",),
        ("granian wsgi", "waitress", "cheroot", "gevent.pywsgi"),
        "it is not told while nothing is sent",
        "The server does not lend its socket, so that a client that left is noticed only when something is sent to it."
        " A stream that may be quiet for long sends a comment now and then, as event streams do.",
    ),
    Difference(
        ("an_asgi_guest_is_told_that_its_client_left",),
        ("wsgiref", "uWSGI"),
        "no answer: the server is silent; then no further request is served",
        "The same, and the one thread that the server has here waits for the stream.",
    ),
    Difference(
        FINISHES_ON_TERM,
        ("uWSGI", "daphne"),
        "no answer: the connection is closed",
        "On SIGTERM the server closes its connections at once (uWSGI as `--die-on-term` says; without it, SIGTERM"
        " reloads).",
    ),
    Difference(
        ("every_worker_starts_and_stops_once",),
        ("hypercorn asyncio", "hypercorn trio"),
        "not every process stops its lifespan",
        "When the first worker has stopped, hypercorn's main process kills the others, done or not.",
        sometimes=True,
    ),
)


def documented(probe: str, server: str) -> Difference | None:
    """Return what is documented of a server under a probe, None where it does as it is asked."""
    return next((one for one in DIFFERENCES if probe in one.probes and server in one.servers), None)
