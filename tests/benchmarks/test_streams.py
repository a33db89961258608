"""A stream does not run away from a client that stops reading, in the four cells; no times, so fit for every run."""

from __future__ import annotations

import pytest

from tests.benchmarks.streams import CELLS, run_ahead


@pytest.mark.parametrize("size", [1024, 64 * 1024], ids=["1 KiB", "64 KiB"])
@pytest.mark.parametrize(("gateway", "colour"), CELLS, ids=[f"{gateway}-{colour}" for gateway, colour in CELLS])
def test_a_client_that_stops_reading_stops_the_stream(gateway: str, colour: str, size: int) -> None:
    ahead = run_ahead(gateway, colour, size)
    assert ahead.items <= 64 + 3  # one is sent, one waits to be sent, one is being made
    assert ahead.items * size <= (1 << 20) + 3 * size
    assert ahead.peak_bytes < 4 << 20
