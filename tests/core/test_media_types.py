"""Nothing is served here, so there is no cell."""

import mimetypes

import pytest

from ambi.core.media_types import media_type_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.html", "text/html; charset=utf-8"),
        ("A.HTML", "text/html; charset=utf-8"),
        ("app.min.js", "text/javascript; charset=utf-8"),
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("data.json", "application/json"),
        ("site.webmanifest", "application/manifest+json"),
        ("pic.svg", "image/svg+xml"),
        ("pic.webp", "image/webp"),
        ("font.woff2", "font/woff2"),
        ("code.wasm", "application/wasm"),
        ("a.tar.gz", "application/gzip"),
        ("a.svgz", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("Makefile", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("a.", "application/octet-stream"),
        ("a.aiff", "audio/x-aiff"),
    ],
)
def test_a_name_says_what_a_file_is(name: str, expected: str) -> None:
    assert media_type_of(name) == expected


def test_the_tables_of_the_machine_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    mimetypes.init()
    monkeypatch.setitem(mimetypes.types_map, ".js", "text/plain")
    monkeypatch.setitem(mimetypes.types_map, ".unheard", "text/plain")
    assert media_type_of("a.js") == "text/javascript; charset=utf-8"
    assert media_type_of("a.unheard") == "application/octet-stream"
