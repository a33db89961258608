"""The body is there when the handler runs, within the limits, in every cell."""

import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from ambi import (
    App,
    BodyStream,
    ClientDisconnected,
    HTTPError,
    Layer,
    Limits,
    Middleware,
    Request,
    Stream,
    Text,
    UploadFile,
)
from ambi.core.forms import MultipartReader
from ambi.testing import Client
from ambi.testing.messages import Request as SentRequest
from tests.cells import CELLS, Cell
from tests.conftest import MakeClient
from tests.gateways.taps import BodyTap

FORM = "application/x-www-form-urlencoded"


# --- whole bodies ---


@pytest.mark.parametrize("body", [b"", b"a", b"\x00\xff" * 5, b"x" * 300_000], ids=["empty", "one", "bytes", "large"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_is_there_whole(app: App, client: Client, cell: Cell, body: bytes, chunked: bool) -> None:
    app.post("/")(cell.handler(lambda request: request.body))
    content: Any = [body[i : i + 70_000] for i in range(0, len(body), 70_000)] if chunked else body
    assert client.post("/", content=content).content == body


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_any_method_may_have_a_body(app: App, client: Client, cell: Cell, method: str) -> None:
    app.route("/", methods=[method])(cell.handler(lambda request: request.body))
    assert client.request(method, "/", content=b"abc").content == b"abc"


def test_a_body_is_kept_as_one_object(app: App, client: Client, cell: Cell) -> None:
    app.post("/")(cell.handler(lambda request: str(request.body is request.body and request.json() is request.json())))
    assert client.post("/", json={"a": [1]}).text == "True"


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", "ü€".encode(), "ü€"),
        ("text/plain; charset=utf-8", "ü€".encode(), "ü€"),
        ("text/plain; charset=ISO-8859-1", b"\xfc", "ü"),
        ("text/plain; charset=us-ascii", b"abc", "abc"),
        ("", b"abc", "abc"),
    ],
)
def test_text_is_decoded_by_its_charset(
    app: App, client: Client, cell: Cell, content_type: str, body: bytes, text: str
) -> None:
    app.post("/")(cell.handler(lambda request: request.text))
    assert client.post("/", content=body, headers={"content-type": content_type}).text == text


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b"\xff", 400),
        ("text/plain; charset=us-ascii", b"\xfc", 400),
        ("text/plain; charset=utf-7", b"+AGE-", 415),
        ("text/plain; charset=no-such-charset", b"a", 415),
    ],
)
def test_text_that_cannot_be_decoded_is_the_clients_fault(
    app: App, client: Client, cell: Cell, content_type: str, body: bytes, status: int
) -> None:
    app.post("/")(cell.handler(lambda request: request.text))
    assert client.post("/", content=body, headers={"content-type": content_type}).status_code == status


# --- JSON ---


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/problem+json", 200),
        ("", 200),
        ("text/plain", 415),
        (FORM, 415),
    ],
)
def test_json_is_read_where_the_media_type_says_so(
    app: App, client: Client, cell: Cell, content_type: str, status: int
) -> None:
    app.post("/")(cell.handler(lambda request: request.json()))
    response = client.post("/", content=b'{"a":[1,null,"\xc3\xbc"]}', headers={"content-type": content_type})
    assert response.status_code == status
    if status == 200:
        assert response.json() == {"a": [1, None, "ü"]}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"{'a':1}", b"\xff", b"[1,]", b"NaN", b"-Infinity", b"1e999", b"[" * 100_000, b"1" * 5_000, b'"\x01"',
        b"\xef\xbb\xbf{}", b'{"a":1}x',
    ],
    ids=lambda body: body[:8],
)  # fmt: skip
def test_json_that_is_none_is_a_400(app: App, client: Client, cell: Cell, body: bytes) -> None:
    app.post("/")(cell.handler(lambda request: request.json()))
    assert client.post("/", content=body, headers={"content-type": "application/json"}).status_code == 400


def test_an_application_brings_its_own_json(make_client: MakeClient, cell: Cell) -> None:
    class Shouting:
        def dumps(self, value: Any, /) -> str:
            return f'"{value}!"'.upper()

        def loads(self, data: bytes, /) -> Any:
            return data.decode()[::-1]

    app = App(json=Shouting())
    app.post("/")(cell.handler(lambda request: [request.json()]))
    response = make_client(app).post("/", content=b"cba")
    assert (response.text, response.headers["content-type"]) == ("\"['ABC']!\"", "application/json")


# --- forms ---


def pairs(request: Request) -> list[list[str]]:
    return [[name, value if isinstance(value, str) else value.filename] for name, value in request.form.pairs()]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a=1&b=2&a=3", [["a", "1"], ["b", "2"], ["a", "3"]]),
        (b"a+b=%C3%BC&c", [["a b", "ü"], ["c", ""]]),
        (b"&a=%FF&", [["a", "\ufffd"]]),
        (b"", []),
    ],
)
def test_an_urlencoded_form_is_pairs(
    app: App, client: Client, cell: Cell, body: bytes, expected: list[list[str]]
) -> None:
    app.post("/")(cell.handler(pairs))
    assert client.post("/", content=body, headers={"content-type": FORM}).json() == expected


