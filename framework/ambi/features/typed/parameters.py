"""Parameters: from an annotation to what gets its value out of a request. Decided at registration.

    Annotated[T, Query() | Header() | Cookie()]    there; of a model, each field
    Annotated[T, Form()], UploadFile               a field of the form
    Annotated[T, Body()]                           the body
    a scalar, an enum, a literal, a list of those  the query
    a model: dataclass, TypedDict, Struct, ...     the body, as JSON or MessagePack

Facts
- The lines of a header field that is repeated come joined (RFC 9110 5.3), so a list of header or cookie is one text.
- A single value that is sent twice is refused: which of the two is meant is a guess that attackers make well.
- A `T | None` without a default is None where nothing is sent, since text has no null.
- A browser sends an empty file without a name for a file field that was left empty; here that is nothing sent.
- `text/plain`, urlencoded and multipart bodies, and those without a type, can be sent from any page of the web without
  being asked for (Fetch, "CORS-safelisted request-header"); so a JSON body has to be named as one.
"""

from __future__ import annotations

import copy
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from ...core.contract import REQUIRED, Taken, TakenBody
from ...core.errors import ConfigurationError, HTTPError
from ...core.forms import UploadFile
from ...core.headers import split_list
from ...core.multidict import MultiDict
from ...core.websocket import WEBSOCKET
from .faults import Fault, Misfit, NoBody
from .marks import Body, FileField, Form, Place, Provide, Query, Status
from .media import BODY_TYPES, FORM_TYPES, body_reader
from .shapes import as_texts, by_name, one_or_all, shape_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...core.request import Request
    from .shapes import Shape

    Getter = Callable[[Request], Any]
    Source = Callable[[Request], Mapping[str, Any]]

_SCALARS = ("int", "float", "bool", "str", "Decimal", "UUID", "date", "time", "datetime", "timedelta")
_MARKS = (Place, Body, Provide, Status)


class Parameter:
    """One parameter of a handler or a provider, as it was written.

    Attributes:
        name: in the signature.
        annotation: with the notes that are not ours: constraints.
        marks: ours.
        default: `REQUIRED` for none.
        function: whose parameter it is.
    """

    def __init__(self, function: Callable[..., Any], name: str, annotation: Any, default: Any) -> None:
        self.function = function
        self.name = name
        self.annotation, self.marks = split_marks(annotation)
        self.default = default
        if default is REQUIRED and is_optional(self.annotation):
            self.default = None
        self._is_mutable = isinstance(default, (list, dict, set))
        for mark in self.marks:
            if isinstance(mark, type):
                raise self.wrong(f"is annotated with the class {mark.__name__}; write {mark.__name__}()")

    def mark(self, *kinds: type[Any]) -> Any:
        """Give the mark of one of these kinds; None if there is none."""
        return next((mark for mark in self.marks if isinstance(mark, kinds)), None)

    def wrong(self, problem: str) -> ConfigurationError:
        """Make the error that names the parameter."""
        return ConfigurationError.at(self.function, f"the parameter {self.name!r} {problem}")

    @property
    def shape(self) -> Shape:
        """The shape of its type."""
        return shape_of(self.annotation, self.function, f"the parameter {self.name!r}")

    def or_default(self) -> Any:
        """Give the value where nothing is sent. Raises: Misfit if something must be."""
        if self.default is REQUIRED:
            raise Misfit([Fault((), "It is missing")])
        return copy.copy(self.default) if self._is_mutable else self.default


def split_marks(annotation: Any) -> tuple[Any, list[Any]]:
    """Split an annotation into the type with its constraints, and our marks."""
    if get_origin(annotation) is not Annotated:
        return annotation, []
    inner, *notes = get_args(annotation)
    marks = [note for note in notes if isinstance(note, _MARKS) or _is_mark_class(note)]
    rest = tuple(note for note in notes if note not in marks)
    return (Annotated[(inner, *rest)] if rest else inner), marks


def _is_mark_class(note: object) -> bool:
    return isinstance(note, type) and issubclass(note, _MARKS)


