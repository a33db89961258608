"""Files that the server sends by itself. Each test is about one gateway, since the means are that gateway's own."""

import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults

import anyio
import pytest

from ambi import App, File, Middleware, Request, Response
from ambi.core.files import CHUNK_BYTES
from ambi.gateways.file_sending import SentByDescriptor

pytestmark = pytest.mark.usefixtures("no_leaks")
SIZE = 3 * CHUNK_BYTES + 17


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a file of several chunks."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture(params=["def", "async def"])
def served(request: pytest.FixtureRequest, app: App, path: Path) -> App:
    """Give the application that serves it."""
    if request.param == "def":
        app.get("/")(lambda: File(path))
    else:

        @app.get("/")
        async def large() -> File:
            return File(path)

    return app


# --- WSGI ---


class Wrapper:
    """The file wrapper of a server that sends by descriptor, if there is one, as gunicorn does."""

    made: list["Wrapper"] = []

    def __init__(self, file: Any, block: int = 8192) -> None:
        self.file = file
        self.block = block
        if hasattr(file, "close"):
            self.close = file.close
        self.made.append(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(self.block), b"")


@pytest.fixture(autouse=True)
def none_made() -> None:
    Wrapper.made.clear()


def call(app: App, **environ: Any) -> tuple[str, dict[str, str], Any]:
    """Call as a WSGI server does; give status, header fields and the iterable."""
    setup_testing_defaults(environ)
    started: list[Any] = []

    def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.extend((status, dict(fields)))

    chunks = app(environ, start_response)
    return started[0], started[1], chunks


def drain(chunks: Any) -> bytes:
    try:
        return b"".join(chunks)
    finally:
        chunks.close()


WITH_WRAPPER: dict[str, Any] = {"wsgi.file_wrapper": Wrapper}
AS_GUNICORN: dict[str, Any] = {**WITH_WRAPPER, "gunicorn.socket": object()}


def test_the_wrapper_of_the_server_is_outermost(served: App, path: Path) -> None:
    status, fields, chunks = call(served, **WITH_WRAPPER)
    assert (status, fields["content-length"], type(chunks)) == ("200 OK", str(SIZE), Wrapper)
    assert drain(chunks) == path.read_bytes()


def test_the_wrapper_of_the_standard_library_will_do(served: App, path: Path) -> None:
    _, _, chunks = call(served, **{"wsgi.file_wrapper": FileWrapper})
    assert isinstance(chunks, FileWrapper)
    assert drain(chunks) == path.read_bytes()


def test_without_a_wrapper_there_are_chunks(served: App, path: Path) -> None:
    _, _, chunks = call(served)
    pieces = list(chunks)
    chunks.close()
    assert (b"".join(pieces), len(pieces)) == (path.read_bytes(), 4)


def test_a_wrapper_that_wants_a_descriptor_is_left_alone(served: App, path: Path) -> None:
    def wants_descriptor(file: Any, block: int) -> Any:
        raise TypeError("argument must be an int, or have a fileno() method.")

    _, _, chunks = call(served, **{"wsgi.file_wrapper": wants_descriptor})
    assert drain(chunks) == path.read_bytes()


def test_a_descriptor_is_shown_to_servers_that_send_as_much_as_they_are_told(served: App, path: Path) -> None:
    _, _, chunks = call(served, **WITH_WRAPPER)
    assert not hasattr(chunks.file, "fileno")
    assert len(drain(chunks)) == SIZE
    _, _, chunks = call(served, **AS_GUNICORN)
    assert isinstance(chunks.file, SentByDescriptor)
    assert os.fstat(chunks.file.fileno()).st_size == SIZE
    assert drain(chunks) == path.read_bytes()


def test_a_part_begins_where_the_descriptor_stands(served: App, path: Path) -> None:
    status, fields, chunks = call(served, HTTP_RANGE="bytes=100000-", **AS_GUNICORN)
    assert (status, fields["content-length"]) == ("206 Partial Content", str(SIZE - 100_000))
    assert os.lseek(chunks.file.fileno(), 0, os.SEEK_CUR) == 100_000
    receiver, sender = socket.socketpair()
    with receiver, sender:
        receiver.settimeout(10)
        received: list[bytes] = []
        reader = threading.Thread(target=lambda: received.extend(iter(lambda: receiver.recv(65536), b"")))
        reader.start()
        sent = sender.sendfile(chunks.file, 100_000, SIZE - 100_000)
        sender.close()
        reader.join(10)
    chunks.close()
    assert (sent, b"".join(received)) == (SIZE - 100_000, path.read_bytes()[100_000:])


