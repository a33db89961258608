"""A file is the same answer in every cell: whole, in part, unchanged, or not there."""

import io
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi import App, File, HTTPError, Middleware, Request, Response
from ambi.core import files
from ambi.core.files import CHUNK_BYTES, SMALL_BYTES, FileBody, content_disposition
from ambi.core.headers import parse_parameters
from ambi.core.preconditions import format_etag
from ambi.core.url import percent_decode
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient
from tests.core.fakes import make_request

LETTERS = b"abcdefghijklmnopqrstuvwxyz"
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
THEN = datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
SIZES = {"small": SMALL_BYTES, "large": CHUNK_BYTES * 2 + 1000}

Serve = Callable[..., None]


@pytest.fixture(params=SIZES)
def content(request: pytest.FixtureRequest) -> bytes:
    """Give the bytes of a file that is read at once, and of one that is sent in chunks."""
    return os.urandom(SIZES[request.param])


@pytest.fixture
def path(tmp_path: Path, content: bytes) -> Path:
    """Give the path of that file, of that day."""
    path = tmp_path / "data.bin"
    path.write_bytes(content)
    os.utime(path, (THEN.timestamp(), THEN.timestamp()))
    return path


@pytest.fixture
def serve(app: App, cell: Cell) -> Serve:
    """Give what registers a file at "/", for GET and POST."""

    def serve(source: Any, *, methods: tuple[str, ...] = ("GET", "POST"), **options: Any) -> None:
        app.route("/", methods=methods)(cell.handler(lambda: File(source() if callable(source) else source, **options)))

    return serve


def letters() -> io.BytesIO:
    return io.BytesIO(LETTERS)


# --- whole ---


def test_a_file_is_sent_with_what_it_is(serve: Serve, client: Client, path: Path, content: bytes) -> None:
    serve(path)
    response = client.get("/")
    etag = response.headers["etag"]
    assert (response.status_code, response.content) == (200, content)
    assert dict(response.headers) == {
        "content-type": "application/octet-stream",
        "content-length": str(len(content)),
        "etag": etag,
        "last-modified": DATE,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
    }
    assert etag.startswith('"')


def test_head_is_the_same_without_the_body(serve: Serve, client: Client, path: Path, content: bytes) -> None:
    serve(str(path))
    got, head = client.get("/"), client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(got.headers)


def test_an_empty_file_is_an_empty_answer(serve: Serve, client: Client, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    serve(tmp_path / "empty.txt")
    response = client.get("/")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "0")
    assert client.head("/").headers["content-length"] == "0"
    assert client.get("/", headers={"range": "bytes=0-"}).status_code == 416
    suffix = client.get("/", headers={"range": "bytes=-5"})
    assert (suffix.status_code, "content-range" in suffix.headers) == (200, False)


def test_every_request_gets_the_file_of_its_time(serve: Serve, client: Client, path: Path) -> None:
    serve(path)
    first = client.get("/")
    path.write_bytes(b"another one")
    second = client.get("/")
    assert second.content == b"another one"
    assert first.headers["etag"] != second.headers["etag"]


def test_a_file_that_was_replaced_by_one_of_the_same_size_has_another_tag(
    serve: Serve, client: Client, path: Path, content: bytes
) -> None:
    serve(path)
    first = client.get("/").headers["etag"]
    path.write_bytes(bytes(len(content)))
    assert client.get("/").headers["etag"] != first


def test_a_date_that_all_versions_have_tells_none_apart(
    serve: Serve, client: Client, path: Path, content: bytes
) -> None:
    """Reproducible builds date every file 1970 or 1980."""
    serve(path)
    os.utime(path, (1, 1))
    first = client.get("/")
    assert "last-modified" not in first.headers
    time.sleep(0.02)  # longer than a tick of the file system's clock
    path.write_bytes(bytes(len(content)))
    os.utime(path, (1, 1))
    assert client.get("/").headers["etag"] != first.headers["etag"]


