"""The session as a handler holds it: a mapping that knows what was changed in it, and none of the I/O.

Where it is kept (a signed cookie, a store) is a `Keeper`'s to know. What is changed is told key by key, by comparing
the JSON of each value with what it was: so a list that grew in place is saved too.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from itertools import islice
from typing import Any, NamedTuple, Protocol, cast

from .chance import now_s
from .log import log_begun_anew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Change = tuple[str | None, str | None]
    """The JSON of a value before and after; None where there is none."""

_FLASH = "_flash:"
_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_MOST_VALUES = 100_000
_DEEPEST = 100
"""How deep lists and dicts may be within each other: what one stack can write another must be able to read."""
_PLAIN = (str, int, float, type(None))  # bool is an int


class Flash(NamedTuple):
    """A message for the page that is shown next."""

    text: str
    category: str


class UnreadableSession(ValueError):
    """What is kept is nothing that a session has written."""


class Keeper(Protocol):
    """Where a session is kept."""

    def read(self) -> dict[str, Any]:
        """Give what is kept; empty for a new session. It may block where handlers may.

        Raises:
            UnreadableSession: it is not what a session holds.
        """
        ...

    def check(self, data: dict[str, Any], key: str) -> None:
        """Raise ValueError when there is no room for a value that was just set."""


class Session(MutableMapping[str, Any]):
    """What an application remembers of one client: texts -> JSON values. It is `request.session`.

    It is read when first touched, and saved when the response is made, if something in it was changed; not when the
    handler crashed. A value is a text, a number, a bool, None, or a list or dict of such; tuples come back as lists. A
    list or dict may be changed in place.

    Raises:
        TypeError: on setting a value of a type that JSON does not have.
        ValueError: on setting one that JSON cannot say, as NaN, that is nested too deeply, or for which the cookie has
            no room.
        RuntimeError: on a change that comes too late: behind the response, or in a WebSocket.

    Example:
        request.session["user"] = user.id
        theme = request.session.get("theme", "light")
    """

    __slots__ = ("_before", "_data", "_is_over", "_sealed", "is_cleared", "is_regenerated", "is_touched", "keeper")

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self._data: dict[str, Any] = {}
        self._before: dict[str, str] = {}
        self._sealed: str | None = None
        self._is_over = False
        self.is_touched = False
        self.is_cleared = False
        self.is_regenerated = False

    # --- the mapping ---

    def _opened(self) -> dict[str, Any]:
        if not self.is_touched:
            if self._is_over:
                raise RuntimeError(
                    "the session is read for the first time behind the response: read it in the handler, before it"
                    " returns"
                )
            self._read()
            self.is_touched = True
        return self._data

    def _read(self) -> None:
        """Read what is kept; where nobody of us can have written it, whoever has the key, the session begins anew."""
        try:
            data = self.keeper.read()
            self._before = check_values(data)
            self._data = data
        except UnreadableSession as exc:
            log_begun_anew(exc)
            self.is_cleared = True

    def _changing(self) -> dict[str, Any]:
        if self._sealed is not None:
            raise RuntimeError(
                f"the session is changed {self._sealed}, where no cookie can be set and nothing is saved: change it in"
                " an HTTP handler, before it returns"
            )
        return self._opened()

    def __getitem__(self, key: str) -> Any:
        return self._opened()[key]

    def __setitem__(self, key: str, value: object) -> None:
        data = self._changing()
        if not isinstance(key, str):
            raise TypeError(f"the key {key!r} of a session must be a str")
        if any("\ud800" <= char <= "\udfff" for char in key):
            raise ValueError(f"the key {key!r} of a session holds a lone surrogate, which no store can keep")
        _encode(key, value)
        self.keeper.check({**data, key: value}, key)
        data[key] = value

    def __delitem__(self, key: str) -> None:
        del self._changing()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened())

    def __len__(self) -> int:
        return len(self._opened())

    def __contains__(self, key: object) -> bool:
        return key in self._opened()

    def get(self, key: str, default: Any = None) -> Any:
        """Give the value of a key, or the default where there is none."""
        return self._opened().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a key and give its value; the default where there is none. Raises: KeyError without either."""
        return self._changing().pop(key, *default)

    def __ior__(self, other: Any) -> Session:  # noqa: PYI034  # `Self` would need typing_extensions or 3.11's typing
        self.update(other)
        return self

    def __repr__(self) -> str:
        return f"<Session of {len(self._data)} keys>" if self.is_touched else "<Session, not read>"

    # --- the session as a whole ---

    def clear(self) -> None:
        """Forget everything, at a logout: what is kept is deleted, the cookie too. What is set later is a new session.

        Requests of the client that are under way bring nothing back that a store has deleted.
        """
        self._changing().clear()
        self.is_cleared = True

    def regenerate(self) -> None:
        """Go on with the same values as a new session, whenever somebody logs in or gets other rights.

        The id of before is worth nothing afterwards: whoever planted it or saw it is not logged in.

        See: CWE-384.
        """
        self._changing()
        self.is_regenerated = True

    def flash(self, text: str, category: str = "info") -> None:
        """Leave a text for the page that is shown next, be that after a redirect; its category is the page's matter."""
        self[f"{_FLASH}{int(now_s() * 1e9):020d}{len(self):06d}"] = [text, category]

    def flashes(self) -> list[Flash]:
        """Take the messages that were left, oldest first; a second call finds none."""
        keys = sorted(key for key in self._opened() if key.startswith(_FLASH))
        left: list[Any] = [self.pop(key) for key in keys]
        return [Flash(*pair) for pair in left if _is_flash(pair)]

    # --- for who keeps it ---

    @property
    def is_replaced(self) -> bool:
        """Whether it goes on as a new session."""
        return self.is_cleared or self.is_regenerated

    def seal(self, where: str, *, over: bool = False) -> None:
        """Refuse changes from now on; `where` ends the sentence "the session is changed ...".

        Args:
            over: it cannot be read either, unless it was before.
        """
        self._sealed = where
        self._is_over = over

    def changes(self) -> dict[str, Change]:
        """Give what was changed, by key.

        Raises:
            TypeError: a value was changed in place to what JSON does not have.
            ValueError: or to what it cannot say.
        """
        after = {key: _encode(key, value) for key, value in self._data.items()}
        keys = [*after, *(key for key in self._before if key not in after)]
        return {key: (self._before.get(key), after.get(key)) for key in keys if self._before.get(key) != after.get(key)}

    def texts(self) -> dict[str, str]:
        """Give the JSON of all values."""
        return {key: _encode(key, value) for key, value in self._data.items()}


