"""Types that msgspec knows.

Facts
- msgspec stops at the first fault. So where a value does not fit it is gone through again, field by field, to tell all
  of them; nobody waits for that but whoever sent it.
- `convert` leaves an instance of the wanted Struct as it is, with whatever subclasses stand in its fields: where a
  class in reach has subclasses, values are written and read again, so that no field of a subclass slips through.
- Text "null" reads as None where None may be, a number as a time since 1970; "nan" and "inf" as numbers, which JSON
  has not, and for `Decimal` also "1_0" and " 1".
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from ...core.errors import HTTPError
from .faults import MAX_FAULTS, Fault, Misfit
from .shapes import walk, with_whole_numbers, without_none

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PLACE = re.compile(r" - at `\$(.*)`$")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


class ModelField(NamedTuple):
    """A field of a model."""

    name: str
    annotation: Any
    required: bool


class _Nothing:
    """The class of no value."""


class MsgspecShape:
    """A type, read and written by msgspec.

    Raises:
        TypeError: msgspec does not know it.
    """

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        _refuse_unknown(annotation, set())
        self._decoder = msgspec.json.Decoder(annotation)
        self._encode = msgspec.json.Encoder().encode
        self._is_text = annotation is str
        self._without_none = without_none(annotation)
        self._trap = trap_of(self._without_none)
        self._traps = {field.name: trap for field in self.fields() or () if (trap := trap_of(field.annotation))}
        self._classes = tuple(_classes_in(annotation, set()))
        top = _item_class(annotation, self._classes) or (annotation if annotation in self._classes else None)
        self._is_list = top is not annotation
        self._top = None if top is None or is_typeddict(top) else top
        self._inside = () if top is None else tuple(_classes_inside(top, set()))
        is_flat = self._top is not None and not self._is_list and not self._inside
        self._flat = self._top if is_flat else _Nothing  # a value of just this class has nothing to hide

    # --- in ---

    def read_text(self, text: str | list[str], /) -> Any:
        """Read a value from text; a list from several."""
        if self._is_text and text.__class__ is str:
            return text
        if self._trap is not None:
            for one in text if isinstance(text, list) else (text,):
                if message := self._trap(one):
                    raise Misfit([Fault((), message)])
        try:
            value = msgspec.convert(text, self._without_none, strict=False)
        except msgspec.ValidationError as exc:
            raise Misfit(self._faults(text, exc, lax=True)) from None
        if value.__class__ is float and not math.isfinite(value):
            raise Misfit([Fault((), "Expected a finite number")])
        return value

    def read_data(self, data: Any, /, *, lax: bool = False) -> Any:
        """Read a value from plain data; `lax` of a model says that its fields are text."""
        trapped = self._trapped(data) if lax and self._traps else []
        try:
            value = self._read(data, self.annotation, lax=lax)
        except Misfit as misfit:
            known = {fault.path for fault in trapped}
            raise Misfit([*trapped, *(fault for fault in misfit.faults if fault.path not in known)]) from None
        if trapped:
            raise Misfit(trapped)
        return value

    def _trapped(self, data: Any) -> list[Fault]:
        """Tell of text of fields that msgspec would take for something else."""
        faults: list[Fault] = []
        for name, trap in self._traps.items():
            given = data.get(name)
            texts = given if given.__class__ is list else [given]
            messages = (trap(text) for text in texts if text.__class__ is str)
            faults += [Fault((name,), message) for message in messages if message]
        return faults

    def read_json(self, data: bytes, /) -> Any:
        """Read a value from JSON."""
        try:
            return self._decoder.decode(data)
        except msgspec.ValidationError as exc:
            failure = exc
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise HTTPError(400, "the body is not valid JSON") from None
        try:
            plain = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # behind what does not fit
            raise HTTPError(400, "the body is not valid JSON") from None
        data_again, has_some = with_whole_numbers(plain)
        if has_some:
            return self.read_data(data_again)
        raise Misfit(self._faults(plain, failure, lax=False))

    def _read(self, data: Any, annotation: Any, *, lax: bool) -> Any:
        try:
            return msgspec.convert(data, annotation, strict=not lax)
        except msgspec.ValidationError as exc:
            raise Misfit(self._faults(data, exc, lax=lax)) from None

    def _faults(self, data: Any, failure: Exception, *, lax: bool) -> list[Fault]:
        """Tell all that does not fit; what shows itself only as a whole is told as msgspec tells it."""
        found: list[Fault] = []
        for fault in _find(self._without_none if data is not None else self.annotation, data, (), lax):
            found.append(fault)
            if len(found) == MAX_FAULTS:
                break
        return found or [_fault_of(failure, ())]

    # --- out ---

    def narrow(self, value: Any, /, *, strict: bool = False) -> Any:
        """Give the value as one of the type, with what the type does not name left out."""
        if not strict and (value.__class__ is self._flat or self._is_narrow(value)):
            return value
        try:
            value = msgspec.convert(value, self.annotation, from_attributes=True)
            if strict or any(kind.__subclasses__() for kind in self._classes):
                value = msgspec.convert(msgspec.to_builtins(value, str_keys=True), self.annotation, str_keys=True)
        except msgspec.ValidationError as exc:
            raise TypeError(str(exc)) from exc
        return value

    def _is_narrow(self, value: Any) -> bool:
        """Tell whether the value is one of the class itself, or a list of such, and nothing can be hidden in it."""
        top = self._top
        if top is None:
            return False
        if not self._is_list:
            if value.__class__ is not top:
                return False
        elif value.__class__ is not list or any(item.__class__ is not top for item in value):
            return False
        return not (self._inside and any(kind.__subclasses__() for kind in self._inside))

    def write_json(self, value: Any, /) -> bytes:
        """Write a value that was narrowed."""
        return self._encode(value)

    def plain(self, value: Any, /) -> Any:
        """Give a value that was narrowed as plain data."""
        return msgspec.to_builtins(value, str_keys=True)

    def fields(self) -> list[ModelField] | None:
        """Give the fields of a model; None for any other type."""
        return fields_of(self._without_none)


def fields_of(kind: Any) -> list[ModelField] | None:
    """Give the fields of a Struct, dataclass, TypedDict or attrs class; None for any other type."""
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    kind = kind if isinstance(kind, type) or is_typeddict(kind) else get_origin(kind)
    try:
        info = msgspec.inspect.type_info(kind) if kind is not None else None
    except (TypeError, NameError):
        return None
    if not isinstance(info, (msgspec.inspect.StructType, msgspec.inspect.DataclassType, msgspec.inspect.TypedDictType)):
        return None
    hints = get_type_hints(kind, include_extras=True)
    return [ModelField(field.encode_name, hints[field.name], field.required) for field in info.fields]


def trap_of(annotation: Any) -> Callable[[str], str] | None:
    """Make what tells of a text, by a message, that msgspec would read it as something that its sender did not mean.

    That is "null" as None, a number as a time, and what `Decimal` takes besides numbers; None if there is nothing.
    """
    kinds = {part for part in walk(annotation) if isinstance(part, type)}
    takes_null = NoneType in kinds and str not in kinds
    is_decimal = Decimal in kinds and not kinds & {str, int, float}
    is_time = kinds & {datetime, timedelta} and not kinds & {str, int, float, Decimal}
    if not (takes_null or is_decimal or is_time):
        return None

    def trap(text: str) -> str:
        if takes_null and text.lower() == "null":
            return "Expected a value, got text that says null"
        if is_decimal and not _NUMBER.fullmatch(text):
            return "Expected a decimal number"
        return "Expected a date and time, or a duration, not a number" if is_time and _NUMBER.fullmatch(text) else ""

    return trap


def _classes_in(annotation: Any, seen: set[Any]) -> Iterator[Any]:
    """Give the classes with fields that a value of this type can hold."""
    for part in walk(annotation):
        fields = fields_of(part) if isinstance(part, type) else None
        if fields is None or part in seen:
            continue
        seen.add(part)
        yield part
        yield from _classes_inside(part, seen)


def _classes_inside(kind: Any, seen: set[Any]) -> Iterator[Any]:
    """Give the classes with fields that the fields of this one can hold."""
    for field in fields_of(kind) or ():
        yield from _classes_in(field.annotation, seen)


def _refuse_unknown(annotation: Any, seen: set[Any]) -> None:
    """Raise TypeError for a type in which msgspec would leave to others how it is read."""
    for part in walk(annotation):
        if not isinstance(part, type) or part in (object, msgspec.UnsetType) or part in seen:
            continue
        seen.add(part)
        if isinstance(msgspec.inspect.type_info(part), msgspec.inspect.CustomType):
            raise TypeError(f"{part.__qualname__} is no type that msgspec knows")
        for field in fields_of(part) or ():
            _refuse_unknown(field.annotation, seen)


def _item_class(annotation: Any, classes: tuple[Any, ...]) -> Any:
    """Give the class of a list's items where that has fields; None for any other type."""
    args = get_args(annotation)
    return args[0] if get_origin(annotation) is list and args[0] in classes else None


