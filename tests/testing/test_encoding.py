"""Bodies and queries are encoded as httpx and browsers do it. Bytes alone, and what an application makes of them."""

import io
from pathlib import Path
from typing import Any

import pytest

from ambi import App, Request
from ambi.testing import Client
from ambi.testing.encoding import encode_body, encode_pairs
from tests.cells import Cell


@pytest.mark.parametrize(
    ("pairs", "encoded"),
    [
        ({"a": "1 2", "ü": "&"}, "a=1%202&%C3%BC=%26"), ([("a", 1), ("a", 2)], "a=1&a=2"), ({"a": [1, 2], "b": ()}, "a=1&a=2"),
        ({"a": True, "b": False, "c": None}, "a=true&b=false&c="), ({"a": b"x"}, "a=b%27x%27"),
    ],
)  # fmt: skip
def test_pairs_are_written_as_a_query(pairs: Any, encoded: str) -> None:
    assert encode_pairs(pairs) == encoded


@pytest.mark.parametrize(
    ("file", "head", "content"),
    [
        (b"x", 'filename="upload"\r\ncontent-type: application/octet-stream', b"x"),
        ("ü", 'filename="upload"\r\ncontent-type: application/octet-stream', "ü".encode()),
        (io.BytesIO(b"y"), 'filename="upload"\r\ncontent-type: application/octet-stream', b"y"),
        (io.StringIO("ü"), 'filename="upload"\r\ncontent-type: application/octet-stream', "ü".encode()),
        (("a.txt", b"x"), 'filename="a.txt"\r\ncontent-type: text/plain', b"x"),
        (("a", b"x", "text/x"), 'filename="a"\r\ncontent-type: text/x', b"x"),
        (("a.png", b"x", None), 'filename="a.png"\r\ncontent-type: image/png', b"x"),
        (("a", b"x", "text/x", {"X-A": "1"}), 'filename="a"\r\ncontent-type: text/x\r\nX-A: 1', b"x"),
        (('"\r\n', b"x"), 'filename="%22%0D%0A"\r\ncontent-type: application/octet-stream', b"x"),
    ],
)
def test_a_file_is_given_in_one_of_many_ways(file: Any, head: str, content: bytes) -> None:
    body, content_type = encode_body(None, None, {"f": file}, None)
    boundary = content_type.removeprefix("multipart/form-data; boundary=")
    expected = f'--{boundary}\r\ncontent-disposition: form-data; name="f"; {head}\r\n\r\n'.encode()
    assert body == expected + content + f"\r\n--{boundary}--\r\n".encode()


def test_a_file_without_a_name_is_a_field() -> None:
    body, _ = encode_body(None, None, {"f": (None, "value")}, None)
    assert b'name="f"\r\n\r\nvalue\r\n' in body  # type: ignore[operator]


def test_a_file_that_is_open_has_its_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"x")
    with path.open("rb") as file:
        body, _ = encode_body(None, None, {"f": file}, None)
    assert b'filename="notes.txt"\r\ncontent-type: text/plain\r\n\r\nx' in body  # type: ignore[operator]


def test_what_is_no_file_is_told() -> None:
    with pytest.raises(TypeError, match="the file 'f' must be bytes, text or an open file, not int"):
        encode_body(None, None, {"f": 7}, None)  # type: ignore[dict-item]


def test_a_boundary_does_not_occur_in_what_it_bounds() -> None:
    _, plain = encode_body(None, None, {"f": b"x"}, None)
    boundary = plain.partition("=")[2]
    _, other = encode_body(None, None, {"f": boundary.encode()}, None)
    assert other == plain + "-"


def test_a_form_arrives_as_it_was_given(app: App, client: Client, cell: Cell) -> None:
    def tell(request: Request) -> list[Any]:
        values = [value for _, value in request.form.pairs()]
        return [v if isinstance(v, str) else [v.filename, v.content_type, v.read().decode()] for v in values]

    app.post("/")(cell.handler(tell))
    told = client.post("/", data={"a": ["1", "2"]}, files=[("f", ("ü.txt", "x")), ("f", ("b", b"y", "a/b"))]).json()
    assert told == ["1", "2", ["ü.txt", "text/plain", "x"], ["b", "a/b", "y"]]