def test_a_file_from_the_future_was_modified_now(serve: Serve, client: Client, path: Path) -> None:
    serve(path)
    os.utime(path, (time.time() + 86400, time.time() + 86400))
    assert abs(date_of(client.get("/")).timestamp() - time.time()) < 60


def date_of(response: Any) -> datetime:
    return datetime.strptime(response.headers["last-modified"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)


# --- one range of it ---


@pytest.mark.parametrize(
    ("header", "status", "first", "last"),
    [
        ("bytes=0-0", 206, 0, 0),
        ("bytes=10-1009", 206, 10, 1009),
        ("bytes=100-", 206, 100, -1),
        ("bytes=-100", 206, -100, -1),
        ("bytes=-99999999", 206, 0, -1),
        ("bytes=0-99999999", 206, 0, -1),
        ("bytes=99999999-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=5-4", 200, 0, -1),
        ("bytes=0-1,5-6", 200, 0, -1),
        ("bytes=0-,0-,0-,0-", 200, 0, -1),
        ("lines=0-1", 200, 0, -1),
        ("nonsense", 200, 0, -1),
    ],
)
def test_one_range_is_sent_in_part_and_everything_else_whole(
    serve: Serve, client: Client, path: Path, content: bytes, header: str, status: int, first: int, last: int
) -> None:
    serve(path)
    response = client.get("/", headers={"range": header})
    size = len(content)
    first, last = first % size, last % size
    assert response.status_code == status
    if status == 416:
        assert response.headers["content-range"] == f"bytes */{size}"
        return
    assert response.content == content[first : last + 1]
    assert response.headers["content-length"] == str(last + 1 - first)
    assert response.headers.get("content-range") == (f"bytes {first}-{last}/{size}" if status == 206 else None)
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["last-modified"] == DATE


def test_the_parts_make_the_whole(serve: Serve, client: Client, path: Path, content: bytes) -> None:
    serve(path)
    step = len(content) // 3
    parts = [client.get("/", headers={"range": f"bytes={n}-{n + step - 1}"}) for n in range(0, len(content), step)]
    assert {part.status_code for part in parts} == {206}
    assert b"".join(part.content for part in parts) == content


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_a_range_means_something_with_get_alone(
    serve: Serve, client: Client, path: Path, content: bytes, method: str
) -> None:
    serve(path)
    response = client.request(method, "/", headers={"range": "bytes=0-1"})
    assert (response.status_code, response.headers["content-length"]) == (200, str(len(content)))


def test_if_range_asks_for_the_same_bytes(serve: Serve, client: Client, path: Path, content: bytes) -> None:
    serve(path)
    etag = client.get("/").headers["etag"]
    for condition, status in [
        (etag, 206), (DATE, 206), ('"other"', 200), (f"W/{etag}", 200), ("not a date", 200),
        ("Wed, 21 Oct 2015 07:28:01 GMT", 200),
    ]:  # fmt: skip
        response = client.get("/", headers={"range": "bytes=0-1", "if-range": condition})
        assert (response.status_code, len(response.content)) == (status, 2 if status == 206 else len(content)), (
            condition
        )
    # A range that is there no more is no error where the file is another one.
    response = client.get("/", headers={"range": "bytes=99999999-", "if-range": '"other"'})
    assert response.status_code == 200


# --- conditions ---


def test_what_the_client_has_is_not_sent_again(serve: Serve, client: Client, path: Path) -> None:
    fields = {"cache-control": "no-cache", "vary": "Cookie", "content-location": "/a"}
    serve(path, filename="a.bin", headers={**fields, "content-encoding": "br"})
    etag = client.get("/").headers["etag"]
    for condition in ({"if-none-match": etag}, {"if-none-match": f'"x", W/{etag}'}, {"if-modified-since": DATE}):
        for method in ("GET", "HEAD"):
            response = client.request(method, "/", headers={**condition, "range": "bytes=0-1"})
            assert (response.status_code, response.content) == (304, b"")
            assert dict(response.headers) == {
                "etag": etag,
                "last-modified": DATE,
                "x-content-type-options": "nosniff",
                **fields,
            }


def test_what_is_another_one_than_asked_for_is_not_sent(serve: Serve, client: Client, path: Path) -> None:
    serve(path)
    etag = client.get("/").headers["etag"]
    assert client.get("/", headers={"if-match": etag}).status_code == 200
    for condition in ({"if-match": '"other"'}, {"if-unmodified-since": "Wed, 21 Oct 2015 07:27:59 GMT"}):
        response = client.get("/", headers=condition)
        assert (response.status_code, response.json()["status"]) == (412, 412)


def test_a_post_has_no_conditions(serve: Serve, client: Client, path: Path, content: bytes) -> None:
    serve(path)
    response = client.post("/", headers={"if-none-match": "*", "if-match": '"x"'})
    assert (response.status_code, response.content) == (200, content)
    assert "accept-ranges" not in response.headers


def test_a_file_with_another_status_is_whole(serve: Serve, client: Client, path: Path, content: bytes) -> None:
    serve(path, status=404)
    response = client.get("/", headers={"range": "bytes=0-1", "if-none-match": "*"})
    assert (response.status_code, response.content) == (404, content)


def test_the_status_beside_a_file_counts(app: App, client: Client, cell: Cell, path: Path, content: bytes) -> None:
    app.get("/")(cell.handler(lambda: (File(path), 203, {"x-a": "b"})))
    response = client.get("/", headers={"range": "bytes=0-1"})
    assert (response.status_code, response.content, response.headers["x-a"]) == (203, content, "b")


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_has_none(serve: Serve, client: Client, path: Path, status: int) -> None:
    serve(path, status=status)
    response = client.get("/")
    assert (response.status_code, response.content) == (status, b"")


# --- tags, dates, names and types of one's own ---


def test_a_file_in_memory_is_a_file(serve: Serve, client: Client) -> None:
    serve(letters, etag="v1", last_modified=THEN, content_type="text/plain")
    response = client.get("/")
    assert (response.content, response.headers["etag"], response.headers["last-modified"]) == (LETTERS, '"v1"', DATE)
    assert response.headers["content-type"] == "text/plain"
    part = client.get("/", headers={"range": "bytes=2-4", "if-range": '"v1"'})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"cde", "bytes 2-4/26")
    assert client.get("/", headers={"if-none-match": '"v1"'}).status_code == 304
    assert client.get("/", headers={"if-modified-since": DATE}).status_code == 304
    assert client.get("/", headers={"if-match": '"v2"'}).status_code == 412
    assert client.head("/").headers["content-length"] == "26"