def test_a_multipart_form_has_fields_and_files(app: App, client: Client, cell: Cell) -> None:
    @app.post("/")
    @cell.handler
    def upload(request: Request) -> dict[str, Any]:
        form = request.form
        file = form["file"]
        assert isinstance(file, UploadFile)
        assert form.file("file") is file
        return {
            "pairs": pairs(request), "a": form["a"], "all": form.getlist("a"), "field": form.field("b"), "size": file.size,
            "type": file.content_type, "header": file.headers["content-type"], "start": file.read(2).decode(),
            "rest": file.read().decode(), "again": (file.seek(0), file.file.read().decode()), "shown": repr(file),
        }  # fmt: skip

    response = client.post(
        "/", data=[("a", "1"), ("b", "ü"), ("a", "2")], files={"file": ("näme.txt", b"hello", "text/x")}
    )
    assert response.json() == {
        "pairs": [["a", "1"], ["b", "ü"], ["a", "2"], ["file", "näme.txt"]], "a": "1", "all": ["1", "2"], "field": "ü",
        "size": 5, "type": "text/x", "header": "text/x", "start": "he", "rest": "llo", "again": [0, "hello"],
        "shown": "UploadFile('näme.txt', 'text/x', 5 bytes)",
    }  # fmt: skip


@pytest.mark.parametrize("declared", [False, True], ids=["chunked", "declared"])
@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (FORM, b"a=%C3%BC&b=+&&a", [["a", "ü"], ["b", " "], ["a", ""]]),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="f"; filename="n"\r\n\r\n\r\n--\r\n--b--\r\n',
            [["f", ["n", "\r\n--"]]],
        ),
    ],
    ids=["urlencoded", "multipart"],
)
def test_a_form_that_comes_in_two_pieces_is_the_same_wherever_it_was_cut(
    app: App, client: Client, cell: Cell, content_type: str, body: bytes, expected: list[Any], declared: bool
) -> None:
    app.post("/")(
        cell.handler(
            lambda request: [
                [name, value if isinstance(value, str) else [value.filename, value.read().decode()]]
                for name, value in request.form.pairs()
            ]
        )
    )
    headers = {"content-type": content_type} | ({"content-length": str(len(body))} if declared else {})
    read = [client.post("/", content=[body[:at], body[at:]], headers=headers).json() for at in range(1, len(body))]
    assert read == [expected] * (len(body) - 1)


def test_no_body_is_an_empty_form(app: App, client: Client, cell: Cell) -> None:
    app.post("/")(cell.handler(lambda request: len(request.form) == 0 and "empty"))
    assert client.post("/").text == "empty"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "multipart/form-data; boundary=b"},
        {"content-type": "multipart/form-data"},
        {"content-type": "multipart/form-data; boundary=b", "content-encoding": "gzip"},
        {"content-type": FORM, "content-encoding": "gzip"},
    ],
    ids=["multipart", "no boundary", "coded", "coded urlencoded"],
)
@pytest.mark.parametrize("has_length", [True, False], ids=["length 0", "no length"])
def test_no_body_is_an_empty_form_whatever_was_said_of_it(
    app: App, make_client: MakeClient, cell: Cell, headers: dict[str, str], has_length: bool
) -> None:
    """Without a length nothing tells beforehand that there is no body: under ASGI an empty one comes."""
    app.post("/")(cell.handler(lambda request: len(request.form) == 0 and "empty"))
    served = app if has_length else without_length(app, cell.gateway)
    client = make_client(served, judged=has_length)  # the judge is told of a length, and the application is not
    assert client.post("/", headers=headers).text == "empty"


def without_length(app: App, gateway: str) -> Any:
    """Give the application to a client that always sends a length."""

    def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
        environ.pop("CONTENT_LENGTH", None)
        return app(environ, start_response)

    async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
        lines = [line for line in scope.get("headers", ()) if line[0] != b"content-length"]
        await app({**scope, "headers": lines}, receive, send)

    return wsgi if gateway == "wsgi" else asgi


@pytest.mark.parametrize(
    "ask",
    [
        lambda form: form.field("file"),
        lambda form: form.file("a"),
        lambda form: form.field("x"),
        lambda form: form.file("x"),
    ],
)
def test_a_form_without_what_is_asked_for_is_a_400(app: App, client: Client, cell: Cell, ask: Any) -> None:
    app.post("/")(cell.handler(lambda request: ask(request.form)))
    assert client.post("/", data={"a": "1"}, files={"file": b"x"}).status_code == 400


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json"])
def test_a_form_of_another_media_type_is_a_415(app: App, client: Client, cell: Cell, content_type: str) -> None:
    app.post("/")(cell.handler(pairs))
    assert client.post("/", content=b"a=1", headers={"content-type": content_type}).status_code == 415


def test_the_bytes_of_a_multipart_body_are_not_kept(app: App, client: Client, cell: Cell) -> None:
    app.post("/")(cell.handler(lambda request: request.body))
    assert client.post("/", files={"file": b"x"}).status_code == 415


@pytest.mark.parametrize("size", [10, 5_000, 1_000_000], ids=["memory", "disk", "many writes"])
def test_files_are_closed_when_the_request_has_ended(make_client: MakeClient, cell: Cell, size: int) -> None:
    app = App(limits=Limits(spool_bytes=1_000))
    kept: list[UploadFile] = []

    @app.post("/")
    @cell.handler
    def upload(request: Request) -> str:
        kept.append(request.form.file("file"))
        return str(len(kept[0].read()))

    assert make_client(app).post("/", files={"file": b"x" * size}).text == str(size)
    assert kept[0].file.closed


