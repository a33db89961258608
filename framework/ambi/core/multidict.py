"""An immutable mapping whose names may have several values: query strings and forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar, cast, overload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

V = TypeVar("V")
D = TypeVar("D")


class MultiDict(Mapping[str, V], Generic[V]):
    """Hold name-value pairs in the order received. `mapping[name]` is the first value of that name.

    Attributes:
        has_repeats: whether some name has several values.
    """

    __slots__ = ("_first", "_pairs", "has_repeats")

    def __init__(self, pairs: Iterable[tuple[str, V]] = ()) -> None:
        self._pairs = tuple(pairs)
        self._first: dict[str, V] = dict(reversed(self._pairs))
        self.has_repeats = len(self._first) != len(self._pairs)

    def __getitem__(self, name: str) -> V:
        return self._first[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(self._first)

    def __contains__(self, name: object) -> bool:
        return name in self._first

    @overload
    def get(self, name: str, default: None = None, /) -> V | None: ...
    @overload
    def get(self, name: str, default: V, /) -> V: ...
    @overload
    def get(self, name: str, default: D, /) -> V | D: ...
    def get(self, name: str, default: V | D | None = None, /) -> V | D | None:
        """Give the first value of `name`, or the default."""
        return self._first.get(name, default)

    def getlist(self, name: str) -> list[V]:
        """Give all values of `name` in order; none is an empty list."""
        return [value for existing, value in self._pairs if existing == name]

    def pairs(self) -> tuple[tuple[str, V], ...]:
        """Give every (name, value) pair in the order received."""
        return self._pairs

    def __eq__(self, other: object) -> bool:
        return self._pairs == cast("MultiDict[V]", other)._pairs if isinstance(other, MultiDict) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._pairs)!r})"
