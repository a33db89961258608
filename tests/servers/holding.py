"""What the process of a server holds, told by the application in it, and held against what it held before."""

import asyncio
import contextlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.leaks import busy_workers, living_tasks

LEVEL = ("tasks", "busy workers", "threads", "sockets", "spooled", "descriptors", "files")
"""What is as much as before when nothing is going on."""

# How servers and libraries head a record of a failure in their logs. granian writes "[ERROR]" as gunicorn does.
TROUBLE = re.compile(
    r"\[ERROR\]|\[CRITICAL\]|\bERROR\b|\bCRITICAL\b|Traceback|Exception ignored|was never (awaited|retrieved)"
)


def held() -> dict[str, int]:
    """Tell what this process holds, by the names of `LEVEL`; idle threads of pools are nobody's."""
    links = _descriptors()
    return {
        "tasks": _tasks(),
        "busy workers": busy_workers(),
        "threads": sum(not thread.name.startswith(("ambi-worker", "ThreadPool")) for thread in threading.enumerate()),
        "sockets": sum(link.startswith("socket:") for link in links),
        "spooled": sum("(deleted)" in link for link in links),
        "descriptors": len(links),
        "files": len(os.listdir(tempfile.gettempdir())),
    }


def _tasks() -> int:
    """Count those of the loop that asks, else those of the loop thread."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return len(living_tasks())


def _descriptors() -> list[str]:
    """Give what each leads to; those that other threads close meanwhile are none."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return found


def resident_bytes() -> int:
    """Give how much memory this process has."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def more_than(before: Mapping[str, Any], after: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Give what there is more of."""
    return {key: (before[key], after[key]) for key in keys if after[key] > before[key]}


def await_nothing(left: Callable[[], Mapping[str, Any]], patience_s: float) -> None:
    """Wait until nothing is left: a server sees in its own time that a client has gone. Raises: AssertionError."""
    deadline, pause_s = time.monotonic() + patience_s, 0.002
    while found := left():
        assert time.monotonic() < deadline, f"left behind: {dict(found)}"
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.05)


def trouble_in(log: str) -> list[str]:
    """Give the lines that report an error."""
    return [line for line in log.splitlines() if TROUBLE.search(line)]
