"""What people do with the guestbook: they open pages, and send the forms that are in them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from ambi.testing import Client, Response

PASSWORD = "a garden, early in May"
PNG = b"\x89PNG\r\n\x1a\n" + b"the rest of a picture"


class Person:
    """Somebody with a browser that keeps cookies and does not say where a form comes from, as old ones."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def open(self, path: str) -> Response:
        return self.client.get(path)

    def fields(self, path: str) -> dict[str, str]:
        """Give the hidden fields of the form in a page: its token, and its ticket."""
        page = self.open(path).text
        found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.partition("<main")[2])
        return {name: unescape(value) for name, value in found}

    def send(self, path: str, files: dict[str, Any] | None = None, **fields: str) -> Response:
        """Fill in the form in the page at a path, and send it."""
        return self.client.post(path, data={**self.fields(path), **fields}, files=files)

    def log_in(self, name: str, password: str = PASSWORD, path: str = "/login") -> Response:
        return self.send(path, name=name, password=password)

    def sign_up(self, name: str, password: str = PASSWORD, again: str = PASSWORD) -> Response:
        return self.send("/signup", name=name, password=password, again=again)

    def log_out(self) -> Response:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.open("/").text)
        return self.client.post("/logout", data={"csrf_token": token[1] if token else ""})

    def become(self, name: str) -> None:
        """Begin anew, as somebody else."""
        self.client.cookies.clear()
        assert self.log_in(name).status_code == 303

    def post(self, text: str = "Hello", image: Any = ("", b""), alt: str = "") -> Response:
        """Write a post; without a picture browsers send a file without a name."""
        return self.send("/posts/new", text=text, alt=alt, files={"image": image})


def errors(page: Response) -> list[str]:
    return [unescape(text) for text in re.findall(r'<p id="[\w-]+-error" class="error">([^<]*)</p>', page.text)]


def flashes(page: Response) -> list[str]:
    return [unescape(text) for text in re.findall(r'<p class="flash [a-z]+" role="status">([^<]*)</p>', page.text)]


def texts(page: Response) -> list[str]:
    return [unescape(text) for text in re.findall(r'<p class="text">([^<]*)</p>', page.text)]


def title(page: Response) -> str:
    found = re.search("<h1[^>]*>([^<]*)</h1>", page.text)
    return unescape(found[1]) if found else ""
