"""A failure as it is shown: its chain, the members of groups, frames with their sources and locals, all of it masked.

Facts
- Frames of the gateways and the bridge between two others say how the request travelled, which differs between gateways
  and tells nobody anything; they are left out.
- Nor do the framework's own locals, such as the side that a request is on.
- A recursion has a thousand frames. The first and the last of them tell the story.
- A chain may lead back to itself, and a group may hold itself.
"""

from __future__ import annotations

import linecache
import traceback
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import islice
from typing import cast

from .describing import MAX_TEXT, Describer, cut, describe_all, message_of, name_of
from .masking import MASK, is_harmless, is_secret
from .places import is_on_the_way, kind_of, shown_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any

    from .masking import Masking

_MAX_FRAMES = 40
_MAX_LOCALS = 40
_MAX_EXCEPTIONS = 20
_MAX_DEPTH = 3
_AROUND = 6
_MAX_LINE = 300
_MAX_MESSAGE = 4000


@dataclass
class Line:
    """A line of source. `mark`: where in it the expression stands that failed, as (start, end); None for nowhere."""

    number: int
    text: str
    is_failing: bool
    mark: tuple[int, int] | None = None


@dataclass
class Frame:
    """A frame. `kind`: "user", "library" or "framework"; `values`: name and text of each local."""

    file: str
    line: int
    function: str
    kind: str
    is_open: bool = False
    lines: list[Line] = field(default_factory=list[Line])
    values: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


@dataclass
class Failed:
    """An exception.

    Attributes:
        kind: the name of its class.
        relation: to the one that it is `earlier` than: "cause" or "context"; "" for the one that was raised last.
        left_out: how many frames, or members of a group, there are besides; behind the frame of that index.
    """

    kind: str
    message: str
    relation: str = ""
    notes: list[str] = field(default_factory=list[str])
    frames: list[Frame] = field(default_factory=list[Frame])
    left_out: tuple[int, int] | None = None
    earlier: Failed | None = None
    members: list[Failed] = field(default_factory=list["Failed"])


@dataclass
class Section:
    """Facts under a title: name and value."""

    title: str
    rows: list[tuple[str, str]]


@dataclass
class Report:
    """What is shown of a crash. `summary` is one line on the request, `sections` are the rest."""

    failure: Failed
    summary: str
    sections: list[Section]


class Collector:
    """Collects one failure."""

    def __init__(self, masking: Masking) -> None:
        self._masking = masking
        self._seen: set[int] = set()
        self._held: list[tuple[Frame, str, Any]] = []

    def collect(self, failure: BaseException) -> Failed:
        """Collect a failure with all that led to it."""
        failed = self._failed(failure, 0)
        wanted = sorted(self._held, key=lambda held: held[0].kind != "user")  # those that matter, while there is time
        texts = describe_all(Describer(self._masking), [(name, value) for _, name, value in wanted])
        for (frame, name, _), text in zip(wanted, texts, strict=True):
            frame.values.append((name, text))
        self._held.clear()
        return failed

    def _failed(self, error: BaseException, depth: int) -> Failed:
        self._seen.add(id(error))
        failed = Failed(name_of(type(error)), message_of(error), notes=_notes_of(error))
        for text in (failed.message, *failed.notes):
            self._masking.learn_from(text)
        self._add_frames(failed, error.__traceback__)
        if isinstance(error, BaseExceptionGroup) and depth < _MAX_DEPTH:
            group: list[BaseException] = list(cast("Any", error).exceptions)
            for member in group:
                if id(member) not in self._seen and len(self._seen) < _MAX_EXCEPTIONS:
                    failed.members.append(self._failed(member, depth + 1))
            if len(failed.members) < len(group):
                failed.notes.append(f"({len(group) - len(failed.members):,} of {len(group):,} members are not shown)")
        earlier, relation = error.__cause__, "cause"
        if earlier is None and not error.__suppress_context__:
            earlier, relation = error.__context__, "context"
        if earlier is not None and id(earlier) not in self._seen and len(self._seen) < _MAX_EXCEPTIONS:
            failed.earlier = self._failed(earlier, depth)
            failed.earlier.relation = relation
        return failed

    def _add_frames(self, failed: Failed, tb: TracebackType | None) -> None:
        all_of_it = list(islice(traceback.walk_tb(tb), 5000))
        positions = [_position(at) for at in _tracebacks(tb, 5000)]
        steps = [
            (frame, line, position)
            for (frame, line), position in zip(all_of_it, positions, strict=True)
            if not is_on_the_way(frame.f_code.co_filename) or frame is all_of_it[-1][0]
        ]
        if len(steps) > _MAX_FRAMES:
            half = _MAX_FRAMES // 2
            failed.left_out = half, len(steps) - _MAX_FRAMES
            steps = [*steps[:half], *steps[-half:]]
        failed.frames = [self._frame(*step) for step in steps]
        _open_frames(failed)

    def _frame(self, frame: FrameType, line: int, position: tuple[int, int] | None) -> Frame:
        code = frame.f_code
        shown = Frame(shown_file(code.co_filename), line, code.co_qualname, kind_of(code.co_filename))
        shown.lines = self._source(frame, line, position)
        if shown.kind == "framework":
            return shown
        for name, value in islice(dict(frame.f_locals).items(), _MAX_LOCALS):
            if is_secret(name) and not is_harmless(value):
                self._masking.learn(name, value)
            self._held.append((shown, name, value))
        return shown

    def _source(self, frame: FrameType, line: int, position: tuple[int, int] | None) -> list[Line]:
        file = frame.f_code.co_filename
        linecache.checkcache(file)
        lines = linecache.getlines(file, frame.f_globals)
        start = max(1, line - _AROUND)
        found: list[Line] = []
        for number, text in enumerate(lines[start - 1 : line + _AROUND], start):
            is_failing = number == line
            mark = position if is_failing and text.isascii() and len(text) <= _MAX_LINE else None
            found.append(Line(number, text.rstrip("\n").expandtabs(4), is_failing, mark if "\t" not in text else None))
        return _dedented(found)


