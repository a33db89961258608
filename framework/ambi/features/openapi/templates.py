"""Paths as OpenAPI writes them, and what the converters of their parameters match."""

from __future__ import annotations

import re

from ...core.converters import CONVERTERS
from ...core.matching import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...core.converters import Converter
    from ...core.routing import Route

_SCHEMAS: dict[str, dict[str, Any]] = {
    "int": {"type": "integer", "format": "int64", "minimum": 0},
    "float": {"type": "number", "minimum": 0},
    "decimal": {"type": "string", "format": "decimal", "pattern": r"^\d+(\.\d+)?$"},
    "uuid": {"type": "string", "format": "uuid"},
    "date": {"type": "string", "format": "date"},
}


def template_of(route: Route, prefix: str = "") -> str:
    """Give the path of a route, without converters: `/users/{id}`."""
    parts = [
        f"{segment.prefix}{{{segment.name}}}{segment.suffix}" if isinstance(segment, Parameter) else segment
        for segment in route.segments
    ]
    return f"{prefix}/{'/'.join(parts)}"


def without_names(template: str) -> str:
    """Give what is the same of paths that differ in parameters' names alone: OpenAPI has but one of them."""
    return re.sub(r"\{[^}]*\}", "{}", template)


def path_parameters(route: Route) -> list[Parameter]:
    """Give the parameters of the path, in order; those of a host are none."""
    return [segment for segment in route.segments if isinstance(segment, Parameter)]


def schema_of(converter: Converter) -> dict[str, Any]:
    """Give the schema of the texts that a converter takes."""
    if converter.choices:
        kinds = {"string" if isinstance(choice, str) else "" for choice in converter.choices}
        return {**({"type": "string"} if kinds == {"string"} else {}), "enum": list(converter.choices)}
    if CONVERTERS.get(converter.name) is converter:
        return dict(_SCHEMAS.get(converter.name, {"type": "string"}))
    return {"type": "string"}
