"""Questions about files: sent whole, in part, or not at all, by whatever means the server has."""

from __future__ import annotations

import hashlib
import os
from functools import cache

from tests.servers.probes.expectations import COLOURS, must_answer, must_answer_next_or_be_closed
from tests.servers.probing import Differs, Section, must_equal
from tests.servers.processes import Running
from tests.servers.wire import NoAnswerError, collect

section = Section("Files")

SIZE = 3 * 1024 * 1024 + 17
VERY_LARGE = 64 * 1024 * 1024


@cache
def content(size: int) -> bytes:
    return os.urandom(size)


def put(server: Running, name: str, data: bytes) -> bytes:
    """Put a file where the application finds it."""
    path = server.folder / name
    if not path.exists():
        path.write_bytes(data)
    return data


@section.probe
def a_file_is_sent_whole(server: Running) -> None:
    """A file of 3 MiB is sent whole, with its length and a tag."""
    data = put(server, "large.bin", content(SIZE))
    for colour in COLOURS:
        answer = server.get(f"/{colour}/file/large.bin")
        must_answer(answer, 200)
        must_equal("Content-Length", answer.head.get("content-length"), str(SIZE))
        must_equal("the hash", hashlib.sha256(answer.body).hexdigest(), hashlib.sha256(data).hexdigest())
        if not answer.head.get("etag"):
            raise Differs("there is no ETag")


@section.probe
def a_part_of_a_file_is_sent(server: Running) -> None:
    """A range of it is that part, and the connection is in step afterwards."""
    data = put(server, "large.bin", content(SIZE))
    for colour in COLOURS:
        for asked, first, last in (
            ("bytes=100000-2999999", 100_000, 2_999_999),
            ("bytes=-1000000", SIZE - 1_000_000, SIZE - 1),
            ("bytes=5-5", 5, 5),
        ):
            with server.connect() as connection:
                connection.ask("GET", f"/{colour}/file/large.bin", [("Range", asked)])
                answer = connection.read_answer()
                must_answer(answer, 206, data[first : last + 1])
                must_equal("Content-Range", answer.head.get("content-range"), f"bytes {first}-{last}/{SIZE}")
                must_answer_next_or_be_closed(connection, answer)


@section.probe
def a_part_that_is_not_there_is_refused(server: Running) -> None:
    """A range outside of it is a 416 that says how large it is."""
    put(server, "large.bin", content(SIZE))
    for colour in COLOURS:
        answer = server.get(f"/{colour}/file/large.bin", ("Range", "bytes=9999999-"))
        must_answer(answer, 416)
        must_equal("Content-Range", answer.head.get("content-range"), f"bytes */{SIZE}")


@section.probe
def head_of_a_file_has_no_body(server: Running) -> None:
    """HEAD of it has its fields and no body; so has a 304, but for its length."""
    put(server, "large.bin", content(SIZE))
    for colour in COLOURS:
        got = server.get(f"/{colour}/file/large.bin")
        for method, fields in (("HEAD", []), ("GET", [("If-None-Match", got.head.get("etag") or "")])):
            with server.connect() as connection:
                connection.ask(method, f"/{colour}/file/large.bin", [*fields, ("Connection", "close")])
                answer = connection.read_answer(method)
                must_equal("what follows the head", connection.left_over()[:40], b"")
            must_equal("the status", answer.status, 304 if fields else 200)
            must_equal("Content-Length", answer.head.get("content-length"), None if fields else str(SIZE))
            must_equal("the ETag", answer.head.get("etag"), got.head.get("etag"))


@section.probe
def a_very_large_file_is_sent_whole(server: Running) -> None:
    """A file of 64 MiB arrives as it is."""
    data = put(server, "very-large.bin", content(VERY_LARGE))
    with server.connect() as connection:
        connection.ask("GET", "/def/file/very-large.bin", [("Connection", "close")])
        digest, size = hashlib.sha256(), 0
        for piece in connection.read_body(connection.read_head()):
            digest.update(piece)
            size += len(piece)
    must_equal("the size", size, VERY_LARGE)
    must_equal("the hash", digest.hexdigest(), hashlib.sha256(data).hexdigest())


@section.probe
def a_file_that_is_cut_ends_the_connection(server: Running) -> None:
    """A file that is cut while it is sent ends the connection short of its length; nothing else comes on it."""
    for colour in COLOURS:
        path = server.folder / f"cut-{colour}.bin"
        with path.open("wb") as file:
            file.truncate(VERY_LARGE)
        with server.connect() as connection:
            connection.ask("GET", f"/{colour}/file/{path.name}")
            head = connection.read_head()
            os.truncate(path, 1000)
            pieces, ending = collect(connection.read_body(head))
            size = sum(len(piece) for piece, _ in pieces)
            if ending == "open":
                raise Differs("the connection stays open, and the client waits")
        if size >= VERY_LARGE:
            raise Differs("all of it arrived")


@section.probe
def files_of_a_directory_are_served(server: Running) -> None:
    """A static directory serves its files, and nothing beside them."""
    answer = server.get("/assets/app.py")
    must_answer(answer, 200)
    must_equal("Content-Type", answer.head.get("content-type"), "text/x-python; charset=utf-8")
    must_equal("Cache-Control", answer.head.get("cache-control"), "no-cache")
    for target in ("/assets/../app.py", "/assets/%2e%2e/children.py", "/assets/..%2fchildren.py", "/assets/.env"):
        try:
            must_equal(f"the status of {target}", server.get(target).status in {400, 404}, True)
        except NoAnswerError:  # refused by the server itself
            continue
