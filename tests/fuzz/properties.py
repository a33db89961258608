"""What every target holds to: documented refusals only, the same at every split, work in proportion to the input."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from ambi import HTTPError

LARGE_BYTES = 1 << 16
CPU_BUDGET_S = 2.0
"""For so many bytes, and the slowest parser takes a tenth of it where every line is counted; at a square of them none
would do with a hundred times as much."""
_EVERY = 2048


class Refusal(NamedTuple):
    """An HTTPError, of which the detail may depend on how the bytes came."""

    status: int


def attempt(function: Callable[..., Any], *args: Any, statuses: frozenset[int] = frozenset((400,))) -> Any:
    """Call; give the result, or the refusal, which must be one of those that are documented."""
    try:
        return function(*args)
    except HTTPError as exc:
        if exc.status not in statuses:
            raise AssertionError(f"{exc} is no refusal that is documented") from exc
        return Refusal(exc.status)


def chunks(data: bytes, cuts: bytes) -> Iterator[bytes]:
    """Give the data in pieces whose sizes the bytes of `cuts` say, over and over; never endless, never none."""
    position = turn = 0
    while position < len(data):
        size = cuts[turn % len(cuts)] % 32 + 1 if cuts else 1
        yield data[position : position + size]
        position += size
        turn += 1


def check_work(data: bytes, parse: Callable[[bytes], object], *, always: bool = False) -> None:
    """Repeat the input until it is large, and parse that: it must not take more time than its size allows.

    Done with one input in so many, the same ones each time, since it costs as much as all those others.
    """
    if not data or (zlib.crc32(data) % _EVERY and not always):
        return
    large = data * (LARGE_BYTES // len(data))
    lowest = float("inf")
    for _ in range(3):
        started = time.thread_time()
        with suppress(HTTPError):
            parse(large)
        lowest = min(lowest, time.thread_time() - started)
        if lowest < CPU_BUDGET_S:
            return
    raise AssertionError(f"{len(large)} bytes took {lowest:.1f} s of a processor")