@pytest.mark.parametrize("trouble", ["handler", "middleware", "body"])
def test_files_are_closed_when_something_fails(
    make_client: MakeClient, cell: Cell, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App(limits=Limits(spool_bytes=10, max_form_fields=1))
    files: list[UploadFile] = []
    spool = UploadFile._spool
    monkeypatch.setattr(UploadFile, "_spool", lambda file: (files.append(file), spool(file)))

    @app.middleware
    def failing(request: Request) -> Middleware:
        yield
        if trouble == "middleware":
            raise HTTPError(503)

    @app.post("/")
    @cell.handler
    def upload(request: Request) -> str:
        assert trouble != "body"
        if trouble == "handler":
            raise HTTPError(503)
        return "fine"

    client = make_client(app)
    chunks: Any = None
    if trouble == "body":  # the second field comes when the file is on disk already
        head = b'--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"x" * 400_000 + b"\r\n"
        field = b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n'
        chunks = [head, field, field, b"--b--\r\n"]
        response = client.post("/", content=chunks, headers={"content-type": "multipart/form-data; boundary=b"})
    else:
        response = client.post("/", files={"f": b"x" * 20})
    assert response.status_code == (413 if trouble == "body" else 503)
    assert [file.file.closed for file in files] == [True]


def test_files_are_written_where_that_blocks_nobody(
    make_client: MakeClient, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: set[str] = set()
    write = MultipartReader.write

    def noting(reader: MultipartReader) -> None:
        writers.add(threading.current_thread().name)
        write(reader)

    monkeypatch.setattr(MultipartReader, "write", noting)
    app = App(limits=Limits(spool_bytes=10))
    app.post("/")(cell.handler(lambda request: str(request.form.file("f").size)))
    content = [
        b'--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n', *[b"x" * 200_000] * 4, b"\r\n--b--\r\n",
    ]  # fmt: skip
    response = make_client(app).post("/", content=content, headers={"content-type": "multipart/form-data; boundary=b"})
    assert response.text == "800000"
    assert writers == {"MainThread" if cell.gateway == "wsgi" else "ambi-worker"}


def test_a_file_is_saved_and_never_over_another(app: App, client: Client, cell: Cell, tmp_path: Path) -> None:
    if cell.is_async:  # `save_to` blocks, so an `async def` uses a thread for it

        @app.post("/")
        async def save(request: Request) -> str:
            file = request.form.file("f")
            file.read(2)
            await anyio.to_thread.run_sync(file.save_to, tmp_path / "saved")
            return "saved"
    else:

        @app.post("/")
        def save_here(request: Request) -> str:
            file = request.form.file("f")
            file.read(2)
            file.save_to(tmp_path / "saved")
            return "saved"

    app.error(FileExistsError)(cell.handler(lambda request, error: ("there is one", 409)))
    assert client.post("/", files={"f": b"content"}).text == "saved"
    assert (tmp_path / "saved").read_bytes() == b"content"
    assert client.post("/", files={"f": b"other"}).status_code == 409
    assert (tmp_path / "saved").read_bytes() == b"content"


def multipart(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", multipart(b'content-disposition: form-data; name="a"\r\n\r\n1')),
        ("multipart/form-data; boundary=b; boundary=c", multipart()),
        ("multipart/form-data; boundary=" + "b" * 71, b""),
        ("multipart/form-data; boundary=b", b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n1"),
        ("multipart/form-data; boundary=b", b"nothing of the kind"),
        ("multipart/form-data; boundary=b", multipart(b"content-type: text/plain\r\n\r\n1")),
        ("multipart/form-data; boundary=b", multipart(b"content-disposition: attachment; name=a\r\n\r\n1")),
        ("multipart/form-data; boundary=b", multipart(b"content-disposition: form-data\r\n\r\n1")),
        ("multipart/form-data; boundary=b", multipart(b'content-disposition: form-data; name="a\x00b"\r\n\r\n1')),
        ("multipart/form-data; boundary=b", multipart(b"content-disposition: form-data; name=a; name=b\r\n\r\n1")),
        (
            "multipart/form-data; boundary=b",
            multipart(b"content-disposition: form-data; name=a\r\ncontent-disposition: form-data; name=b\r\n\r\n1"),
        ),
        (
            "multipart/form-data; boundary=b",
            multipart(b"content-disposition: form-data; name=a\r\n" + b"x-h: 1\r\n" * 8 + b"\r\n1"),
        ),
        (
            "multipart/form-data; boundary=b",
            multipart(b"content-disposition: form-data; name=a\r\nx: " + b"h" * 5000 + b"\r\n\r\n1"),
        ),
    ],
)  # fmt: skip
def test_a_malformed_multipart_body_is_a_400(
    app: App, client: Client, cell: Cell, content_type: str, body: bytes
) -> None:
    app.post("/")(cell.handler(pairs))
    assert client.post("/", content=body or b"x", headers={"content-type": content_type}).status_code == 400


# --- limits ---


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "counted"])
@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
def test_a_body_is_held_to_the_limit(
    make_client: MakeClient, cell: Cell, chunked: bool, size: int, status: int
) -> None:
    app = App(limits=Limits(max_body_bytes=10))
    app.post("/")(cell.handler(lambda request: request.body))
    response = make_client(app).post("/", content=[b"x"] * size if chunked else b"x" * size)
    assert response.status_code == status


