"""Types that msgspec knows.

Facts
- msgspec stops at the first fault. So where a value does not fit it is gone through again, field by field, to tell all
  of them; on an event loop everybody waits for that, so it ends after so many places.
- `convert` leaves an instance of the wanted Struct as it is, with whatever stands in its fields, be it of a subclass
  or of another class: where it is not seen to be of just the classes that are wanted, it is written and read again,
  so that no field of those slips through.
- Text "null" reads as None where None may be, a number as a time since 1970; "nan" and "inf" as numbers, which JSON
  has not, and for `Decimal` also "1_0" and " 1".
- A field of a dataclass that is left out stays unset where its class has the default, and what is unset is not written.
- Some messages repeat what was sent: of enums, tags, and fields that are unknown.
"""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain, islice
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec

from ...core.errors import HTTPError
from .decimals import find_infinite, may_be_infinite
from .faults import MAX_FAULTS, Fault, Misfit
from .shapes import Field, Packed, WholeNumbers, too_deep, walk, without_none

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Check = Callable[[list[Any]], bool]
    Unset = tuple[tuple[tuple[str, Any], ...], tuple[str, ...]]

_MOST_PLACES = 5000
"""How many are looked at for faults; some ten milliseconds."""
_PACKED: dict[str, set[type]] = {
    "bytes": {bytes, bytearray, memoryview, UUID},
    "times": {datetime},
    "extensions": {msgspec.msgpack.Ext},
}
"""Which classes are read from what MessagePack alone can say."""
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)  # one way to read each: linear time
_NO_NUMBER = re.compile(r"[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_MANY = (list, tuple, set, frozenset)
_REPEATED = re.compile(r"(Invalid (?:enum )?value) .*", re.DOTALL)
_UNKNOWN = re.compile(r"(Object contains unknown field) `(.*)`", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d{1,18}|\.\.\.)\]")


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
        named = _named(annotation)
        self._has_decimals = Decimal in named
        self.packed = Packed(frozenset(kind for kind, classes in _PACKED.items() if named & classes))
        self._without_none = without_none(annotation)
        self._trap = trap_of(self._without_none)
        self._traps = {field.name: trap for field in self.fields() or () if (trap := trap_of(field.annotation))}
        self._is_kept = not all(map(is_typeddict, _classes_in(annotation, set())))  # by `convert`, as it is
        self._check = _check_of(annotation, {}) if self._is_kept else None
        is_flat = self._check is not None and _is_flat(annotation)
        self._unset = _unset_in(annotation)
        self._flat = annotation if is_flat else _Nothing  # a value of just this class has nothing to hide

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
            return msgspec.convert(text, self._without_none, strict=False)
        except msgspec.ValidationError as exc:
            raise Misfit(self._faults(text, exc, lax=True)) from None

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
            value = self._decoder.decode(data)
        except msgspec.ValidationError as exc:
            # Not kept in a variable here: its traceback holds this frame, and so the body.
            return self._read_json_again(data, exc)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise HTTPError(400, "the body is not valid JSON") from None
        except TypeError as exc:
            raise Misfit([_no_member(exc, ())]) from None
        if self._has_decimals and may_be_infinite(data):
            _refuse_infinite(_plain(data, float), value)
        if self._unset:
            _set_all(value, self._unset)
        return value

    def _read_json_again(self, data: bytes, failure: Exception) -> Any:
        """Read what did not fit, or tell all that does not."""
        numbers = WholeNumbers()
        plain = _plain(data, numbers.read)
        if numbers.has_some:
            return self.read_data(plain)
        raise Misfit(self._faults(plain, failure, lax=False))

    def _read(self, data: Any, annotation: Any, *, lax: bool) -> Any:
        try:
            value = msgspec.convert(data, annotation, strict=not lax)
        except msgspec.ValidationError as exc:
            raise Misfit(self._faults(data, exc, lax=lax)) from None
        except TypeError as exc:
            raise Misfit([_no_member(exc, ())]) from None
        except RecursionError:
            raise too_deep() from None
        if self._has_decimals:
            _refuse_infinite(data, value)
        if self._unset:
            _set_all(value, self._unset)
        return value

    def _faults(self, data: Any, failure: Exception, *, lax: bool) -> list[Fault]:
        """Tell what does not fit; what shows itself only as a whole, or late, is told as msgspec tells it."""
        kind = self._without_none if data is not None else self.annotation
        found: list[Fault] = []
        try:
            for fault in islice(_find(kind, data, (), lax, iter(range(_MOST_PLACES))), MAX_FAULTS):
                found.append(fault)  # noqa: PERF402  # those found so far are told
        except _EnoughError:
            return found or [_fault_of(failure, ())]
        except RecursionError:
            raise too_deep() from None
        return found or [_fault_of(failure, ())]

    # --- out ---

    def narrow(self, value: Any, /, *, strict: bool = False) -> Any:
        """Give the value as one of the type, with what the type does not name left out."""
        if not strict and (value.__class__ is self._flat or self._is_narrow(value)):
            return value
        try:
            value = msgspec.convert(value, self.annotation, from_attributes=True)
            if strict or (self._is_kept and not self._is_narrow(value)):
                value = msgspec.convert(msgspec.to_builtins(value, str_keys=True), self.annotation, str_keys=True)
        except msgspec.ValidationError as exc:
            raise TypeError(str(exc)) from exc
        if self._unset:
            _set_all(value, self._unset)
        return value

    def _is_narrow(self, value: Any) -> bool:
        """Tell whether the value, and all that is in it, is seen to be of just the classes that are wanted."""
        try:
            return self._check is not None and self._check([value])
        except (AttributeError, RecursionError):  # a field that was never set; what is deeper than Python calls go
            return False

    def write_json(self, value: Any, /) -> bytes:
        """Write a value that was narrowed."""
        return self._encode(value)

    def plain(self, value: Any, /) -> Any:
        """Give a value that was narrowed as plain data."""
        return msgspec.to_builtins(value, str_keys=True)

    def fields(self) -> list[Field] | None:
        """Give the fields of a model; None for any other type."""
        return fields_of(self._without_none)


