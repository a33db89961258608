"""Handlers that fail, in process. Most other faults are provoked where their subject is tested; see `ledger.py`."""

import ast
import asyncio
import concurrent.futures
import errno
import gc
import logging
import sys
import tempfile
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ambi import App, Headers, HTTPError, Request, Response, Text, UploadFile
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient
from tests.corpus.test_calls import covers

SECRETS = {"authorization": "Bearer in-the-field", "cookie": "sid=in-the-cookie"}


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


@covers("exceptions/before-start")
@pytest.mark.parametrize("accept", ["text/html", "application/json", "text/plain", "*/*"])
def test_a_crash_tells_the_log_and_not_the_client(
    app: App, make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture, accept: str
) -> None:
    app.request_ids()

    @app.post("/items/{id}", name="item", csrf=False)
    @cell.handler
    def fail(request: Request, id: int) -> None:
        raise ValueError("secret-123")

    answered = make_client(app).post(
        "/items/7?q=in-the-query", headers={**SECRETS, "accept": accept}, content="in-the-body"
    )
    assert answered.status_code == 500
    for leak in ("secret-123", "Traceback", ".py", "ValueError", "ambi"):
        assert leak not in answered.text
    [record] = errors(caplog)
    line = logging.Formatter().format(record)
    assert "POST /items/7" in line
    assert "fail" in record.getMessage(), "the handler, with its file and line"
    assert "ValueError: secret-123" in line
    assert "in-the-" not in line


