"""The same chance for two calls that are held against each other: what the framework makes at random, and the time."""

from __future__ import annotations

import random
import time
from secrets import randbits

from ..core.chance import given_chance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from typing import Self

    from ..core.chance import Chance


class SameChance:
    """What is called inside of a `with` block of it is given one sequence of bytes, and the time when it was made."""

    def __init__(self, seed: int, at_s: float) -> None:
        self._random = random.Random(seed)  # noqa: S311  # nobody is kept out by it
        self._at_s = at_s
        self._token: Token[Chance | None] | None = None

    @classmethod
    def twice(cls) -> tuple[Self, Self]:
        """Make two that give the same: other values than any two before."""
        seed, now_s = randbits(128), time.time()
        return cls(seed, now_s), cls(seed, now_s)

    def random_bytes(self, count: int, /) -> bytes:
        """Give the next bytes."""
        return self._random.randbytes(count)

    def now_s(self) -> float:
        """Give the time at which this was made."""
        return self._at_s

    def __enter__(self) -> None:
        self._token = given_chance.set(self)

    def __exit__(self, *raised: object) -> None:
        if self._token is not None:
            given_chance.reset(self._token)
            self._token = None
