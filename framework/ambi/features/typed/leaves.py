"""Leaves: what in plain data holds nothing more, found without a call for each level."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Outer = tuple["Outer | None", Any, Any]

_OUTER = (dict, list, tuple, set, frozenset)


def leaves_of(value: Any) -> Iterator[tuple[Outer | None, Any, Any]]:
    """Give all that holds nothing more, keys included: what holds it, the step to it, and it.

    What holds it is told by what holds that: a path for each would take the depth times the number of them.
    """
    if value.__class__ not in _OUTER:
        yield None, "", value
        return
    outer: list[Outer] = [(None, "", value)]
    for place in outer:  # which grows meanwhile
        one = place[2]
        parts: Any = enumerate(one)
        if one.__class__ is dict:
            yield from ((place, key, key) for key in one)
            parts = one.items()
        for step, inner in parts:
            if inner.__class__ in _OUTER:
                outer.append((place, step, inner))
            else:
                yield place, step, inner


def path_of(place: Outer | None, step: Any) -> tuple[str | int, ...]:
    """Give the steps to what stands in a place, outermost first."""
    steps: list[str | int] = []
    while place is not None:
        steps.append(step if step.__class__ is int else str(step))
        place, step, _ = place
    return tuple(reversed(steps))