@covers("exceptions/after-start")
def test_a_failure_in_the_middle_ends_the_answer_short(
    app: App, make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/")
    @cell.handler
    def items() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("secret-123")

    client = make_client(app)
    arrived = []
    with pytest.raises(ValueError, match="secret-123"), client.stream("GET", "/") as response:
        assert response.status_code == 200
        arrived.extend(response.iter_bytes())
    assert arrived == [b"a"], "and the server, which gets the exception, breaks the connection off"


@covers("exceptions/in-404-handler")
def test_a_failing_handler_of_errors_is_a_500(
    app: App, make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    @app.error(404)
    @cell.handler
    def fail(error: HTTPError) -> None:
        raise ValueError("secret-123")

    answered = make_client(app).get("/nothing")
    assert answered.status_code == 500
    assert "secret-123" not in answered.text
    assert len(errors(caplog)) == 1


@covers("exceptions/cancelled")
def test_a_handler_that_cancels_itself_has_not_succeeded(
    app: App, make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer that says so, or none: to the event loop of a server that is a cancellation as any other."""
    if cell.backend == "trio":
        pytest.skip("trio lets nobody make an exception of this kind")

    @app.get("/")
    @cell.handler
    def fail() -> None:
        raise asyncio.CancelledError

    client = make_client(app, judged=False)
    try:
        status = client.get("/").status_code
    except (asyncio.CancelledError, concurrent.futures.CancelledError):
        status = 0
    assert status in (0, 500)


@covers("exceptions/recursion")
def test_a_recursion_without_end_is_a_500_and_the_next_request_works(
    app: App, make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    def deeper(depth: int) -> int:
        return deeper(depth + 1) + 1

    @app.get("/")
    @cell.handler
    def fail() -> str:
        return str(deeper(0))

    @app.get("/next")
    @cell.handler
    def following() -> str:
        return "fine"

    client = make_client(app)
    assert client.get("/").status_code == 500
    assert client.get("/next").text == "fine"
    [record] = errors(caplog)
    assert record.exc_info is not None
    assert record.exc_info[0] is RecursionError


@covers("exceptions/wrong-return")
@pytest.mark.parametrize("value", [42, 4.2, {1}, object(), lambda: 0, [object()]], ids=repr)
def test_a_value_that_is_no_answer_names_handler_and_type(
    app: App, make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture, value: Any
) -> None:
    @app.get("/")
    @cell.handler
    def answer_with_that() -> Any:
        return value

    assert make_client(app).get("/").status_code == 500
    [record] = errors(caplog)
    line = logging.Formatter().format(record)
    assert "answer_with_that" in line
    assert (type(value[0]) if isinstance(value, list) else type(value)).__name__ in line


@covers("exceptions/forgot-await")
def test_a_coroutine_is_never_left_unawaited(
    app: App, make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning of one would be an error here."""

    async def value() -> str:
        return "never asked for"

    @app.get("/")
    @cell.handler
    def forgetful() -> Any:
        return value()

    assert make_client(app).get("/").status_code == 500
    gc.collect()
    assert "forgetful" in logging.Formatter().format(errors(caplog)[0])


class Held:
    """What a handler had at hand when it failed."""


@covers("exceptions/reuse-instance", "gc/traceback-cycle")
@pytest.mark.parametrize(
    "error", [ValueError("one for all"), HTTPError(503, "one for all")], ids=["crash", "http-error"]
)
def test_an_exception_that_is_raised_again_and_again_holds_nothing(
    app: App, make_client: MakeClient, cell: Cell, error: Exception
) -> None:
    held: list[weakref.ref[Held]] = []

    @app.get("/")
    @cell.handler
    def fail() -> None:
        mine = Held()
        held.append(weakref.ref(mine))
        raise error

    client = make_client(app)
    logging.disable()  # pytest keeps the records, and those their exceptions
    try:
        for _ in range(3):
            assert client.get("/").status_code in (500, 503)
    finally:
        logging.disable(logging.NOTSET)
    assert error.__traceback__ is None
    gc.collect()  # the client for tests has kept what it may have to raise
    assert [reference() for reference in held] == [None] * 3


@covers("exceptions/500-page-leak")
def test_a_page_of_an_error_has_no_markup_of_its_path(app: App, make_client: MakeClient, cell: Cell) -> None:
    @app.get("/crash/{text}")
    @cell.handler
    def fail(text: str) -> None:
        raise ValueError(text)

    client = make_client(app)
    for target in ("/%3Cb%3E", "/crash/%3Cb%3E", "/?a=<b>"):
        for accept in ("text/html", "application/json", "text/plain"):
            answered = client.get(target, headers={"accept": accept})
            assert answered.status_code in (404, 500)
            assert "<b>" not in answered.text


@covers("isolation/global-response", "iterators/double-iter")
def test_a_response_that_is_kept_is_the_same_for_everybody(app: App, make_client: MakeClient, cell: Cell) -> None:
    kept, defaults = Text("kept"), {"x-default": "1"}

    @app.middleware
    def mark(request: Request) -> Any:
        response = yield
        if "who" in request.query:
            response.headers["x-who"] = request.query["who"]

    @app.get("/fresh")
    @cell.handler
    def fresh() -> Response:
        return Text("fresh", headers=defaults)

    @app.get("/kept")
    @cell.handler
    def always() -> Response:
        return kept

    client = make_client(app)
    assert client.get("/fresh?who=ann").headers["x-who"] == "ann"
    assert client.get("/fresh").headers.get("x-who") is None
    assert defaults == {"x-default": "1"}
    assert [client.get("/kept").text for _ in range(3)] == ["kept"] * 3


@covers("isolation/request-outside")
def test_there_is_no_request_to_be_had_without_one() -> None:
    """It is a parameter, never a global: so nothing can be used outside of a request by mistake."""
    import ambi

    assert not [name for name in ambi.__all__ if isinstance(getattr(ambi, name), (Request, Headers))]


@covers("concurrency/router-mutation")
def test_a_route_that_is_added_while_it_serves_is_served(app: App, make_client: MakeClient, cell: Cell) -> None:
    client = make_client(app)
    for number in range(20):
        path = f"/late/{number}"
        assert client.get(path).status_code == 404
        app.get(path, name=path)(cell.handler(lambda: "late"))
        assert client.get(path).text == "late"


# --- resources ---


@covers("multipart/emfile")
def test_an_upload_that_finds_no_descriptor_is_a_500_and_the_next_one_is_taken(
    app: App, make_client: MakeClient, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.post("/", csrf=False)
    @cell.handler
    def upload(request: Request) -> dict[str, Any]:
        return {"sizes": [file.size for file in request.form.values() if isinstance(file, UploadFile)]}

    def refuse(*args: Any, **options: Any) -> Any:
        if len(made) == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        made.append(really(*args, **options))
        return made[-1]

    made: list[Any] = []
    really = tempfile.TemporaryFile
    client = make_client(app)
    files = {"a": ("a", b"x" * 100_000), "b": ("b", b"y" * 100_000)}
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert client.post("/", files=files).status_code in (500, 503)
    assert [file.closed for file in made] == [True], "what there was of it is released"
    monkeypatch.undo()
    assert client.post("/", files=files).json() == {"sizes": [100_000, 100_000]}


class Broken:
    """Standard error of a server whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@covers("signals/pipe")
def test_a_log_that_cannot_be_written_breaks_no_request(
    app: App, make_client: MakeClient, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.access_log()

    @app.get("/{kind}")
    @cell.handler
    def answer(kind: str) -> str:
        if kind == "crash":
            raise ValueError(kind)
        return kind

    client = make_client(app, judged=False)
    handler = logging.StreamHandler(Broken())  # type: ignore[arg-type]
    for configured in (True, False):
        for name in ("ambi.access", "ambi.error"):
            logger = logging.getLogger(name)
            monkeypatch.setattr(logger, "propagate", False)
            monkeypatch.setattr(logger, "handlers", [handler] if configured else [])
        monkeypatch.setattr(sys, "stderr", Broken())
        assert client.get("/fine").text == "fine"
        assert client.get("/crash").status_code == 500
        assert client.get("/fine").text == "fine"


@covers("memory/distinct-urls")
@pytest.mark.parametrize("cell", GATEWAYS, ids=str, indirect=True)
def test_nothing_that_clients_make_up_is_kept_without_end(
    app: App, make_client: MakeClient, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.get("/items/{id}")
    @cell.handler
    def item(request: Request, id: str) -> Response:
        offers = request.accepts("text/plain", "text/html"), request.accepts_language("de", "en")
        return Text(f"{offers} {len(request.cookies)} {len(request.query)} {request.url}")

    app.compression()
    client = make_client(app, judged=False)

    def ask(first: int, last: int) -> int:
        for n in range(first, last):
            fields = {
                "host": f"h{n}.example", "accept": f"a/b{n}", "accept-language": f"x-{n}", "cookie": f"c{n}=v",
                "accept-encoding": f"gzip;q=0.{n:04}", f"x-{n}": "v", "user-agent": f"a{n}", "if-none-match": f'"{n}"',
            }  # fmt: skip
            path = f"/items/{n}" if n % 2 else f"/nothing/{n}"
            client.request(f"M{n}" if n % 5 == 0 else "GET", f"{path}?q{n}=v", headers=fields)
        gc.collect()
        return sys.getallocatedblocks()

    logging.disable()
    try:
        full = ask(0, 260)
        grown = min(ask(first, first + 260) for first in (260, 520)) - full
    finally:
        logging.disable(logging.NOTSET)
    assert grown < 200, "caches are full by then: what comes in pushes out, and not a block stays of each request"


@covers("memory/long-line-file")
@pytest.mark.parametrize("cell", GATEWAYS, ids=str, indirect=True)
def test_a_file_that_is_one_line_is_sent_by_blocks(
    app: App, make_client: MakeClient, cell: Cell, tmp_path: Path
) -> None:
    path = tmp_path / "line.txt"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    app.static("/files", tmp_path)
    client = make_client(app, judged=False)
    client.get("/files/line.txt", headers={"range": "bytes=0-0"})
    tracemalloc.start()
    try:
        with client.stream("GET", "/files/line.txt") as response:
            sent = sum(map(len, response.iter_bytes()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sent == 64 << 20
    assert peak < 4 << 20


@covers("fork/preload-rng")
def test_nothing_random_comes_from_a_generator_that_a_fork_would_copy() -> None:
    """Tokens, ids and masks are the system's: `secrets`, `os.urandom`. Only a test asks for some that come again."""
    import ambi

    package = Path(ambi.__file__).parent
    for path in set(package.rglob("*.py")) - set(package.glob("testing/*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            assert "random" not in [*names, *modules], path