def test_a_file_in_memory_has_no_tag_and_no_date_of_its_own(serve: Serve, client: Client) -> None:
    serve(letters)
    response = client.get("/", headers={"if-modified-since": DATE, "range": "bytes=1-"})
    assert (response.status_code, response.content) == (206, LETTERS[1:])
    assert not {"etag", "last-modified"} & set(response.headers)


def test_an_open_file_is_sent_from_its_beginning_and_closed(
    serve: Serve, client: Client, path: Path, content: bytes
) -> None:
    opened: list[Any] = [path.open("rb") for _ in range(5)]
    unused = iter(opened)
    for file in opened:
        file.read(10)
    serve(lambda: next(unused))
    response = client.get("/")
    assert (response.content, response.headers["last-modified"]) == (content, DATE)
    assert client.get("/", headers={"range": "bytes=-5"}).content == content[-5:]
    assert client.get("/", headers={"range": "bytes=99999999-"}).status_code == 416
    assert client.get("/", headers={"if-none-match": "*"}).status_code == 304
    assert client.head("/").headers["content-length"] == str(len(content))
    assert [file.closed for file in opened] == [True] * 5


def test_a_temporary_file_is_sent(serve: Serve, client: Client, content: bytes) -> None:
    file = tempfile.TemporaryFile()  # noqa: SIM115  # whoever sends it closes it
    file.write(content)  # what is in its buffer is sent, too
    serve(lambda: file)
    assert client.get("/").content == content