def _is_flash(pair: Any) -> bool:
    """Tell whether a value is a message that was left; keys like theirs may be in what others have written."""
    return isinstance(pair, (list, tuple)) and [*map(type, cast("list[Any]", pair))] == [str, str]


def check_values(data: dict[str, Any]) -> dict[str, str]:
    """Give the JSON of values that were read. Raises: UnreadableSession for what could not be written again."""
    try:
        return {key: _encode(key, value) for key, value in data.items()}
    except (TypeError, ValueError) as exc:
        raise UnreadableSession(str(exc)) from None


def _encode(key: str, value: object) -> str:
    """Give the JSON of a value. Raises: TypeError and ValueError for what it cannot say."""
    _check_value(key, value)
    try:
        return _to_json(value)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"session[{key!r}] holds what JSON cannot say: {exc}") from None


def _check_value(key: str, value: object) -> None:
    """Raise TypeError for what JSON cannot say, or would say differently; ValueError for what has no end."""
    level: list[object] = [value]
    left = _MOST_VALUES
    for _ in range(_DEEPEST + 1):
        left -= len(level)
        if left < 0:
            raise ValueError(f"session[{key!r}] holds itself, or more than {_MOST_VALUES} values")
        level = list(islice((inner for found in level for inner in _within(key, found)), left + 1))
        if not level:
            return
    raise ValueError(f"session[{key!r}] holds itself, or lists and dicts nested more than {_DEEPEST} deep")


def _within(key: str, found: object) -> Iterable[object]:
    """Give what a list or dict holds; nothing of other values. Raises: TypeError for what JSON does not have."""
    if isinstance(found, _PLAIN):
        return ()
    if isinstance(found, (list, tuple)):
        return cast("Iterable[object]", found)
    if not isinstance(found, dict):
        raise TypeError(
            f"session[{key!r}] holds a {type(found).__name__}, which JSON does not have: keep a str, a number,"
            " a bool, None, or a list or dict of such"
        )
    items: dict[object, object] = cast("Any", found)
    if not all(isinstance(name, str) for name in items):
        raise TypeError(f"session[{key!r}] holds a dict with keys that are no str, which JSON does not have")
    return items.values()
