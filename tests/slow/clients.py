"""Requests as slow clients send them and answers as they read them; what is right is checked here.

Each function of `EXCHANGES` does one exchange over a `Peer` and raises AssertionError when the answer is not the one
that the application gives. Nothing waits longer than `Pace.patience_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from tests.servers.wire import Head, parse_head, request_bytes
from tests.slow.app import BLOCK, BLOCKS, PAGE
from tests.slow.proxy import reset

SMALL_WINDOW = 4096
COLOURS = ("def", "async")
DOWNLOAD = BLOCK * BLOCKS
FORM = (
    b"--b\r\nContent-Disposition: form-data; name=text\r\n\r\nslowly\r\n"
    b"--b\r\nContent-Disposition: form-data; name=file; filename=f\r\n\r\n" + b"f" * 100_000 + b"\r\n--b--\r\n"
)
FORM_SAID = b"slowly 100000"
FORM_TYPE = ("Content-Type", "multipart/form-data; boundary=b")
HANDSHAKE = (
    ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)  # fmt: skip


@dataclass(frozen=True)
class Pace:
    """How slow the slow ones are: seconds from byte to byte, and how long anybody waits."""

    byte_s: float = 0.05
    patience_s: float = 20.0

    @property
    def body_timeout_s(self) -> float:
        """For `Limits.body_timeout_s`: longer than a busy machine lets a byte wait, and silence is found out soon."""
        return 60 * self.byte_s


class Cut(Exception):
    """The connection ended before the answer was whole."""


class Peer:
    """A connection to a server, with the pace at which it is used.

    Attributes:
        reads_slowly: so many of the next bytes of a body are read one by one.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pace: Pace) -> None:
        self.reader, self.writer, self.pace = reader, writer, pace
        self.reads_slowly = 0

    async def send(self, data: bytes) -> None:
        """Send at once. A server that has refused already may have closed: what it said is still to be read."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def drip(self, data: bytes) -> None:
        """Send byte by byte, until the server has closed."""
        for at in range(len(data)):
            if self.writer.transport.is_closing():
                break
            await self.send(data[at : at + 1])
            await asyncio.sleep(self.pace.byte_s)

    def half_close(self) -> None:
        """Say that nothing more comes."""
        with contextlib.suppress(OSError):
            self.writer.write_eof()

    def leave_rudely(self) -> None:
        reset(self.writer)

    async def exactly(self, size: int) -> bytes:
        """Read so many bytes. Raises: Cut."""
        try:
            begun = b""
            while len(begun) < size and self.reads_slowly:
                begun += await self.reader.readexactly(1)
                self.reads_slowly -= 1
                await asyncio.sleep(self.pace.byte_s)
            return begun + await self.reader.readexactly(size - len(begun))
        except (asyncio.IncompleteReadError, ConnectionError) as failure:
            raise Cut(f"{failure!r}") from None

    async def until(self, mark: bytes) -> bytes:
        try:
            return await self.reader.readuntil(mark)
        except (asyncio.IncompleteReadError, ConnectionError) as failure:
            raise Cut(f"{failure!r}") from None

    async def head(self) -> Head:
        return parse_head((await self.until(b"\r\n\r\n"))[:-4])

    async def body(self, head: Head) -> bytes:
        """Read a body by its framing (RFC 9112 s.6.3). Raises: Cut when it ends too early."""
        if (length := head.get("content-length")) is not None:
            return await self.exactly(int(length))
        if "chunked" not in (head.get("transfer-encoding") or ""):
            try:
                return await self.reader.read()
            except ConnectionError as failure:
                raise Cut(f"{failure!r}") from None
        pieces = []
        while size := int(await self.until(b"\r\n"), 16):
            pieces.append(await self.exactly(size))
            await self.exactly(2)
        await self.exactly(2)
        return b"".join(pieces)

    async def answer(self) -> tuple[int, bytes]:
        head = await self.head()
        return head.status, await self.body(head)


@contextlib.asynccontextmanager
async def peer(port: int, pace: Pace, *, window: int | None = None) -> AsyncIterator[Peer]:
    """Open a connection for as long as a pace has patience. Raises: TimeoutError."""
    connection = socket.socket()
    connection.setblocking(False)
    if window is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)  # before the connection: tcp(7)
    async with asyncio.timeout(pace.patience_s):
        try:
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        except BaseException:
            connection.close()
            raise
        limit = 2 * SMALL_WINDOW if window else 64 * 1024
        reader, writer = await asyncio.open_connection(sock=connection, limit=limit)
        try:
            yield Peer(reader, writer, pace)
        finally:
            writer.close()


# ------------------------------------------------------------------ exchanges

Send = Callable[[Peer, bytes], Awaitable[None]]
Exchange = Callable[[Peer, str, Send], Awaitable[None]]


async def at_once(peer: Peer, data: bytes) -> None:
    await peer.send(data)


async def dripping(peer: Peer, data: bytes) -> None:
    """Send the first twenty and the last twenty bytes slowly, and all between them at once."""
    await peer.drip(data[:20])
    await peer.send(data[20:-20])
    await peer.drip(data[20:][-20:])


async def page(peer: Peer, colour: str, send: Send) -> None:
    await send(peer, request_bytes("GET", f"/{colour}/page"))
    told = await peer.answer()
    assert told == (200, PAGE.encode()), told


async def form(peer: Peer, colour: str, send: Send) -> None:
    head, _, body = request_bytes("POST", f"/{colour}/form", [FORM_TYPE], FORM).partition(b"\r\n\r\n")
    await send(peer, head + b"\r\n\r\n")
    await send(peer, body)
    told = await peer.answer()
    assert told == (200, FORM_SAID), told


async def download(peer: Peer, colour: str, send: Send) -> None:
    await send(peer, request_bytes("GET", f"/{colour}/download"))
    status, body = await peer.answer()
    assert (status, body == DOWNLOAD) == (200, True), (status, len(body))


async def file(peer: Peer, colour: str, send: Send) -> None:
    await send(peer, request_bytes("GET", f"/{colour}/file"))
    status, body = await peer.answer()
    assert (status, body == DOWNLOAD) == (200, True), (status, len(body))


async def events(peer: Peer, colour: str, send: Send) -> None:
    """Read five events, and leave."""
    await send(peer, request_bytes("GET", f"/{colour}/events"))
    head = await peer.head()
    assert head.status == 200, head
    for _ in range(5):
        await peer.until(b"data: tick\n\n")


async def websocket(peer: Peer, colour: str, send: Send) -> None:
    """Have two messages echoed, and close in order (RFC 6455)."""
    # Bytes behind a handshake in one packet are lost in most servers; so it is sent alone.
    await send(peer, request_bytes("GET", "/ws", HANDSHAKE))
    head = await peer.head()
    assert head.status == 101, head
    for text in (b"hello", b"once more, " * 8):
        await send(peer, frame(0x1, text))
        assert (told := await read_frame(peer)) == (0x1, text), told
    await send(peer, frame(0x8, struct.pack("!H", 1000)))
    assert (told := await read_frame(peer)) == (0x8, struct.pack("!H", 1000)), told


def frame(opcode: int, payload: bytes) -> bytes:
    """Write a frame of under 126 bytes as a client does: final and masked (RFC 6455 s.5.2)."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked


async def read_frame(peer: Peer) -> tuple[int, bytes]:
    """Read the next frame of under 126 bytes, past pings, which are answered."""
    first, size = await peer.exactly(2)
    opcode, payload = first & 0x0F, await peer.exactly(size)
    if opcode != 0x9:
        return opcode, payload
    await peer.send(frame(0xA, payload))
    return await read_frame(peer)


EXCHANGES: dict[str, Exchange] = {
    "page": page, "form": form, "download": download, "file": file, "events": events, "websocket": websocket,
}  # fmt: skip