def test_header_fields_of_ones_own_come_first(serve: Serve, client: Client, path: Path) -> None:
    serve(path, headers={"ETag": '"mine"', "Last-Modified": DATE, "Content-Type": "text/x", "content-length": "3"})
    response = client.get("/")
    assert (response.headers["etag"], response.headers["content-type"]) == ('"mine"', "text/x")
    assert len(response.content) == path.stat().st_size
    assert client.get("/", headers={"if-none-match": '"mine"'}).status_code == 304


def test_a_date_may_be_seconds(serve: Serve, client: Client, path: Path) -> None:
    serve(path, last_modified=0)
    assert client.get("/").headers["last-modified"] == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_a_date_of_ones_own_is_never_later_than_now(serve: Serve, client: Client, path: Path) -> None:
    serve(path, last_modified=datetime.now(UTC) + timedelta(days=900))
    assert abs(date_of(client.get("/")).timestamp() - time.time()) < 60


def test_a_date_without_a_time_zone_is_refused(path: Path) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(ValueError, match="says no time zone"):
        File(path, last_modified=datetime(2020, 1, 1, 12))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("given", "sent"),
    [("v1", '"v1"'), ('"v1"', '"v1"'), ('W/"v1"', 'W/"v1"'), ("", '""'), ("W/v1", '"W/v1"'), ("a,b", '"a,b"')],
)
def test_a_tag_gets_its_quotes(given: str, sent: str) -> None:
    """Nothing is served here, so there is no cell."""
    assert format_etag(given) == sent


@pytest.mark.parametrize("etag", ['a"b', '"', 'W/"', "a b", "a\nb", "\x7f", "\u20ac", 'W/"a"b"', '"a'])
def test_a_tag_that_cannot_be_sent_is_refused(etag: str) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(ValueError, match="entity tag|latin-1"):
        File("a", etag=etag)


def test_a_name_to_save_it_under_is_sent(serve: Serve, client: Client, path: Path) -> None:
    serve(path, filename="Übersicht.pdf", attachment=True)
    response = client.get("/")
    assert response.headers["content-disposition"] == (
        "attachment; filename=\"_bersicht.pdf\"; filename*=UTF-8''%C3%9Cbersicht.pdf"
    )
    assert response.headers["content-type"] == "application/pdf"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"attachment": True}, 'attachment; filename="data.bin"'),
        ({"filename": "a b.txt"}, 'inline; filename="a b.txt"'),
        ({"filename": "", "attachment": True}, 'attachment; filename="data.bin"'),
    ],
)
def test_a_file_is_shown_unless_it_is_an_attachment(
    serve: Serve, client: Client, path: Path, options: dict[str, Any], expected: str | None
) -> None:
    serve(path, **options)
    assert client.get("/").headers.get("content-disposition") == expected


def test_what_has_no_name_is_an_attachment_without_one(serve: Serve, client: Client) -> None:
    serve(letters, attachment=True)
    assert client.get("/").headers["content-disposition"] == "attachment"


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("a.txt", 'inline; filename="a.txt"'),
        ("a;b, c'd.txt", 'inline; filename="a;b, c\'d.txt"'),
        ('a"b\\c%41/d', "inline; filename=\"a_b_c_41_d\"; filename*=UTF-8''a%22b%5Cc%2541%2Fd"),
        ("日本", "inline; filename=\"__\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ("a\udc80", "inline; filename=\"a_\"; filename*=UTF-8''a%3F"),
    ],
)
def test_names_are_written_for_old_clients_and_for_new_ones(filename: str, expected: str) -> None:
    """Nothing is served here, so there is no cell."""
    assert content_disposition(filename, attachment=False) == expected


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_a_name_comes_back_as_it_was(filename: str) -> None:
    kind, parameters = parse_parameters(content_disposition(filename, attachment=True))
    assert kind == "attachment"
    (first, plain), *more = parameters
    assert (first, plain.isascii()) == ("filename", True)
    if more:
        ((name, value),) = more
        assert (name, value[:7]) == ("filename*", "UTF-8''")
        assert percent_decode(value[7:].encode()).decode() == filename
    else:
        assert plain == filename.strip(" \t") or plain == filename