def _plain(data: bytes, read_float: Callable[[str], Any]) -> Any:
    """Read all of JSON, of which some was read already; there may be anything behind what does not fit."""
    try:
        return msgspec.json.Decoder(float_hook=read_float).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise HTTPError(400, "the body is not valid JSON") from None


def _refuse_infinite(sent: Any, value: Any) -> None:
    if faults := find_infinite(sent, value):
        raise Misfit(faults)


def _named(annotation: Any) -> set[type]:
    """Give the classes that a type is made of, and the fields of those."""
    fields = (field for each in _classes_in(annotation, set()) for field in fields_of(each) or ())
    parts = chain(walk(annotation), *(walk(field.annotation) for field in fields))
    return {part for part in parts if isinstance(part, type)}


def fields_of(kind: Any) -> list[Field] | None:
    """Give the fields of a Struct, dataclass, TypedDict or attrs class; None for any other type."""
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    kind = kind if isinstance(kind, type) or is_typeddict(kind) else get_origin(kind)
    if not isinstance(kind, type):
        return None
    if kind not in _FIELDS:
        try:
            _FIELDS[kind] = _fields_of_class(kind)
        except NameError:  # it names what is not there yet
            return None
    return _FIELDS[kind]


_FIELDS: WeakKeyDictionary[type, list[Field] | None] = WeakKeyDictionary()
"""What was read already: a body of many items asks for the fields of their class again and again."""


def _fields_of_class(kind: type) -> list[Field] | None:
    try:
        info = msgspec.inspect.type_info(kind)
    except TypeError:
        return None
    if not isinstance(info, (msgspec.inspect.StructType, msgspec.inspect.DataclassType, msgspec.inspect.TypedDictType)):
        return None
    hints = get_type_hints(kind, include_extras=True)
    return [Field(field.encode_name, hints[field.name], field.required) for field in info.fields]


