"""Questions about the body of a request: whether it arrives whole, is refused in time, or is left unread."""

from __future__ import annotations

import hashlib
import time
from uuid import uuid4

from tests.servers.probes.expectations import (
    COLOURS,
    PIECE,
    measured,
    must_answer,
    must_answer_json,
    must_answer_next_or_be_closed,
)
from tests.servers.probing import Differs, Section, must_equal
from tests.servers.processes import Running
from tests.servers.wire import NoAnswerError, chunked

section = Section("What a request brings")


@section.probe
def a_body_is_there_when_the_handler_runs(server: Running) -> None:
    """A body comes back from an echo, with its type."""
    answer = server.ask("POST", "/echo", [("Content-Type", "application/x-test")], b"\x00\xff\r\n")
    must_answer(answer, 200, b"\x00\xff\r\n")
    must_equal("the type", answer.head.get("content-type"), "application/x-test")


@section.probe
def an_empty_body_is_empty(server: Running) -> None:
    """`Content-Length: 0` and no length at all are an empty body."""
    for fields in ([("Content-Length", "0")], []):
        must_answer_json(server.ask("POST", "/def/measure", fields), measured(b""))
        must_answer_json(server.ask("POST", "/async/measure", fields), measured(b""))


@section.probe
def a_large_body_arrives_whole(server: Running) -> None:
    """An upload of 8 MiB arrives whole, read beforehand or streamed."""
    data = PIECE * 128
    for colour in COLOURS:
        for route in ("measure", "measure-stream"):
            must_answer_json(server.ask("POST", f"/{colour}/{route}", body=data), measured(data))


@section.probe
def a_chunked_body_is_decoded(server: Running) -> None:
    """A chunked upload is decoded, read beforehand or streamed."""
    pieces = [b"hello", b" ", PIECE, b"world"]
    for colour in COLOURS:
        for route in ("measure", "measure-stream"):
            answer = server.ask("POST", f"/{colour}/{route}", [("Transfer-Encoding", "chunked")], chunked(*pieces))
            must_answer_json(answer, measured(b"".join(pieces)))


@section.probe
def a_body_that_trickles_in_arrives_whole(server: Running) -> None:
    """A body that comes in small pieces, with pauses, arrives whole."""
    pieces = [b"one ", b"two ", b"three"]
    for colour in COLOURS:
        for route in ("measure", "measure-stream"):
            with server.connect() as connection:
                connection.ask("POST", f"/{colour}/{route}", [("Content-Length", "13")])
                for piece in pieces:
                    time.sleep(0.03)
                    connection.send(piece)
                must_answer_json(connection.read_answer(), measured(b"".join(pieces)))


@section.probe
def two_framings_at_once_are_never_mistaken(server: Running) -> None:
    """With both Content-Length and Transfer-Encoding, a request is refused, or the chunks are what counts."""
    fields = [("Content-Length", "5"), ("Transfer-Encoding", "chunked")]
    for colour in COLOURS:
        answer = server.ask("POST", f"/{colour}/measure", fields, chunked(b"hello world"))
        if answer.status not in {400, 411}:
            must_answer_json(answer, measured(b"hello world"))


@section.probe
def a_malformed_chunk_is_refused(server: Running) -> None:
    """A malformed chunk is answered with 400."""
    fields = [("Transfer-Encoding", "chunked")]
    for colour in COLOURS:
        answer = server.ask("POST", f"/{colour}/measure", fields, chunked(b"hello", end=False) + b"zz\r\nboom\r\n")
        must_answer(answer, 400)


@section.probe
def a_body_cut_short_never_reaches_the_handler(server: Running) -> None:
    """When the client leaves in the middle of its upload, the handler does not run on half of it."""
    for colour in COLOURS:
        word = uuid4().hex
        with server.connect() as connection:
            connection.ask("POST", f"/{colour}/take/{word}", [("Content-Length", "1000")], b"only this")
            time.sleep(0.1)
        time.sleep(0.2)
        must_answer_json(server.get(f"/handled/{word}"), wanted=False)


