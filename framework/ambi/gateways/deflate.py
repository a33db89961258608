"""permessage-deflate for our own WebSockets: wsproto's, with a bound on what comes out. See: RFC 7692.

Facts
- A kilobyte can inflate to a megabyte. zlib is told how much it may give, so that a bomb is noticed before it goes off.
- Offers stand in order of preference; the first that can be had as it stands is taken. One with a parameter that is not
  known, twice there, or out of range is declined. See: RFC 7692 5.1 and 7.1.
- A control frame may stand between the fragments of a message, and does not end its compression. See: RFC 7692 6.
- A message may end the stream of DEFLATE, and the next begins another, as one that was never compressed before does:
  what it says of bytes before the end is 1007. So is more behind the end than an empty block. See: RFC 7692 7.2.3.4.
"""

from __future__ import annotations

import zlib

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, Opcode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wsproto.frame_protocol import FrameDecoder, FrameProtocol, RsvBits

_BITS = frozenset(("8", "9", "10", "11", "12", "13", "14", "15"))
_VALUES: dict[str, frozenset[str | None]] = {
    "client_no_context_takeover": frozenset((None,)),
    "server_no_context_takeover": frozenset((None,)),
    "client_max_window_bits": _BITS | {None},
    "server_max_window_bits": _BITS,
}
"""What the parameters may say; None for nothing. See: RFC 7692 7.1."""


def agree(header: str, max_message_bytes: int) -> tuple[BoundedDeflate, str] | None:
    """Take the first offer of a Sec-WebSocket-Extensions that can be had; give the extension and what to answer."""
    for offer in header.split(","):
        name, *parameters = [part.strip(" \t") for part in offer.split(";")]
        if name != BoundedDeflate.name or not _are_known(parameters):
            continue
        extension = BoundedDeflate(max_message_bytes)
        answer = extension.accept(offer.replace('"', ""))
        if isinstance(answer, str):
            return extension, f"{name}; {answer}" if answer else name
    return None


def _are_known(parameters: list[str]) -> bool:
    seen: set[str] = set()
    for parameter in parameters:
        name, has_value, value = parameter.partition("=")
        name, value = name.rstrip(" \t"), value.lstrip(" \t")
        if value[:1] == '"' == value[1:][-1:]:
            value = value[1:-1]
        if name in seen or (value if has_value else None) not in _VALUES.get(name, ()):
            return False
        seen.add(name)
    return True


class BoundedDeflate(PerMessageDeflate):
    """The extension for one connection, whose messages have so many bytes at most when they are inflated."""

    def __init__(self, max_message_bytes: int) -> None:
        super().__init__()
        self._bound = max_message_bytes
        self._inflater: _Inflater | None = None
        self._is_aside = False
        self._set_aside: bool | None = None

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """See which kind of frame begins; called again for the same one when its mask was not there yet."""
        if opcode.iscontrol() and not self._is_aside:
            self._is_aside, self._set_aside = True, self._inbound_compressed
        result = super().frame_inbound_header(proto, opcode, rsv, payload_length)
        decompressor: Any = self._decompressor
        if decompressor is not None and decompressor is not self._inflater:
            # wsproto annotates the attribute with zlib's own class, and calls no more than what ours has too.
            inflater = self._inflater = _Inflater(decompressor, self.client_max_window_bits)
            self._decompressor = inflater  # type: ignore[assignment]
        if self._inflater is not None and not opcode.iscontrol() and opcode is not Opcode.CONTINUATION:
            self._inflater.begin(self._bound)
        return result

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        """Inflate a part of a message."""
        return self._judged(super().frame_inbound_payload_data(proto, data))

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        """Inflate the rest of a message."""
        is_control = not self._inbound_is_compressible
        result = super().frame_inbound_complete(proto, fin)
        if is_control:
            self._is_aside, self._inbound_compressed = False, self._set_aside
        return result if result is None else self._judged(result)

    def _judged(self, result: bytes | CloseReason) -> bytes | CloseReason:
        is_over = self._inflater is not None and self._inflater.left < 0
        return CloseReason.MESSAGE_TOO_BIG if is_over else result


_BEHIND_THE_END = frozenset((b"", b"\0", b"\0\0\xff\xff", b"\0\0\0\xff\xff"))
"""What a stream of DEFLATE is followed by: an empty block, of which the sender has left out the last four bytes."""


class _Inflater:
    """A decompressor of zlib that gives one byte more than is left at most; then `left` is below zero."""

    __slots__ = ("_window_bits", "_zlib", "left")

    def __init__(self, decompressor: Any, window_bits: int) -> None:
        self._zlib = decompressor
        self._window_bits = window_bits
        self.left = 0

    def begin(self, bound: int) -> None:
        """Begin a message, which has so many bytes at most."""
        self.left = bound
        if self._zlib.eof:
            self._zlib = zlib.decompressobj(-self._window_bits)

    def decompress(self, data: bytes) -> bytes:
        """Inflate. Raises: zlib.error, also for more than is left, and for more behind the end of a stream."""
        inflated: bytes = self._zlib.decompress(data, self.left + 1)
        self.left -= len(inflated)
        if self.left < 0:
            raise zlib.error("the message is larger than the limit")
        if self._zlib.eof and self._zlib.unused_data not in _BEHIND_THE_END:
            raise zlib.error("the message goes on behind the end of its stream")
        return inflated

    def flush(self) -> bytes:
        """Give what is still inside: nothing, unless the message was too large."""
        return b""
