"""What slow, broken and rude clients do to a server. Each raises AssertionError when a client does not get its due."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tests.servers.wire import request_bytes
from tests.slow.app import PAGE
from tests.slow.clients import (
    COLOURS,
    DOWNLOAD,
    EXCHANGES,
    FORM,
    FORM_SAID,
    FORM_TYPE,
    HANDSHAKE,
    SMALL_WINDOW,
    Cut,
    Pace,
    Peer,
    at_once,
    dripping,
    frame,
    peer,
    read_frame,
)
from tests.slow.proxy import Faults, fault_proxy

STORM, AT_A_TIME = 300, 50
"""Connections that are reset, and how many of them are open together."""
CUTS = 20
"""Connections that break, each way, at places all over them."""


@dataclass(frozen=True)
class Place:
    """A server, or a front with one behind it.

    Args:
        name: in the table.
        port: where it is reached.
        is_wsgi: it waits for a body without end: how long is the server's business there.
        crowd: how many slow clients are there at a time, of each colour. A thread serves each of them under WSGI, so it
            must be less than half of those.
    """

    name: str
    port: int
    pace: Pace
    is_wsgi: bool = False
    crowd: int = 5


async def all_of(clients: list[Coroutine[Any, Any, None]]) -> None:
    """Run clients at once. Raises: what the first one raised, when all have ended."""
    results = await asyncio.gather(*clients, return_exceptions=True)
    for failure in results:
        if isinstance(failure, BaseException):
            raise failure


async def crowd(place: Place, client: Callable[[Place, str], Coroutine[Any, Any, None]]) -> None:
    """Run as many of a client as a place has room for, half of them at routes of either colour."""
    await all_of([client(place, colour) for colour in COLOURS for _ in range(place.crowd)])


async def every_exchange(place: Place, port: int, send: Callable[[Peer, bytes], Awaitable[None]]) -> None:
    """Do each exchange in both colours: six at a time."""

    async def one(name: str, colour: str) -> None:
        try:
            async with peer(port, place.pace) as client:
                await EXCHANGES[name](client, colour, send)
        except (Cut, TimeoutError) as failure:
            raise AssertionError(f"{colour} {name}: {failure!r}") from failure

    for colour in COLOURS:
        await all_of([one(name, colour) for name in EXCHANGES])


# ------------------------------------------------------------------ slow


async def plain(place: Place) -> None:
    """Do everything once as others do."""
    await every_exchange(place, place.port, at_once)


async def slow_sending(place: Place) -> None:
    """Send the beginning and the end of each head, body and frame byte by byte."""
    await every_exchange(place, place.port, dripping)


async def slow_head(place: Place) -> None:
    """Send a whole head byte by byte."""

    async def client(place: Place, colour: str) -> None:
        async with peer(place.port, place.pace) as slow:
            await slow.drip(request_bytes("GET", f"/{colour}/page"))
            assert (told := await slow.answer()) == (200, PAGE.encode()), told

    await crowd(place, client)


async def slow_body(place: Place) -> None:
    """Send the end of a form for longer than a body may stand still: progress is all that is asked for."""

    async def client(place: Place, colour: str) -> None:
        async with peer(place.port, place.pace) as slow:
            request = request_bytes("POST", f"/{colour}/form", [FORM_TYPE], FORM)
            await slow.send(request[:-80])
            await slow.drip(request[-80:])
            assert (told := await slow.answer()) == (200, FORM_SAID), told

    await crowd(place, client)


async def silent_body(place: Place) -> None:
    """Send half of a body and no more: a 408 and the end of the connection, where the time is ours to keep."""

    async def client(place: Place, colour: str) -> None:
        async with peer(place.port, place.pace) as silent:
            request = request_bytes("POST", f"/{colour}/form", [FORM_TYPE], FORM)
            await silent.send(request[: len(request) // 2])
            began = time.monotonic()
            if place.is_wsgi:
                await asyncio.sleep(2 * place.pace.body_timeout_s)
                return
            status, _ = await silent.answer()
            took = time.monotonic() - began
            assert status == 408, status
            assert 0.9 * place.pace.body_timeout_s < took < place.pace.body_timeout_s + 3, took
            assert await silent.reader.read() == b"", "the connection stays open after a 408"

    await crowd(place, client)


async def slow_reading(place: Place) -> None:
    """Read 20 bytes of an answer slowly, with little room for it on the way, and then the rest: it is whole."""

    async def client(place: Place, colour: str) -> None:
        target = random.choice(["download", "file"])
        async with peer(place.port, place.pace, window=SMALL_WINDOW) as slow:
            await slow.send(request_bytes("GET", f"/{colour}/{target}"))
            head = await slow.head()
            slow.reads_slowly = 20
            assert await slow.body(head) == DOWNLOAD

    await crowd(place, client)


async def reading_nothing(place: Place) -> None:
    """Ask for what is large or endless, read none of it, and leave."""

    async def client(place: Place, colour: str) -> None:
        async with peer(place.port, place.pace, window=SMALL_WINDOW) as slow:
            await slow.send(request_bytes("GET", f"/{colour}/{random.choice(['download', 'file', 'events'])}"))
            await asyncio.sleep(20 * place.pace.byte_s)
            slow.leave_rudely()

    await crowd(place, client)


async def slow_frames(place: Place) -> None:
    """Send messages of a WebSocket byte by byte."""

    async def client(place: Place, colour: str) -> None:
        async with peer(place.port, place.pace) as slow:
            await slow.send(request_bytes("GET", "/ws", HANDSHAKE))
            assert (await slow.head()).status == 101
            for text in (b"a", b"byte", b"by byte"):
                await slow.drip(frame(0x1, text))
                assert (told := await read_frame(slow)) == (0x1, text), told
            slow.leave_rudely()

    await crowd(place, client)


# ------------------------------------------------------------------ broken


async def half_close(place: Place) -> None:
    """Say that nothing more comes, with a whole request or with half of one: no answer is wrong, and nobody hangs."""

    async def client(place: Place, colour: str) -> None:
        whole = request_bytes("POST", f"/{colour}/form", [FORM_TYPE], FORM)
        for request, right in ((whole, (200, FORM_SAID)), (whole[:-40], None), (whole[:30], None)):
            async with peer(place.port, place.pace) as client:
                await client.send(request)
                client.half_close()
                try:
                    told = await client.answer()
                except Cut:
                    assert right is None or not place.is_wsgi, "a whole request was not answered"
                    continue  # uvicorn takes the end of what a client sends for that of the client
                assert told == right or told[0] in (400, 408), (told, len(request))

    await crowd(place, client)


async def reset_storm(place: Place) -> None:
    """Reset hundreds of connections: while they send, while they wait, while they read."""
    gate, dice = asyncio.Semaphore(AT_A_TIME), random.Random(8)
    requests = [
        *(request_bytes("GET", f"/{colour}/{what}") for colour in COLOURS for what in ("download", "events", "file")),
        *(request_bytes("POST", f"/{colour}/form", [FORM_TYPE], FORM) for colour in COLOURS),
        request_bytes("GET", "/ws", HANDSHAKE),
    ]

    async def client(request: bytes, sends: int, reads: int) -> None:
        async with gate, peer(place.port, place.pace) as rude:
            await rude.send(request[:sends])
            if sends == len(request) and reads:
                with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
                    await asyncio.wait_for(rude.reader.readexactly(reads), 0.5)
            rude.leave_rudely()

    clients = []
    for _ in range(STORM):
        request = dice.choice(requests)
        sends = dice.choice([len(request), dice.randrange(len(request)), dice.randrange(100) % len(request)])
        clients.append(client(request, sends, dice.choice([0, 1, 200, 100_000])))
    await all_of(clients)


def through(faults: Faults) -> Callable[[Place], Awaitable[None]]:
    """Do everything through a proxy that is slow in a way, and breaks nothing."""

    async def scenario(place: Place) -> None:
        async with fault_proxy(place.port, faults) as proxy:
            await every_exchange(place, proxy.port, at_once)

    scenario.__doc__ = f"Do everything through {faults}."
    return scenario


async def cut(place: Place) -> None:
    """Break connections at places all over them: what is answered as whole is right."""
    await _broken(place, [Faults(cut_up_after=at) for at in _places(len(FORM))], "form")
    await _broken(place, [Faults(cut_down_after=at) for at in _places(len(DOWNLOAD))], "download")


async def half_closed_on_the_way(place: Place) -> None:
    """End the client's direction at places all over a form, while the client waits for its answer."""
    await _broken(place, [Faults(half_close_up_after=at) for at in _places(len(FORM))], "form")


