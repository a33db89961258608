"""zstd and brotli, by the packages of the extra `compression`: what they pack is unpacked by their own readers."""

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from ambi import SSE, App, Stream
from ambi.features import compression
from ambi.features.compression import LARGE_BYTES, load_codings
from ambi.testing import Client
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient

brotli = pytest.importorskip("brotli", reason="brotli is not installed")
if sys.version_info < (3, 14):
    pytest.importorskip("backports.zstd", reason="backports.zstd is not installed")
zstd = compression._Zstandard()._library

TEXT = "The quick brown fox jumps over the lazy dog. " * 100
ONE_FOR_EACH_GATEWAY = pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
UNPACK = {"br": brotli.decompress, "zstd": zstd.decompress}


class Reader:
    """Unpacks as it comes."""

    def __init__(self, coding: str) -> None:
        self._reader = brotli.Decompressor() if coding == "br" else zstd.ZstdDecompressor()
        self.read = self._reader.process if coding == "br" else self._reader.decompress

    @property
    def is_through(self) -> bool:
        return bool(self._reader.is_finished() if hasattr(self._reader, "is_finished") else self._reader.eof)


@pytest.fixture(params=["br", "zstd"])
def coding(request: pytest.FixtureRequest) -> str:
    """Give one coding after the other."""
    name: str = request.param
    return name


@pytest.fixture
def app() -> App:
    """Give an application that compresses with what there is."""
    app = App()
    app.compression(event_streams=True)
    return app


def accepting(coding: str) -> dict[str, str]:
    return {"accept-encoding": coding}


@ONE_FOR_EACH_GATEWAY
def test_whole_bodies(app: App, client: Client, coding: str) -> None:
    large = "".join(f"{number * 7919 % 10007} " for number in range(LARGE_BYTES // 2))
    app.get("/small")(lambda: TEXT)
    app.get("/large")(lambda: large)
    for path, text in (("/small", TEXT), ("/large", large)):
        response = client.get(path, headers=accepting(coding))
        assert (response.headers["content-encoding"], UNPACK[coding](response.content)) == (coding, text.encode())
        assert response.headers.get("content-length") in (None, str(len(response.content)))


def test_streams_item_by_item(app: App, client: Client, cell: Cell, coding: str) -> None:
    @app.get("/")
    @cell.handler
    def items() -> Iterator[str]:
        for number in range(20):
            yield f"item {number}\n"

    reader = Reader(coding)
    with client.stream("GET", "/", headers=accepting(coding)) as response:
        parts = [reader.read(chunk) for chunk in response.iter_bytes()]
    assert [part for part in parts if part] == [b"item %d\n" % number for number in range(20)]
    assert reader.is_through


@ONE_FOR_EACH_GATEWAY
def test_a_quiet_stream_shows_life_by_a_block_of_nothing(app: App, client: Client, coding: str) -> None:
    import time

    def events() -> Iterator[str]:
        yield "a" * 100
        time.sleep(0.2)
        yield "a" * 100

    app.get("/")(lambda: SSE(events(), keep_alive_s=0.05))
    with client.stream("GET", "/", headers=accepting(coding)) as response:
        chunks = list(response.iter_bytes())
    assert load_codings([coding])[coding].idle in chunks
    event = b"data: %b\n\n" % (b"a" * 100)
    assert UNPACK[coding](b"".join(chunks)) == b": open\n\n" + event + event


@ONE_FOR_EACH_GATEWAY
@pytest.mark.parametrize(
    ("accepts", "chosen"),
    [
        ("gzip, deflate, br, zstd", "zstd"), ("gzip, deflate, br", "br"), ("gzip, deflate", "gzip"),
        ("br;q=0.5, gzip", "gzip"), ("*", "zstd"), ("zstd;q=0, *", "br"),
    ],
)  # fmt: skip
def test_what_the_client_likes_best_or_costs_least(app: App, client: Client, accepts: str, chosen: str) -> None:
    app.get("/")(lambda: TEXT)
    assert client.get("/", headers={"accept-encoding": accepts}).headers["content-encoding"] == chosen


@ONE_FOR_EACH_GATEWAY
def test_order_and_levels_can_be_said(make_client: MakeClient) -> None:
    app = App()
    app.compression(codings=["br", "zstd"], level={"br": 0, "zstd": 19, "gzip": 1})
    app.get("/")(lambda: TEXT)
    client = make_client(app)
    response = client.get("/", headers={"accept-encoding": "gzip, zstd, br"})
    assert response.headers["content-encoding"] == "br"
    assert response.content == brotli.compress(TEXT.encode(), quality=0)
    assert client.get("/", headers=accepting("zstd")).content == zstd.compress(TEXT.encode(), level=19)
    assert "content-encoding" not in client.get("/", headers=accepting("gzip")).headers


def test_no_level_of_zstd_looks_back_further_than_clients_must_remember() -> None:
    """8 MiB, RFC 9659. Nothing is served here, so there is no cell."""
    body = b"x" * (9 * 1024 * 1024)
    coding = compression._Zstandard()
    for packed in (coding.pack(body, 19), _streamed(coding, body)):
        reader = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 23})
        assert reader.decompress(packed) == body


def _streamed(coding: compression.Coding, body: bytes) -> bytes:
    coder = coding.begin(19, is_endless=False)
    return coder.add(body) + coder.finish()


def test_the_module_of_the_standard_library_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.14 on. Nothing is served here, so there is no cell."""
    module: Any = types.ModuleType("compression.zstd")
    module.compress = lambda data, level: b"packed"
    monkeypatch.setitem(sys.modules, "compression", types.ModuleType("compression"))
    monkeypatch.setitem(sys.modules, "compression.zstd", module)
    assert load_codings(["zstd"])["zstd"].pack(b"", 3) == b"packed"


@ONE_FOR_EACH_GATEWAY
def test_a_stream_of_the_other_colour(app: App, client: Client, coding: str) -> None:
    async def items() -> Any:
        yield "a"
        yield "b"

    app.get("/def")(lambda: Stream(["ab"]))
    app.get("/async")(lambda: Stream(items()))
    for path in ("/def", "/async"):
        assert UNPACK[coding](client.get(path, headers=accepting(coding)).content) == b"ab"