def test_a_route_has_a_limit_of_its_own(make_client: MakeClient, cell: Cell) -> None:
    app = App(limits=Limits(max_body_bytes=10))
    app.post("/small", max_body_bytes=5)(cell.handler(lambda request: request.body))
    app.post("/large", max_body_bytes=20)(cell.handler(lambda request: request.body))
    client = make_client(app)
    statuses = [client.post(path, content=b"x" * size).status_code for path, size in
                (("/small", 5), ("/small", 6), ("/large", 20), ("/large", 21))]  # fmt: skip
    assert statuses == [200, 413, 200, 413]


def test_what_is_parsed_as_json_has_a_limit_of_its_own(make_client: MakeClient, cell: Cell) -> None:
    """Nothing else runs on an event loop while it is. The bytes may be as many as those of any body."""
    app = App(limits=Limits(max_json_bytes=10))
    app.post("/")(cell.handler(lambda request: str(request.json())))
    app.post("/own", max_body_bytes=11)(cell.handler(lambda request: str(request.json())))
    app.post("/raw")(cell.handler(lambda request: request.text))
    client = make_client(app)
    sent = {"headers": {"content-type": "application/json"}}
    statuses = {
        (path, size): client.post(path, content=b'"' + b"x" * (size - 2) + b'"', **sent).status_code
        for path in ("/", "/own", "/raw")
        for size in (10, 11, 12)
    }
    refused = {("/", 11): 413, ("/", 12): 413, ("/own", 12): 413}
    assert statuses == dict.fromkeys(statuses, 200) | refused
    assert "larger than 10 bytes, the most that is parsed as JSON" in client.post("/", content=b"1" * 11, **sent).text


def test_a_json_of_a_mebibyte_is_parsed_and_a_larger_one_is_not(app: App, client: Client, cell: Cell) -> None:
    app.post("/")(cell.handler(lambda request: str(len(request.json()))))
    for size, status in ((1 << 20, 200), ((1 << 20) + 1, 413)):
        assert client.post("/", content=b'"' + b"x" * (size - 2) + b'"').status_code == status


def test_a_body_that_declares_too_much_is_not_read(make_client: MakeClient, cell: Cell) -> None:
    app = App(limits=Limits(max_body_bytes=10))
    app.post("/")(cell.handler(lambda request: request.body))
    tap = BodyTap(app, [b"x" * 11])
    assert make_client(tap).post("/", content=b"x" * 11).status_code == 413
    assert tap.events == []


def test_no_more_is_read_than_passes_the_limit(make_client: MakeClient, cell: Cell) -> None:
    app = App(limits=Limits(max_body_bytes=10))
    app.post("/")(cell.handler(lambda request: request.body))
    tap = BodyTap(app, [b"x" * 4] * 10)
    assert make_client(tap).post("/", content=[b"x"]).status_code == 413
    assert tap.events == ["read"] * 3


@pytest.mark.parametrize(
    ("limits", "data", "files"),
    [
        ({"max_form_fields": 2}, [("a", "1")] * 3, []),
        ({"max_form_files": 2}, [], [("f", b"x")] * 3),
        ({"max_form_parts": 2}, [("a", "1")] * 2, [("f", b"x")]),
        ({"max_field_bytes": 5}, [("a", "123456")], [("f", b"")]),
        ({"max_fields_bytes": 5}, [("a", "123"), ("b", "123")], [("f", b"")]),
    ],
    ids=str,
)
def test_a_multipart_form_past_a_limit_is_a_413(
    make_client: MakeClient, cell: Cell, limits: dict[str, Any], data: Any, files: Any
) -> None:
    app = App(limits=Limits(**limits))
    app.post("/")(cell.handler(pairs))
    client = make_client(app)
    assert client.post("/", data=data, files=files).status_code == 413
    assert client.post("/", data=data[:-1] or [("a", "1")], files=files[:-1] or [("f", b"")]).status_code == 200


@pytest.mark.parametrize(
    ("limits", "last"),
    [
        ({"max_form_fields": 2}, ("a", "1")),
        ({"max_fields_bytes": 10}, ("a", "1")),
        ({"max_field_bytes": 3}, ("a", "ü")),
    ],
    ids=str,
)
def test_an_urlencoded_form_past_a_limit_is_a_413(
    make_client: MakeClient, cell: Cell, limits: dict[str, Any], last: tuple[str, str]
) -> None:
    """What is counted is bytes as received."""
    app = App(limits=Limits(**limits))
    app.post("/")(cell.handler(pairs))
    client = make_client(app)
    assert client.post("/", data=[("a", "1"), ("a", "1"), last]).status_code == 413
    assert client.post("/", data=[("a", "1")] * 2).status_code == 200


