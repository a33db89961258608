"""Questions to applications that are mounted: one of WSGI and one of ASGI, on whichever server."""

from __future__ import annotations

import json
import time
from uuid import uuid4

from tests.servers.probes.expectations import PIECE, measured, must_answer, must_answer_next_or_be_closed, soon
from tests.servers.probing import Differs, Section, must_equal
from tests.servers.processes import Running
from tests.servers.wire import chunked, collect, request_bytes

section = Section("Mounted applications")

GUESTS = ("wsgi", "asgi")


@section.probe
def guests_are_told_where_they_stand(server: Running) -> None:
    """A mounted application is told prefix, path and query, and gets the body."""
    for guest in GUESTS:
        answer = server.ask("POST", f"/{guest}-guest/a%20b/%C3%BC?x=1&y=%2F", body=b"x" * 100_000)
        must_equal("the status", answer.status, 203)
        wanted = {"prefix": f"/{guest}-guest", "path": "/a b/ü", "query": "x=1&y=%2F", **measured(b"x" * 100_000)}
        must_equal("what it was told", json.loads(answer.body), wanted)


@section.probe
def guests_get_bodies_in_chunks(server: Running) -> None:
    """A mounted application gets a body that comes in chunks."""
    for guest in GUESTS:
        with server.connect() as connection:
            fields = [("Transfer-Encoding", "chunked"), ("Connection", "close")]
            connection.send(request_bytes("POST", f"/{guest}-guest/", fields, host=connection.host))
            connection.send(chunked(b"a" * 70_000, b"b"))
            answer = connection.read_answer()
        must_equal("the status", answer.status, 203)
        must_equal("the size", json.loads(answer.body)["size"], 70_001)


@section.probe
def guests_answers_are_their_own(server: Running) -> None:
    """Its header fields are its own, repeated ones too, and the layers around it add theirs."""
    for guest in GUESTS:
        answer = server.get(f"/{guest}-guest/")
        must_equal("the cookies", answer.head.all("set-cookie"), ["a=1", "b=2"])
        must_equal("its field", answer.head.get("x-guest"), guest)
        must_equal("the layer's", answer.head.get("x-layer"), "app")
        must_equal("a field of ambi", answer.head.get("x-content-type-options"), None)


@section.probe
def head_of_a_guest_has_the_length_and_no_body(server: Running) -> None:
    """HEAD of a mounted application answers with its length, and without a body."""
    for guest in GUESTS:
        wanted = server.get(f"/{guest}-guest/").head.get("content-length")
        with server.connect() as connection:
            connection.ask("HEAD", f"/{guest}-guest/", [("Connection", "close")])
            head = connection.read_answer("HEAD")
            left_over = connection.left_over()
        must_equal("what follows the head", left_over[:40], b"")
        must_equal("Content-Length", head.head.get("content-length"), wanted)


@section.probe
def guests_streams_arrive_item_by_item(server: Running) -> None:
    """Its streams arrive item by item."""
    for guest in GUESTS:
        with server.connect() as connection:
            connection.ask("GET", f"/{guest}-guest/pieces")
            pieces, _ = collect(connection.read_body(connection.read_head()))
        must_equal("the body", b"".join(piece for piece, _ in pieces), b"firstsecondthird")
        if pieces[-1][1] - pieces[0][1] < 0.1:
            raise Differs("the items arrive together")


@section.probe
def guests_large_streams_arrive_whole(server: Running) -> None:
    """A stream of 4 MiB arrives whole."""
    for guest in GUESTS:
        must_answer(server.get(f"/{guest}-guest/large"), 200, PIECE * 64)


@section.probe
def an_asgi_guests_answer_begins_before_its_first_item(server: Running) -> None:
    """The header fields of an ASGI application arrive before its first item."""
    with server.connect() as connection:
        connection.ask("GET", "/asgi-guest/late")
        asked_s = time.monotonic()
        head = connection.read_head()
        begun_s = time.monotonic() - asked_s
        pieces, _ = collect(connection.read_body(head))
    must_equal("the body", b"".join(piece for piece, _ in pieces), b"late")
    if begun_s > 0.7:
        raise Differs("they arrive with it")


@section.probe
def an_asgi_guest_is_told_that_its_client_left(server: Running) -> None:
    """An ASGI application whose stream is quiet is told, within seconds, that its client has left."""
    word = uuid4().hex
    with server.connect() as connection:
        connection.ask("GET", f"/asgi-guest/quiet?{word}")
        next(connection.read_body(connection.read_head()))
    if not soon(lambda: told(server, word) == b"http.disconnect", within_s=4):
        raise Differs("it is not told while nothing is sent")


@section.probe
def what_an_asgi_guest_does_after_its_answer_holds_nobody_up(server: Running) -> None:
    """What an ASGI application does after its answer holds up neither the answer nor the next request."""
    word = uuid4().hex
    asked_s = time.monotonic()
    with server.connect() as connection:
        connection.ask("GET", f"/asgi-guest/behind?{word}")
        first = connection.read_answer()
        must_answer(first, 200, b"answered")
        must_answer_next_or_be_closed(connection, first)
    if time.monotonic() - asked_s > 0.8:
        raise Differs("the client waits for it")
    if not soon(lambda: told(server, word) == b"done", within_s=4):
        raise Differs("it is never done")


def told(server: Running, word: str) -> bytes:
    return server.ask("GET", f"/told/{word}", wait_s=15).body


@section.probe
def url_for_counts_the_prefix_of_a_mount(server: Running) -> None:
    """An App that is mounted links below its prefix."""
    must_answer(server.get("/inner/here"), 200, b"/inner/here")


@section.probe
def the_prefix_alone_reaches_a_guest(server: Running) -> None:
    """The prefix of a mounted application alone reaches it, with an empty path."""
    for guest in GUESTS:
        answer = server.get(f"/{guest}-guest")
        must_equal("the path", json.loads(answer.body)["path"], "")
