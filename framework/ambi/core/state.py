"""A place for values by name: `state.pool` or `state["pool"]`; and how a type checker knows which there are."""

from __future__ import annotations

from collections.abc import MutableMapping

__all__ = ["Generic", "State", "StateT"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Generic

    from typing_extensions import TypeVar

    StateT = TypeVar("StateT", default=Any)
    """What a type checker takes the state for. `Any` by default, so that each request is good for who takes any."""
else:
    StateT = None

    class Generic:
        """Be nothing but the base of classes that type checkers know as generic: `Request[ShopState]` is `Request`.

        So it costs nothing, and asks for the same as `Request` wherever an annotation is read. The state is a `State`
        in any case, not an object of the class that is named.
        """

        __slots__ = ()

        def __class_getitem__(cls, state: object) -> type:
            """Give the class itself."""
            return cls


class State(MutableMapping[str, "Any"]):
    """Hold values by name, as attributes or as items. A missing one is an AttributeError or KeyError that names it."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        object.__setattr__(self, "_values", dict(values) if values else {})

    if TYPE_CHECKING:
        _values: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            known = ", ".join(sorted(self._values)) or "nothing"
            raise AttributeError(
                f"the state holds no {name!r}; it holds {known}, of what lifespans yielded and layers left there"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(State, name):  # reading it again would give the method
            raise AttributeError(f"{name!r} is a method of the state; use state[{name!r}]")
        self._values[name] = value

    def __delattr__(self, name: str) -> None:
        if self._values.pop(name, self) is self:
            raise AttributeError(f"the state holds no {name!r}")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[type[State], tuple[dict[str, Any]]]:
        return State, (self._values,)

    def __repr__(self) -> str:
        return f"State({self._values!r})"