def bare(annotation: Any) -> Any:
    """Give a type without its notes and without its None."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if is_optional(annotation):
        left = [part for part in get_args(annotation) if part is not NoneType]
        return bare(left[0]) if len(left) == 1 else annotation
    return annotation


def is_optional(annotation: Any) -> bool:
    """Tell whether None is a value of the type."""
    if get_origin(annotation) is Annotated:
        return is_optional(get_args(annotation)[0])
    return get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation)


def is_list(annotation: Any) -> bool:
    """Tell whether several values may be sent."""
    kind = bare(annotation)
    return kind in (list, set, frozenset, tuple) or get_origin(kind) in (list, set, frozenset, tuple)


def is_scalar(annotation: Any) -> bool:
    """Tell whether a value is written as one piece of text: numbers, text, dates, enums, literals, unions of those."""
    kind = bare(annotation)
    if get_origin(kind) in (Union, UnionType):
        return all(is_scalar(part) for part in get_args(kind) if part is not NoneType)
    if hasattr(kind, "__supertype__"):  # a NewType
        return is_scalar(kind.__supertype__)
    name = getattr(get_origin(kind), "__name__", "") or str(get_origin(kind) or "").rpartition(".")[2]
    return name == "Literal" or getattr(kind, "__name__", "") in _SCALARS or hasattr(kind, "_member_map_")


# --- where it is ---


def place(parameter: Parameter) -> Place | Body:
    """Decide where a parameter is.

    Raises:
        ConfigurationError: it is marked twice, or is of a type that can be nowhere.
    """
    places = [mark for mark in parameter.marks if isinstance(mark, Place)]
    body = parameter.mark(Body)
    if len(places) > 1 or (body and places and not isinstance(places[0], Form)):
        raise parameter.wrong(f"is marked {', '.join(map(repr, parameter.marks))}; it can be in one place only")
    if body or places:
        return body or places[0]
    kind = bare(parameter.annotation)
    item = get_args(kind)[0] if is_list(kind) and get_args(kind) else kind
    if item is UploadFile:
        return FileField()
    if is_scalar(item):
        return Query()
    if kind is bytes:
        raise parameter.wrong("is bytes: mark it Body() for the whole body")
    return Body()


def getter_of(parameter: Parameter, methods: Sequence[str]) -> tuple[Getter, Taken | TakenBody]:
    """Make what gets a parameter out of a request, and what is said of it."""
    where = place(parameter)
    if isinstance(where, Body):
        return _body(parameter, where, methods)
    if isinstance(where, FileField):
        return _file(parameter, where, methods)
    shape = parameter.shape
    if not is_scalar(parameter.annotation) and not is_list(parameter.annotation):
        return _model(parameter, where, shape)
    if isinstance(where, Form):
        _refuse_bodiless(parameter, methods)
    name = where.name_of(parameter.name)
    many = is_list(parameter.annotation)
    taken = Taken(name, where.location, parameter.annotation, parameter.default, note=where)
    source = _SOURCES[where.location]
    if many:
        return _located(_list_getter(parameter, shape, name, source), where.location, name), taken
    return _getter(parameter, shape, where.location, name), taken


def _located(get: Getter, location: str, name: str = "") -> Getter:
    def located(request: Request) -> Any:
        try:
            return get(request)
        except Misfit as misfit:
            raise misfit.at(location, name) from None

    return located


def _query(request: Request) -> Mapping[str, Any]:
    return request.query


def _headers(request: Request) -> Mapping[str, Any]:
    return request.headers


def _cookies(request: Request) -> Mapping[str, Any]:
    return request.cookies


def _form(request: Request) -> Mapping[str, Any]:
    return request.form


_SOURCES: dict[str, Source] = {"query": _query, "header": _headers, "cookie": _cookies, "form": _form}


def _getter(parameter: Parameter, shape: Shape, location: str, name: str) -> Getter:
    read, or_default, source = shape.read_text, parameter.or_default, _SOURCES[location]

    def get(request: Request) -> Any:
        try:
            given = source(request)
            text = given.get(name)
            if text is None:
                return or_default()
            if text.__class__ is not str:
                raise Misfit([Fault((), "Expected text, got a file")])
            if isinstance(given, MultiDict) and given.has_repeats and len(given.getlist(name)) > 1:
                raise Misfit([Fault((), "It is given more than once")])
            return read(text)
        except Misfit as misfit:
            raise misfit.at(location, name) from None

    return get


def _list_getter(parameter: Parameter, shape: Shape, name: str, source: Source) -> Getter:
    read, or_default = shape.read_text, parameter.or_default

    def get(request: Request) -> Any:
        given = source(request)
        if name not in given:
            return or_default()
        if not isinstance(given, MultiDict):
            return read(split_list(given[name]))
        texts = given.getlist(name)
        if any(text.__class__ is not str for text in texts):
            raise Misfit([Fault((), "Expected text, got a file")])
        return read(texts)

    return get


def _model(parameter: Parameter, where: Place, shape: Shape) -> tuple[Getter, Taken]:
    """Make what reads a model whose fields are the values of a place."""
    fields = shape.fields()
    if fields is None:
        raise parameter.wrong(f"is a {bare(parameter.annotation)}, which is neither a single value nor a model")
    if where.alias is not None:
        raise parameter.wrong(f"is marked {where!r}, and a model has a name for each of its fields: rename those")
    lists = frozenset(field.name for field in fields if is_list(field.annotation))
    names = {where.name_of(field.name): field.name for field in fields}
    source, location = _SOURCES[where.location], where.location
    takes_all = location in ("query", "form")  # for a model that forbids what it does not know
    is_joined = not takes_all
    default, own = parameter.default, frozenset(names.values())

    def get(request: Request) -> Any:
        sent: dict[str, Any] = {}
        for name, values in by_name(source(request)).items():
            if takes_all or name in names:
                field = names.get(name, name)
                is_list = field in lists
                sent[field] = split_list(values[0]) if is_list and is_joined else one_or_all(values, is_list)
        if default is not REQUIRED and _is_left_out(shape, own, sent):
            return parameter.or_default()
        try:
            return shape.read_data(sent, lax=True)
        except Misfit as misfit:
            raise _by_field(misfit, where, location) from None

    return get, Taken(parameter.name, location, parameter.annotation, default, is_model=True, note=where)


def _is_left_out(shape: Shape, own: frozenset[str], sent: dict[str, Any]) -> bool:
    """Tell whether what is sent is for others: under no name of a model's fields, and read by it as nothing is.

    A model that forbids what it does not know, keeps it, or has a second name for a field reads that otherwise.
    """
    if not sent or not own.isdisjoint(sent):
        return not sent
    found: list[Any] = []
    for data in (sent, {}):
        try:
            found.append(shape.read_data(data, lax=True))
        except Misfit as misfit:
            found.append(misfit.faults)
    return bool(found[0] == found[1])


def _by_field(misfit: Misfit, where: Place, location: str) -> Misfit:
    """Name the field as the parameter that does not fit."""
    return Misfit(
        fault._replace(
            location=location,
            name=where.name_of(str(fault.path[0])) if fault.path else "",
            path=fault.path[1:],
        )
        for fault in misfit.faults
    )


def _file(parameter: Parameter, where: Place, methods: Sequence[str]) -> tuple[Getter, Taken]:
    kind = bare(parameter.annotation)
    many = is_list(kind)
    _refuse_bodiless(parameter, methods)
    if (get_args(kind)[0] if many and get_args(kind) else kind) is not UploadFile:
        raise parameter.wrong(f"is a file of a form, so its type is UploadFile or list[UploadFile], not {kind}")
    name = where.name_of(parameter.name)

    def get(request: Request) -> Any:
        given = [value for value in request.form.getlist(name) if not _was_left_empty(value)]
        if not given:
            return parameter.or_default()
        if any(not isinstance(file, UploadFile) for file in given):
            raise Misfit([Fault((), "Expected a file, got text")])
        if not many and len(given) > 1:
            raise Misfit([Fault((), "It is given more than once")])
        return given if many else given[0]

    taken = Taken(name, "form", parameter.annotation, parameter.default, is_file=True, is_many=many, note=where)
    return _located(get, "form", name), taken


def _was_left_empty(value: str | UploadFile) -> bool:
    """Tell whether it is what a browser sends for a file field in which no file was chosen."""
    return isinstance(value, UploadFile) and not value.filename and not value.size


# --- the body ---


def _body(parameter: Parameter, where: Body, methods: Sequence[str]) -> tuple[Getter, TakenBody]:
    """Make what reads the body as one value."""
    _refuse_bodiless(parameter, methods)
    kind, default = bare(parameter.annotation), parameter.default
    if kind in (bytes, str):
        return _raw_body(parameter, where, kind)
    if where.media_type is not None:
        raise parameter.wrong("names a media type, which is for bytes and str: a model is JSON or MessagePack")
    forms = FORM_TYPES if parameter.mark(Form) else ()
    shape = parameter.shape
    lists = frozenset(field.name for field in shape.fields() or () if is_list(field.annotation))
    read, or_default = body_reader(shape, lists, is_form=bool(forms)), parameter.or_default
    if forms and default is not REQUIRED:
        read = _unless_left_out(read, shape, lists)

    def get(request: Request) -> Any:
        try:
            try:
                return read(request)
            except NoBody:
                return or_default()
        except Misfit as misfit:
            raise misfit.at("body") from None

    return get, TakenBody((*BODY_TYPES, *forms), parameter.annotation, default is REQUIRED, where)


def _unless_left_out(read: Getter, shape: Shape, lists: frozenset[str]) -> Getter:
    """Make what reads a body, where a form of which nothing is for the model is no body."""
    own = frozenset(field.name for field in shape.fields() or ())

    def read_if_there(request: Request) -> Any:
        if request.content_type[0] in FORM_TYPES and _is_left_out(shape, own, as_texts(request.form, lists)):
            raise NoBody
        return read(request)

    return read_if_there


def _raw_body(parameter: Parameter, where: Body, kind: type) -> tuple[Getter, TakenBody]:
    expected, is_needed, or_default = where.media_type, parameter.default is REQUIRED, parameter.or_default

    def get(request: Request) -> Any:
        if not is_needed and not request.body:
            return or_default()
        if expected is not None and request.content_type[0] != expected:
            raise HTTPError(415, f"a body of type {expected} was expected")
        return request.body if kind is bytes else request.text

    default_type = "application/octet-stream" if kind is bytes else "text/plain"
    return get, TakenBody((expected or default_type,), kind, is_needed and expected is not None, where)


def _refuse_bodiless(parameter: Parameter, methods: Sequence[str]) -> None:
    """Raise for what would be read of a body where there is none."""
    if set(methods) <= {"GET", "HEAD", WEBSOCKET}:
        kinds = " or ".join("WebSocket" if method == WEBSOCKET else method for method in sorted(methods))
        hint = "" if parameter.marks else ": mark it Query() to take its fields from there"
        raise parameter.wrong(f"would be read from the body, which a {kinds} has not{hint}")
