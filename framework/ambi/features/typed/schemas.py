"""JSON Schemas of types, for descriptions: asked for all at once, so that those of one name are told apart stably.

Facts
- msgspec and pydantic both write JSON Schema 2020-12, which is what OpenAPI 3.1 has.
- msgspec says nothing of the form of a datetime, a time, a duration or a decimal number; a client cannot guess it. In
  JSON it reads a decimal number from a number as well. Its durations may be negative, those of "duration" may not.
- A set that is sent may hold a value twice, and there is one schema for both ways.
- A parameter is text, which has no null.
"""

from __future__ import annotations

from typing import Any, cast

from ...core.errors import ConfigurationError
from .shapes import INSTALL, is_pydantics, without_none

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Literal

    Mode = Literal["text", "in", "out"]
    Schema = dict[str, Any]
    Wanted = tuple[Any, Mode]
    Found = tuple[list[Schema], dict[str, Schema]]

REF = "#/components/schemas/"

_UNITS = ("[0-9]{1,6}", r"[0-9]{1,6}(\.[0-9]{1,6})?S")
_TIME = f"({_UNITS[0]}H({_UNITS[0]}M)?({_UNITS[1]})?|{_UNITS[0]}M({_UNITS[1]})?|{_UNITS[1]})"
_FORMS: dict[str, Schema] = {
    "DateTimeType": {"format": "date-time"},
    "TimeType": {"format": "time"},
    "TimeDeltaType": {"pattern": rf"^[+-]?P({_UNITS[0]}D(T{_TIME})?|T{_TIME})$"},
    "DecimalType": {"format": "decimal", "pattern": r"^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$"},
    "BytesType": {"pattern": r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"},
}
"""What there is to say of text, by the kind of type that msgspec takes it for."""


def schemas_of(wanted: Sequence[Wanted]) -> Found:
    """Give the schemas of types, and by name those that they refer to.

    Args:
        wanted: each type, with what becomes of its values: "text" is read from text, "in" and "out" are data that is
            read or written.

    Raises:
        ConfigurationError: a type has no schema.
        ImportError: the library that knows it is not installed.
    """
    types: list[Wanted] = [(without_none(kind) if mode == "text" else kind, mode) for kind, mode in wanted]
    of_pydantic = [is_pydantics(kind) for kind, _ in types]
    schemas: list[Schema] = [{} for _ in wanted]
    components: dict[str, Schema] = {}
    makers: tuple[tuple[bool, Callable[[list[Wanted]], Found]], ...] = ((False, _of_msgspec), (True, _of_pydantic))
    for of_which, make in makers:
        places = [index for index, flag in enumerate(of_pydantic) if flag is of_which]
        if places:
            found, named = make([types[index] for index in places])
            names = {name: _free(name, components) for name in named}
            for index, schema in zip(places, found, strict=True):
                schemas[index] = rename(schema, names)
            components |= {names[name]: rename(schema, names) for name, schema in named.items()}
    return schemas, components


def _free(name: str, taken: Iterable[str]) -> str:
    """Give a name that is not taken: models of two libraries may be called the same."""
    while name in taken:
        name += "_"
    return name


def rename(schema: Any, names: dict[str, str]) -> Any:
    """Give a schema with other names of those that it refers to."""
    if isinstance(schema, dict):
        given = cast("Schema", schema)
        found = {key: rename(value, names) for key, value in given.items()}
        ref = given.get("$ref")
        if isinstance(ref, str) and ref.startswith(REF):
            found["$ref"] = REF + names.get(ref.removeprefix(REF), ref.removeprefix(REF))
        mapping = given.get("mapping")  # of a discriminator
        if isinstance(mapping, dict) and "propertyName" in given:
            refs = cast("dict[str, str]", mapping)
            found["mapping"] = {tag: rename({"$ref": ref}, names)["$ref"] for tag, ref in refs.items()}
        return found
    return [rename(item, names) for item in cast("list[object]", schema)] if isinstance(schema, list) else schema


def _of_pydantic(wanted: list[Wanted]) -> Found:
    from pydantic import TypeAdapter

    inputs = [
        (str(index), "serialization" if mode == "out" else "validation", TypeAdapter(kind))
        for index, (kind, mode) in enumerate(wanted)
    ]
    try:
        found, rest = TypeAdapter.json_schemas(cast("Any", inputs), ref_template=f"{REF}{{model}}")
    except Exception as exc:
        raise ConfigurationError(f"pydantic has no JSON Schema for a type of a handler: {exc}") from exc
    return [found[key, cast("Any", mode)] for key, mode, _ in inputs], rest.get("$defs", {})


# --- msgspec ---


def _of_msgspec(wanted: list[Wanted]) -> Found:
    try:
        import msgspec
    except ImportError as exc:
        raise ImportError(f"schemas of types need msgspec: {INSTALL}") from exc

    try:
        found, components = msgspec.json.schema_components([kind for kind, _ in wanted], ref_template=f"{REF}{{name}}")
    except Exception as exc:
        raise ConfigurationError(f"msgspec has no JSON Schema for a type of a handler: {exc}") from exc
    walk = _Walk(components)
    for schema, (kind, mode) in zip(found, wanted, strict=True):
        walk.complete(schema, msgspec.inspect.type_info(kind))
        if mode == "text" and schema.get("format") == "decimal":
            schema["type"] = "string"
    return list(found), components


class _Walk:
    """Go through a schema along the type it was made of, and say what msgspec leaves out.

    Args:
        components: those that schemas refer to.
    """

    def __init__(self, components: dict[str, Schema]) -> None:
        self._components = components
        self._seen: set[str] = set()

    def complete(self, schema: Schema, info: Any) -> None:
        """Complete the schema of a type."""
        kind = type(info).__name__
        if kind == "Metadata":
            self.complete(schema, info.type)
        elif "$ref" in schema:
            name = str(schema["$ref"]).removeprefix(REF)
            if name not in self._seen:
                self._seen.add(name)
                self.complete(self._components[name], info)
        elif kind == "UnionType":
            self._union(schema, info)
        elif kind in _FORMS:
            for key, value in _FORMS[kind].items():
                schema.setdefault(key, value)
            if kind == "DecimalType":
                schema["type"] = ["string", "number"]
            if kind == "TimeDeltaType":
                schema.pop("format", None)
        else:
            self._inside(schema, info, kind)

    def _inside(self, schema: Schema, info: Any, kind: str) -> None:
        """Complete what a collection or a class is made of."""
        schema.pop("uniqueItems", None)
        if hasattr(info, "item_type") and isinstance(schema.get("items"), dict):
            self.complete(schema["items"], info.item_type)
        for inner, item in zip(schema.get("prefixItems", ()), getattr(info, "item_types", ()), strict=False):
            self.complete(inner, item)
        if kind == "DictType" and isinstance(schema.get("additionalProperties"), dict):
            self.complete(schema["additionalProperties"], info.value_type)
        properties = schema.get("properties", {})
        for field in getattr(info, "fields", ()):
            if field.encode_name in properties:
                self.complete(properties[field.encode_name], field.type)

    def _union(self, schema: Schema, info: Any) -> None:
        """Complete the parts of a union, of which each looks different in JSON."""
        parts = schema.get("anyOf", [schema])
        for inner in info.types:
            bare = inner.type if type(inner).__name__ == "Metadata" else inner
            name = type(bare).__name__
            for part in parts:
                name_of_part = str(part.get("$ref", "")).removeprefix(REF)
                if name_of_part and hasattr(bare, "cls"):
                    if self._components[name_of_part].get("title") == bare.cls.__name__:
                        self.complete(part, bare)
                elif part.get("type") == ("string" if name in _FORMS else _JSON_TYPES.get(name)):
                    self.complete(part, bare)


_JSON_TYPES = {
    "ListType": "array", "SetType": "array", "FrozenSetType": "array", "VarTupleType": "array", "TupleType": "array",
    "DictType": "object",
}  # fmt: skip
