"""WebSocket frames, compressed and not: the same messages however they are cut, and none larger than the limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from ambi.gateways.deflate import agree
from tests.fuzz.finding import found
from tests.fuzz.properties import check_work, chunks

BOUND = 1000
_OFFER = "permessage-deflate; client_max_window_bits"


def receive(pieces: Iterable[bytes], offer: str) -> tuple[list[str | bytes], int | None]:
    """Take frames as `SocketLink` does; give the messages, and the code with which it ended."""
    agreed = agree(offer, BOUND)
    connection = Connection(ConnectionType.SERVER, [] if agreed is None else [agreed[0]])
    messages: list[str | bytes] = []
    parts: list[str | bytes] = []
    size = 0
    for piece in pieces:
        connection.receive_data(piece)
        for event in connection.events():
            if isinstance(event, CloseConnection):
                return messages, int(event.code)
            if isinstance(event, (TextMessage, BytesMessage)):
                part = event.data if isinstance(event.data, str) else bytes(event.data)
                size += len(part.encode() if isinstance(part, str) else part)
                if size > BOUND:
                    return messages, 1009
                parts.append(part)
                if event.message_finished:
                    messages.append(type(parts[0])().join(parts))  # type: ignore[arg-type]
                    parts, size = [], 0
    return messages, None


def frames(script: bytes) -> bytes:
    """Build frames of a script: for each, its first byte, a length below 126, a mask of nothing, and so many bytes."""
    built, position = b"", 0
    while position + 1 < len(script):
        length = script[position + 1] % 126
        built += bytes((script[position], 0x80 | length)) + bytes(4) + script[position + 2 : position + 2 + length]
        position += 2 + length
    return built


def check(data: bytes) -> None:
    """Check what a client sends: the bytes as they are, or frames of them; and its offer of extensions."""
    kind, cuts, rest = data[:1], data[1:4], data[4:]
    sent = rest if kind[:1] >= b"\x80" else frames(rest)
    for offer in ("", _OFFER, "permessage-deflate; client_no_context_takeover; server_no_context_takeover"):
        whole = receive([sent], offer)
        cut = receive(chunks(sent, cuts), offer)
        assert cut == whole or {1009, 1002, 1007} >= {whole[1], cut[1]}, (whole, cut)
        assert all(len(m.encode() if isinstance(m, str) else m) <= BOUND for m in cut[0])
    _check_offer(rest.decode("latin-1"))
    check_work(sent, lambda large: receive([large], _OFFER))


def _check_offer(text: str) -> None:
    for offer in (text, f"permessage-deflate; {text}"):
        agreed = agree(offer, BOUND)
        if agreed is not None:
            assert agreed[1].isascii()
            assert agreed[1].isprintable()
            assert agree(agreed[1], BOUND) is not None, agreed[1]


def _deflated(text: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def seeds() -> Iterator[bytes]:
    """Give scripts of frames, and offers."""
    yield from found("websockets")
    packed = _deflated(b"hello " * 5)
    bomb = _deflated(bytes(2000))
    yield (b"\0\1\2\3\x81\x05hello\x01\x02he\x89\x01p\x80\x03llo\x82\x03\0\xff\1\x88\x02\x03\xe8")
    yield b"\0\5\1\1" + bytes((0xC1, len(packed))) + packed + bytes((0xC1, len(packed))) + packed
    yield b"\0\1\1\1" + bytes((0xC2, len(bomb))) + bomb
    yield b"\0\1\1\1" + bytes((0x41, 3)) + packed[:3] + b"\x89\0" + bytes((0x80, len(packed) - 3)) + packed[3:]
    yield b"\x80\1\1\1" + b"\x81\xfe\0\x80mask" + b"x" * 128 + b"\x82\xff" + b"\0" * 7 + b"\1mask!"
    yield b"\x80\0\0\0client_max_window_bits=10; server_max_window_bits=15"
    yield b"\x80\0\0\0permessage-deflate; client_no_context_takeover, permessage-deflate"
    yield b"\0\0\0\0\x81\x02\xc3\xbc\x01\x01\xc3\x80\x01\xbc\x88\x05\x03\xe9bye"
