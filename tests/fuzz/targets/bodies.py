"""JSON bodies and credentials: read, or refused as documented, and read again as they were written."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator

from ambi.core.json import StandardJSON, read_json
from ambi.features.auth.credentials import _decode_basic
from tests.fuzz.finding import found, of_corpus, small_body, table
from tests.fuzz.properties import Refusal, attempt, check_work

CODEC = StandardJSON()
DEPTH = 400


def check(data: bytes) -> None:
    """Check one body, and the credentials of Basic."""
    value = attempt(read_json, CODEC, data, DEPTH)
    if not isinstance(value, Refusal):
        assert json.loads(data) == value
        assert CODEC.loads(CODEC.dumps(value)) == value
    given = _decode_basic(data.decode("latin-1"))
    for pair in (given, _decode_basic(b64encode(data).decode())):
        if pair is not None:
            assert ":" not in pair[0]
            assert not any(c < " " or c == "\x7f" for c in pair[0] + pair[1])
            assert _decode_basic(b64encode(":".join(pair).encode()).decode()) == pair
    check_work(data, lambda large: attempt(read_json, CODEC, large, DEPTH))


def seeds() -> Iterator[bytes]:
    """Give bodies and credentials."""
    yield from found("bodies")
    yield from table("json-refused", "text")
    yield from of_corpus("json", small_body)
    yield from (b'{"a": [1, 2.5, -0.0, 1e5, true, null, "\\u00fc\\ud83d\\ude00"]}', b"YW5uOnNlY3JldA==", b"ann:secret")
