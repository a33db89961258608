"""What the arguments of a set-up are held to, where several of them are held to the same."""

from __future__ import annotations

from .errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def check_texts(argument: str, given: Any) -> tuple[str, ...]:
    """Give the texts that an argument lists. One text alone is a mistake: each of its characters would be one of them.

    Args:
        argument: its name, as "origins".
        given: its value.

    Raises:
        ConfigurationError: it is one text, or holds something else than texts.
    """
    if isinstance(given, str):
        raise ConfigurationError(f"{argument}= takes a list, as {argument}=[{given!r}], not one text")
    try:
        found: tuple[Any, ...] = tuple(given)
    except TypeError:
        found = (given,)
    for one in found:
        if not isinstance(one, str):
            raise ConfigurationError(f"{argument}= takes a list of texts, not {given!r}")
    return found


def check_whole(argument: str, value: Any, *, least: int, most: int | None = None) -> int:
    """Give a whole number, as of seconds: it goes into a header field as it is.

    Raises:
        ConfigurationError: it is none, or out of its bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ConfigurationError(f"{argument}= is a whole number, {bounds}, not {value!r}")
    return value


def check_function(argument: str, value: Any) -> None:
    """Refuse what cannot be called. Raises: ConfigurationError."""
    if not callable(value):
        raise ConfigurationError(f"{argument}= is a function, not {value!r}")
