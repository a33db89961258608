"""Disks that are full, slow or not to be written to, and no descriptors left: for all that touches a file.

The answer says what the machine is out of (507, 503), else 500; the log has one line; nothing is left; and when there is
room again the next request is served.
"""

import contextlib
import errno
import io
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from ambi import App, File, Limits, Middleware, Request, UploadFile
from ambi.core.files import CHUNK_BYTES as FILE_CHUNK_BYTES
from ambi.features.sessions import SQLiteStore, Unavailable
from ambi.testing import Client
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient
from tests.faults import ALL

SECRET = "of these tests, and of nobody else" * 2
FILES = {"a": ("a.bin", b"x" * 5000), "b": ("b.bin", b"y" * 5000)}


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Give what was logged from warnings on, since it was asked for last."""

    def lines() -> list[str]:
        found = [f"{record.getMessage()}: {record.exc_info and record.exc_info[1]}" for record in caplog.records
                 if record.levelname in ("WARNING", "ERROR", "CRITICAL")]  # fmt: skip
        caplog.clear()
        return found

    return lines


Lines = Callable[[], list[str]]


def uploading(cell: Cell) -> App:
    app = App(limits=Limits(spool_bytes=100), csrf=False)

    @app.post("/")
    @cell.handler
    def upload(request: Request) -> str:
        return str(sum(file.size for file in request.form.values() if isinstance(file, UploadFile)))

    return app


# --- uploads ---


def full(**options: Any) -> Any:
    return open("/dev/full", "r+b", buffering=0)  # closed by who asked for it


def refused(number: int) -> Any:
    def refuse(**options: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return refuse


ERRORS = {"ENOSPC": 507, "EMFILE": 503, "EACCES": 500, "EDQUOT": 507, "ENFILE": 503, "EROFS": 500, "EIO": 500}
SOME_ERRORS = [(name, ERRORS[name]) for name in list(ERRORS)[: len(ERRORS) if ALL else 3]]


@pytest.mark.parametrize(
    ("opens", "status"),
    [pytest.param(full, 507, id="full")]
    + [pytest.param(refused(getattr(errno, name)), status, id=name) for name, status in SOME_ERRORS],
)
def test_an_upload_that_cannot_be_kept_says_what_is_missing(
    make_client: MakeClient, cell: Cell, opens: Any, status: int, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    client = make_client(uploading(cell))
    monkeypatch.setattr(tempfile, "TemporaryFile", opens)
    answered = client.post("/", files=FILES)
    assert answered.status_code == status
    assert "Errno" not in answered.text
    [line] = lines()
    assert line.startswith("POST / crashed in")
    monkeypatch.undo()
    assert client.post("/", files=FILES).text == "10000"
    assert lines() == []


def test_a_disk_that_takes_less_than_all_loses_no_byte(
    make_client: MakeClient, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unbuffered write may take a part; it fails only when nothing is taken."""
    written: list[bytes] = []

    class Reluctant:
        closed = False

        def write(self, data: Any) -> int:
            taken = bytes(data[: max(1, len(data) // 2)])
            written.append(taken)
            return len(taken)

        def seek(self, *where: int) -> int:
            return 0

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: Reluctant())
    body = bytes(range(256)) * 10
    assert make_client(uploading(cell)).post("/", files={"a": ("a", body)}).text == str(len(body))
    assert b"".join(written) == body


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of one mebibyte, or skip the test."""
    mount = shutil.which("mount")
    if mount is None or not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.decode(errors='replace').strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True, timeout=10)


def test_a_disk_of_one_mebibyte(make_client: MakeClient, cell: Cell, tmp_path: Path, lines: Lines) -> None:
    client = make_client(uploading(cell))
    with small_disk(tmp_path), pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path))
        large = {"a": ("a", b"x" * 600_000), "b": ("b", b"y" * 600_000)}
        answered = client.post("/", files=large)
        assert answered.status_code == 507
        assert len(lines()) == 1
        disk = os.statvfs(tmp_path)
        assert disk.f_bfree >= disk.f_blocks - 1, "what there was of it is released"
        assert list(tmp_path.iterdir()) == []
        assert client.post("/", files={"a": large["a"]}).text == "600000"
        assert lines() == []


def test_a_folder_for_uploads_that_is_not_there(
    make_client: MakeClient, cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    client = make_client(uploading(cell))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert client.post("/", files=FILES).status_code == 500
    assert len(lines()) == 1
    monkeypatch.undo()
    assert client.post("/", files=FILES).text == "10000"


def test_a_slow_disk_makes_no_event_loop_wait(
    make_client: MakeClient, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every test here forbids to block on an event loop: a `time.sleep` there would be an error."""
    really = tempfile.TemporaryFile

    class Slow:
        def __init__(self) -> None:
            self._file = really(buffering=0)
            self.seek, self.close, self.read = self._file.seek, self._file.close, self._file.read

        def write(self, data: bytes) -> int:
            time.sleep(0.02)
            return self._file.write(data)

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: Slow())
    assert make_client(uploading(cell)).post("/", files=FILES).text == "10000"


# --- no descriptors ---


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """Take all descriptors that this process may have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, before[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in taken:
            os.close(descriptor)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are counted by /proc")
@pytest.mark.parametrize("path", ["/file", "/static/page.txt", "/upload"])
def test_a_process_without_descriptors_says_so_and_recovers(
    make_client: MakeClient, cell: Cell, path: str, tmp_path: Path, lines: Lines
) -> None:
    page = tmp_path / "page.txt"
    page.write_text("page")
    app = App(csrf=False)
    app.static("/static", tmp_path)
    app.mount("/upload", uploading(cell))
    app.get("/file")(cell.handler(lambda: File(page)))
    client = make_client(app)

    def ask() -> Any:
        return client.post("/upload/", files=FILES) if path == "/upload" else client.get(path)

    assert ask().status_code == 200
    with no_descriptors():
        answered = ask()
    assert answered.status_code == 503
    assert len(lines()) == 1
    assert ask().status_code == 200
    assert lines() == []


@pytest.mark.parametrize("path", ["/file", "/static/page.txt"])
def test_a_file_that_may_not_be_read_is_not_there(
    make_client: MakeClient, cell: Cell, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """Root may read everything, so it is played."""
    page = tmp_path / "page.txt"
    page.write_text("page")
    app = App()
    app.static("/static", tmp_path)
    app.get("/file")(cell.handler(lambda: File(page)))
    client = make_client(app)
    really = os.open

    def refuse(name: Any, flags: int, *args: Any, **options: Any) -> int:
        if str(name).endswith("page.txt") and not flags & os.O_DIRECTORY:  # which is a kernel's first question
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return really(name, flags, *args, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert client.get(path).status_code == 404
    assert len(lines()) == 1
    monkeypatch.undo()
    assert client.get(path).text == "page"


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_file_that_cannot_be_read_to_its_end_cuts_the_answer(
    make_client: MakeClient, cell: Cell, number: int, tmp_path: Path, lines: Lines
) -> None:
    class Failing:
        """A file object whose second block cannot be read."""

        def __init__(self) -> None:
            self._file = (tmp_path / "page").open("rb")
            self.seekable, self.tell, self.fileno = self._file.seekable, self._file.tell, self._no_descriptor
            self._reads = 0

        def _no_descriptor(self) -> int:
            raise OSError("none")

        def seek(self, *where: int) -> int:
            return self._file.seek(*where)

        def read(self, size: int = -1) -> bytes:
            self._reads += 1
            if self._reads > 1:
                raise OSError(number, os.strerror(number))
            return self._file.read(size)

        @property
        def closed(self) -> bool:
            return self._file.closed

        def close(self) -> None:
            self._file.close()

    (tmp_path / "page").write_bytes(b"." * 300_000)
    made: list[Failing] = []

    def handler() -> File:
        made.append(Failing())
        return File(made[-1], content_type="text/plain")  # type: ignore[arg-type]

    app = App()
    app.get("/")(cell.handler(handler))
    client = make_client(app, judged=False)
    arrived = 0
    with pytest.raises(OSError, match=os.strerror(number)), client.stream("GET", "/") as response:
        for chunk in response.iter_bytes():
            arrived += len(chunk)
    assert 0 < arrived < 300_000
    assert made[0].closed
    assert len(lines()) == 1


# --- sessions in SQLite ---


@pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
def test_a_session_that_finds_the_disk_full_is_an_error_and_the_next_one_is_kept(
    app: App, make_client: MakeClient, cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    store = SQLiteStore(tmp_path / "sessions.db")
    is_full = True
    connect = store._connect

    def connect_small() -> Any:
        connection = connect()
        if is_full:
            connection.execute("PRAGMA max_page_count = 8")
        return connection

    monkeypatch.setattr(store, "_connect", connect_small)
    app.sessions(secret=SECRET, store=store)

    @app.post("/", csrf=False)
    @cell.handler
    def keep(request: Request) -> str:
        request.session["text"] = request.body.decode()
        return "kept"

    client = make_client(app)
    assert client.post("/", content="small").text == "kept"
    assert client.post("/", content="x" * 100_000).status_code == 507
    told = lines()
    assert len(told) == 1
    assert "full" in told[0]
    is_full = False
    store.close()
    started = time.monotonic()
    assert client.post("/", content="x" * 100_000).text == "kept"
    assert time.monotonic() - started < 2, "no lock is left"
    assert lines() == []
    store.close()


def keeping(cell: Cell, store: SQLiteStore) -> App:
    app = App(csrf=False)
    app.sessions(secret=SECRET, store=store)

    @app.post("/")
    @cell.handler
    def keep(request: Request) -> str:
        request.session["text"] = request.body.decode()
        return "kept"

    return app


def test_a_session_on_a_disk_of_one_mebibyte(make_client: MakeClient, cell: Cell, tmp_path: Path, lines: Lines) -> None:
    with small_disk(tmp_path):
        store = SQLiteStore(tmp_path / "sessions.db")
        client = make_client(keeping(cell, store))
        assert client.post("/", content="small").text == "kept"
        filling = tmp_path / "filling"
        with filling.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        answered = client.post("/", content="x" * 100_000)
        assert (answered.status_code, answered.headers.get("retry-after")) == (507, None)
        assert "sessions.db" not in answered.text
        [line] = lines()
        assert "database or disk is full" in line
        filling.unlink()
        assert client.post("/", content="x" * 100_000).text == "kept"
        assert lines() == []
        store.close()


def test_a_session_that_somebody_else_has_locked_is_a_503(
    make_client: MakeClient, cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    monkeypatch.setattr("ambi.features.sessions.sqlite_store._BUSY_S", 0.05)
    store = SQLiteStore(tmp_path / "sessions.db")
    client = make_client(keeping(cell, store))
    assert client.post("/", content="1").text == "kept"
    with contextlib.closing(sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answered = client.post("/", content="2")
    assert (answered.status_code, answered.headers["retry-after"]) == (503, "5")
    assert len(lines()) == 1
    assert client.post("/", content="3").text == "kept"
    assert lines() == []
    store.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are counted by /proc")
def test_a_session_for_which_there_is_no_descriptor_is_a_503(
    make_client: MakeClient, cell: Cell, tmp_path: Path, lines: Lines
) -> None:
    store = SQLiteStore(tmp_path / "sessions.db")
    client = make_client(keeping(cell, store))
    assert client.post("/", content="1").text == "kept"
    store.close()
    with no_descriptors():
        answered = client.post("/", content="2")
    assert answered.status_code == 503
    assert len(lines()) == 1
    assert client.post("/", content="3").text == "kept"
    store.close()


@pytest.mark.parametrize("status", [503, 507])
def test_what_is_away_is_logged_once_and_passes_the_layers_as_a_crash(
    app: App, client: Client, cell: Cell, status: int, lines: Lines
) -> None:
    seen: list[str] = []

    @app.middleware
    def watch(request: Request) -> Middleware:
        try:
            yield
        except Unavailable as exc:
            seen.append(str(exc))
            raise

    @app.get("/")
    @cell.handler
    def handler() -> None:
        raise Unavailable("the host of the queue", status)

    answered = client.get("/", headers={"accept": "application/json"})
    assert (answered.status_code, answered.json()["status"]) == (status, status)
    assert answered.headers.get("retry-after") == ("5" if status == 503 else None)
    assert "queue" not in answered.text
    assert seen == ["the host of the queue"]
    assert len(lines()) == 1
    app.error(500)(cell.handler(lambda request, error: f"sorry: {error}"))
    assert client.get("/").text == "sorry: the host of the queue"


def ticking(app: App) -> list[float]:
    """Let the application's event loop tick while it serves; give by how much each tick is late."""
    waits: list[float] = []

    async def tick() -> None:
        while True:
            started = time.monotonic()
            await anyio.sleep(0.005)
            waits.append(time.monotonic() - started - 0.005)

    async def lifespan() -> Any:
        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            yield
            group.cancel_scope.cancel()

    app.lifespan(lifespan)
    return waits


def test_a_loop_goes_on_while_a_slow_disk_writes(tmp_path: Path) -> None:
    """Under ASGI alone, where they would share an event loop."""
    app = uploading(next(cell for cell in GATEWAYS if cell.is_async))
    client = Client(app, gateway="asgi", backend="asyncio")
    really = tempfile.TemporaryFile
    waits = ticking(app)

    class Slow:
        def __init__(self) -> None:
            self._file = really(buffering=0)
            self.seek, self.close = self._file.seek, self._file.close

        def write(self, data: bytes) -> int:
            time.sleep(0.1)
            return self._file.write(data)

    with pytest.MonkeyPatch.context() as patch, client:
        patch.setattr(tempfile, "TemporaryFile", lambda **options: Slow())
        assert client.post("/", files=FILES).text == "10000"
    assert sorted(waits)[len(waits) // 2] < 0.05, "most ticks come in time while writes take 100 ms each"


SLOW_S = 0.25


class SlowFile(io.FileIO):
    """A file on a disk that takes its time for every read."""

    def read(self, size: int | None = -1) -> bytes:
        time.sleep(SLOW_S)
        return super().read(size)


@pytest.mark.parametrize("path", ["/file", "/static/a.bin"])
def test_a_loop_goes_on_while_a_slow_disk_is_read(path: str, tmp_path: Path) -> None:
    """Under ASGI alone. To open the file, to ask what it is, and each read take longer than any tick may."""
    (tmp_path / "a.bin").write_bytes(b"x" * (FILE_CHUNK_BYTES + 1))
    app = App()
    app.static("/static", tmp_path)
    slow: list[str] = []

    @app.get("/file")
    async def file() -> File:
        return File(tmp_path / "a.bin")

    def slowly(name: str, really: Callable[..., Any], is_meant: Callable[[Any], bool]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if is_meant(args[0]) and name not in slow:
                slow.append(name)
                time.sleep(SLOW_S)
            return really(*args, **options)

        return call

    waits = ticking(app)
    with pytest.MonkeyPatch.context() as patch, Client(app, gateway="asgi", backend="asyncio") as client:
        patch.setattr(os, "open", slowly("open", os.open, lambda path: str(path).endswith("a.bin")))
        patch.setattr(os, "fstat", slowly("fstat", os.fstat, lambda number: True))
        patch.setattr(io, "FileIO", SlowFile)
        waits.clear()
        assert len(client.get(path).content) == FILE_CHUNK_BYTES + 1
    assert slow == ["open", "fstat"]
    assert len(waits) > 10
    assert max(waits) < SLOW_S / 2
