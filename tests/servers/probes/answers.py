"""Questions about what is sent: framing, fields, and connections that carry several answers."""

from __future__ import annotations

import json
from contextlib import ExitStack

from tests.servers.probes.expectations import (
    COLOURS,
    PIECE,
    measured,
    must_answer,
    must_answer_json,
    must_have_next_or_be_closed,
)
from tests.servers.probing import Differs, Section, must_equal
from tests.servers.processes import Running
from tests.servers.wire import Answer, Connection, NoAnswerError, collect, request_bytes

section = Section("What an answer says")


@section.probe
def head_is_get_without_the_body(server: Running) -> None:
    """HEAD answers what GET answers, without the body."""
    for target in ("/def/hello", "/async/json", "/large", "/empty", "/nowhere", "/def/boom", "/async/boom"):
        must_answer_head(server, target)


@section.probe
def head_of_a_stream_has_no_body(server: Running) -> None:
    """HEAD of a stream has no body either."""
    for colour in COLOURS:
        must_answer_head(server, f"/{colour}/large-stream")


@section.probe
def head_of_a_stream_with_something_to_do_after_it_has_no_body(server: Running) -> None:
    """Nor has HEAD of a stream with a function to run after it."""
    must_answer_head(server, "/stream-and-after")


def must_answer_head(server: Running, target: str) -> None:
    get = server.get(target)
    with server.connect() as connection:
        connection.ask("HEAD", target, [("Connection", "close")])
        head = connection.read_answer("HEAD")
        left_over = connection.left_over()
    must_equal("the status", head.status, get.status)
    must_equal("what follows the head", left_over[:40], b"")
    must_equal("Content-Length", head.head.get("content-length"), get.head.get("content-length"))
    must_equal("the list of fields", head.fields_of_ambi, get.fields_of_ambi)


@section.probe
def no_content_has_no_content(server: Running) -> None:
    """204 has neither body nor Content-Length nor Transfer-Encoding, asked by GET or by HEAD."""
    for colour in COLOURS:
        for method in ("GET", "HEAD"):
            must_answer_without_body(server, method, f"/{colour}/nothing", 204)


@section.probe
def not_modified_has_no_content(server: Running) -> None:
    """304 has its ETag, and neither body nor framing, asked by GET or by HEAD."""
    for method in ("GET", "HEAD"):
        answer = must_answer_without_body(server, method, "/not-modified", 304)
        must_equal("the ETag", answer.head.get("etag"), '"v1"')


def must_answer_without_body(server: Running, method: str, target: str, status: int) -> Answer:
    with server.connect() as connection:
        connection.ask(method, target, [("Connection", "close")])
        answer = connection.read_answer(method)
        left_over = connection.left_over()
    must_equal("the status", answer.status, status)
    must_equal("what follows the head", left_over[:40], b"")
    for name in ("content-length", "transfer-encoding"):
        must_equal(f"{name} for {method}", answer.head.get(name), None)
    return answer


@section.probe
def an_empty_answer_is_complete(server: Running) -> None:
    """200 with an empty body says that its length is 0."""
    answer = server.get("/empty")
    must_answer(answer, 200, b"")
    must_equal("Content-Length", answer.head.get("content-length"), "0")


@section.probe
def a_stream_without_items_is_empty(server: Running) -> None:
    """A stream that makes no item is an empty answer."""
    for colour in COLOURS:
        must_answer(server.get(f"/{colour}/no-items"), 200, b"")


@section.probe
def empty_items_of_a_stream_end_nothing(server: Running) -> None:
    """An empty item in a stream is not its end."""
    for colour in COLOURS:
        must_answer(server.get(f"/{colour}/empty-items"), 200, b"firstsecond")


@section.probe
def an_answer_of_4_mib_arrives_whole(server: Running) -> None:
    """A body of 4 MiB arrives whole, of one piece or streamed."""
    for target in ("/large", "/def/large-stream", "/async/large-stream"):
        must_answer(server.get(target), 200, PIECE * 64)