@pytest.mark.parametrize("coding", ["gzip", "br, identity", "GZIP"])
def test_a_coded_body_is_a_415_that_says_what_is_accepted(app: App, client: Client, cell: Cell, coding: str) -> None:
    app.post("/")(cell.handler(lambda request: request.body))
    response = client.post("/", content=b"x", headers={"content-encoding": coding})
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_a_body_that_is_not_coded_may_say_so(app: App, client: Client, cell: Cell, coding: str) -> None:
    app.post("/")(cell.handler(lambda request: request.body))
    assert client.post("/", content=b"x", headers={"content-encoding": coding}).content == b"x"


@pytest.mark.parametrize("length", ["-1", "+1", "1 1", "0x1", "1,1", "a", "1.0", "\u0661".encode().decode("latin-1")])
def test_a_content_length_that_is_none_is_a_400(app: App, make_client: MakeClient, cell: Cell, length: str) -> None:
    app.post("/")(cell.handler(lambda request: request.body))
    client = make_client(app, judged=False)  # wsgiref.validate would refuse the environ itself
    assert client.post("/", content=b"x", headers={"content-length": length}).status_code == 400


@pytest.mark.parametrize("length", ["1 ", "1\t", " 1"])
def test_space_around_a_content_length_is_no_part_of_it(
    app: App, make_client: MakeClient, cell: Cell, length: str
) -> None:
    """uvicorn with httptools leaves it there, as RFC 9110 5.5 does not."""
    app.post("/")(cell.handler(lambda request: request.body))
    client = make_client(app, judged=False)
    assert client.post("/", content=b"x", headers={"content-length": length}).content == b"x"


@pytest.mark.parametrize(
    ("coding", "length", "status"),
    [
        ("chunked", None, 200),
        ("Chunked ", None, 200),
        ("chunked", "1", 400),
        ("chunked", "0", 400),
        ("gzip, chunked", None, 501),
        ("identity", None, 501),
        ("chunked,chunked", None, 501),
        ("xchunked", None, 501),
        ("chun\u212aed".encode().decode("latin-1"), None, 501),
    ],
)
def test_a_body_whose_end_is_doubtful_is_refused(
    app: App, make_client: MakeClient, cell: Cell, coding: str, length: str | None, status: int
) -> None:
    """RFC 9112 6.1. Two servers before us may see its end in two places: the rest would be a request of its own."""
    app.post("/", csrf=False)(cell.handler(lambda request: request.body))
    fields = [("host", "localhost"), ("transfer-encoding", coding), *([("content-length", length)] if length else [])]
    asked = SentRequest("POST", "http", "localhost", "/", header_lines=fields, body=b"x")
    answer = make_client(app, judged=False).send(asked)
    assert answer.status_code == status
    closes = cell.gateway == "asgi" and status != 200  # WSGI leaves that to the server
    assert answer.headers.get("connection") == ("close" if closes else None)


