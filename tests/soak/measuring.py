"""What this process holds, and whether it grows."""

import asyncio
import ctypes
import gc
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ambi import Limits
from tests.leaks import all_workers, busy_workers, living_tasks, other_threads

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
DESCRIPTORS = Path("/proc/self/fd")
SETTINGS = {
    "PYTHONMALLOC": "malloc",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",  # what each thread keeps for itself would count as allocated
}
"""Variables of a process that is measured. Without them Python and the C library keep for themselves what was freed, the
more the larger the blocks were: that is no growth of ours."""
MANY_STRINGS = 70_000
MOST_BYTES_A_REQUEST = 1.0
MOST_HEAP_BYTES_A_REQUEST = 8.0
"""A third of the least that is lost where each request leaves an object: 16 bytes, and 8 where it is kept."""
ENOUGH = 50_000
"""Requests after the warm-up that resident memory can be judged by to the byte: until then caches fill still, of what
comes seldom, and what that takes is no growth."""
FILLING_BYTES = 256 << 10
HEAP_SLACK_BYTES = 64 << 10
"""What may be allocated besides, whatever the number of requests: a connection that is open still is
30 KiB."""
SLACK = {"descriptors": 2, "threads": 2, "tasks": 1, "busy": 1}
"""How many more of each may be there in the end: some of them are about to go when they are counted."""
MOST_WORKERS = Limits().threads
"""How many worker threads there may be at any time. Idle ones come and go with what is asked at once, so they are not
level; and more than may be at work for handlers need never be there, as only a few people ask."""
LEAST_HOSTILE = 0.2
"""Of all requests. Fewer, and it was another soak than the one that is promised."""
OBJECTS_SLACK = 200
"""Objects of the garbage collector more at the end than at the start that are no growth: caches that hold a few
plans more or less, and what is about to be answered."""


@dataclass
class Sample:
    """What was held after so many requests, and how many of them were hostile."""

    rss: int
    heap: int
    descriptors: int
    threads: int
    tasks: int
    busy: int
    workers: int
    objects: int
    kinds: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    hostile: int = 0


def prepare() -> None:
    """Let the table of interned strings grow once, to more than will be needed: the interpreter never makes it smaller.

    Names come and go while requests are served, and at some point the table would double: half a megabyte, that a soak
    would take for growth.
    """
    names = [sys.intern(f"a name {number}") for number in range(MANY_STRINGS)]
    names.clear()


def sample() -> Sample:
    """Count it, garbage taken away."""
    gc.collect()
    _trim()
    objects = gc.get_objects()
    kinds = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in objects)
    count = len(objects)
    del objects
    return Sample(
        rss=int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES,
        heap=allocated_bytes(),
        descriptors=len(os.listdir(DESCRIPTORS)),
        threads=len(other_threads()),
        tasks=len(living_tasks() | _own_tasks()),
        busy=busy_workers(),
        workers=all_workers(),
        objects=count,
        kinds=kinds,
    )


def _trim() -> None:
    """Have the C library give back what is free, where it knows how to (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


_FIELDS = (
    "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
)  # fmt: skip


class _MallocInfo(ctypes.Structure):
    """What `mallinfo2` of glibc gives."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS)


def allocated_bytes() -> int:
    """Give how many bytes are allocated, wherever they lie: glibc knows, others give 0.

    With `SETTINGS` that is all that Python and C allocate. It knows nothing of holes between blocks, so that a leak of
    one object a request shows where resident memory still goes up and down by a megabyte.
    """
    ask = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if ask is None:
        return 0
    ask.restype = _MallocInfo
    told = ask()
    return int(told.uordblks + told.hblkhd)


def _own_tasks() -> set[asyncio.Task[Any]]:
    try:
        return asyncio.all_tasks()
    except RuntimeError:  # no loop runs here
        return set()


def describe(taken: Sample) -> dict[str, Any]:
    """Give a sample as JSON."""
    return {**vars(taken), "kinds": dict(taken.kinds)}


def sample_of(told: dict[str, Any]) -> Sample:
    """Read it."""
    return Sample(**{**told, "kinds": Counter(told["kinds"])})


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Give the slope of the line that fits best: least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def hostile_share(samples: Sequence[Sample]) -> float:
    """Give how many of all requests were hostile, those of the warm-up too."""
    return samples[-1].hostile / samples[-1].requests


def faults_of(samples: Sequence[Sample], steps_bytes: int = 0) -> list[str]:
    """Tell what grew from the first sample on, which is the first after the warm-up; and what was not as it should be.

    Args:
        samples: in order.
        steps_bytes: of memory that may be taken besides, whatever the number of requests: where many threads allocate
            side by side, blocks lie differently each time, and too few requests are sent to see past that.
    """
    found = []
    sent = samples[-1].requests - samples[0].requests
    growth = slope([(each.requests, each.rss) for each in samples])
    steps_bytes = max(steps_bytes, FILLING_BYTES if sent < ENOUGH else 0)
    if growth * sent >= MOST_BYTES_A_REQUEST * sent + steps_bytes:
        found.append(f"resident memory grew by {growth:.2f} bytes a request, under {MOST_BYTES_A_REQUEST} is expected")
    growth = slope([(each.requests, each.heap) for each in samples])
    if growth * sent >= MOST_HEAP_BYTES_A_REQUEST * sent + HEAP_SLACK_BYTES:
        found.append(
            f"{growth:.2f} bytes a request were allocated and kept, under {MOST_HEAP_BYTES_A_REQUEST} is expected"
        )
    for name, slack in SLACK.items():
        first, last = getattr(samples[0], name), getattr(samples[-1], name)
        if last > first + slack:
            found.append(f"{name}: {first} at first, {last} at last")
    if (most_workers := max(each.workers for each in samples)) > MOST_WORKERS:
        found.append(f"workers: {most_workers} at a time, {MOST_WORKERS} at most are expected")
    if (share := hostile_share(samples)) < LEAST_HOSTILE:
        found.append(f"{share:.1%} of the requests were hostile, {LEAST_HOSTILE:.0%} at least are expected")
    if samples[-1].objects > samples[0].objects + OBJECTS_SLACK:
        most = (samples[-1].kinds - samples[0].kinds).most_common(8)
        told = ", ".join(f"{name} +{count}" for name, count in most)
        found.append(f"objects: {samples[0].objects} at first, {samples[-1].objects} at last: {told}")
    return found


def line_of(samples: Sequence[Sample]) -> str:
    """Sum it up in one line."""
    first, last = samples[0], samples[-1]
    parts = [f"{name} {getattr(first, name)} -> {getattr(last, name)}" for name in (*SLACK, "objects")]
    parts.append(f"workers {max(each.workers for each in samples)} at most")
    growth = slope([(each.requests, each.rss) for each in samples])
    memory = f"RSS {first.rss / 2**20:.1f} -> {last.rss / 2**20:.1f} MiB, {growth:+.3f} bytes a request"
    growth = slope([(each.requests, each.heap) for each in samples])
    memory += f", allocated {growth:+.3f}"
    return f"{hostile_share(samples):.1%} hostile. {memory}; {', '.join(parts)}"
