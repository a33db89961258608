"""Every link between the pages leads to a file that is there, and to a heading in it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.markdown import PAGES, ROOT, anchors, links


def fault(page: Path, target: str) -> str | None:
    """Say what is wrong with a link, or return None. Addresses elsewhere on the web are not looked at."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target, re.IGNORECASE):
        return None
    path, _, fragment = unquote(target).partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.is_relative_to(ROOT):
        return "leads out of the project"
    if not file.exists():
        return "leads to no file"
    if fragment and file.suffix == ".md" and fragment not in anchors(file.read_text(encoding="utf-8")):
        return f"leads to no heading of {file.relative_to(ROOT)}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_resolve(page: Path):
    found = [(line, target, fault(page, target)) for line, target in links(page.read_text(encoding="utf-8"))]
    assert not [f"line {line}: {target} {wrong}" for line, target, wrong in found if wrong]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("https://example.org/", None),
        ("noxfile.py", None),
        ("README.md", None),
        ("no-such-page.md", "leads to no file"),
        ("README.md#no-such-heading", "leads to no heading of README.md"),
        ("../elsewhere.md", "leads out of the project"),
        ("/README.md", "leads out of the project"),
    ],
)
def test_a_link_that_leads_nowhere_is_seen(target: str, expected: str | None):
    assert fault(ROOT / "CONTRIBUTING.md", target) == expected
