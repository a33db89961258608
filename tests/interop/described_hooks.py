"""What schemathesis is told besides: bodies that it cannot write or read by itself, and what no client can send."""

import json
from typing import Any
from urllib.parse import urlencode

import msgspec
import schemathesis

LISTS = ("words", "numbers")
CONTROLS = frozenset(map(chr, (*range(32), 127)))


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Hold each answer to the statuses that are listed: with "default" any would do. A file may hold anything."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            operation["responses"].pop("default", None)
    if "/upload" not in raw_schema["paths"]:  # an application without files
        return
    upload = raw_schema["paths"]["/upload"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    for file in (upload["properties"]["file"], upload["properties"]["more"]["items"]):
        assert file.pop("format") == "binary"  # it is no format of JSON Schema


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Leave out what cannot be sent: control characters in a form's names, integers of more than 64 bits in msgpack."""
    try:
        msgspec.msgpack.encode(body)
    except (TypeError, OverflowError):
        return not isinstance(body, (dict, list, int, float))
    return not isinstance(body, dict) or CONTROLS.isdisjoint("".join(map(str, body)))


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out texts of a form that were made numbers or null to be wrong: sent as parts, they are texts again."""
    if case.media_type != "multipart/form-data" or not isinstance(case.body, dict):
        return True
    given = [case.body[name] for name in ("name", "note", "file", "more") if name in case.body]
    flat = [item for value in given for item in (value if isinstance(value, list) else [value])]
    return all(isinstance(value, (str, bytes)) for value in flat)


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    """Leave out what is longer than a request line may be, and what is wrong no more when it is text.

    That is an empty list instead of a value, which is sent as nothing, and a value instead of a list: a list of one.
    """
    given = query or {}
    is_told = all(
        value not in ([], {}) and (name not in LISTS or isinstance(value, list)) for name, value in given.items()
    )
    return is_told and len(urlencode(given, doseq=True)) < 4000


@schemathesis.serializer("application/msgpack")
def to_msgpack(context: Any, value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


@schemathesis.deserializer("application/msgpack")
def from_msgpack(context: Any, response: Any) -> Any:
    return msgspec.msgpack.decode(response.content)


@schemathesis.deserializer("application/jsonl")
def from_lines(context: Any, response: Any) -> Any:
    return json.loads(response.content.splitlines()[0])
