"""What is late is found. That which is watched takes minutes: `nox -s slow`."""

from __future__ import annotations

import pytest

from tests.slow.ticker import Ticker
from tests.slow.watching import Others, can_be_judged, too_late


@pytest.mark.parametrize(
    ("seconds", "late_ms", "found"),
    [(15.0, 50.0, []), (15.0, 50.1, ["the loop was 50.1 ms late"]), (14.9, 500.0, [])],
)
def test_a_loop_that_is_late_is_found_where_it_was_measured_for_long_enough(
    seconds: float, late_ms: float, found: list[str]
) -> None:
    lag = {"n": 3000.0, "s": seconds, "own p99.9": late_ms}
    assert too_late(lag) == found
    assert can_be_judged(lag) is (seconds >= 15)


def test_a_loop_that_was_blocked_all_the_time_is_found_by_its_few_values() -> None:
    ticker = Ticker()
    ticker.lags.extend([0.4] * 40)
    ticker.own.extend([0.4] * 40)
    assert ticker.summary()["s"] == 16.2
    assert too_late(ticker.summary()) == ["the loop was 400.0 ms late"]


def test_another_client_that_waits_for_seconds_is_found() -> None:
    assert Others(0, waits=[0.01, 4.0, 0.2]).found() == []
    assert Others(0, waits=[0.01, 4.2]).found() == ["another client waited for 4200 ms"]


def test_of_many_faults_of_another_client_three_are_told() -> None:
    assert Others(0, waits=[0.01], faults=["a", "b", "c", "d"]).found() == ["a", "b", "c"]
