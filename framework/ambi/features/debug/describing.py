"""Values as text: cut, masked, and safe whatever their reprs do.

Facts
- A repr is the user's code: it may raise, recurse, ask a database, or never end. All those of one report run in one
  thread that has a second for them; what is not told by then is said to be missing. One that never ends keeps its
  thread, which a process in development can afford.
- The same object is held by many frames; its repr is asked for once.
- Addresses tell nobody anything, and would make two reports of one failure differ.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, OrderedDict, defaultdict, deque
from contextvars import copy_context
from itertools import islice
from types import MappingProxyType
from typing import cast

from .masking import MASK, is_harmless, is_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .masking import Masking

BUDGET_S = 1.0
MAX_TEXT = 1200
_RAW_TEXT = 4 * MAX_TEXT
_MAX_STRING = 400
_MAX_ITEMS = 25
_MAX_DEPTH = 5
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{4,16}")
_KINDS_OF_MAPPINGS: tuple[Any, ...] = (dict, OrderedDict, defaultdict, Counter, MappingProxyType)
_MAPPINGS = {kind.__repr__ for kind in _KINDS_OF_MAPPINGS}
_BRACKETS: dict[Any, tuple[str, str]] = {
    list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("frozenset({", "})"), deque: ("deque([", "])"),
}  # fmt: skip
_SEQUENCES = {kind.__repr__: brackets for kind, brackets in _BRACKETS.items()}
"""Containers are shown by ours, as their own reprs show all there is in them; so are classes that inherit these."""
LATE = "(not shown: time was up; a repr before this one is slow)"


def cut(text: str, limit: int, masking: Masking) -> str:
    """Cut a text that is too long, and say so."""
    if len(text) <= limit:
        return text
    return f"{masking.end_of(text[:limit])}… ({len(text):,} characters)"


def message_of(error: BaseException) -> str:
    """Give the message of an exception; what goes wrong with that, as text."""
    try:
        return str(error)[:20_000]
    except (Exception, SystemExit) as exc:
        return f"(its message cannot be had: str() raised {type(exc).__name__})"


def name_of(kind: type) -> str:
    """Give the name of a class, with its module unless that is builtins."""
    module = str(getattr(kind, "__module__", ""))
    return kind.__qualname__ if module in ("builtins", "__main__", "") else f"{module}.{kind.__qualname__}"


class Describer:
    """Makes texts of values. Nothing it is given can make it raise."""

    def __init__(self, masking: Masking) -> None:
        self._masking = masking
        self._told: dict[int, str] = {}

    def describe(self, name: object, value: Any) -> str:
        """Give the text of a value that has a name."""
        if is_secret(name) and not is_harmless(value):
            return MASK
        text = self._told.get(id(value))
        if text is None:
            try:
                text = self._text_of(value, 0, ())
            except BaseException as exc:  # in a thread of its own even an exit is a repr that failed
                text = _failed(value, exc)
            text = self._told[id(value)] = cut(_ADDRESS.sub("", text), _RAW_TEXT, self._masking)
        return text

    def _text_of(self, value: Any, depth: int, around: tuple[int, ...]) -> str:
        kind = cast("Any", type(value))
        if kind is str or kind is bytes or kind is bytearray:
            return self._quoted(value)
        if kind is int:
            return repr(value) if value.bit_length() < 10_000 else f"<an int of {value.bit_length():,} bits>"
        shown_by: Any = kind.__repr__
        if shown_by in _MAPPINGS or shown_by in _SEQUENCES:
            if id(value) in around:
                return "(itself)"
            if depth >= _MAX_DEPTH:
                return "…"
            inside = (*around, id(value))
            if shown_by in _MAPPINGS:
                return self._mapping(value, depth + 1, inside)
            return self._sequence(value, *_SEQUENCES[shown_by], depth + 1, inside)
        return self._own_repr(value)

    def _quoted(self, value: Any) -> str:
        if len(value) <= _MAX_STRING:
            return repr(value)
        part = value[:_MAX_STRING]
        text = part if isinstance(part, str) else part.decode("latin-1")
        # What is behind the cut is a secret or not; of one that begins before it nothing stays.
        return f"{part[: len(self._masking.end_of(text))]!r}… (of {len(value):,})"

    def _own_repr(self, value: Any) -> str:
        try:
            text = repr(value)
        except Exception as exc:
            return _failed(value, exc)
        text = str.__str__(text)[: _RAW_TEXT + 1]
        self._masking.learn_from(text)
        return text

    def _mapping(self, value: Any, depth: int, around: tuple[int, ...]) -> str:
        shown: list[str] = []
        items: list[tuple[Any, Any]] = list(islice(_plain(value, _KINDS_OF_MAPPINGS).items(value), _MAX_ITEMS))
        for key, item in items:
            is_masked = is_secret(key) and not is_harmless(item)
            if is_masked:
                self._masking.learn(key, item)
            text = MASK if is_masked else self._text_of(item, depth, around)
            shown.append(f"{self._text_of(key, depth, around)}: {text}")
        return f"{{{', '.join(shown + _more(len(value)))}}}"

    def _sequence(self, value: Any, opening: str, closing: str, depth: int, around: tuple[int, ...]) -> str:
        items: list[Any] = list(islice(_plain(value, _BRACKETS).__iter__(value), _MAX_ITEMS))
        if len(items) == 2 and all(isinstance(item, (str, bytes)) and item for item in items) and is_secret(items[0]):
            self._masking.learn(*items)  # as a header field
            return f"{opening}{self._text_of(items[0], depth, around)}, {MASK}{closing}"
        shown = [self._text_of(item, depth, around) for item in items]
        comma = "," if opening == "(" and len(shown) == 1 else ""
        return f"{opening}{', '.join(shown + _more(len(value)))}{comma}{closing}"


def _plain(value: Any, kinds: Iterable[Any]) -> Any:
    """Give the builtin class of a container, whose methods do what they do, whatever those of a class of it do."""
    return next(kind for kind in kinds if issubclass(type(value), kind))


def _more(count: int) -> list[str]:
    return [f"… {count - _MAX_ITEMS:,} more"] if count > _MAX_ITEMS else []


def _failed(value: Any, error: BaseException) -> str:
    return f"<{type(value).__name__}: its repr raised {type(error).__name__}: {message_of(error)[:200]}>"


def describe_all(describer: Describer, values: list[tuple[str, Any]], budget_s: float = BUDGET_S) -> list[str]:
    """Describe named values within a time, in a thread of its own and the caller's context; important ones first."""
    told: dict[int, str] = {}
    is_over = threading.Event()

    def run() -> None:
        for index, (name, value) in enumerate(values):
            if is_over.is_set():
                return
            told[index] = describer.describe(name, value)

    thread = threading.Thread(target=copy_context().run, args=(run,), name="ambi-debug", daemon=True)
    deadline = time.monotonic() + budget_s
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    is_over.set()
    found = dict(told)
    return [found.get(index, LATE) for index in range(len(values))]