def test_a_wrapped_file_that_was_cut_breaks_the_connection(served: App, path: Path) -> None:
    _, _, chunks = call(served, **AS_GUNICORN)
    os.truncate(path, 10)
    with pytest.raises(RuntimeError, match=f"{SIZE - 10} bytes are missing"):
        chunks.close()
    chunks.close()


def test_a_wrapped_file_that_was_cut_raises_where_it_is_read(served: App, path: Path) -> None:
    _, _, chunks = call(served, **WITH_WRAPPER)
    os.truncate(path, CHUNK_BYTES)
    with pytest.raises(RuntimeError, match="became shorter"):
        drain(chunks)


def test_a_wrapped_file_that_grew_is_as_long_as_it_was(served: App, path: Path) -> None:
    _, _, chunks = call(served, **WITH_WRAPPER)
    with path.open("ab") as file:
        file.write(b"more")
    assert len(drain(chunks)) == SIZE


@pytest.mark.parametrize(("method", "fields"), [("HEAD", {}), ("GET", {"HTTP_IF_NONE_MATCH": "*"})])
def test_what_has_no_body_has_no_wrapper(served: App, method: str, fields: dict[str, str]) -> None:
    _, _, chunks = call(served, REQUEST_METHOD=method, **fields, **AS_GUNICORN)
    assert (b"".join(chunks), Wrapper.made) == (b"", [])


def test_with_something_to_do_after_it_there_is_no_wrapper(app: App, path: Path) -> None:
    done = threading.Event()

    @app.get("/")
    def large(request: Request) -> File:
        request.after(done.set)
        return File(path)

    _, _, chunks = call(app, **AS_GUNICORN)
    assert (drain(chunks), Wrapper.made) == (path.read_bytes(), [])
    assert done.wait(10)


def test_a_length_of_a_layer_counts(app: App, path: Path) -> None:
    @app.middleware
    def cut(request: Request) -> Middleware:
        response = yield
        response.headers["content-length"] = "5"

    app.get("/")(lambda: File(path))
    _, _, chunks = call(app, **AS_GUNICORN)
    assert (drain(chunks), Wrapper.made) == (path.read_bytes()[:5], [])


def test_a_file_in_memory_is_read_by_the_wrapper(app: App) -> None:
    app.get("/")(lambda: File(io.BytesIO(b"x" * SIZE)))
    _, _, chunks = call(app, **AS_GUNICORN)
    assert not hasattr(chunks.file, "fileno")
    assert len(drain(chunks)) == SIZE


# --- ASGI ---


def exchange(
    app: App, *extensions: str, fail: bool = False, method: str = "GET", **fields: str
) -> list[dict[str, Any]]:
    """Call as an ASGI server with extensions does; what the messages named is read when it is sent."""
    messages: list[dict[str, Any]] = []
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        "extensions": {f"http.response.{name}": {} for name in extensions},
    }  # fmt: skip

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def send(message: dict[str, Any]) -> None:
        if fail and message["type"] != "http.response.start":
            raise OSError("the client left")
        if message["type"] == "http.response.zerocopysend":
            file = message.pop("file")
            message["body"] = os.pread(file.fileno(), message["count"], message["offset"])
        messages.append(message)

    async def serve() -> None:
        with anyio.fail_after(10):
            await app(scope, receive, send)

    anyio.run(serve)
    return messages


def test_a_server_that_takes_paths_gets_the_path(served: App, path: Path) -> None:
    start, message = exchange(served, "pathsend")
    assert message == {"type": "http.response.pathsend", "path": str(path)}
    assert dict(start["headers"])[b"content-length"] == str(SIZE).encode()