def trap_of(annotation: Any) -> Callable[[str], str] | None:
    """Make what tells of a text, by a message, that msgspec would read it as something that its sender did not mean.

    That is "null" as None, a number as a time, and what `Decimal` takes besides numbers; None if there is nothing.
    """
    kinds = {part for part in walk(annotation) if isinstance(part, type)}
    takes_null = NoneType in kinds and str not in kinds
    is_decimal = Decimal in kinds and str not in kinds
    words = ("true", "false") if bool in kinds else ()
    is_float = float in kinds and str not in kinds
    is_time = kinds & {datetime, timedelta} and not kinds & {str, int, float, Decimal}
    if not (takes_null or is_decimal or is_float or is_time):
        return None

    def trap(text: str) -> str:
        if takes_null and text.lower() == "null":
            return "Expected a value, got text that says null"
        if is_decimal and not _NUMBER.fullmatch(text) and text.lower() not in words:
            return "Expected a decimal number"
        if is_float and _NO_NUMBER.fullmatch(text):
            return "Expected a finite number"
        return "Expected a date and time, or a duration, not a number" if is_time and _NUMBER.fullmatch(text) else ""

    return trap


def _classes_in(annotation: Any, seen: set[Any]) -> Iterator[Any]:
    """Give the classes with fields that a value of this type can hold."""
    for part in walk(annotation):
        kind = part if isinstance(part, type) else get_origin(part)
        fields = fields_of(kind)
        if fields is None or kind in seen:
            continue
        seen.add(kind)
        yield kind
        for field in fields:
            yield from _classes_in(field.annotation, seen)


def _unset_in(annotation: Any) -> dict[type, Unset]:
    """Give for each class what msgspec may leave unset, and the fields with more classes; nothing where all is set."""
    found: dict[type, Unset] = {}
    for kind in _classes_in(annotation, set()):
        if not is_typeddict(kind):
            hints = get_type_hints(kind, include_extras=True)
            inner = tuple(name for name, hint in hints.items() if not _names_no_class(hint))
            found[kind] = (tuple(_defaults_of_class(kind)), inner)
    return found if any(defaults for defaults, _ in found.values()) else {}


def _defaults_of_class(kind: Any) -> Iterator[tuple[str, Any]]:
    """Give the defaults that a dataclass has as attributes; one with slots has none."""
    for field in dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ():
        default = field.default
        if field.init and default is not dataclasses.MISSING and getattr(kind, field.name, None) is default:
            yield field.name, default


def _set_all(value: Any, unset: dict[type, Unset]) -> None:
    """Set what was left out of a value, and of all that is in it; after all checks, for those are of what was sent."""
    found = [value]
    for one in found:  # which grows meanwhile
        kind = one.__class__
        if kind in unset:
            defaults, inner = unset[kind]
            for name, default in defaults:
                one.__dict__.setdefault(name, default)
            found += [getattr(one, name, None) for name in inner]
        elif kind is dict:
            found += one.values()
        elif kind in _MANY:
            found += one


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


def _check_of(annotation: Any, made: dict[Any, Check]) -> Check | None:
    """Make what tells of values that each is of just the classes that a type names, with nothing else inside of it.

    It takes all values that stand in one place at once, which costs few calls however many there are. None where that
    is not looked at: of mappings, of tuples, of unions, of what is generic. Of a type that names no class there is
    nothing to tell.
    """
    kind = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if _names_no_class(kind):
        return _is_anything
    args, origin = get_args(kind), get_origin(kind)
    if origin in (Union, UnionType) and len(args) == 2 and NoneType in args:
        inner = _check_of(args[args[0] is NoneType], made)
        return None if inner is None else lambda values: inner([value for value in values if value is not None])
    if origin is list:
        item = _check_of(args[0], made)
        return None if item is None else lambda values: _are_all(list, values) and item([*chain(*values)])
    return None if not isinstance(kind, type) or is_typeddict(kind) else _check_of_class(kind, made)


