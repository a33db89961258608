"""Faults, provoked one at a time at every place where there can be one; and what has to be left of each: nothing.

    app.py                an application with one route of every kind, and a ledger of what each request holds
    leftovers.py          what one request may leave behind, looked at after each
    asgi_server.py        a server that raises, stops delivering, stalls or cancels at its k-th operation
    wsgi_server.py        the same of WSGI: `wsgi.input` fails, `start_response` fails, the iterable is left after k items
    test_asgi.py          every kind x every fault x every k; n is counted by a dry run, so new awaits are covered
    test_wsgi.py          likewise
    test_event_order.py   several requests at once, whose events, pauses, leavings and cancellations hypothesis orders
    test_ends.py          lifespans, providers, callbacks, error handlers and work after the response that fail
    test_file_system.py   full disks, no descriptors, no permission, a slow disk
    test_clock.py         the wall clock is set back and forth by hours
    test_databases.py     a transaction that is cancelled between its statements
    sockets/              a connection cut after each byte, real signals, slow readers: `nox -s faults`, as they take
                          longer and need servers

In a plain run each kind of request meets each fault in some cell, at a few k spread over all of them; with
`AMBI_FAULTS=all` in every cell and at every k.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

ALL = os.environ.get("AMBI_FAULTS") == "all"
"""Whether every place is tried, or a few of them."""

FEW = 4


def places(count: int, *, seed: int = 0) -> list[int]:
    """Give at which of so many places a fault is provoked: all of them, or the ends and some that the seed moves."""
    if ALL or count <= FEW:
        return list(range(count))
    between = range(1, count - 1)
    step = max(1, len(between) // (FEW - 2))
    return sorted({0, count - 1, *list(between)[seed % step :: step][: FEW - 2]})


def shared(firsts: Iterable[Any], seconds: Sequence[Any], *, one_of: int, seed: int = 0) -> list[tuple[Any, Any]]:
    """Give the pairs of two lists: all of them, or for each of the first one in so many of the second, in turn."""
    return [
        (first, second)
        for number, first in enumerate(firsts)
        for other, second in enumerate(seconds)
        if ALL or (number + other + seed) % one_of == 0
    ]


def name_of(value: Any) -> str:
    """Name a parameter of a test."""
    return str(getattr(value, "__name__", value)).replace(" ", "-")