def _places(size: int) -> list[int]:
    dice = random.Random(size)
    return [1, 20, 100, 200, *(dice.randrange(size) for _ in range(CUTS - 4))]


async def _broken(place: Place, all_faults: list[Faults], exchange: str) -> None:
    gate = asyncio.Semaphore(place.crowd)

    async def client(number: int, faults: Faults) -> None:
        async with gate, fault_proxy(place.port, faults) as proxy, peer(proxy.port, place.pace) as client:
            try:
                await EXCHANGES[exchange](client, COLOURS[number % 2], at_once)
            except Cut:
                return
            except AssertionError as failure:
                if "(400," in str(failure) or "(408," in str(failure):
                    return  # told that it was not whole
                raise AssertionError(f"{faults}: {failure}") from failure
            raise AssertionError(f"{faults}: the answer was whole")

    await all_of([client(number, faults) for number, faults in enumerate(all_faults)])


Scenario = Callable[[Place], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {
    "slow sending": slow_sending,
    "slow head": slow_head,
    "slow body": slow_body,
    "silent body": silent_body,
    "slow reading": slow_reading,
    "reading nothing": reading_nothing,
    "slow frames": slow_frames,
    "half-close": half_close,
    "latency": through(Faults(latency_s=0.02)),
    "bandwidth": through(Faults(slice_bytes=16 * 1024, bytes_a_second=1024 * 1024)),
    "slices": through(Faults(slice_bytes=97)),
    "cut": cut,
    "half-closed on the way": half_closed_on_the_way,
    "reset storm": reset_storm,
}

IN_FRONT: dict[str, Scenario] = {
    name: SCENARIOS[name] for name in ("slow sending", "slow head", "slow body", "slow reading", "slow frames")
} | {"plain": plain, "reading nothing": reading_nothing, "reset storm": reset_storm}
"""What is done from behind a front: where a silent body or a half-close ends is its business."""
