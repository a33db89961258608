from typing import Any

import pytest

from ambi.core.body import BodyStream, CountedSource, load_body, load_body_first
from ambi.core.errors import ClientDisconnected, HTTPError
from ambi.core.request import Request
from ambi.core.sides import ASYNC
from tests.core.fakes import FakeBody, make_request, run

MULTIPART = {"content-type": "multipart/form-data; boundary=B"}
FILE = b'--B\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'


def load(body: FakeBody, headers: dict[str, str] | None = None, max_bytes: int = 100, **options: Any) -> Request:
    request = make_request(headers, method="POST", body=body, **options)
    run(load_body(request, body, max_bytes))
    return request


def refused(status: int, body: FakeBody, headers: dict[str, str] | None = None, max_bytes: int = 100) -> HTTPError:
    with pytest.raises(HTTPError) as caught:
        load(body, headers, max_bytes)
    assert caught.value.status == status
    return caught.value


# --- loaded before the handler ---


@pytest.mark.parametrize(
    "chunks", [[b"abc"], [b"a", b"b", b"c"], [b"abc", b""], [b"", b"abc"], [b"ab", b"", b"c", b""]]
)
def test_a_body_is_put_together(chunks: list[bytes]) -> None:
    assert load(FakeBody(*chunks)).body == b"abc"


def test_an_empty_body_is_no_bytes() -> None:
    assert load(FakeBody()).body == b""
    assert load(FakeBody(b"", declared=0)).body == b""


def test_a_body_as_large_as_the_limit_is_taken_and_none_larger() -> None:
    assert load(FakeBody(b"x" * 60, b"x" * 40)).body == b"x" * 100
    assert "larger than 100 bytes" in str(refused(413, FakeBody(b"x" * 60, b"x" * 41)))


def test_a_form_as_large_as_the_limit_is_taken_and_none_larger() -> None:
    form = FILE + b"x" * 40 + b"\r\n--B--"
    for chunks in ([form], [form[:50], form[50:]]):
        assert load(FakeBody(*chunks), MULTIPART, len(form)).form.file("f").read() == b"x" * 40
        assert "is larger than" in str(refused(413, FakeBody(*chunks), MULTIPART, len(form) - 1))


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("headers", [MULTIPART, {"content-encoding": "gzip"}])
def test_a_raw_body_stays_as_it_was_sent(is_first: bool, headers: dict[str, str]) -> None:
    """It is another application's to understand, which has the limit of this one."""
    body = FakeBody(b"--B", b"--")
    request = make_request(headers, method="POST", body=body)
    run(load_body_first(request, body.side, 5, raw=True) if is_first else load_body(request, body, 5, raw=True))
    assert request.body == b"--B--"
    with pytest.raises(HTTPError, match="larger than 4 bytes"):
        run(load_body(request, FakeBody(b"--B", b"--"), 4, raw=True))


def test_a_declared_length_past_the_limit_is_refused_before_anything_is_read() -> None:
    body = FakeBody(b"x", declared=101)
    refused(413, body)
    assert body.chunks == [b"x"]


def test_bytes_received_count_whatever_length_was_declared() -> None:
    refused(413, FakeBody(b"x" * 101, declared=1))


def test_nothing_is_read_behind_the_limit() -> None:
    body = FakeBody(*[b"x" * 60] * 5)
    refused(413, body)
    assert len(body.chunks) == 3


@pytest.mark.parametrize("coding", ["gzip", "identity, gzip", "GZIP", "br"])
def test_a_coded_body_is_a_415_that_says_what_is_taken(coding: str) -> None:
    body = FakeBody(b"x", declared=1)
    assert refused(415, body, {"content-encoding": coding}).headers == {"accept-encoding": "identity"}
    assert body.chunks == [b"x"]
    chunked = FakeBody(b"x")
    refused(415, chunked, {"content-encoding": coding, "transfer-encoding": "chunked"})
    assert chunked.chunks == [b"x"]


def test_what_neither_length_nor_coding_told_of_is_refused_when_it_is_there() -> None:
    """HTTP/2 and ASGI may have a body that nothing tells of; what is said of one that is not there does not matter."""
    coded, unbounded = {"content-encoding": "gzip"}, {"content-type": "multipart/form-data"}
    refused(415, FakeBody(b"x"), coded)
    refused(400, FakeBody(b"", b"--B--"), unbounded)
    for headers in (coded, unbounded, MULTIPART):
        for nothing in (FakeBody(), FakeBody(b"", b"")):
            assert load(nothing, headers).body == b""
    refused(400, FakeBody(), {**MULTIPART, "transfer-encoding": "chunked"})  # it was to be a form