def test_a_path_is_absolute(app: App, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    app.get("/")(lambda: File(path.name))
    assert exchange(app, "pathsend")[1]["path"] == str(path)


def test_a_part_is_sent_without_a_path(served: App, path: Path) -> None:
    start, *bodies = exchange(served, "pathsend", range="bytes=100000-")
    assert (start["status"], {body["type"] for body in bodies}) == (206, {"http.response.body"})
    assert b"".join(body["body"] for body in bodies) == path.read_bytes()[100_000:]


@pytest.mark.parametrize(("extension", "offset"), [("pathsend", 0), ("zerocopysend", 0), ("zerocopysend", 100_000)])
@pytest.mark.parametrize("fail", [False, True])
def test_what_a_server_sends_by_itself_is_counted(served: App, extension: str, offset: int, fail: bool) -> None:
    told: list[tuple[int | None, int, bool]] = []

    @served.middleware
    def note(request: Request) -> Middleware:
        request.on_sent(lambda sent: told.append((sent.status, sent.body_bytes, sent.is_complete)))
        yield

    exchange(served, extension, fail=fail, **({"range": f"bytes={offset}-"} if offset else {}))
    assert told == [(206 if offset else 200, 0 if fail else SIZE - offset, not fail)]


def test_what_a_server_would_send_by_itself_is_read_where_it_is_counted(app: App, path: Path) -> None:
    """WSGI: a wrapped file is not counted, so it is none."""
    told: list[int] = []

    @app.get("/")
    def handler(request: Request) -> File:
        request.on_sent(lambda sent: told.append(sent.body_bytes))
        return File(path)

    _, _, chunks = call(app, **AS_GUNICORN)
    assert (len(drain(chunks)), told) == (SIZE, [SIZE])


@pytest.mark.parametrize("offset", [0, 100_000])
def test_a_server_that_takes_files_gets_the_open_file(served: App, path: Path, offset: int) -> None:
    _, message, end = exchange(served, "zerocopysend", "pathsend", range=f"bytes={offset}-")
    assert (message["type"], message["offset"], message["count"]) == (
        "http.response.zerocopysend", offset, SIZE - offset
    )  # fmt: skip
    assert message["body"] == path.read_bytes()[offset:]
    assert message["more_body"]
    assert end == {"type": "http.response.body", "body": b"", "more_body": False}


def test_an_open_file_that_was_cut_breaks_the_connection(
    served: App, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.pread

    def read_and_cut(*args: Any) -> bytes:
        data = read(*args)
        os.truncate(path, 10)
        return data

    monkeypatch.setattr(os, "pread", read_and_cut)
    with pytest.raises(RuntimeError, match=f"{SIZE - 10} bytes are missing"):
        exchange(served, "zerocopysend")


@pytest.mark.parametrize("extension", ["pathsend", "zerocopysend"])
def test_a_client_that_leaves_is_no_error(served: App, extension: str, caplog: pytest.LogCaptureFixture) -> None:
    exchange(served, extension, fail=True)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("extension", ["pathsend", "zerocopysend"])
def test_head_names_no_file(served: App, extension: str) -> None:
    _, message = exchange(served, extension, method="HEAD")
    assert message["type"] == "http.response.body"


@pytest.mark.parametrize("extension", ["pathsend", "zerocopysend"])
def test_what_has_no_name_and_no_descriptor_is_sent_in_chunks(app: App, extension: str) -> None:
    app.get("/")(lambda: File(io.BytesIO(b"x" * SIZE)))
    assert sum(len(message.get("body", b"")) for message in exchange(app, extension)) == SIZE


def test_a_static_file_is_never_opened_by_its_name_again(app: App, path: Path) -> None:
    """Nobody can put a link in the way of the second opening."""
    app.static("/", path.parent, index=path.name)
    assert {message["type"] for message in exchange(app, "pathsend")} == {"http.response.start", "http.response.body"}
    assert exchange(app, "zerocopysend")[1]["count"] == SIZE


def test_a_length_of_a_layer_counts_here_too(app: App, path: Path) -> None:
    @app.middleware
    def cut(request: Request) -> Middleware:
        response = yield
        response.headers["content-length"] = "5"

    app.get("/")(lambda: File(path))
    messages = exchange(app, "pathsend", "zerocopysend")
    assert b"".join(message.get("body", b"") for message in messages) == path.read_bytes()[:5]


def test_other_streams_are_none_of_it(app: App) -> None:
    app.get("/")(lambda: Response(iter([b"a"])))
    assert b"".join(message.get("body", b"") for message in exchange(app, "pathsend", "zerocopysend")) == b"a"
    assert drain(call(app, **AS_GUNICORN)[2]) == b"a"
