"""The schemas of types. Whoever needs one asks for it; the library that knows the types is asked once, for all.

So a document is made twice: first to learn what is asked for, then with what there is. Two types of one name can be
told apart only by who sees both.
"""

from __future__ import annotations

import copy
import json
from typing import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Literal

    Schema = dict[str, Any]
    Mode = Literal["text", "in", "out"]
    Make = Callable[[Sequence[tuple[Any, Mode]]], tuple[list[Schema], dict[str, Schema]]]

REF = "#/components/schemas/"
_ANY = "typing.Any"


class Schemas:
    """The schemas of types by annotation, and the components that they refer to.

    Attributes:
        components: name -> schema.
    """

    def __init__(self) -> None:
        self._wanted: dict[tuple[int, Mode], tuple[Any, Mode]] = {}
        self._found: dict[tuple[int, Mode], Schema] = {}
        self.components: dict[str, Schema] = {}

    def of(self, annotation: Any, mode: Mode) -> Schema:
        """Give the schema of a type; an empty one until they are filled in.

        Args:
            annotation: the type; the same object each time.
            mode: "text" of what is read from text, "in" and "out" of data that is read or written.
        """
        if str(annotation) == _ANY or annotation is object:
            return {}
        key = (id(annotation), mode)
        self._wanted[key] = (annotation, mode)
        return copy.deepcopy(self._found.get(key, {}))

    def data(self, annotation: Any) -> Schema:
        """Give the schema of a type that is read as data."""
        return self.of(annotation, "in")

    def model(self, annotation: Any) -> tuple[dict[str, Schema], frozenset[str]]:
        """Give the fields of a model that is read from text, and the names of those that must be there."""
        schema = self.of(annotation, "text")
        while "$ref" in schema:
            schema = self.components[schema["$ref"].removeprefix(REF)]
        properties = cast("dict[str, Schema]", schema.get("properties", {}))
        return {name: without_null(field) for name, field in properties.items()}, frozenset(schema.get("required", ()))

    def form(self, annotation: Any) -> Schema:
        """Give the schema of a model that is read from a form, whose fields are text."""
        properties, required = self.model(annotation)
        found: Schema = {"type": "object", "properties": properties}
        return {**found, "required": [name for name in properties if name in required]} if required else found

    def fill(self, make: Make) -> None:
        """Have the schemas made that were asked for. Raises: what that raises."""
        if self._wanted:
            found, self.components = make(list(self._wanted.values()))
            self._found = dict(zip(self._wanted, found, strict=True))

    def name(self, wanted: str) -> str:
        """Give a name that no type has, for a component of ours."""
        while wanted in self.components:
            wanted += "_"
        return wanted

    def used_by(self, document: object) -> dict[str, Schema]:
        """Give the components that a document refers to, sorted."""
        used: dict[str, Schema] = {}
        left = list(refs_in(document))
        while left:
            name = left.pop()
            if name in self.components and name not in used:
                used[name] = self.components[name]
                left += refs_in(used[name])
        return dict(sorted(used.items()))


def refs_in(value: object) -> Iterable[str]:
    """Give the names of the components that something refers to."""
    if isinstance(value, dict):
        for key, inner in cast("Schema", value).items():
            if key == "$ref" and isinstance(inner, str) and inner.startswith(REF):
                yield inner.removeprefix(REF)
            else:
                yield from refs_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in cast("list[object]", value):
            yield from refs_in(inner)


def without_null(schema: Schema) -> Schema:
    """Give the schema of a value that is text, which has no null."""
    schema = dict(schema)
    parts = [part for part in schema.pop("anyOf", ()) if part != {"type": "null"}]
    if schema.get("default", ...) is None:
        del schema["default"]
    if len(parts) == 1:
        return {**parts[0], **schema}
    return {**schema, "anyOf": parts} if parts else schema


def as_json(value: Any) -> Any:
    """Give a default or an example as JSON can say it; what it cannot is written as text."""
    return json.loads(json.dumps(value, default=_as_plain))


def _as_plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(cast("set[Any]", value))
    for name in ("model_dump", "_asdict"):
        if callable(getattr(value, name, None)):
            return getattr(value, name)()
    names = getattr(value, "__struct_fields__", None) or getattr(value, "__dataclass_fields__", ())
    return {name: getattr(value, name) for name in names} if names else str(getattr(value, "value", value))