@pytest.mark.parametrize("filename", ["a\nb", "a\r", "\0", "\x7f", "\x85"])
def test_a_name_with_a_control_character_is_refused(filename: str) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(ValueError, match="control character"):
        File("a", filename=filename)


def test_what_is_no_file_is_refused_where_it_is_written(path: Path) -> None:
    """Nothing is served here, so there is no cell."""

    class Pipe(io.RawIOBase):
        def seekable(self) -> bool:
            return False

    with path.open(encoding="latin-1") as text:
        for source in (text, Pipe(), io.StringIO(), b"bytes", 3, None):
            with pytest.raises(TypeError, match="takes a path, or a file open for reading bytes"):
                File(source)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="status from 200 to 599"):
        File(path, status=99)


# --- what is not there ---


def test_what_is_no_regular_file_is_not_found(serve: Serve, client: Client, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    current: list[Any] = []
    serve(lambda: current[-1])
    for source in (
        tmp_path / "missing", tmp_path, tmp_path / "pipe", tmp_path / "loop", tmp_path / "pipe" / "below",
        tmp_path / ("a" * 300), "a\0b", "/dev/null",
    ):  # fmt: skip
        current.append(source)
        assert client.get("/").status_code == 404, source
        assert client.head("/").status_code == 404, source


def test_what_must_not_be_read_is_not_found_and_logged(
    serve: Serve, client: Client, path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    serve(path)
    monkeypatch.setattr(os, "open", refuse)
    with caplog.at_level(logging.WARNING, "ambi.request"):
        assert client.get("/").status_code == 404
    (record,) = caplog.records
    assert f"Permission denied: '{path}'" in record.getMessage()


def test_running_out_of_descriptors_is_a_503(
    serve: Serve, client: Client, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> int:
        raise OSError(24, "Too many open files")

    serve(path)
    monkeypatch.setattr(os, "open", refuse)
    assert client.get("/").status_code == 503


def test_a_descriptor_of_which_nothing_is_known_is_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch, no_leaks: None
) -> None:
    """Nothing is served here, so there is no cell."""

    def fail(descriptor: int) -> Any:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output"):
        patch.setattr(os, "fstat", fail)
        files.open_regular(str(path))


# --- a file that changes while it is sent ---


def test_a_file_that_grows_is_sent_as_long_as_it_was(serve: Serve, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a" * (4 * CHUNK_BYTES))
    serve(path)
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        received = next(chunks)
        with path.open("ab") as file:
            file.write(b"b" * CHUNK_BYTES)
        received += b"".join(chunks)
    assert received == b"a" * (4 * CHUNK_BYTES)


def test_a_file_that_is_cut_breaks_the_connection(serve: Serve, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a" * (64 * CHUNK_BYTES))
    serve(path)
    received = b""
    with pytest.raises(RuntimeError, match="became shorter"), client.stream("GET", "/") as response:
        for chunk in response.iter_bytes():
            if not received:
                os.truncate(path, 100)
            received += chunk
    assert len(received) < 64 * CHUNK_BYTES


def test_a_file_that_is_removed_after_it_was_opened_is_sent(serve: Serve, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "gone"
    path.write_bytes(b"a" * (4 * CHUNK_BYTES))
    serve(path)
    with client.stream("GET", "/") as response:
        path.unlink()
        assert len(response.read()) == 4 * CHUNK_BYTES
    assert client.get("/").status_code == 404


@pytest.mark.parametrize("read", [0, 1])
def test_a_client_that_leaves_closes_the_file(serve: Serve, client: Client, tmp_path: Path, read: int) -> None:
    """That nothing is left open is looked at after every test."""
    (tmp_path / "large").write_bytes(bytes(40 * CHUNK_BYTES))
    serve(tmp_path / "large")
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        for _ in range(read):
            next(chunks)


def test_a_file_that_is_kept_is_answered_anew_each_time(
    app: App, client: Client, cell: Cell, path: Path, content: bytes
) -> None:
    kept = File(path)
    app.get("/")(cell.handler(lambda: kept))
    assert client.get("/", headers={"if-none-match": "*"}).status_code == 304
    part = client.get("/", headers={"range": "bytes=1-2"})
    assert (part.status_code, part.content) == (206, content[1:3])
    for _ in range(2):
        response = client.get("/")
        assert (response.status_code, response.content) == (200, content)
    path.write_bytes(b"new")
    assert client.get("/").content == b"new"


def test_an_open_file_that_is_kept_is_sent_once(
    app: App, client: Client, cell: Cell, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with path.open("rb") as source:
        kept = File(source)
        app.get("/")(cell.handler(lambda: kept))
        assert [client.get("/").status_code for _ in range(2)] == [200, 500]
    assert "a File of an open file is sent once" in caplog.text


# --- layers ---


def test_layers_see_what_is_sent(app: App, client: Client, cell: Cell, path: Path, content: bytes) -> None:
    seen: list[tuple[int, str | None]] = []

    @app.middleware
    def look(request: Request) -> Middleware:
        response = yield
        seen.append((response.status, response.headers.get("content-length")))
        response.headers["x-layer"] = "passed"

    app.get("/")(cell.handler(lambda: File(path)))
    assert client.get("/").content == content
    assert client.get("/", headers={"range": "bytes=0-9"}).headers["x-layer"] == "passed"
    assert client.get("/", headers={"if-none-match": "*"}).headers["x-layer"] == "passed"
    assert client.get("/", headers={"range": "bytes=99999999-"}).headers["x-layer"] == "passed"
    assert client.head("/").headers["x-layer"] == "passed"
    size = str(len(content))
    assert [status for status, _ in seen] == [200, 206, 304, 416, 200]
    assert [length for _, length in seen if length is not None and length != "10"] == [size, size]


def test_a_layer_may_answer_with_a_file(app: App, client: Client, cell: Cell, path: Path, content: bytes) -> None:
    @app.middleware
    def answer(request: Request) -> Middleware:
        response = yield
        return File(path) if response.status == 200 else None

    app.get("/")(cell.handler(lambda: "text"))
    assert client.get("/").content == content
    assert client.get("/", headers={"range": "bytes=1-2"}).content == content[1:3]


def test_a_file_that_is_replaced_by_a_layer_is_closed(app: App, client: Client, cell: Cell, path: Path) -> None:
    @app.middleware
    def answer(request: Request) -> Middleware:
        yield
        return Response(b"other")

    app.get("/")(cell.handler(lambda: File(path)))
    assert client.get("/").content == b"other"


def test_a_layer_that_fails_leaves_no_file_open(app: App, client: Client, cell: Cell, path: Path) -> None:
    @app.middleware
    def fail(request: Request) -> Middleware:
        yield
        raise KeyError("layer")

    app.get("/")(cell.handler(lambda: File(path)))
    assert client.get("/").status_code == 500


def test_an_error_of_a_file_has_handlers(app: App, client: Client, cell: Cell, path: Path) -> None:
    app.get("/")(cell.handler(lambda: File(path)))
    app.error(416)(cell.handler(lambda request, error: f"no such part: {error.headers['content-range']}"))
    response = client.get("/", headers={"range": "bytes=99999999-"})
    assert (response.status_code, response.text) == (416, f"no such part: bytes */{path.stat().st_size}")


def test_what_is_to_be_done_after_a_file_is_done_after_it(
    app: App, client: Client, cell: Cell, path: Path, content: bytes
) -> None:
    done = threading.Event()

    def handler(request: Request) -> File:
        request.after(done.set)
        return File(path)

    app.get("/")(cell.handler(handler))
    assert client.get("/").content == content
    assert done.wait(10)


def test_a_wrong_length_of_a_layer_is_found_out(app: App, make_client: MakeClient, cell: Cell, tmp_path: Path) -> None:
    @app.middleware
    def meddle(request: Request) -> Middleware:
        response = yield
        response.headers["content-length"] = "many"

    (tmp_path / "large").write_bytes(bytes(4 * CHUNK_BYTES))
    app.get("/")(cell.handler(lambda: File(tmp_path / "large")))
    assert make_client(app).get("/").status_code == 500


# --- the body by itself ---


@given(
    size=st.integers(0, 50),
    reads=st.lists(st.integers(-1, 20), max_size=10),
    part=st.tuples(st.integers(0, 50), st.integers(0, 50)),
)
def test_a_body_gives_its_part_and_nothing_else(size: int, reads: list[int], part: tuple[int, int]) -> None:
    offset, length = min(part[0], size), min(part[1], size - min(part[0], size))
    content = bytes(range(size))
    body = FileBody(io.BytesIO(content), offset, length)
    given = b"".join([body.read(n) for n in reads])
    given += b"".join(body)
    assert given == content[offset : offset + length]
    assert body.read(5) == b""
    body.close()
    body.close()
    assert FileBody(io.BytesIO(content), offset, length).read(0) == b""
    with pytest.raises(RuntimeError, match="sent once"):
        body.read()


def test_opening_a_file_leaves_it_as_it_was(path: Path) -> None:
    """Nothing is served here, so there is no cell."""
    file = File(path, headers={"x-own": "1"})
    opened = file.open(make_request())
    opened.headers["x-layer"] = "1"
    assert (file.is_open, opened.is_open) == (False, True)
    assert dict(file.headers) == {"content-type": "application/octet-stream", "x-own": "1"}
    if isinstance(opened.body, FileBody):
        opened.body.close()


def test_only_a_whole_file_may_be_opened_once_more_by_whoever_sends_it(tmp_path: Path) -> None:
    """Nothing is served here, so there is no cell. A server that is given the path of a part would send all of it."""
    path = tmp_path / "large"
    path.write_bytes(b"x" * (SMALL_BYTES + 2))
    for fields, is_whole in (({}, True), ({"range": "bytes=0-"}, True), ({"range": "bytes=1-"}, False)):
        body = File(path).open(make_request(fields)).body
        assert isinstance(body, FileBody)
        assert body.path == (str(path) if is_whole else None)
        body.close()


def test_a_small_file_is_read_at_once_and_for_a_head_none_is(tmp_path: Path) -> None:
    """Nothing is served here, so there is no cell."""
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"x" * SMALL_BYTES)
    large.write_bytes(b"x" * (SMALL_BYTES + 1))
    assert File(small).open(make_request()).body == b"x" * SMALL_BYTES
    for path in (small, large):
        opened = File(path).open(make_request(method="HEAD"))
        assert (opened.body, opened.headers["content-length"]) == ((), str(path.stat().st_size))


def test_what_a_length_and_a_range_are_is_not_for_others_to_say(tmp_path: Path) -> None:
    """Nothing is served here, so there is no cell."""
    path = tmp_path / "small"
    path.write_bytes(LETTERS)
    own = File(path, headers={"content-length": "1", "content-range": "bytes 0-0/1"})
    whole, part = own.open(make_request()), own.open(make_request({"range": "bytes=1-2"}))
    assert (whole.headers["content-length"], whole.headers.get("content-range")) == ("26", None)
    assert (part.headers["content-length"], part.headers.get("content-range")) == ("2", "bytes 1-2/26")


def test_opening_what_is_missing_raises(tmp_path: Path) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(HTTPError) as error:
        File(tmp_path / "missing").open(make_request())
    assert error.value.status == 404