@section.probe
def a_stream_arrives_item_by_item(server: Running) -> None:
    """A streamed item arrives before the next one is made."""
    for colour in COLOURS:
        with server.connect() as connection:
            connection.ask("GET", f"/{colour}/slow-pieces")
            pieces, _ = collect(connection.read_body(connection.read_head()))
        must_equal("the body", b"".join(piece for piece, _ in pieces), b"firstsecondthird")
        # The handler waits 0.15 s after each piece: two gaps lie between the first and the last.
        if pieces[-1][1] - pieces[0][1] < 0.1:
            raise Differs("the items arrive together")


@section.probe
def two_cookies_are_two_fields(server: Running) -> None:
    """Two cookies are two Set-Cookie fields, in order."""
    cookies = server.get("/set-cookies").head.all("set-cookie")
    must_equal("the names", [cookie.partition("=")[0] for cookie in cookies], ["first", "second"])


@section.probe
def a_redirect_keeps_its_location(server: Running) -> None:
    """A redirect goes where the handler said."""
    answer = server.get("/elsewhere")
    must_answer(answer, 303)
    must_equal("Location", answer.head.get("location"), "/def/hello")


@section.probe
def errors_look_the_same(server: Running) -> None:
    """404, 405 with Allow, and an HTTPError are problem+json."""
    for method, target, status in [
        ("GET", "/nowhere", 404),
        ("DELETE", "/state", 405),
        ("GET", "/teapot", 418),
    ]:
        answer = server.ask(method, target)
        must_answer(answer, status)
        must_equal("the type", answer.head.get("content-type"), "application/problem+json")
        must_equal("the status in the body", json.loads(answer.body)["status"], status)
        must_equal("the layer", answer.head.get("x-layer"), "app")
    must_equal("Allow", server.ask("DELETE", "/state").head.get("allow"), "GET, HEAD, OPTIONS")
    must_equal("the field of the error", server.get("/teapot").head.get("x-brew"), "tea")


@section.probe
def options_is_answered(server: Running) -> None:
    """OPTIONS is answered with Allow."""
    answer = server.ask("OPTIONS", "/state")
    must_equal("the status", answer.status, 204)
    must_equal("Allow", answer.head.get("allow"), "GET, HEAD, OPTIONS")


@section.probe
def a_client_of_http_1_0_is_understood(server: Running) -> None:
    """A client of HTTP/1.0 gets an answer that it can read."""
    with server.connect() as connection:
        connection.send(request_bytes("GET", "/def/hello", version="1.0", host=connection.host))
        must_answer(connection.read_answer(), 200, b"hello")


@section.probe
def a_client_of_http_1_0_gets_no_chunks(server: Running) -> None:
    """A client of HTTP/1.0 gets a stream without chunks."""
    for colour in COLOURS:
        with server.connect() as connection:
            connection.send(request_bytes("GET", f"/{colour}/large-stream", version="1.0", host=connection.host))
            answer = connection.read_answer()
        must_answer(answer, 200, PIECE * 64)
        if answer.head.get("transfer-encoding"):
            raise Differs("chunks, for a client that cannot read them")


@section.probe
def a_connection_carries_many_requests(server: Running) -> None:
    """Requests one after the other on a connection get their answers, each its own."""
    with ExitStack() as opened:
        connection = opened.enter_context(server.connect())
        for number in range(20):
            body = b"x" * number
            connection.ask("POST", f"/{COLOURS[number % 2]}/measure", body=body)
            answer = answer_to_next(connection)
            must_answer_json(answer, measured(body))
            if answer.is_the_last:
                opened.close()
                connection = opened.enter_context(server.connect())


def answer_to_next(connection: Connection) -> Answer:
    try:
        return connection.read_answer()
    except NoAnswerError:
        if connection.silent:
            raise
        raise Differs("the connection is closed, though no answer said that it would be") from None


@section.probe
def requests_sent_together_are_answered_in_order(server: Running) -> None:
    """Two requests sent together are answered in order, or the connection is closed after the first."""
    with server.connect() as connection:
        connection.send(
            request_bytes("GET", "/async/sleep/100", host=connection.host)
            + request_bytes("GET", "/def/hello", host=connection.host)
        )
        first = connection.read_answer()
        must_answer(first, 200)
        if not first.is_the_last:
            must_have_next_or_be_closed(connection)
