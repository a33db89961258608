"""What schemathesis is told besides: bodies that it cannot write or read by itself, and what no client can send."""

import json
from typing import Any
from urllib.parse import urlencode

import msgspec
import schemathesis

CONTROLS = frozenset(map(chr, (*range(32), 127)))


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Hold each answer to the statuses that are listed: with "default" any would do."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            operation["responses"].pop("default", None)


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Leave out what cannot be sent: control characters in a form's names, integers of more than 64 bits in msgpack."""
    try:
        msgspec.msgpack.encode(body)
    except (TypeError, OverflowError):
        return not isinstance(body, (dict, list, int, float))
    return not isinstance(body, dict) or CONTROLS.isdisjoint("".join(map(str, body)))


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    """Leave out what is longer than a request line may be."""
    return len(urlencode(query or {}, doseq=True)) < 4000


@schemathesis.serializer("application/msgpack")
def to_msgpack(context: Any, value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


@schemathesis.deserializer("application/msgpack")
def from_msgpack(context: Any, response: Any) -> Any:
    return msgspec.msgpack.decode(response.content)


@schemathesis.deserializer("application/jsonl")
def from_lines(context: Any, response: Any) -> Any:
    return json.loads(response.content.splitlines()[0])
