"""One timer a loop: it is not put off by those who come."""

import anyio
import pytest

from ambi.bridge.ticking import Ticker, ticker_here


class Entry:
    """Something that is open."""

    tick_every_s = 0.05

    def __init__(self) -> None:
        self.ticks = 0

    def tick(self, now: float, stopping_s: float | None) -> None:
        self.ticks += 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_those_who_come_do_not_put_off_the_next_beat(backend: str) -> None:
    first = Entry()

    async def main() -> None:
        ticker: Ticker = ticker_here()
        entries = [first, *(Entry() for _ in range(40))]
        for entry in entries:  # as streams do that are opened one after the other
            ticker.add(entry)
            await anyio.sleep(0.01)
        for entry in entries:
            ticker.remove(entry)

    anyio.run(main, backend=backend)
    assert first.ticks >= 3
