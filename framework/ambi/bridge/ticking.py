"""The time, told to all that is open on an event loop: one task for a thousand streams, not one a stream."""

from __future__ import annotations

import time
from contextvars import Context
from typing import Protocol

from anyio import CancelScope, sleep
from anyio.lowlevel import RunVar

from .stopping import LOOK_EVERY_S, stopping_for
from .to_thread import spawn


class Ticked(Protocol):
    """What is open, and wants to know the time.

    Attributes:
        tick_every_s: how often it wants to know at least.
    """

    tick_every_s: float

    def tick(self, now: float, stopping_s: float | None) -> None:
        """Look at the time. It must neither block nor raise.

        Args:
            now: of `time.monotonic`.
            stopping_s: for how long the server has been about to stop; None while it is not.
        """
        ...


class Ticker:
    """Looks after all that is open on one event loop: tells it the time, and whether the server stops.

    One task for all of it, however much there is; it ends with the last.
    """

    def __init__(self) -> None:
        self._open: dict[Ticked, None] = {}
        self._scope: CancelScope | None = None

    def add(self, entry: Ticked) -> None:
        """Look after something from now on."""
        self._open[entry] = None
        if self._scope is None or entry.tick_every_s < LOOK_EVERY_S:  # begins anew, to look as often as it asks for
            self._begin()

    def remove(self, entry: Ticked) -> None:
        """Look after it no longer."""
        self._open.pop(entry, None)
        if not self._open and self._scope is not None:
            self._scope.cancel()
            self._scope = None

    def _begin(self) -> None:
        if self._scope is not None:
            self._scope.cancel()
        self._scope = CancelScope()
        Context().run(spawn, self._tick, self._scope)  # of no request

    async def _tick(self, scope: CancelScope) -> None:
        with scope:
            while self._open:
                await sleep(min(LOOK_EVERY_S, *(entry.tick_every_s for entry in self._open)))
                stopping_s = stopping_for()
                now = time.monotonic()
                for entry in list(self._open):
                    entry.tick(now, stopping_s)


_tickers: RunVar[Ticker] = RunVar("ambi_ticker")


def ticker_here() -> Ticker:
    """Give the ticker of the running event loop."""
    try:
        return _tickers.get()
    except LookupError:
        _tickers.set(ticker := Ticker())
        return ticker
