"""Hostile WebSockets by hand over a socket: a handshake as a case words it, frames, and what may come back.

Those of our own cases stand here. A case of a foreign file is read from its words, a step each:

    handshake /path             [without Origin | with Origin null | foreign Origin], [with cookie], [subprotocol a, b]
    open                        the same at /ws
    text ff fe, binary 00       a frame with these bytes; `fin=0`, `rsv1`, `unmasked`, `x 100`, `100 bytes`
    continuation, ping, pong    likewise
    opcode 3                    a frame of that kind
    close, close 1005           a close frame, with a code or without
    silence                     nothing

What is not understood is said, not guessed.
"""

import contextlib
import re
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.corpus.cases import HOST, Case
from tests.corpus.serving import HANDSHAKE, WAIT_S, Replay
from tests.servers.wire import Connection, Field, request_bytes

MASK = b"\0\0\0\0"
OPCODES = {"continuation": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}
COOKIE = ("Cookie", "sid=1")
FOREIGN = "https://evil.test"


class NotUnderstoodError(Exception):
    """A case says something that nobody has taught us."""


@dataclass(frozen=True)
class Session:
    """One connection.

    Args:
        target: where to.
        fields: of the handshake, besides those that it has to have.
        frames: what is sent when it is open.
        statuses: the answers to the handshake that will do.
        codes: of the close frame that has to come; without any it is not waited for one.
        may_deliver: a message may come instead.
        first: the message that has to come before anything is sent.
        answer: the message that has to come when the frames are sent.
        last: what is sent then.
        told: what the application has to say of it afterwards, at /ws-told.
    """

    target: str = "/ws"
    fields: tuple[Field, ...] = ()
    frames: bytes = b""
    statuses: frozenset[int] = frozenset((101,))
    codes: frozenset[int] = frozenset()
    may_deliver: bool = False
    first: bytes | None = None
    answer: bytes | None = None
    last: bytes = b""
    told: Callable[[Any], bool] | None = field(default=None, compare=False)

    @property
    def has_frames(self) -> bool:
        """Whether anything is sent but a handshake."""
        return bool(self.frames)


def frame(opcode: int, payload: bytes = b"", *, first_bits: int = 0x80, masked: bool = True) -> bytes:
    """Write a frame (RFC 6455 s.5.2), by default a last one without extensions; the mask is zeros."""
    size = len(payload)
    short = size if size < 126 else 126 if size < 1 << 16 else 127
    length = b"" if short < 126 else struct.pack("!H" if short == 126 else "!Q", size)
    return bytes((first_bits | opcode, short | (0x80 if masked else 0))) + length + (MASK if masked else b"") + payload


def closing(code: int = 1000) -> bytes:
    """Write a close frame."""
    return frame(8, struct.pack("!H", code))


# --- our own ---

OURS: dict[str, tuple[Session, ...]] = {
    "websocket/no-origin": (
        Session(frames=frame(1, b"hello"), answer=b"hello", last=closing(), codes=frozenset((1000,))),
    ),
    "websocket/session-cookie": tuple(
        Session(fields=(COOKIE, ("Origin", origin)), statuses=frozenset((403,)))
        for origin in (FOREIGN, "https://example.test.evil.test", "null", "http://evil.test")
    ),
    "websocket/wrong-path": (Session("/nope", statuses=frozenset((403, 404))),),
    "websocket/receive-after-disconnect": (
        Session("/ws-stubborn", first=b"ready", frames=closing(), codes=frozenset((1000,)),
                told=lambda told: told == [1000, 1000, 1000]),
    ),
    "websocket/subprotocol": (
        Session("/ws-insist", first=b"ready", frames=closing(), codes=frozenset((1000,)),
                told=lambda told: len(told) == 1 and "x" in told[0]),
    ),
    "websocket/bad-utf8": (Session(frames=frame(1, b"\xff\xfe"), codes=frozenset((1007,))),),
    "websocket/rsv": (Session(frames=frame(1, b"x", first_bits=0xC0), codes=frozenset((1002,))),),
    "websocket/fragment-flood": (
        Session(
            frames=frame(1, b"x", first_bits=0) + frame(0, b"x", first_bits=0) * 99_999 + frame(0),
            codes=frozenset((1009,)), may_deliver=True,
        ),
    ),
}  # fmt: skip


# --- those of others ---


def sessions_of(case: Case) -> tuple[Session, ...]:
    """Give the sessions of a case. Raises: NotUnderstoodError."""
    if case.id in OURS:
        return OURS[case.id]
    if not case.session:
        raise NotUnderstoodError("the case tells of no session")
    session = Session()
    for step in case.session:
        session = _with_step(session, step.strip())
    return (_with_ends(session, case.outcomes),)


def _with_step(session: Session, step: str) -> Session:
    kind, _, rest = step.partition(" ")
    kind = kind.lower()
    if kind in ("handshake", "open", "get"):
        return _handshake(session, rest)
    if kind == "silence":
        return session
    if kind == "opcode" and rest[:2].rstrip().isdecimal():
        opcode, _, rest = rest.partition(" ")
        return replace(session, frames=session.frames + _frames(int(opcode), rest, step))
    if kind not in OPCODES:
        raise NotUnderstoodError(f"a step of its session is not understood: {step!r}")
    return replace(session, frames=session.frames + _frames(OPCODES[kind], rest, step))


