"""Times applications in turns, and counts the calls they make.

A shared machine drifts by more than the frameworks differ. So the applications take turns in slices of some
milliseconds, in random order, for many rounds; a time is the median over the rounds, a ratio the median
of the ratios taken inside each round, where the drift hits both.
"""

import cProfile
import gc
import pstats
import random
import statistics
import sys
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

from tests.benchmarks.cases import Case


@dataclass
class Cell:
    """One application in one case."""

    peer: str
    case: Case
    gateway: Any
    application: Any
    times_a_slice: int = 1
    microseconds: list[float] = field(default_factory=list)
    calls: int = 0

    def __post_init__(self) -> None:
        self.request = self.gateway.request(self.case)

    async def repeat(self, times: int) -> None:
        await self.gateway.repeat(self.application, self.request, self.case.body, times)

    @property
    def median(self) -> float:
        return statistics.median(self.microseconds)

    def ratio_to(self, other: "Cell") -> float:
        pairs = zip(self.microseconds, other.microseconds, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def above(self, other: "Cell | None") -> float:
        """Tell how much longer this takes than another case of the same application, or than nothing."""
        if other is None:
            return self.median
        pairs = zip(self.microseconds, other.microseconds, strict=True)
        return statistics.median(mine - theirs for mine, theirs in pairs)


async def keep_right_ones(cells: list[Cell]) -> list[Cell]:
    """Ask every application once; leave out, with a printed reason, those that answer wrongly."""
    kept = []
    for cell in cells:
        try:
            status, body = await cell.gateway.ask(cell.application, cell.case)
            reason = "" if cell.case.is_right(status, body) else f"{status} {body[:60]!r}"
        except Exception as error:
            reason = repr(error)[:200]
        if reason:
            print(f"left out: {cell.peer}, {cell.gateway.name}, {cell.case.name}: {reason}", file=sys.stderr)
        else:
            kept.append(cell)
    return kept


async def measure_times(cells: list[Cell], rounds: int, slice_ms: float) -> None:
    for cell in cells:
        await cell.repeat(5)
        started = perf_counter_ns()
        await cell.repeat(5)
        each_ns = (perf_counter_ns() - started) / 5
        cell.times_a_slice = max(1, int(slice_ms * 1e6 / each_ns))
    gc.collect()
    gc.freeze()  # nobody pays for walking through the others' objects
    by_case: dict[str, list[Cell]] = {}
    for cell in cells:
        by_case.setdefault(cell.case.name, []).append(cell)
    for _ in range(rounds):
        for rivals in by_case.values():
            random.shuffle(rivals)
            for cell in rivals:
                await cell.gateway.breathe()
                started = perf_counter_ns()
                await cell.repeat(cell.times_a_slice)
                cell.microseconds.append((perf_counter_ns() - started) / cell.times_a_slice / 1000)
    gc.unfreeze()


async def count_calls(cells: list[Cell], times: int = 20) -> None:
    """Count the function calls of a request, Python's and C's, the handful of ``repeat`` itself included.

    The only figure here without noise: it is the same on every machine.
    """
    for cell in cells:
        await cell.repeat(3)
        profile = cProfile.Profile()
        profile.enable()
        await cell.repeat(times)
        profile.disable()
        stats: dict[Any, tuple[Any, ...]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
        # What is called once, to begin and to end the repetition, is a fraction of a call each time: cut off.
        cell.calls = sum(row[1] for row in stats.values()) // times
