"""A value that stands in no repr, no traceback and no log."""

from __future__ import annotations

import hmac
from typing import Generic, TypeVar, cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

T_co = TypeVar("T_co", covariant=True)

_MASK = "Secret('…')"


class Secret(Generic[T_co]):
    """Hold a value that is shown only to whoever asks for it by name. Immutable.

    It may be copied and pickled, and is then as secret as before; it is false where its value is. Two of them are
    compared in a time that does not tell how much of them is alike, where they hold text or bytes.

    Example:
        >>> key = Secret("hush")
        >>> key, f"{key}", key.reveal()
        (Secret('…'), "Secret('…')", 'hush')
    """

    __slots__ = ("_value",)

    def __init__(self, value: T_co) -> None:
        object.__setattr__(self, "_value", value)

    if TYPE_CHECKING:
        _value: T_co

    def reveal(self) -> T_co:
        """Give the value: to what needs it, and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return _MASK  # a format of the value, as `:>40`, would tell its length

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        value, other_value = cast("Any", self)._value, cast("Any", other)._value
        mine, others = _bytes_of(value), _bytes_of(other_value)
        if mine is None or others is None or type(value) is not type(other_value):
            return bool(value == other_value)
        return hmac.compare_digest(mine, others)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Secret is immutable, so its {name!r} cannot be set; make a new one")

    def __reduce__(self) -> tuple[type[Secret[Any]], tuple[Any]]:
        return Secret, (self._value,)


def _bytes_of(value: object) -> bytes | None:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return value if isinstance(value, bytes) else None
