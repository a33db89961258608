"""What is another each time: random values, and the time by which something is signed or sorted.

A client for tests that holds two calls against each other gives both the same. In production nothing is given; then it
costs one look at a context variable, and the bytes are those of the operating system.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from os import urandom
from typing import Protocol


class Chance(Protocol):
    """What is given instead."""

    def random_bytes(self, count: int, /) -> bytes:
        """Give so many bytes."""
        ...

    def now_s(self) -> float:
        """Give the time of day, in seconds since 1970."""
        ...


given_chance: ContextVar[Chance | None] = ContextVar("ambi.chance", default=None)
"""What is given to the requests that are served in a context; None: nothing, which is real chance."""


def random_bytes(count: int) -> bytes:
    """Give so many bytes that nobody can guess."""
    chance = given_chance.get()
    return urandom(count) if chance is None else chance.random_bytes(count)


def random_text(count: int) -> str:
    """Give so many bytes that nobody can guess as letters, digits, "-" and "_"."""
    from base64 import urlsafe_b64encode  # loaded with the first text that is wanted

    return urlsafe_b64encode(random_bytes(count)).rstrip(b"=").decode("ascii")


def now_s() -> float:
    """Give the time of day, in seconds since 1970."""
    chance = given_chance.get()
    return time.time() if chance is None else chance.now_s()