@section.probe
def an_urlencoded_form_is_read(server: Running) -> None:
    """An urlencoded form is read."""
    fields = [("Content-Type", "application/x-www-form-urlencoded")]
    wanted = {"fields": [["a", "1"], ["a", "2"], ["ü", "x y&"]], "files": []}
    must_answer_json(server.ask("POST", "/form", fields, b"a=1&a=2&%C3%BC=x+y%26"), wanted)


@section.probe
def a_multipart_form_is_read(server: Running) -> None:
    """A multipart form with a text and a file of 200 KB is read."""
    content = PIECE * 3
    body = b"".join(
        (
            b'--edge\r\nContent-Disposition: form-data; name="title"\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n',
            b'--edge\r\nContent-Disposition: form-data; name="upload"; filename="a b.bin"\r\n',
            b"Content-Type: application/octet-stream\r\n\r\n",
            content,
            b"\r\n--edge--\r\n",
        )
    )
    file = [
        "upload",
        "a b.bin",
        "application/octet-stream",
        len(content),
        hashlib.sha256(content).hexdigest(),
    ]
    answer = server.ask("POST", "/form", [("Content-Type", "multipart/form-data; boundary=edge")], body)
    must_answer_json(answer, {"fields": [["title", "Grüße"]], "files": [file]})


@section.probe
def a_declared_body_that_is_too_large_is_refused_at_once(server: Running) -> None:
    """A declared length over the limit is answered with 413 before the body comes."""
    with server.connect(2) as connection:
        connection.ask("POST", "/small", [("Content-Length", "100000")])
        try:
            answer = connection.read_answer()
        except NoAnswerError:
            connection.send(b"x" * 100_000)
            must_answer(connection.read_answer(), 413)
            raise Differs("413, but only when the whole body has come") from None
    must_answer(answer, 413)


@section.probe
def an_undeclared_body_that_is_too_large_is_refused(server: Running) -> None:
    """A chunked body is counted, and answered with 413 over the limit."""
    fields = [("Transfer-Encoding", "chunked")]
    must_answer(server.ask("POST", "/small", fields, chunked(PIECE, PIECE[:1])), 413)


@section.probe
def a_client_that_waits_for_100_gets_it(server: Running) -> None:
    """`Expect: 100-continue` is answered when the handler wants the body."""
    for colour in COLOURS:
        with server.connect(1) as connection:
            expect = [("Expect", "100-continue"), ("Content-Length", "5")]
            connection.ask("POST", f"/{colour}/measure", expect)
            try:
                must_equal("the first answer", connection.read_head().status, 100)
            except NoAnswerError:
                connection.send(b"hello")
                must_answer_json(connection.read_answer(), measured(b"hello"))
                raise Differs("no 100: the client has to send without it") from None
            connection.send(b"hello")
            must_answer_json(connection.read_answer(), measured(b"hello"))


@section.probe
def no_100_for_a_body_that_nobody_wants(server: Running) -> None:
    """`Expect: 100-continue` is not answered with 100 where a middleware refuses the request."""
    with server.connect() as connection:
        connection.ask("POST", "/guarded", [("Expect", "100-continue"), ("Content-Length", "1000000")])
        head = connection.read_head()
    if head.status == 100:
        raise Differs("100 before the application is asked")
    must_equal("the first answer", head.status, 403)


@section.probe
def a_small_body_that_nobody_read_harms_nothing(server: Running) -> None:
    """Where a handler left 5 KB of body unread, the next request is answered, or the connection closed."""
    for colour in COLOURS:
        must_survive_an_unread_body(server, colour, 5_000)


@section.probe
def a_large_body_that_nobody_read_harms_nothing(server: Running) -> None:
    """The same with 200 KB."""
    for colour in COLOURS:
        must_survive_an_unread_body(server, colour, 200_000)


def must_survive_an_unread_body(server: Running, colour: str, size: int) -> None:
    with server.connect(3) as connection:
        connection.ask("POST", f"/{colour}/ignore", body=b"x" * size)
        first = connection.read_answer()
        must_answer(first, 200, b"ignored")
        must_answer_next_or_be_closed(connection, first)
