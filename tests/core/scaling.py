"""Whether a parser takes time in proportion to its input: ten times the input, twenty times the time at most."""

import gc
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def assert_linear(make_input: Callable[[int], T], parse: Callable[[T], object], *, size: int = 2000) -> None:
    """Compare the time for `size` with that for ten times as much; the lowest of three, without the collector."""
    ratio = 0.0
    small, large = make_input(size), make_input(10 * size)
    parse(small)  # what is loaded or remembered at the first call is not the parser's
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):  # on a busy machine even the lowest may be wrong: three such measurements in a row are not
            ratio = _seconds(parse, large) / max(_seconds(parse, small), 1e-5)
            if ratio <= 20:
                return
    finally:
        gc.enable()
    raise AssertionError(f"ten times the input took {ratio:.0f} times as long")


def _seconds(parse: Callable[[T], object], argument: T) -> float:
    lowest = float("inf")
    for _ in range(3):
        started = time.thread_time()
        parse(argument)
        lowest = min(lowest, time.thread_time() - started)
    return lowest
