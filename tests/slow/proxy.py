"""A proxy on loopback that does to connections what networks do to them: on demand, and to the byte.

It copies bytes and knows nothing of HTTP. Everything it holds is bounded: a piece at a time each way, and what a
transport buffers; a connection it has cut is gone on both sides.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

BUFFER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Faults:
    """What is done to the bytes of each connection.

    Args:
        latency_s: how much later each piece arrives, one way.
        slice_bytes: how many bytes a piece has at most.
        bytes_a_second: how many are let through each way; None for all.
        cut_up_after: reset both connections after so many bytes from the client.
        cut_down_after: the same, of bytes from the server.
        half_close_up_after: tell the server that nothing more comes after so many bytes from the client; what it answers
            is still brought back.
    """

    latency_s: float = 0.0
    slice_bytes: int = BUFFER_BYTES
    bytes_a_second: float | None = None
    cut_up_after: int | None = None
    cut_down_after: int | None = None
    half_close_up_after: int | None = None


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a reset (RFC 9293 s.3.10.7), whatever is still on its way."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() != -1:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class FaultProxy:
    """The proxy in front of one port.

    Attributes:
        port: where it listens.
        carried: bytes so far: from clients, from the server.
    """

    def __init__(self, upstream: int, faults: Faults) -> None:
        self.port = 0
        self.carried = [0, 0]
        self._upstream, self._faults = upstream, faults
        self._carrying: set[asyncio.Task[None]] = set()

    def accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Take a connection and carry it from now on."""
        task = asyncio.create_task(self._carry(client, to_client))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Carry one connection until both of its directions have ended, or one is cut."""
        to_server = None
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._upstream, limit=BUFFER_BYTES)
            faults = self._faults
            async with asyncio.TaskGroup() as both:
                both.create_task(self._copy(0, client, to_server, faults.cut_up_after, faults.half_close_up_after))
                both.create_task(self._copy(1, server, to_client, faults.cut_down_after, None))
        except* (ConnectionError, _Cut):
            for writer in filter(None, (to_client, to_server)):
                reset(writer)
        finally:
            for writer in filter(None, (to_client, to_server)):
                writer.close()

    async def _copy(
        self, way: int, source: asyncio.StreamReader, target: asyncio.StreamWriter, cut: int | None, half: int | None
    ) -> None:
        """Copy one direction, piece by piece. Raises: _Cut where the connection shall break."""
        faults, copied = self._faults, 0
        end = min((at for at in (cut, half) if at is not None), default=None)
        while end is None or copied < end:
            room = faults.slice_bytes if end is None else min(faults.slice_bytes, end - copied)
            piece = await source.read(room)
            if not piece:
                break
            wait_s = faults.latency_s + (len(piece) / faults.bytes_a_second if faults.bytes_a_second else 0)
            if wait_s:
                await asyncio.sleep(wait_s)
            target.write(piece)
            await target.drain()
            copied += len(piece)
            self.carried[way] += len(piece)
        if cut is not None and copied == cut:
            raise _Cut
        with contextlib.suppress(OSError):  # the other side has gone already
            target.write_eof()

    async def stop(self) -> None:
        """Cut what is still open, and wait until it is gone."""
        for task in list(self._carrying):
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)


class _Cut(Exception):
    """The moment has come at which the connection shall break."""


@contextlib.asynccontextmanager
async def fault_proxy(upstream: int, faults: Faults) -> AsyncIterator[FaultProxy]:
    """Run a proxy in front of a port of this machine."""
    proxy = FaultProxy(upstream, faults)
    listener = await asyncio.start_server(proxy.accept, "127.0.0.1", 0, limit=BUFFER_BYTES, backlog=512)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.stop()
