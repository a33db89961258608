"""What is late is found. That which is watched takes minutes: `nox -s slow`."""

from __future__ import annotations

import pytest

from tests.slow.watching import Others, can_be_judged, too_late


@pytest.mark.parametrize(
    ("ticks", "late_ms", "found"),
    [(3000, 50.0, []), (3000, 50.1, ["the loop was 50.1 ms late"]), (2999, 500.0, [])],
)
def test_a_loop_that_is_late_is_found_where_there_are_enough_values(
    ticks: int, late_ms: float, found: list[str]
) -> None:
    lag = {"n": float(ticks), "own p99.9": late_ms}
    assert too_late(lag) == found
    assert can_be_judged(lag) is (ticks >= 3000)


def test_another_client_that_waits_for_seconds_is_found() -> None:
    assert Others(0, waits=[0.01, 3.0, 0.2]).found() == []
    assert Others(0, waits=[0.01, 3.2]).found() == ["another client waited for 3200 ms"]


def test_of_many_faults_of_another_client_three_are_told() -> None:
    assert Others(0, waits=[0.01], faults=["a", "b", "c", "d"]).found() == ["a", "b", "c"]
