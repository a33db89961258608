"""What an operation answers: with success, and with what refuses.

See: OpenAPI 3.1.1, 4.8.16 (Responses Object); RFC 9457.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Union, get_args, get_origin

from ...core.contract import Given
from ...core.errors import REASONS
from ...core.response import HTML, JSON, Redirect, Response, Stream, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...core.contract import Contract, Demand
    from ...core.routing import Route
    from .schemas import Schema, Schemas

PROBLEM = "application/problem+json"
_SCALARS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}

_PROBLEM_SCHEMA: Schema = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "default": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status"],
}
_FAULT_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "location": {"type": "string", "enum": ["path", "query", "header", "cookie", "form", "body"]},
        "name": {"type": "string", "description": "Of the parameter."},
        "pointer": {
            "type": "string",
            "description": "Where in its value, or in the body (RFC 6901, as a fragment).",
        },
        "message": {"type": "string"},
    },
    "required": ["location", "message"],
}

_EVENT_SCHEMA: Schema = {
    "type": "object",
    "title": "Event",
    "properties": {
        "event": {"type": "string"},
        "data": {"type": "string"},
        "id": {"type": "string"},
        "retry": {"type": "integer", "minimum": 0},
    },
}


class Problems:
    """The responses that refuse, as components: each is written once.

    Attributes:
        used: name -> the response.
        schemas: name -> the schema of what they send.
    """

    def __init__(self, schemas: Schemas) -> None:
        self.used: dict[str, dict[str, Any]] = {}
        self.schemas: dict[str, Schema] = {}
        self._problem = schemas.name("Problem")
        self._invalid = schemas.name("ValidationProblem")

    def response(self, status: int | None) -> dict[str, str]:
        """Give the reference to the response of a status; None for any that is not listed."""
        name = "Problem" if status is None else "".join(part.capitalize() for part in REASONS[status].split(" "))
        self.schemas[self._problem] = _PROBLEM_SCHEMA
        schema = {"$ref": f"#/components/schemas/{self._problem}"}
        if status == 422:
            members = {"properties": {"errors": {"type": "array", "items": _FAULT_SCHEMA}}, "required": ["errors"]}
            self.schemas[self._invalid] = {
                "title": "ValidationProblem",
                "allOf": [schema, {"type": "object", **members}],
            }
            schema = {"$ref": f"#/components/schemas/{self._invalid}"}
        found: dict[str, Any] = {
            "description": "Any other refusal or failure" if status is None else REASONS[status],
            "content": {PROBLEM: {"schema": schema}},
        }
        for header, description in _HEADERS.get(status or 0, {}).items():
            found["headers"] = {header: {"schema": {"type": "string"}, "description": description}}
        self.used[name] = found
        return {"$ref": f"#/components/responses/{name}"}

    def content(self) -> dict[str, Any]:
        """Give the content of a problem; its own description stands beside it."""
        self.response(None)
        content: dict[str, Any] = self.used["Problem"]["content"]
        return content


_HEADERS = {
    401: {"WWW-Authenticate": "How to show who one is"},
    429: {"Retry-After": "In how many seconds to come again"},
}


def responses_of(
    route: Route, contract: Contract | None, demands: list[Demand], schemas: Schemas, problems: Problems | None
) -> dict[str, Any]:
    """Give the responses of an operation, by status; without `problems` those alone that the handler tells of."""
    given = _plainly_given(route.returns) if contract is None else contract.given
    found: dict[str, Any] = {}
    status = given.status or (204 if given.annotation is None else 200)
    found[str(status)] = _success(status, given, schemas)
    if problems is not None:
        found |= {str(refused): problems.response(refused) for refused in _refusals(route, contract, demands)}
        found["default"] = problems.response(None)
    for key, what in (route.remarks.responses or {}).items():
        found[str(key)] = _remarked(key, what, schemas, problems)
    return dict(sorted(found.items()))


def _refusals(route: Route, contract: Contract | None, demands: list[Demand]) -> set[int]:
    """Give the statuses of what refuses a request before, or instead of, its handler."""
    found = {status for demand in demands for status in demand.statuses}
    if route.param_names:
        found.add(404)
    if contract is None:
        return found | ({413} if route.bound.streams_body else set[int]())
    body = contract.body
    is_raw = body is not None and body.annotation in (bytes, str)
    is_read = any(value.location == "form" for value in contract.taken) or (body is not None and not is_raw)
    is_checked = any(value.location != "path" or hasattr(value.annotation, "__metadata__") for value in contract.taken)
    if is_raw and body is not None:
        found |= {413, 415} if body.note.media_type else {413}
    return found | ({400, 413, 415, 422} if is_read else set[int]()) | ({422} if is_checked else set[int]())


def _remarked(key: int | str, what: Any, schemas: Schemas, problems: Problems | None) -> dict[str, Any]:
    """Give a response that the developer told of: by a text, by the type of its content, or as it is."""
    reason = REASONS.get(key, "") if isinstance(key, int) else ""
    if isinstance(what, dict):
        return {"description": reason, **what}
    if isinstance(what, str):
        refuses = problems is not None and str(key)[0] in "45d"
        return {"description": what, **({"content": problems.content()} if problems and refuses else {})}
    if what is None:
        return {"description": reason}
    return {"description": reason, "content": {"application/json": {"schema": schemas.of(what, "out")}}}


# --- success ---


def _success(status: int, given: Given, schemas: Schemas) -> dict[str, Any]:
    response: dict[str, Any] = {"description": REASONS.get(status, "Success")}
    if 300 <= status < 400 and given.annotation is Redirect:
        response["headers"] = {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}
        return response
    if status in (204, 205, 304) or given.annotation is None:
        return response
    if given.stream:
        return response | {"content": {given.media_types[0]: _stream(given, schemas)}}
    schema = _schema(given.annotation, schemas)
    if schema is not None and given.media_types:
        response["content"] = {media_type: {"schema": schema} for media_type in given.media_types}
    elif schema is not None:
        response["content"] = {_media_type(given.annotation): {"schema": schema} if schema else {}}
    return response


def _stream(given: Given, schemas: Schemas) -> dict[str, Any]:
    """Give the content of a stream: the schema is that of an item, as clients have come to take it."""
    return {"schema": _EVENT_SCHEMA if given.stream == "events" else schemas.of(given.annotation, "out")}


def _schema(annotation: Any, schemas: Schemas) -> Schema | None:
    """Give the schema of a content; None where it is not known, an empty one for bytes."""
    if annotation in (Text, HTML):
        return {"type": "string"}
    if annotation in (bytes, JSON):
        return {}
    return plain_schema(annotation) or schemas.of(annotation, "out") or None


def plain_schema(annotation: Any) -> Schema:
    """Give the schema of text, numbers, lists and dicts, for which no library is needed; else an empty one."""
    if annotation in _SCALARS:
        return {"type": _SCALARS[annotation]}
    args = get_args(annotation)
    kind = get_origin(annotation) or annotation
    if kind in (list, set, frozenset) and (not args or _is_plain(args[0])):
        return {"type": "array", **({"items": plain_schema(args[0])} if args else {})}
    if kind is dict and (not args or _is_plain(args[1])):
        values = plain_schema(args[1]) if args else {}
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    return {}


def _is_plain(annotation: Any) -> bool:
    return str(annotation) == "typing.Any" or annotation is object or bool(plain_schema(annotation))


def _media_type(annotation: Any) -> str:
    if annotation is HTML:
        return "text/html"
    if annotation is bytes:
        return "application/octet-stream"
    return "text/plain" if annotation in (str, Text) else "application/json"


def _plainly_given(returns: Any) -> Given:
    """Give what a plain handler gives, as far as its annotation says."""
    origin, args = get_origin(returns), get_args(returns)
    if origin in (Union, UnionType):  # beside a response that is made by hand
        left: list[Any] = [part for part in args if not (isinstance(part, type) and issubclass(part, Response))]
        return _plainly_given(left[0]) if len(left) == 1 else Given(None, object)
    if returns is NoneType:
        return Given(204, None)
    if isinstance(returns, type) and issubclass(returns, Response):
        return _given_by(returns)
    if getattr(origin, "__module__", "") == "collections.abc":  # of a stream of text
        return Given(None, str)
    if returns in (str, bytes) or (origin or returns) in (dict, list):
        return Given(None, returns)
    return Given(None, object)


def _given_by(kind: Any) -> Given:
    if issubclass(kind, Redirect):
        return Given(303, Redirect)
    for known in (Text, HTML, JSON):
        if issubclass(kind, known):
            return Given(None, known)
    name = kind.__name__ if issubclass(kind, Stream) else ""
    media_type = {"SSE": "text/event-stream", "JSONLines": "application/jsonl"}.get(name)
    return Given(None, str, (media_type,)) if media_type else Given(None, object)
