"""The time, told to all that is open on an event loop: one timer for a thousand streams, not one a stream."""

from __future__ import annotations

import time
from contextvars import Context
from typing import Protocol

from anyio import CancelScope, sleep
from anyio.lowlevel import RunVar, current_token

from .stopping import LOOK_EVERY_S, stopping_for
from .to_thread import start_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any


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

    One timer for all of it, however much there is; none when nothing is open.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._open: dict[Ticked, None] = {}
        self._stop: Callable[[], object] | None = None
        self._pause_s = LOOK_EVERY_S

    def add(self, entry: Ticked) -> None:
        """Look after something from now on."""
        self._open[entry] = None
        if self._stop is None or entry.tick_every_s < self._pause_s:  # begins anew, to look as often as it asks for
            self._begin()

    def remove(self, entry: Ticked) -> None:
        """Look after it no longer."""
        self._open.pop(entry, None)
        if not self._open and self._stop is not None:
            self._stop()
            self._stop = None

    def _begin(self) -> None:
        if self._stop is not None:
            self._stop()
        self._measure()
        if hasattr(self._loop, "call_later"):
            timer = self._loop.call_later(self._pause_s, self._beat, context=Context())  # of no request
            self._stop = timer.cancel
        else:
            scope = CancelScope()
            self._stop = scope.cancel
            Context().run(self.start_task, self._beat_on_trio, scope)

    def start_task(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Start a task, for what has to be done now and may take its time."""
        start_task(self._loop, function, *args)

    def _measure(self) -> None:
        """See how long to wait for the next beat. Who comes meanwhile and asks for no less does not put it off."""
        self._pause_s = min(LOOK_EVERY_S, *(entry.tick_every_s for entry in self._open))

    def _beat(self) -> None:
        self._tell()
        if self._open:
            self._begin()

    async def _beat_on_trio(self, scope: CancelScope) -> None:
        with scope:
            while self._open:
                self._measure()
                await sleep(self._pause_s)
                self._tell()

    def _tell(self) -> None:
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
        _tickers.set(ticker := Ticker(current_token().native_token))
        return ticker
