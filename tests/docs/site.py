"""The site as it was built, for the tests that look at it."""

from __future__ import annotations

import zlib

import pytest

from tests.docs.markdown import ROOT

SITE = ROOT / "docs" / "_build" / "html"


def need_site() -> None:
    """Skip where nobody has built it, saying how."""
    if not (SITE / "index.html").exists():
        pytest.skip("the site is not built: nox -s docs, or sphinx-build docs docs/_build/html")


def inventory() -> dict[str, str]:
    """Give what the reference has an entry for: its name -> the page, from objects.inv."""
    # Four lines of text, then compressed lines of `name domain:role priority uri displayed-name`.
    _, _, _, _, packed = (SITE / "objects.inv").read_bytes().split(b"\n", 4)
    lines = (line.split(" ", 4) for line in zlib.decompress(packed).decode().splitlines())
    return {name: uri.partition("#")[0] for name, kind, _, uri, _ in lines if kind.startswith("py:")}