@pytest.mark.parametrize("coding", ["", "identity", " Identity\t"])
def test_no_coding_is_no_coding(coding: str) -> None:
    assert load(FakeBody(b"x"), {"content-encoding": coding}).body == b"x"


def test_a_client_that_leaves_is_heard_of() -> None:
    class Left(FakeBody):
        def read_blocking(self) -> bytes:
            raise ClientDisconnected

    with pytest.raises(ClientDisconnected):
        load(Left(b"x"))


# --- forms ---


def test_a_form_is_parsed_while_it_arrives() -> None:
    request = load(FakeBody(FILE[:20], FILE[20:] + b"x" * 9, b"\r\n--B", b"--\r\n", b""), MULTIPART, 1000)
    assert request.form.file("f").read() == b"x" * 9
    with pytest.raises(HTTPError) as caught:
        request.body  # noqa: B018
    assert caught.value.status == 415


def test_a_form_is_held_to_the_limit_and_its_files_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr("ambi.core.forms.UploadFile.close", lambda self: closed.append(self.filename))
    refused(413, FakeBody(FILE, b"x" * 100), MULTIPART)
    assert closed == ["f"]


def test_a_form_that_breaks_off_is_a_400_and_its_files_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr("ambi.core.forms.UploadFile.close", lambda self: closed.append(self.filename))
    refused(400, FakeBody(FILE, b"x"), MULTIPART)
    assert closed == ["f"]


def test_a_form_without_a_boundary_is_a_400() -> None:
    refused(400, FakeBody(FILE), {"content-type": "multipart/form-data"})


def test_a_large_file_is_written_where_that_harms_nobody() -> None:
    chunk = b"x" * 200_000
    body = FakeBody(FILE, *[chunk] * 5, b"\r\n--B--\r\n", side=ASYNC)
    request = load(body, MULTIPART, 10**7)
    assert 2 <= len(body.io) <= 4
    assert set(body.io) == {"write"}
    assert request.form.file("f").size == 1_000_000
    request.form.close()


def test_a_small_form_is_not_written_anywhere() -> None:
    body = FakeBody(FILE + b"x\r\n--B--\r\n", side=ASYNC)
    load(body, MULTIPART, 1000)
    assert body.io == []


# --- streamed ---


def collect(stream: BodyStream) -> list[bytes]:
    return list(stream)


def collect_async(stream: BodyStream) -> list[bytes]:
    async def read() -> list[bytes]:
        return [chunk async for chunk in stream]

    return run(read())


@pytest.fixture(params=[collect, collect_async], ids=["for", "async for"])
def read(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_stream_gives_the_chunks_once(read: Any) -> None:
    stream = BodyStream(CountedSource(FakeBody(b"ab", b"c"), 100))
    assert read(stream) == [b"ab", b"c"]
    assert read(stream) == []


def test_a_stream_is_read_as_far_as_somebody_asks(read: Any) -> None:
    body = FakeBody(b"a", b"b", b"c")
    stream = BodyStream(CountedSource(body, 100))
    assert next(stream) == b"a"
    assert body.chunks == [b"b", b"c"]
    assert read(stream) == [b"b", b"c"]


def test_a_stream_of_no_body_is_empty(read: Any) -> None:
    assert read(BodyStream(None)) == []


def test_a_stream_is_held_to_the_limit(read: Any) -> None:
    assert read(BodyStream(CountedSource(FakeBody(b"x" * 50, b"x" * 50), 100))) == [b"x" * 50] * 2
    stream = BodyStream(CountedSource(FakeBody(b"x" * 50, b"x" * 51, b"more"), 100))
    for _ in range(2):  # and stays so for a handler that goes on
        with pytest.raises(HTTPError, match="larger than 100 bytes") as caught:
            read(stream)
        assert caught.value.status == 413


def test_a_stream_whose_declared_length_is_past_the_limit_is_refused_at_once() -> None:
    with pytest.raises(HTTPError, match="larger than 100 bytes"):
        CountedSource(FakeBody(declared=101), 100)
    CountedSource(FakeBody(declared=100), 100)
