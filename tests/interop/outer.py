"""The application of ours that the guests are mounted in; `AMBI_GUESTS` names some of them, with commas.

A middleware marks each response, and `/census` tells what the process holds.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from importlib.util import find_spec

from ambi import App, Middleware, Request
from tests.interop.catalogue import GUESTS
from tests.streaming.app import census

app = App()


@app.middleware
def mark(request: Request) -> Middleware:
    response = yield
    response.headers["x-outer"] = "seen"


@app.get("/census", blocking=False)
def take_census() -> dict[str, int]:
    gc.collect()
    seen = census()
    return seen | {"threads": seen["threads"] - idle_workers(), "spooled": spooled()}


def idle_workers() -> int:
    """Count the worker threads of ours that wait for work: they are kept for a while, and end by themselves."""
    workers = sys.modules.get("ambi.bridge.workers")
    return 0 if workers is None else len(workers._idle)


def spooled() -> int:
    """Count the open files that have no name any more, as those have that bodies are spooled to."""
    found = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{number}").endswith(" (deleted)")
        except OSError:  # the one that listed the directory
            continue
    return found


wanted = os.environ.get("AMBI_GUESTS", ",".join(guest.name for guest in GUESTS)).split(",")
for guest in GUESTS:
    if guest.name in wanted and all(map(find_spec, guest.packages)):
        app.mount(guest.prefix, getattr(import_module(guest.module), guest.attribute))