def _check_of_class(kind: type, made: dict[Any, Check]) -> Check | None:
    if kind in made:
        return lambda values: made[kind](values)  # noqa: PLW0108  # it holds itself: that one is made by then
    made[kind] = _is_anything
    checks: list[tuple[Callable[[Any], Any], Check]] = []
    for name, annotation in get_type_hints(kind, include_extras=True).items():
        check = _check_of(annotation, made)
        if check is None:
            return None
        if check is not _is_anything:
            checks.append((attrgetter(name), check))

    def are_narrow(values: list[Any]) -> bool:
        return not values or (_are_all(kind, values) and all(check([*map(get, values)]) for get, check in checks))

    made[kind] = are_narrow
    return are_narrow


def _are_all(kind: type, values: list[Any]) -> bool:
    return {*map(type, values)} <= {kind}


def _names_no_class(annotation: Any) -> bool:
    """Tell whether a type names no class with fields, nor a variable that may stand for one."""
    return not any(isinstance(part, TypeVar) or fields_of(part) is not None for part in walk(annotation))


def _is_flat(kind: Any) -> bool:
    """Tell whether this is a class, none of whose fields can hold one."""
    fields = fields_of(kind) if isinstance(kind, type) else None
    return fields is not None and all(_names_no_class(field.annotation) for field in fields)


def _is_anything(_values: list[Any]) -> bool:
    return True


class _EnoughError(Exception):
    """So many places were looked at; an event loop may wait."""


def _find(annotation: Any, data: Any, path: tuple[str | int, ...], lax: bool, places: Iterator[int]) -> Iterator[Fault]:
    """Go through a value that does not fit, and tell what does not, place by place while there are `places` left."""
    if next(places, None) is None:
        raise _EnoughError
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    fields, kind = fields_of(bare), data.__class__
    if fields is not None and kind is dict:
        for field in fields:
            if field.name in data:
                yield from _find(field.annotation, data[field.name], (*path, field.name), lax, places)
            elif field.required:
                yield Fault((*path, field.name), "It is missing")
        return
    args = get_args(bare)
    if get_origin(bare) is list and kind is list:
        for index, item in enumerate(data):
            yield from _find(args[0], item, (*path, index), lax, places)
        return
    if get_origin(bare) is dict and kind is dict:
        for name, item in data.items():
            yield from _find(args[1], item, (*path, str(name)), lax, places)
        return
    try:
        msgspec.convert(data, annotation, strict=not lax)
    except msgspec.ValidationError as exc:
        yield _fault_of(exc, path)
    except TypeError as exc:
        yield _no_member(exc, path)


def _no_member(failure: TypeError, path: tuple[str | int, ...]) -> Fault:
    """Make a fault of what cannot be hashed: a `Decimal` that is sNaN. Whatever else was raised is not the client's."""
    if "hash" not in str(failure):
        raise failure
    return Fault(path, "A value in it can be neither a key nor in a set")


def _fault_of(failure: Exception, path: tuple[str | int, ...]) -> Fault:
    """Make a fault of msgspec's message, which names the place at its end."""
    message, place = _split(str(failure))
    path = (*path, *(int(index) if index.isdecimal() else name or index for name, index in _STEP.findall(place)))
    unknown = _UNKNOWN.fullmatch(message)
    if unknown is not None:
        return Fault((*path, unknown[2]), unknown[1])
    return Fault(path, _REPEATED.sub(r"\1", message))


def _split(message: str) -> tuple[str, str]:
    """Split off the place at the end of a message, in which a client may have said " - at `$.x`" many times over."""
    told, _, place = message.rpartition(" - at `")
    is_name = told.startswith("Object contains unknown field") and not told.endswith("`")  # of a field, with no place
    if told and place.startswith("$") and place.endswith("`") and not is_name:
        return told, place[1:-1]
    return message, ""
