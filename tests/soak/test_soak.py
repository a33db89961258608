"""A fifth of what is sent is hostile, and what is wrong with a process is told. The soak itself is `nox -s soak`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.soak.measuring import MOST_WORKERS, Sample, faults_of, line_of
from tests.soak.traffic import HOSTILE_EACH, JOURNEYS, PLAIN

FIRST = Sample(50_000_000, 30_000_000, 12, 3, 1, 0, 5, 40_000, requests=20_000, hostile=4_500)
LAST = replace(FIRST, requests=100_000, hostile=22_500)


def test_more_than_a_fifth_of_the_requests_is_hostile() -> None:
    of_people = len(PLAIN) + sum(count for _, count in JOURNEYS)
    friendly = (HOSTILE_EACH - 1) * of_people / (len(PLAIN) + len(JOURNEYS))
    assert 1 / (1 + friendly) > 0.21


def test_what_is_level_has_no_fault() -> None:
    assert faults_of([FIRST, LAST]) == []
    assert line_of([FIRST, LAST]).startswith("22.5% hostile. RSS 47.7 -> 47.7 MiB")


@pytest.mark.parametrize(
    ("last", "fault"),
    [
        (replace(LAST, hostile=18_100), "18.1% of the requests were hostile, 20% at least are expected"),
        (replace(LAST, workers=MOST_WORKERS + 1), "workers: 41 at a time, 40 at most are expected"),
        (replace(LAST, threads=6), "threads: 3 at first, 6 at last"),
        (replace(LAST, busy=2), "busy: 0 at first, 2 at last"),
        (replace(LAST, objects=40_201), "objects: 40000 at first, 40201 at last: "),
        (replace(LAST, rss=FIRST.rss + 80_000), "resident memory grew by 1.00 bytes a request, under 1.0 is expected"),
    ],
)
def test_what_is_wrong_is_told(last: Sample, fault: str) -> None:
    assert faults_of([FIRST, last]) == [fault]


def test_workers_that_were_too_many_for_a_while_are_told() -> None:
    between = replace(FIRST, requests=60_000, hostile=13_500, workers=50)
    assert faults_of([FIRST, between, LAST]) == ["workers: 50 at a time, 40 at most are expected"]


def test_idle_workers_may_be_more_than_at_first() -> None:
    assert faults_of([FIRST, replace(LAST, workers=MOST_WORKERS)]) == []
