"""Answers in a content coding, whether the client says that it knows it or not; `app.compression` asks first."""

import gzip
import zlib
from collections.abc import Callable

from ambi import HTML, Request, Response, Router

from .answers import IndentedJSON
from .documents import FILES
from .echo import describe

routes = Router()


def encoded(request: Request, coding: str, **done: bool) -> Response:
    """Show the request in a content coding."""
    data = IndentedJSON().dumps(describe(request, "origin", "headers", "method", **done)).encode()
    fields = {"content-encoding": coding}
    return Response(ENCODERS[coding](data), headers=fields, content_type="application/json")


def stored_brotli(data: bytes) -> bytes:
    """Write data as brotli without compressing it, which needs no library: every decoder reads it.

    See: RFC 7932 9.2. The bits of a header come lowest first: one for the window, in front of all, of 64 KiB; then for
    each block that it is not the last, that its length has four digits, those, and that it is not compressed. At the
    end comes a last block that is empty.
    """
    blocks, window = b"", 1
    for start in range(0, len(data), 1 << 16):
        block = data[start : start + (1 << 16)]
        header = ((len(block) - 1) << 3 | 1 << 19) << window
        blocks, window = blocks + header.to_bytes(3, "little") + block, 0
    return blocks + b"\x03"


ENCODERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress, "br": stored_brotli}


@routes.get("/gzip")
def in_gzip(request: Request) -> Response:
    """Show the request, in gzip."""
    return encoded(request, "gzip", gzipped=True)


@routes.get("/deflate")
async def in_deflate(request: Request) -> Response:
    """Show the request, in deflate (which is zlib's format)."""
    return encoded(request, "deflate", deflated=True)


@routes.get("/brotli")
def in_brotli(request: Request) -> Response:
    """Show the request, in brotli."""
    return encoded(request, "br", brotli=True)


@routes.get("/encoding/utf8")
def utf8() -> HTML:
    """Show text of many scripts, in UTF-8."""
    return HTML((FILES / "utf8.html").read_text(encoding="utf-8"))