def test_two_transfer_encodings_are_not_one(app: App, make_client: MakeClient, cell: Cell) -> None:
    app.post("/", csrf=False)(cell.handler(lambda request: request.body))
    fields = [("host", "localhost"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]
    asked = SentRequest("POST", "http", "localhost", "/", header_lines=fields, body=b"x")
    assert make_client(app, judged=False).send(asked).status_code == 501


def test_a_content_length_of_twenty_digits_is_a_413(app: App, client: Client, cell: Cell) -> None:
    app.post("/")(cell.handler(lambda request: request.body))
    assert client.post("/", content=b"x", headers={"content-length": "9" * 20}).status_code == 413


async def wait_for_ever() -> None:
    """Wait as a server may, in a cancel scope of its own."""
    with anyio.CancelScope():
        await anyio.sleep_forever()


def test_a_body_that_stops_coming_is_a_408(make_client: MakeClient, cell: Cell) -> None:
    app = App(limits=Limits(body_timeout_s=0.05))
    app.post("/")(cell.handler(lambda request: request.body))
    # Under WSGI the server has the timer, and says so by an exception of the socket.
    pieces: list[Any] = [b"abc", TimeoutError()] if cell.gateway == "wsgi" else [b"abc"]
    tap = BodyTap(app, pieces, wait=wait_for_ever)
    assert make_client(tap).post("/", content=b"x" * 9).status_code == 408


def test_a_streamed_body_that_stops_coming_is_a_408(make_client: MakeClient, cell: Cell) -> None:
    app = App(limits=Limits(body_timeout_s=0.05))
    app.post("/")(stream_reader(cell, []))
    pieces: list[Any] = [b"abc", TimeoutError()] if cell.gateway == "wsgi" else [b"abc"]
    tap = BodyTap(app, pieces, wait=wait_for_ever)
    assert make_client(tap).post("/", content=b"x" * 9).status_code == 408


def test_a_client_that_leaves_is_no_error_of_the_application(
    make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    app = App()
    app.post("/")(cell.handler(lambda request: pytest.fail("the handler ran")))
    make_client(BodyTap(app, [b"abc", None])).post("/", content=b"x" * 9)
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_a_connection_that_breaks_is_no_error_of_the_application(
    make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    app = App()
    app.post("/")(cell.handler(lambda request: pytest.fail("the handler ran")))
    broken = ConnectionResetError("reset by peer") if cell.gateway == "wsgi" else None
    make_client(BodyTap(app, [b"abc", broken])).post("/", content=b"x" * 9)
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


# --- read only when wanted ---


def test_a_request_without_a_body_reads_nothing(make_client: MakeClient, cell: Cell) -> None:
    app = App()
    app.post("/")(cell.handler(lambda request: f"{request.body!r} {len(request.form)} {request.text!r}"))
    tap = BodyTap(app, [])
    assert make_client(tap).post("/").text == "b'' 0 ''"
    assert tap.events == []


def refused_by_middleware(app: App, cell: Cell) -> None:
    @app.middleware
    def refuse(request: Request) -> Middleware:
        raise HTTPError(401)
        yield

    app.post("/")(cell.handler(lambda request: request.body))


def answered_by_middleware(app: App, cell: Cell) -> None:
    @app.middleware
    def answer(request: Request) -> Middleware:
        return Text("unauthorized", 401)
        yield

    app.post("/")(cell.handler(lambda request: request.body))


def refused_by_async_middleware(app: App, cell: Cell) -> None:
    @app.middleware
    async def answer(request: Request, call_next: Any) -> Text:
        return Text("unauthorized", 401)

    app.post("/")(cell.handler(lambda request: request.body))


def refused_by_handler_with_stream(app: App, cell: Cell) -> None:
    @app.post("/")
    @cell.handler
    def refuse(stream: BodyStream) -> Text:
        return Text("unauthorized", 401)


def no_such_route(app: App, cell: Cell) -> None:
    @app.error(404)
    def unauthorized(request: Request, error: HTTPError) -> Text:
        return Text("unauthorized", 401)


@pytest.mark.parametrize(
    "arrange",
    [
        refused_by_middleware, answered_by_middleware, refused_by_async_middleware, refused_by_handler_with_stream,
        no_such_route,
    ],
)  # fmt: skip
def test_a_refused_request_is_never_asked_for_its_body(make_client: MakeClient, cell: Cell, arrange: Any) -> None:
    """Reading is what answers `Expect: 100-continue`: a client that is refused need not send its body at all."""
    app = App()
    arrange(app, cell)
    tap = BodyTap(app, [b"abc"])
    response = make_client(tap).post("/", content=b"abc", headers={"expect": "100-continue"})
    assert (response.status_code, tap.events) == (401, [])


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "asgi"], indirect=True, ids=str)
@pytest.mark.parametrize(
    ("headers", "size", "events"),
    [
        ({}, 3, ["read", "layer"]),
        ({}, 65_536, ["read", "layer"]),
        ({}, 65_537, ["layer", "read"]),
        ({"expect": "100-continue"}, 3, ["layer", "read"]),
        ({"content-type": "multipart/form-data; boundary=b"}, 3, ["layer", "read"]),
        ({"transfer-encoding": "chunked"}, 3, ["layer", "read"]),
    ],
)
def test_a_small_body_that_is_on_its_way_is_read_before_a_thread_is_taken(
    make_client: MakeClient, cell: Cell, headers: dict[str, str], size: int, events: list[str]
) -> None:
    """ASGI alone: under WSGI the thread is there already."""
    app, seen = App(), list[str]()

    @app.middleware(blocking=True)
    def layer(request: Request) -> Middleware:
        seen.append("layer")
        yield

    app.post("/", max_body_bytes=100_000)(cell.handler(lambda request: str(len(request.body))))
    content: Any = [b"x" * size] if "transfer-encoding" in headers else b"x" * size
    sent = {name: value for name, value in headers.items() if name != "transfer-encoding"}
    make_client(BodyTap(app, [b"x" * size], seen)).post("/", content=content, headers=sent)
    assert list(dict.fromkeys(seen)) == events


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "asgi"], indirect=True, ids=str)
def test_what_is_read_ahead_is_counted_whatever_was_declared(make_client: MakeClient, cell: Cell) -> None:
    """ASGI alone, as above."""
    app = App()

    @app.middleware(blocking=True)
    def layer(request: Request) -> Middleware:
        yield

    app.post("/", max_body_bytes=100_000)(cell.handler(lambda request: request.body))
    app.post("/small", max_body_bytes=100)(cell.handler(lambda request: request.body))
    client = make_client(BodyTap(app, [b"x" * 40_000] * 5))
    assert client.post("/", content=b"abc").status_code == 413
    client = make_client(BodyTap(app, [b"x" * 101]))
    assert client.post("/small", content=b"abc").status_code == 413


def test_what_is_refused_of_a_body_is_refused_behind_the_layers_also_where_it_was_read_before_them(
    make_client: MakeClient, cell: Cell
) -> None:
    app, seen = App(), list[int]()

    @app.middleware(blocking=True)
    def layer(request: Request) -> Middleware:
        response = yield
        seen.append(response.status)

    app.post("/", max_body_bytes=3)(cell.handler(lambda request: request.body))
    client = make_client(app)
    assert client.post("/", content=b"four").status_code == 413
    assert client.post("/", content=b"abc", headers={"content-encoding": "gzip"}).status_code == 415
    assert client.post("/", content=b"abc").content == b"abc"
    assert seen == [413, 415, 200]


