"""Questions about what goes wrong: errors before and within an answer, and clients that leave or talk nonsense."""

from __future__ import annotations

import time
from uuid import uuid4

from tests.servers.probes.expectations import (
    COLOURS,
    PIECE,
    must_answer,
    must_answer_next_or_be_closed,
    must_not_tell,
    soon,
)
from tests.servers.probing import Differs, Section, must_equal
from tests.servers.processes import Running
from tests.servers.wire import Answer, NoAnswerError

section = Section("When something goes wrong")


@section.probe
def an_error_before_the_answer_is_a_500(server: Running) -> None:
    """An exception in a handler is a 500 that tells nothing of it."""
    for colour in COLOURS:
        must_answer_500(server.get(f"/{colour}/boom"))


@section.probe
def an_error_in_the_first_item_is_a_500(server: Running) -> None:
    """An exception before a stream's first item is a 500 as well."""
    for colour in COLOURS:
        must_answer_500(server.get(f"/{colour}/boom-at-once"))


def must_answer_500(answer: Answer) -> None:
    must_answer(answer, 500)
    must_not_tell(answer)
    must_equal("the type", answer.head.get("content-type"), "application/problem+json")


@section.probe
def a_500_passes_what_listens_to_responses(server: Running) -> None:
    """A 500 carries what an `on_response` function puts on every response."""
    answer = server.get("/boom-noted")
    must_answer_500(answer)
    must_equal("the field", answer.head.get("x-noted"), "yes")


@section.probe
def an_error_midway_is_seen_by_the_client(server: Running) -> None:
    """After an exception in the middle of a stream, the client can tell that the body is cut."""
    for colour in COLOURS:
        must_be_cut(server, f"/{colour}/boom-midway", PIECE)


@section.probe
def an_error_midway_of_a_known_length_is_seen_by_the_client(server: Running) -> None:
    """The same for a stream with a Content-Length."""
    for colour in COLOURS:
        must_be_cut(server, f"/{colour}/boom-midway-of-a-known-length", PIECE)


@section.probe
def a_body_shorter_than_its_length_is_seen_by_the_client(server: Running) -> None:
    """A body shorter than its Content-Length closes the connection."""
    for colour in COLOURS:
        must_be_cut(server, f"/{colour}/too-short", b"12345")


HOW_IT_ENDS_INSTEAD = {
    "complete": "it looks complete",
    "closed": "it looks complete: the body ends with the connection",
    "open": "the connection stays open, and the client waits",
}


def must_be_cut(server: Running, target: str, sent: bytes) -> None:
    with server.connect(1.5) as connection:
        connection.ask("GET", target)
        try:
            answer = connection.read_answer()
        except NoAnswerError:
            if connection.silent:
                raise
            return  # closed before a byte of the answer: nobody takes that for a whole one
    must_equal("the status", answer.status, 200)
    must_not_tell(answer)
    if answer.ending != "cut":
        raise Differs(HOW_IT_ENDS_INSTEAD[answer.ending])
    if not sent.startswith(answer.body):
        raise Differs("there is more in the body than the handler made")


@section.probe
def a_body_longer_than_its_length_is_cut(server: Running) -> None:
    """A body longer than its Content-Length is cut to it, and the connection stays in step."""
    for colour in COLOURS:
        with server.connect() as connection:
            connection.ask("GET", f"/{colour}/too-long")
            first = connection.read_answer()
            must_answer(first, 200, b"1234567890")
            must_answer_next_or_be_closed(connection, first)


@section.probe
def a_stream_is_closed_when_the_client_leaves(server: Running) -> None:
    """When the client leaves, a `def` generator that streams is closed."""
    must_close_the_stream(server, "def")


@section.probe
def an_async_stream_is_closed_when_the_client_leaves(server: Running) -> None:
    """When the client leaves, an `async def` generator that streams is closed."""
    must_close_the_stream(server, "async")


@section.probe
def a_stream_is_closed_when_the_client_leaves_before_it_begins(server: Running) -> None:
    """The same where the client leaves before the first item."""
    for colour in COLOURS:
        word = uuid4().hex
        with server.connect() as connection:
            connection.ask("GET", f"/{colour}/late/{word}")
            time.sleep(0.1)
        time.sleep(0.2)  # only now does the stream begin
        must_be_closed(server, word)


def must_close_the_stream(server: Running, colour: str) -> None:
    word = uuid4().hex
    with server.connect() as connection:
        connection.ask("GET", f"/{colour}/endless/{word}")
        next(connection.read_body(connection.read_head()))
    must_be_closed(server, word)


def must_be_closed(server: Running, word: str) -> None:
    # A server with one thread answers this only when the stream has ended.
    if not soon(lambda: server.ask("GET", f"/ends/{word}", wait_s=15).body != b"ran on", within_s=4):
        raise Differs("it runs on")


@section.probe
def a_stream_waits_for_a_client_that_does_not_read(server: Running) -> None:
    """A stream that nobody reads stops making items: it waits for its client."""
    for colour in COLOURS:
        word = uuid4().hex
        with server.connect() as connection:
            connection.ask("GET", f"/{colour}/torrent/{word}")
            connection.read_head()
            time.sleep(0.4)
            left_ms = int(time.monotonic() * 1000)
        # Asked afterwards, as a server with one thread answers nobody else before; what it made by then counts.
        items = int(server.ask("GET", f"/made/{word}/before/{left_ms}", wait_s=15).body)
        # Items of 64 KiB: the buffers of two sockets and of a server hold a few hundred.
        if items > 1000:
            raise Differs("it runs ahead")


@section.probe
def a_client_that_resets_harms_nothing(server: Running) -> None:
    """Clients that vanish with a reset, before or in the middle of an answer, harm no other."""
    for colour in COLOURS:
        with server.connect() as connection:
            connection.ask("GET", f"/{colour}/sleep/100")
            connection.leave_rudely()
        with server.connect() as connection:
            connection.ask("GET", f"/{colour}/large-stream")
            connection.read_head()
            connection.leave_rudely()


@section.probe
def nonsense_harms_nothing(server: Running) -> None:
    """What is no request at all is refused, and harms no other."""
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        with server.connect(2) as connection:
            connection.send(nonsense)
            try:
                status = connection.read_head().status
            except (NoAnswerError, ValueError):
                continue
            if status < 400:
                raise Differs(f"{nonsense!r} is answered with {status}")
