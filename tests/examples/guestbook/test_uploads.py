"""What people send as pictures, and what comes back of it."""

from __future__ import annotations

from ambi.testing import Client
from examples.guestbook.images import MAX_BYTES
from examples.guestbook.settings import Settings
from tests.examples.guestbook.person import PNG, Person, errors, title

PICTURES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/gif": b"GIF89a\x01\x00\x01\x00",
    "image/webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
POLYGLOT = b"GIF89a/*<script>alert(document.domain)</script>*/=1;"
NO_PICTURE = "This is no picture, or of another kind than PNG, JPEG, GIF or WebP."


def send(person: Person, name: str, data: bytes, claimed: str = "image/png"):
    person.become("Ann")
    return person.post("with a picture", (name, data, claimed))


def test_a_picture_comes_back_as_what_it_is(person: Person, settings: Settings):
    person.become("Ann")
    for kind, data in PICTURES.items():
        assert person.post("with a picture", ("../../evil.html", data, "text/html")).status_code == 303
        kept = max(settings.uploads.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        assert kept.read_bytes() == data
        assert len(kept.stem) == 32
        answer = person.open(f"/images/{kept.name}")
        assert (answer.status_code, answer.content) == (200, data)
        assert answer.headers["content-type"] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert answer.headers["cache-control"] == "private, max-age=3600"
        known = person.client.get(f"/images/{kept.name}", headers={"if-none-match": answer.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")


NO_PICTURES = [
    ("page.png", b"<!doctype html><script>alert(1)</script>"),
    ("drawing.svg", SVG),
    ("drawing.png", SVG),
    ("empty.png", b""),
    ("short.png", PNG[:7]),
    ("sound.webp", b"RIFF\x24\x00\x00\x00WAVEfmt "),
    ("late.png", b"\n" + PNG),
    ("old.gif", b"GIF88a\x01"),
    ("icon.ico", b"\x00\x00\x01\x00"),
]


def test_what_is_no_picture_is_refused(person: Person, settings: Settings):
    person.become("Ann")
    for name, data in NO_PICTURES:
        answer = person.post("with a picture", (name, data, "image/png"))
        assert (name, answer.status_code, errors(answer)) == (name, 422, [NO_PICTURE])
    assert list(settings.uploads.iterdir()) == []


def test_a_page_that_looks_like_a_picture_stays_one(person: Person, settings: Settings):
    assert send(person, "x.html", POLYGLOT, "text/html").status_code == 303
    (kept,) = settings.uploads.iterdir()
    answer = person.open(f"/images/{kept.name}")
    assert answer.headers["content-type"] == "image/gif"
    assert answer.headers["content-security-policy"].endswith("sandbox")


def test_a_picture_that_is_too_large_is_refused_with_its_size(person: Person, settings: Settings):
    answer = send(person, "large.png", PNG.ljust(MAX_BYTES + 1, b"x"))
    assert (answer.status_code, errors(answer)) == (422, ["The picture has 4.0 MiB; it may have 4."])
    assert list(settings.uploads.iterdir()) == []


def test_what_is_larger_than_any_form_is_not_even_read(person: Person, settings: Settings):
    answer = send(person, "huge.png", PNG.ljust(MAX_BYTES + 300 * 1024, b"x"))
    assert (answer.status_code, title(answer)) == (413, "Too large")
    assert "content-security-policy" in answer.headers
    assert list(settings.uploads.iterdir()) == []


def test_nothing_else_is_served_from_there(client: Client, settings: Settings):
    (settings.uploads / ".hidden").write_text("hidden")
    for path in ("", "../secret", "%2e%2e/secret", "..%2fsecret", ".hidden", "x.png", "/etc/passwd"):
        assert (path, client.get(f"/images/{path}").status_code) == (path, 404)