def test_a_layer_sees_no_body_that_was_read_before_it(
    make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    app = App()

    @app.middleware(blocking=True)
    def early(request: Request) -> Middleware:
        request.body  # noqa: B018
        yield

    app.post("/")(cell.handler(lambda request: request.body))
    assert make_client(app).post("/", content=b"abc").status_code == 500
    assert "@app.middleware(body=True)" in caplog.text


def test_a_middleware_that_touches_the_body_early_is_told_what_to_do(
    app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    @app.middleware
    def early(request: Request) -> Middleware:
        request.body  # noqa: B018
        yield

    app.post("/")(cell.handler(lambda request: request.body))
    assert client.post("/", content=b"abc").status_code == 500
    assert "@app.middleware(body=True)" in caplog.text
    assert client.post("/").status_code == 200


@pytest.mark.parametrize("where", ["app", "route"])
def test_a_middleware_may_have_the_body_first(app: App, client: Client, cell: Cell, where: str) -> None:
    seen = []

    def signed(request: Request) -> Middleware:
        seen.append(request.body)
        yield

    if where == "app":
        app.middleware(body=True)(signed)
    layers = [Layer(signed, body=True)] if where == "route" else []
    app.post("/", middleware=layers)(cell.handler(lambda request: request.body))
    assert client.post("/", content=b"abc").content == b"abc"
    assert seen == [b"abc"]


def test_a_middleware_sees_the_body_behind_its_yield(app: App, client: Client, cell: Cell) -> None:
    seen = []

    @app.middleware
    def late(request: Request) -> Middleware:
        yield
        seen.append(request.body)

    app.post("/")(cell.handler(lambda request: "handled"))
    client.post("/", content=b"abc")
    assert seen == [b"abc"]


def test_a_middleware_that_wants_the_body_gets_the_refusal_of_a_large_one(make_client: MakeClient, cell: Cell) -> None:
    app = App(limits=Limits(max_body_bytes=2))
    app.middleware(body=True)(lambda_layer)
    app.post("/")(cell.handler(lambda request: request.body))
    assert make_client(app).post("/", content=b"abc").status_code == 413


@pytest.mark.parametrize("touched", [False, True], ids=["left alone", "touched"])
def test_the_layers_around_one_that_wants_the_body_see_the_refusal_of_it(
    make_client: MakeClient, cell: Cell, touched: bool
) -> None:
    seen: list[int] = []
    app = App(limits=Limits(max_body_bytes=2))

    @app.middleware
    def outer(request: Request) -> Middleware:
        response = yield
        seen.append(response.status)
        response.headers["x-outer"] = "yes"

    @app.middleware(body=True)
    def inner(request: Request) -> Middleware:
        if touched:
            request.json()
        response = yield
        seen.append(response.status)

    app.error(413)(cell.handler(lambda request, error: "too large"))
    app.post("/")(cell.handler(lambda request: seen.append(0)))
    client = make_client(app)
    for content in (b"abc", [b"a", b"b", b"c"]):
        response = client.post("/", content=content)
        assert (response.status_code, response.text, response.headers["x-outer"]) == (413, "too large", "yes")
    assert seen == ([413, 413] if touched else [413, 413, 413, 413])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/missing", 404), ("PUT", "/", 405), ("OPTIONS", "/", 204), ("POST", "/slash", 308),
        ("POST", "/inner/missing", 404), ("PUT", "/inner/", 405), ("POST", "/%FF", 400),
    ],
)  # fmt: skip
@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=b"])
def test_a_middleware_that_wants_the_body_gets_that_of_a_request_without_a_route_too(
    make_client: MakeClient, cell: Cell, method: str, path: str, status: int, content_type: str
) -> None:
    seen: list[bytes] = []
    app, inner = App(), App()

    @app.middleware(body=True)
    def signed(request: Request) -> Middleware:
        seen.append(request.body)
        yield

    app.post("/")(cell.handler(lambda: "here"))
    app.post("/slash/")(cell.handler(lambda: "here"))
    inner.post("/")(cell.handler(lambda: "here"))
    app.mount("/inner", inner)
    response = make_client(app).request(method, path, content=b"abc", headers={"content-type": content_type})
    assert (response.status_code, seen) == (status, [b"abc" if status != 400 else b""])  # of that, no more is read


def lambda_layer(request: Request) -> Middleware:
    request.body  # noqa: B018
    yield


# --- BodyStream ---


def stream_reader(cell: Cell, events: list[str]) -> Any:
    """Give a handler of the cell's colour that reads its body piece by piece."""

    def read(stream: BodyStream) -> str:
        total = 0
        for chunk in stream:
            assert chunk
            events.append("handle")
            total += len(chunk)
        return str(total)

    async def read_async(stream: BodyStream) -> str:
        total = 0
        async for chunk in stream:
            assert chunk
            events.append("handle")
            total += len(chunk)
        return str(total)

    return cell.pick(read, read_async)


@pytest.mark.parametrize(
    "chunks", [[], [b"a"], [b"abc"] * 5, [b"x" * 100_000] * 20], ids=["none", "one", "five", "large"]
)
def test_a_stream_gives_the_whole_body(app: App, client: Client, cell: Cell, chunks: list[bytes]) -> None:
    app.post("/")(stream_reader(cell, []))
    assert client.post("/", content=chunks or b"").text == str(sum(map(len, chunks)))