def _find(annotation: Any, data: Any, path: tuple[str | int, ...], lax: bool) -> Iterator[Fault]:
    """Go through a value that does not fit, and tell what does not."""
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    fields, kind = fields_of(bare), data.__class__
    if fields is not None and kind is dict:
        for field in fields:
            if field.name in data:
                yield from _find(field.annotation, data[field.name], (*path, field.name), lax)
            elif field.required:
                yield Fault((*path, field.name), "It is missing")
        return
    args = get_args(bare)
    if get_origin(bare) is list and kind is list:
        for index, item in enumerate(data):
            yield from _find(args[0], item, (*path, index), lax)
        return
    if get_origin(bare) is dict and kind is dict:
        for name, item in data.items():
            yield from _find(args[1], item, (*path, str(name)), lax)
        return
    try:
        msgspec.convert(data, annotation, strict=not lax)
    except msgspec.ValidationError as exc:
        yield _fault_of(exc, path)


def _fault_of(failure: Exception, path: tuple[str | int, ...]) -> Fault:
    """Make a fault of msgspec's message, which names the place at its end."""
    message = str(failure)
    place = _PLACE.search(message)
    if place is None:
        return Fault(path, message)
    steps = (int(index) if index.isdecimal() else name or index for name, index in _STEP.findall(place[1]))
    return Fault((*path, *steps), message[: place.start()])