def _notes_of(error: BaseException) -> list[str]:
    found: Any = getattr(error, "__dict__", {}).get("__notes__")
    return _texts(found[:20]) if found.__class__ is list else []


def _texts(values: list[Any]) -> list[str]:
    return [value for value in values if type(value) is str]


def _open_frames(failed: Failed) -> None:
    """Open the user's frames, but those of layers that the exception only passed; of a recursion the last ones."""
    passed = [False, *(frame.function == "fail_layer" and frame.kind == "framework" for frame in failed.frames)]
    own = [
        frame for frame, is_passed in zip(failed.frames, passed, strict=False) if frame.kind == "user" and not is_passed
    ]
    if failed.left_out is not None:
        own = own[-3:]
    for frame in [*own, *failed.frames[-1:]] if not own or failed.frames[-1].kind == "user" else own:
        frame.is_open = True


def _tracebacks(tb: TracebackType | None, limit: int) -> list[TracebackType]:
    found: list[TracebackType] = []
    while tb is not None and len(found) < limit:
        found.append(tb)
        tb = tb.tb_next
    return found


def _position(tb: TracebackType) -> tuple[int, int] | None:
    """Give where in its line the expression stands that failed, if it is on one line."""
    if tb.tb_lasti < 0:
        return None
    found = next(islice(tb.tb_frame.f_code.co_positions(), tb.tb_lasti // 2, None), None)
    if found is None or found[0] != found[1] or found[0] != tb.tb_lineno or found[2] is None or found[3] is None:
        return None
    return found[2], found[3]


def _dedented(lines: list[Line]) -> list[Line]:
    """Take off what all lines are indented by."""
    margin = min((len(line.text) - len(line.text.lstrip()) for line in lines if line.text.strip()), default=0)
    for line in lines:
        line.text = line.text[margin:]
        if line.mark is not None:
            line.mark = max(0, line.mark[0] - margin), line.mark[1] - margin
    return lines


def masked(value: Any, masking: Masking) -> Any:
    """Give a report, or a part of one, without secrets, every text cut to its size."""
    found: Any = value
    if isinstance(value, str):
        found = cut(masking.clean(value), MAX_TEXT, masking)
    elif type(value) is list or type(value) is tuple:
        found = _each_masked(value, masking)
    elif isinstance(value, Line):
        text = masking.clean(value.text, is_source=True)
        text, is_same = text[:_MAX_LINE], text == value.text
        found = replace(value, text=text, mark=value.mark if is_same else None)
    elif is_dataclass(value) and not isinstance(value, type):
        changed = {one.name: masked(getattr(value, one.name), masking) for one in fields(value)}
        if isinstance(value, Failed):
            changed["message"] = cut(masking.clean(value.message), _MAX_MESSAGE, masking)
        found = replace(value, **changed)
    return found


def _each_masked(items: Any, masking: Masking) -> Any:
    return type(items)(masked(item, masking) for item in items)


def masked_rows(pairs: list[tuple[str, str]], masking: Masking) -> list[tuple[str, str]]:
    """Mask values by their names, and remember them."""
    rows: list[tuple[str, str]] = []
    for name, value in pairs:
        if value and is_secret(name):
            masking.learn(name, value)
            rows.append((name, MASK))
        else:
            rows.append((name, value))
    return rows
