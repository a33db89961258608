"""A case, as it stands in tests/data/corpus/cases.json; or in the file that AMBI_CORPUS names, a case a line.

kind        http: a request, for the test client and for servers; raw: bytes on a socket; and others, which stand in
            the ledger with the test that is theirs
request     method, target, headers, body, `chunked` (no length is sent), `declared_only` (a length, and no body);
            or the bytes
text        plain; or {"b64": bytes}; or {"repeat_b64": [[bytes, how often], ...]}; or {"gzip_of_repeat_b64": ...}
session     of a WebSocket: its steps, in words; see sessions.py
expected    `status`: those that will do. What else a case asks for is in checks.py, by its id
interfaces  where it is sent to; both where that is missing
layer       "server" where the server should answer by itself
"""

import gzip
import json
import os
from base64 import b64decode
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

HOST = "example.test"
OURS = Path(__file__).parents[1] / "data" / "corpus" / "cases.json"
PIECE_BYTES = 1 << 16


class Answer(NamedTuple):
    """What came back: the names of fields are in lower case."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def get(self, name: str) -> str | None:
        """Give the first value of a field."""
        return next((value for field, value in self.fields if field == name), None)

    def json(self) -> Any:
        """Give the body as JSON."""
        return json.loads(self.body)


def as_bytes(value: Any) -> bytes:
    """Give the bytes that a text of a case stands for."""
    if isinstance(value, str):
        return value.encode()
    if "text" in value:
        return str(value["text"]).encode()
    if "b64" in value:
        return b64decode(value["b64"])
    if "gzip_of_repeat_b64" in value:
        return _packed(json.dumps(value["gzip_of_repeat_b64"]))
    return b"".join(b64decode(text) * count for text, count in value["repeat_b64"])


@lru_cache(maxsize=4)
def _packed(parts: str) -> bytes:
    return gzip.compress(as_bytes({"repeat_b64": json.loads(parts)}), compresslevel=1, mtime=0)


def as_text(value: Any) -> str:
    """Give them as a gateway does: a character a byte."""
    return as_bytes(value).decode("latin-1")


class Case:
    """One case."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.id: str = told["id"]
        self.kind: str = told["kind"]
        self.gateways: tuple[str, ...] = tuple(told.get("interfaces", ("wsgi", "asgi")))
        self.outcomes: list[Any] = told.get("expected", {}).get("status", [])
        self.statuses = frozenset(self.outcomes)
        self.request: dict[str, Any] = told.get("request", {})
        self.session: tuple[str, ...] = tuple(told.get("session", ()))

    @property
    def method(self) -> str:
        return str(self.request["method"])

    @property
    def target(self) -> str:
        return as_text(self.request["target"])

    @property
    def is_chunked(self) -> bool:
        return bool(self.request.get("chunked"))

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """The fields as they are sent, Host and the length of the body among them."""
        fields = [(name, as_text(value)) for name, value in self.request.get("headers", ())]
        names = {name.lower() for name, _ in fields}
        if "host" not in names:
            fields.insert(0, ("Host", HOST))
        if "body" in self.request and not self.is_chunked and "content-length" not in names:
            fields.append(("Content-Length", str(len(self.body))))
        if self.is_chunked:
            fields.append(("Transfer-Encoding", "chunked"))
        return fields

    @property
    def body(self) -> bytes:
        return as_bytes(self.request.get("body", ""))

    def pieces(self) -> Iterator[bytes]:
        """Give the body bit by bit; what is repeated is never held as a whole."""
        body = self.request.get("body", "")
        for text, count in body["repeat_b64"] if "repeat_b64" in body else [(None, 1)]:
            unit = as_bytes(body) if text is None else b64decode(text)
            at_once = max(1, PIECE_BYTES // max(1, len(unit)))
            for done in range(0, count, at_once):
                yield unit * min(at_once, count - done)

    @property
    def raw(self) -> bytes:
        """The bytes of a raw case."""
        if "raw_b64" in self.request:
            return b64decode(self.request["raw_b64"])
        return as_bytes({"repeat_b64": self.request["raw_repeat_b64"]})

    def __repr__(self) -> str:
        return self.id


def read_cases() -> list[Case]:
    """Read the cases."""
    path = Path(os.environ.get("AMBI_CORPUS", OURS))
    text = path.read_text("utf-8")
    told = json.loads(text) if path.suffix == ".json" else map(json.loads, text.splitlines())
    return [Case(case) for case in told]


CASES = read_cases()


def cases_of(kind: str) -> list[Case]:
    """Give those of one kind."""
    return [case for case in CASES if case.kind == kind]
