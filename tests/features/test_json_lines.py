"""JSON values, one a line."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi import App, JSONLines
from ambi.core.json import StandardJSON
from ambi.testing import Client
from tests.cells import Cell


def values_of(cell: Cell, *items: Any) -> Any:
    """Give a stream of items in the colour of the cell."""

    def sync() -> Iterator[Any]:
        yield from items

    async def asynchronous() -> AsyncIterator[Any]:
        for item in items:
            await anyio.sleep(0)
            yield item

    return asynchronous() if cell.is_async else sync()


def test_each_value_is_a_line(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: JSONLines(values_of(cell, {"a": "\n"}, [1], None, "ü\u2028", 2.5))))
    response = client.get("/")
    assert response.content == '{"a":"\\n"}\n[1]\nnull\n"ü\u2028"\n2.5\n'.encode()
    assert response.headers["content-type"] == "application/jsonl"
    assert response.headers["x-accel-buffering"] == "no"


def test_header_fields_type_and_status_can_be_said(app: App, client: Client, cell: Cell) -> None:
    headers = {"x-a": "b", "x-accel-buffering": "yes"}
    app.get("/")(
        cell.handler(
            lambda: JSONLines(values_of(cell, 1), content_type="application/x-ndjson", status=203, headers=headers)
        )
    )
    response = client.get("/")
    assert (response.status_code, response.headers["content-type"]) == (203, "application/x-ndjson")
    assert (response.headers["x-a"], response.headers["x-accel-buffering"]) == ("b", "yes")


def test_no_value_is_no_line(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: JSONLines(values_of(cell))))
    assert client.get("/").content == b""


def test_what_is_no_json_at_first_is_a_500(app: App, client: Client, cell: Cell) -> None:
    app.get("/")(cell.handler(lambda: JSONLines(values_of(cell, object()))))
    assert client.get("/").status_code == 500


def test_lines_are_written_by_the_codec_of_the_application(make_client: Any, cell: Cell) -> None:
    class Pretty:
        def dumps(self, value: Any) -> str:
            return json.dumps(value, indent=1).replace("\n", "\r\n")

        def loads(self, data: bytes) -> Any:
            return None

    app = App(json=Pretty())
    app.get("/")(cell.handler(lambda: JSONLines(values_of(cell, {"a": [1]}, {"b": "\n"}))))
    lines = make_client(app).get("/").content.split(b"\n")
    assert [json.loads(line) for line in lines[:-1]] == [{"a": [1]}, {"b": "\n"}]
    assert b"\r" not in b"".join(lines)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(VALUES))
def test_a_reader_gets_back_what_was_sent(values: list[Any]) -> None:
    """Nothing is served, so there is no cell."""
    stream = JSONLines([])
    stream.encode(StandardJSON())
    sent = b"".join(map(stream.encode_item, values))
    assert sent.count(b"\n") == len(values)
    assert [json.loads(line) for line in sent.split(b"\n")[:-1]] == values


@pytest.mark.parametrize("value", ["text", b"bytes", {"a": 1}, 7, None])
def test_what_is_no_stream_of_values_is_refused(value: Any) -> None:
    """Nothing is served, so there is no cell."""
    with pytest.raises(TypeError, match="JSONLines takes an iterable or async iterable"):
        JSONLines(value)
