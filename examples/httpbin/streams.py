"""Bodies that are sent bit by bit."""

import json
import random
from collections.abc import AsyncIterator, Iterator
from math import ceil

import anyio

from ambi import HTTPError, Request, Response, Router, Stream

from .arguments import argument, seconds, whole
from .echo import describe

routes = Router()

BYTES = "application/octet-stream"
MAX_BYTES = 100 * 1024
MAX_DRIP_BYTES = 10 * 1024**2
MAX_DRIPS = 1000
LONGEST_S = 60
CHUNK_BYTES = 10 * 1024
ALPHABET = b"abcdefghijklmnopqrstuvwxyz"


@routes.get("/stream/{n}")
def stream(request: Request, n: int) -> Stream:
    """Send n lines of JSON, at most a hundred."""
    seen = describe(request, "url", "args", "headers", "origin")
    return Stream((json.dumps({**seen, "id": i}) + "\n" for i in range(min(n, 100))), "application/json")


def seeded(request: Request) -> random.Random:
    """Make the source of bytes: for one `seed` always the same."""
    if argument(request, "seed") is None:
        return random.Random()  # noqa: S311  # no secret
    return random.Random(whole(request, "seed", 0))  # noqa: S311


def random_bytes(source: random.Random, count: int) -> bytes:
    return bytes(source.randint(0, 255) for _ in range(count))  # which httpbin takes: the bytes are known for a seed


@routes.get("/bytes/{n}")
def some_bytes(request: Request, n: int) -> Response:
    """Send n bytes by chance, at most 100 KiB; `seed` makes them the same each time."""
    return Response(random_bytes(seeded(request), min(n, MAX_BYTES)), content_type=BYTES)


@routes.get("/stream-bytes/{n}")
def stream_bytes(request: Request, n: int) -> Stream:
    """The same in chunks of `chunk_size` bytes."""
    size, source = max(1, whole(request, "chunk_size", CHUNK_BYTES)), seeded(request)
    return Stream(chunks_of(source, min(n, MAX_BYTES), size), BYTES)


def chunks_of(source: random.Random, count: int, size: int) -> Iterator[bytes]:
    for start in range(0, count, size):
        yield random_bytes(source, min(size, count - start))


@routes.get("/drip")
async def drip(request: Request) -> Stream:
    """Wait `delay` seconds, then send `numbytes` bytes over `duration` seconds, with the status `code`."""
    count, code = min(whole(request, "numbytes", 10), MAX_DRIP_BYTES), whole(request, "code", 200)
    if count < 1 or not 200 <= code <= 599:
        raise HTTPError(400, "numbytes must be positive, and code a status from 200 to 599")
    duration_s = seconds(request, "duration", 2, LONGEST_S)
    await anyio.sleep(seconds(request, "delay", 0, LONGEST_S))
    return Stream(drops(count, duration_s), BYTES, code, {"content-length": str(count)})


async def drops(count: int, duration_s: float) -> AsyncIterator[bytes]:
    """Give bytes one by one; of more than a thousand some at a time, which no client can tell."""
    size = ceil(count / MAX_DRIPS)
    for start in range(0, count, size):
        piece = b"*" * min(size, count - start)
        yield piece
        await anyio.sleep(duration_s * len(piece) / count)


@routes.get("/range/{size:int}")
async def range_of(request: Request, size: int) -> Response:
    """Send so many bytes, or the range of them that is asked for, over `duration` seconds in chunks of `chunk_size`."""
    fields = {"etag": f"range{size}", "accept-ranges": "bytes"}
    if not 0 < size <= MAX_BYTES:
        return Response(f"the number of bytes must be from 1 to {MAX_BYTES}", 404, fields)
    first, last = asked_range(request, size)
    if not 0 <= first <= last < size:
        return Response(b"", 416, {**fields, "content-range": f"bytes */{size}"})
    chunk_size = max(1, whole(request, "chunk_size", CHUNK_BYTES))
    pause_s = seconds(request, "duration", 0, LONGEST_S) / size
    fields |= {"content-length": str(last + 1 - first), "content-range": f"bytes {first}-{last}/{size}"}
    is_whole = last + 1 - first == size
    return Stream(letters(first, last + 1, chunk_size, pause_s), BYTES, 200 if is_whole else 206, fields)


def asked_range(request: Request, size: int) -> tuple[int, int]:
    """Give the first and the last position that are asked for, which need not be there; all for what is no range.

    httpbin refuses a range that ends behind the body, or begins behind its own end. `request.range` is what an
    application takes: it cuts the first and passes over the second, as RFC 9110 14.2 says.
    """
    unit, _, text = request.headers.get("range", "").partition("=")
    begin, hyphen, end = text.strip().partition("-")
    if unit.strip() != "bytes" or not hyphen or not (begin + end).isdecimal() or len(text) > 40:
        return 0, size - 1
    if not begin:
        return max(0, size - int(end)), size - 1
    return int(begin), int(end) if end else size - 1


async def letters(start: int, stop: int, size: int, pause_s: float) -> AsyncIterator[bytes]:
    """Give the alphabet over and over, from one position to another."""
    for position in range(start, stop, size):
        chunk = bytes(ALPHABET[i % 26] for i in range(position, min(position + size, stop)))
        yield chunk
        await anyio.sleep(pause_s * len(chunk))
