"""What an operation takes: parameters, and a body.

See: OpenAPI 3.1.1, 4.8.12 (Parameter Object), 4.8.13 (Request Body Object), 4.8.14.3 (files).
"""

from __future__ import annotations

from ...core.contract import REQUIRED
from .schemas import as_json
from .templates import path_parameters, schema_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ...core.contract import Contract, Taken
    from ...core.routing import Route
    from .schemas import Schema, Schemas

MULTIPART = "multipart/form-data"
FORM_TYPES = ("application/x-www-form-urlencoded", MULTIPART)
_FILE: Schema = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
"""`contentMediaType` is what 3.1 has for it; `format` is that of 3.0, which generators of clients go by still."""


def parameters_of(route: Route, contract: Contract, schemas: Schemas, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Give the parameters of an operation: of the path in its order, then the others in theirs.

    Args:
        route: whose they are.
        contract: what it takes.
        schemas: where schemas come from.
        names: of the path's parameters -> as they are written, where another route wrote the path first.
    """
    taken = {value.name: value for value in contract.taken if value.location == "path"}
    found = [
        {
            "name": names.get(parameter.name, parameter.name), "in": "path", "required": True,
            "schema": {**schema_of(parameter.converter), **_constraints(taken.get(parameter.name), schemas)},
        }
        for parameter in path_parameters(route)
    ]  # fmt: skip
    for value in contract.taken:
        if value.location not in ("path", "form"):
            found += _spread(value, schemas) if value.is_model else [_parameter(value, schemas)]
    return found


def _constraints(value: Taken | None, schemas: Schemas) -> Schema:
    """Give what a constraint says of a value of the path, which its converter does not."""
    if value is None or not hasattr(value.annotation, "__metadata__"):
        return {}
    return schemas.of(value.annotation, "text")


def _parameter(value: Taken, schemas: Schemas) -> dict[str, Any]:
    schema = schemas.of(value.annotation, "text")
    if value.default is not REQUIRED and value.default is not None:
        schema["default"] = as_json(value.default)
    return _written(value, value.name, schema, required=value.default is REQUIRED)


def _spread(value: Taken, schemas: Schemas) -> list[dict[str, Any]]:
    """Give the fields of a model as parameters."""
    properties, required = schemas.model(value.annotation)
    return [
        _written(value, value.note.name_of(name), schema, required=name in required and value.default is REQUIRED)
        for name, schema in properties.items()
    ]


def _written(value: Taken, name: str, schema: Schema, *, required: bool) -> dict[str, Any]:
    """Write a Parameter Object: what is said of the value stands there, not in its schema."""
    found: dict[str, Any] = {"name": name, "in": value.location, "required": required, "schema": schema}
    description = ("" if value.is_model else value.note.description) or schema.pop("description", "")
    if description:
        found["description"] = description
    if value.note.deprecated or schema.pop("deprecated", False):
        found["deprecated"] = True
    if value.note.example is not None and not value.is_model:
        found["example"] = as_json(value.note.example)
    if value.location == "cookie" and schema.get("type") == "array":
        found |= {"style": "form", "explode": False}
    return found


# --- bodies ---


def body_of(route: Route, contract: Contract, schemas: Schemas) -> dict[str, Any] | None:
    """Give the body of an operation; None where nothing is known of one."""
    fields = [value for value in contract.taken if value.location == "form"]
    if fields:
        return _form(fields, schemas)
    body = contract.body
    if body is None:
        return {"content": {"application/octet-stream": {}}} if route.bound.streams_body else None
    content: dict[str, Any] = {}
    for media_type in body.media_types:
        is_form = media_type in FORM_TYPES
        content[media_type] = {"schema": (schemas.form if is_form else schemas.data)(body.annotation)}
        if body.annotation is bytes:
            content[media_type] = {}  # any bytes: a schema is of what JSON can say
        if body.note is not None and body.note.example is not None:
            content[media_type]["example"] = as_json(body.note.example)
    found: dict[str, Any] = {"content": content, "required": body.is_required}
    if body.note is not None and body.note.description:
        found["description"] = body.note.description
    return found


def _form(fields: list[Taken], schemas: Schemas) -> dict[str, Any]:
    """Give a form: an object of all fields, those of models among them."""
    schema: Schema = {"type": "object", "properties": {}}
    required: list[str] = []
    for value in fields:
        if value.is_model:
            properties, needed = schemas.model(value.annotation)
            names = {name: value.note.name_of(name) for name in properties}
            schema["properties"] |= {names[name]: field for name, field in properties.items()}
            required += [names[name] for name in properties if name in needed and value.default is REQUIRED]
        else:
            schema["properties"][value.name] = _field(value, schemas)
            required += [value.name] if value.default is REQUIRED else []
    if required:
        schema["required"] = required
    media_types = (MULTIPART,) if any(value.is_file for value in fields) else FORM_TYPES
    content = {media_type: {"schema": schema} for media_type in media_types}
    return {"content": content, "required": bool(required)}


def _field(value: Taken, schemas: Schemas) -> Schema:
    """Give the schema of one field of a form."""
    if value.is_file:
        schema: Schema = {"type": "array", "items": dict(_FILE)} if value.is_many else dict(_FILE)
    else:
        schema = schemas.of(value.annotation, "text")
        if value.default is not REQUIRED and value.default is not None:
            schema["default"] = as_json(value.default)
    if value.note.description:
        schema["description"] = value.note.description
    if value.note.deprecated:
        schema["deprecated"] = True
    if value.note.example is not None:
        schema["examples"] = [as_json(value.note.example)]
    return schema