def test_a_stream_reads_nothing_ahead(make_client: MakeClient, cell: Cell) -> None:
    events: list[str] = []
    app = App()
    app.post("/")(stream_reader(cell, events))
    tap = BodyTap(
        app, [b"one", b"two", b"", b"three"] if cell.gateway == "asgi" else [b"one", b"two", b"three"], events
    )
    assert make_client(tap).post("/", content=[b"x"]).text == "11"
    gap = ["read"] if cell.gateway == "asgi" else []  # an event without bytes is passed over
    end = ["read"] if cell.gateway == "wsgi" else []  # only reading tells that there is no more
    assert events == ["read", "handle", "read", "handle", *gap, "read", "handle", *end]


def test_a_stream_is_held_to_the_limit_of_its_route(app: App, client: Client, cell: Cell) -> None:
    events: list[str] = []
    app.post("/", max_body_bytes=5)(stream_reader(cell, events))
    assert client.post("/", content=[b"abc"]).text == "3"
    assert client.post("/", content=[b"abc", b"def"]).status_code == 413
    assert client.post("/", content=b"abcdef").status_code == 413


def test_a_stream_raises_when_the_client_leaves(make_client: MakeClient, cell: Cell) -> None:
    caught: list[BaseException] = []
    app = App()

    def read(stream: BodyStream) -> str:
        with pytest.raises(ClientDisconnected) as info:
            list(stream)
        caught.append(info.value)
        return "left"

    async def read_async(stream: BodyStream) -> str:
        with pytest.raises(ClientDisconnected) as info:
            [chunk async for chunk in stream]
        caught.append(info.value)
        return "left"

    app.post("/")(cell.pick(read, read_async))
    make_client(BodyTap(app, [b"abc", None])).post("/", content=b"x" * 9)
    assert len(caught) == 1


def test_a_stream_may_be_left_half_read(app: App, client: Client, cell: Cell) -> None:
    def first(stream: BodyStream) -> bytes:
        for chunk in stream:
            return chunk
        return b"none"

    async def first_async(stream: BodyStream) -> bytes:
        async for chunk in stream:
            return chunk
        return b"none"

    app.post("/")(cell.pick(first, first_async))
    response = client.post("/", content=[b"abc", b"def"])
    assert response.content[:3] == b"abc"


def test_a_streamed_body_is_not_loaded(app: App, client: Client, cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    @app.post("/")
    @cell.handler
    def both(request: Request, stream: BodyStream) -> bytes:
        return request.body

    assert client.post("/", content=b"abc").status_code == 500
    assert "not loaded" in caplog.text


def test_an_async_stream_is_read_with_an_async_for_alone(app: App, client: Client, cell: Cell) -> None:
    """A stream takes the colour of the loop that reads it, not that of the gateway: a `for` blocks the loop."""

    def read(stream: BodyStream) -> str:
        return str(len(b"".join(stream)))

    async def read_async(stream: BodyStream) -> str:
        return str(len(b"".join([chunk async for chunk in stream])))

    app.post("/")(cell.pick(read, read_async))
    assert client.post("/", content=[b"ab", b"c"]).text == "3"


@pytest.mark.parametrize("handed_over", ["by the handler", "by an async handler"])
@pytest.mark.parametrize("chunks", [b"ab", [b"a", b"b"], [b"x" * 100_000] * 5], ids=["declared", "coded", "large"])
def test_a_streamed_response_may_be_made_of_the_streamed_body(
    app: App, client: Client, cell: Cell, chunks: Any, handed_over: str
) -> None:
    def upper(stream: BodyStream) -> Iterator[bytes]:
        for chunk in stream:
            yield chunk.upper()

    async def upper_async(stream: BodyStream) -> AsyncIterator[bytes]:
        async for chunk in stream:
            yield chunk.upper()

    made = cell.pick(upper, upper_async)

    async def handler(stream: BodyStream) -> Stream:
        await anyio.sleep(0)
        return Stream(made(stream))

    app.post("/")(made if handed_over == "by the handler" else handler)
    assert (
        client.post("/", content=chunks).content == b"".join(chunks if isinstance(chunks, list) else [chunks]).upper()
    )


def test_a_stream_that_reads_the_body_is_left_in_the_middle(app: App, client: Client, cell: Cell) -> None:
    ended: list[str] = []

    def echo(stream: BodyStream) -> Iterator[bytes]:
        try:
            yield b"begun"
            yield from stream
        finally:
            ended.append("ended")

    async def echo_async(stream: BodyStream) -> AsyncIterator[bytes]:
        try:
            yield b"begun"
            async for chunk in stream:
                yield chunk
        finally:
            ended.append("ended")

    app.post("/")(cell.pick(echo, echo_async))
    with client.stream("POST", "/", content=[b"x" * 65536] * 100) as response:
        assert next(response.iter_bytes()) == b"begun"
        time.sleep(0.05)  # for the stream to ask for the body
    assert ended == ["ended"]


ASGI_ASYNC = [cell for cell in CELLS if cell.gateway == "asgi" and cell.is_async]


@pytest.mark.parametrize("cell", ASGI_ASYNC, indirect=True, ids=str)
def test_a_for_on_the_event_loop_raises_instead_of_waiting_for_itself(
    app: App, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """ASGI alone: the loop that would have to receive is the one that waits."""

    @app.post("/")
    async def read(stream: BodyStream) -> bytes:
        return b"".join(stream)

    assert client.post("/", content=b"abc").status_code == 500
    assert "async for" in caplog.text
