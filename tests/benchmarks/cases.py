"""What every application is asked, and what it must answer."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GREETING = "Hello, World!"
DOCUMENT = {"message": GREETING}
CHUNK = b"x" * 1024
CHUNKS = 100
MEBIBYTE = 1 << 20
FILE_CONTENT = b"f" * MEBIBYTE

# Routes that are never asked for stand beside the measured ones, since no real application has only ten.
FURTHER_ROUTES = [
    (method, f"/area{number}/{{name}}/{leaf}")
    for number in range(25)
    for method, leaf in [("GET", "events"), ("POST", "events"), ("GET", "members"), ("DELETE", "members")]
]

file_to_send = tempfile.NamedTemporaryFile(prefix="benchmark-")  # noqa: SIM115 - lives as long as the process
file_to_send.write(FILE_CONTENT)
file_to_send.flush()
FILE = Path(file_to_send.name)


@dataclass(frozen=True)
class Case:
    """One request and its right answer; ``parse`` tells how two bodies are compared."""

    name: str
    path: str
    answer: Any
    method: str = "GET"
    query: str = ""
    body: bytes = b""
    content_type: str = ""
    status: int = 200
    middlewares: int = 0
    parse: Callable[[bytes], Any] = bytes

    def is_right(self, status: int, body: bytes) -> bool:
        if status != self.status:
            return False
        return self.answer is None or bool(self.parse(body) == self.answer)


def upload(size: int) -> tuple[bytes, str]:
    """Make a multipart body with one file of that many bytes, and its media type."""
    head = (
        b'--benchmark-limit\r\ncontent-disposition: form-data; name="file"; filename="upload.bin"\r\n'
        b"content-type: application/octet-stream\r\n\r\n"
    )
    content = bytes(range(256)) * (size // 256)
    return head + content + b"\r\n--benchmark-limit--\r\n", "multipart/form-data; boundary=benchmark-limit"


def all_cases() -> list[Case]:
    item = {
        "id": 7,
        "name": "widget",
        "tags": ["a", "b", "c"],
        "price": 12.5,
        "nested": {"ok": True, "none": None},
    }
    form, form_type = upload(MEBIBYTE)
    greeting = GREETING.encode()
    return [
        Case("plain", "/plain", greeting),
        Case("json", "/json", DOCUMENT, parse=json.loads),
        Case("params", "/users/42/posts/hello-world", {"id": 42, "slug": "hello-world"}, parse=json.loads),
        Case("query", "/query", {"a": "1", "b": "2"}, query="a=1&b=2", parse=json.loads),
        Case(
            "echo-json",
            "/echo-json",
            item,
            method="POST",
            body=json.dumps(item).encode(),
            content_type="application/json",
            parse=json.loads,
        ),
        Case("5 middlewares", "/mw5", greeting, middlewares=5),
        Case("404", "/no/such/path", None, status=404),
        Case("crossed", "", greeting),  # gateways.py knows the path: it differs by gateway
        Case("stream 100 KiB", "/stream", CHUNK * CHUNKS),
        Case("form 1 MiB", "/form", str(MEBIBYTE).encode(), method="POST", body=form, content_type=form_type),
        Case("file 1 MiB", "/file", FILE_CONTENT),
    ]