def _handshake(session: Session, words: str) -> Session:
    fields: list[Field] = []
    path = re.search(r"(?:^| )(/\S*)", words)
    if re.search(r"\bforeign origin\b", words, re.IGNORECASE):
        fields.append(("Origin", FOREIGN))
    elif found := re.search(r"\borigin:? (null|https?://\S+)", words, re.IGNORECASE):
        fields.append(("Origin", found[1]))
    elif "origin" in words.lower() and not re.search(r"\b(without|no) origin\b", words, re.IGNORECASE):
        raise NotUnderstoodError(f"a handshake is not understood: {words!r}")
    if re.search(r"\bcookie\b", words, re.IGNORECASE):
        fields.append(COOKIE)
    if found := re.search(r"\bsubprotocols? (.+)", words, re.IGNORECASE):
        fields.append(("Sec-WebSocket-Protocol", found[1]))
    return replace(session, target=path[1] if path else "/ws", fields=tuple(fields))


def _frames(opcode: int, words: str, step: str) -> bytes:
    """Write the frames of a step: how often, with which bits, and what is in them."""
    bits, masked, times, payload = 0x80, True, 1, b""
    if found := re.search(r" ?\bx ?(\d+)$", words):
        times, words = int(found[1]), words[: found.start()]
    if found := re.fullmatch(r"(\d{3,4})", words.strip()) if opcode == OPCODES["close"] else None:
        return frame(opcode, struct.pack("!H", int(found[1]))) * times
    if found := re.search(r"\b(\d+) bytes?$", words):
        payload, words = b"x" * int(found[1]), words[: found.start()]
    for word in words.lower().split():
        if word == "fin=0":
            bits &= 0x7F
        elif word in ("rsv1", "rsv2", "rsv3"):
            bits |= 0x80 >> int(word[-1])
        elif word == "unmasked":
            masked = False
        elif re.fullmatch(r"[0-9a-f]{2}", word):
            payload += bytes.fromhex(word)
        else:
            raise NotUnderstoodError(f"a frame is not understood: {step!r}")
    if not payload and opcode < 8:
        payload = b"x"
    return b"".join([frame(opcode, payload, first_bits=bits, masked=masked)] * times)


def _with_ends(session: Session, outcomes: list[Any]) -> Session:
    """Say what may come of it. What a case words in another way is held to what holds for all."""
    statuses = frozenset(each for each in outcomes if isinstance(each, int))
    words = " ".join(each for each in outcomes if isinstance(each, str))
    codes = frozenset(map(int, re.findall(r"\b([1-4]\d{3})\b", words)))
    any_will_do = frozenset((101, *range(400, 500)))
    opened = frozenset((101,)) if codes else any_will_do
    return replace(
        session, statuses=statuses or opened, codes=codes, may_deliver=bool(re.search(r"deliver|echo|ignored", words))
    )


# --- holding one ---


@contextlib.contextmanager
def open_websocket(replay: Replay, target: str) -> Iterator["Frames"]:
    """Open a WebSocket, and break it off."""
    with replay.running.connect(WAIT_S) as connection:
        connection.send(request_bytes("GET", target, HANDSHAKE, host=HOST))
        assert connection.read_head().status == 101
        yield Frames(connection)


class Frames:
    """Reads what a server sends."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def next(self) -> tuple[int, bytes] | None:
        """Give the kind and the content of the next frame; None at the end of the connection, or after silence."""
        if not self._has(2):
            return None
        first, short = self.connection.arrived[:2]
        width = {126: 2, 127: 8}.get(short, 0)
        if not self._has(2 + width):
            return None
        size = int.from_bytes(self.connection.arrived[2 : 2 + width]) if width else short
        if not self._has(2 + width + size):
            return None
        content = self.connection.arrived[2 + width : 2 + width + size]
        self.connection.arrived = self.connection.arrived[2 + width + size :]
        return first & 15, content

    def _has(self, size: int) -> bool:
        while len(self.connection.arrived) < size:
            if not self.connection.receive():
                return False
        return True

    def is_over(self) -> bool:
        """Tell whether the connection has ended."""
        return not (self.connection.arrived or self.connection.receive() or self.connection.silent)


def hold(session: Session, replay: Replay) -> None:
    """Hold one session on a server. Raises: AssertionError."""
    with replay.running.connect(WAIT_S) as connection:
        connection.send(request_bytes("GET", session.target, [*HANDSHAKE, *session.fields], host=HOST))
        head = connection.read_head()
        assert head.status in session.statuses, replay.server.name
        if head.status != 101:
            return
        assert head.get("sec-websocket-protocol") in (None, *_offered(session)), "it was not offered"
        frames = Frames(connection)
        if session.first is not None:
            assert frames.next() == (1, session.first)
        connection.send(session.frames)
        if session.answer is not None:
            assert frames.next() == (1, session.answer)
        connection.send(session.last)
        if session.codes:
            _await_close(session, frames, replay)
    if session.told is not None:
        _await_told(session.told, replay)


def _offered(session: Session) -> list[str]:
    values = (value for name, value in session.fields if name == "Sec-WebSocket-Protocol")
    return [each.strip() for value in values for each in value.split(",")]


def _await_close(session: Session, frames: Frames, replay: Replay) -> None:
    """Wait for a close frame with one of the codes, or for the message instead."""
    came = frames.next()
    assert not frames.connection.silent, f"{replay.server.name} says nothing"
    if came is None:
        # uvicorn may close without a word, by what reads frames for it.
        assert replay.server.gateway == "asgi", f"{replay.server.name} closes without a word"
        return
    kind, content = came
    if kind in (1, 2):
        assert session.may_deliver, f"{replay.server.name} delivers it"
        return
    assert kind == 8, came
    assert int.from_bytes(content[:2]) in session.codes, replay.server.name


def _await_told(is_right: Callable[[Any], bool], replay: Replay) -> None:
    """Ask the application: its handler may still be at it."""
    deadline = time.monotonic() + WAIT_S
    while not is_right(told := replay.ask("GET", "/ws-told").json()):
        assert time.monotonic() < deadline, told
        time.sleep(0.01)
