"""What the site makes of the pages, and of docstrings; and that nothing in it is fetched from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from posixpath import join, normpath
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.markdown import ROOT
from tests.docs.site import SITE, need_site

EXTENSIONS = ROOT / "docs" / "_ext"


def extension(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import one of the modules that the build of the site uses."""
    pytest.importorskip("sphinx", reason="nox -s docs installs it")
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return __import__(name)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return extension("pages", monkeypatch)


@pytest.fixture
def docstrings(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return extension("docstrings", monkeypatch)


@pytest.mark.parametrize(
    ("target", "folder", "docname", "expected"),
    [
        ("sse.md#coming-back", "docs/how-to", "how-to/streams", "sse.md#coming-back"),
        ("../framework/ambi/app.py", "docs", "architecture", "source:framework/ambi/app.py"),
        ("../examples", "docs", "examples", "source:examples"),
        ("../../SECURITY.md#what", "docs/how-to", "how-to/from-flask", "../project/security.md#what"),
        ("docs/how-to/sse.md", "", "project/changelog", "../how-to/sse.md"),
        ("decisions/", "docs", "architecture", "decisions/index.md"),
        ("../README.md", "docs", "examples", "index.md"),
        ("LICENSE", "", "project/contributing", "source:LICENSE"),
        ("#here", "docs", "index", "#here"),
        ("https://example.org/x.md", "docs", "index", "https://example.org/x.md"),
        ("images/a.png", "docs/tutorial", "tutorial/index", "images/a.png"),
    ],
)
def test_a_link_leads_to_the_same_on_the_site(pages: ModuleType, target: str, folder: str, docname: str, expected: str):
    assert pages.retarget(target, folder, docname) == expected


def test_links_within_code_stay(pages: ModuleType):
    text = "```` ``` ```` [a](x)\n```md\n[a](x)\n```\n````\n```\n[a](x)\n````\n[a](x)"
    changed = pages.outside_fences(text, lambda line: line.replace("x", "y"))
    assert changed == text.replace("[a](x)", "[a](y)", 1)[: -len("[a](x)")] + "[a](y)"


def test_the_lists_of_an_index_are_its_tables_of_contents(pages: ModuleType):
    text = "# Title\n\n## Build\n\n- [`A` page](how-to/sse.md): said\n- [Elsewhere](https://example.org)\n"
    assert pages.contents(text, "docs", "index") == (
        "\n```{toctree}\n:hidden:\n:titlesonly:\n:caption: Build\n\nA page <how-to/sse>\n```\n"
    )


def test_what_an_index_does_not_list_comes_behind(pages: ModuleType):
    made = pages.contents("", "docs/decisions", "decisions/index").splitlines()
    assert "0001-one-object" in made
    assert "index" not in made


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Give `SSE`s, `a b` and *args.", "Give :name:`SSE`\\ s, ``a b`` and \\*args."),
        ("One_ line | two", "One\\_ line \\| two"),
        ("See: RFC 9110,\n    15.4.", "See RFC 9110, 15.4."),
        ("Text:\n\n    as it stands", "Text:\n\n.. code-block:: text\n\n    as it stands"),
        ("Text:\n    a: one\n    b: two\n        more", "Text:\n\n- :code:`a`: one\n- :code:`b`: two more"),
        ("- one\n  more\n- two", "- one more\n\n- two"),
        ("Example:\n    >>> 1\n    1", ".. rubric:: Example\n\n.. code-block:: pycon\n\n    >>> 1\n    1"),
        ("Example:\n    app = App()", ".. rubric:: Example\n\n.. code-block:: python\n\n    app = App()"),
        ("Args:\n    a, b: first\n        and more.", ":Parameters:\n    - :code:`a`, :code:`b`: first and more."),
        ("Raises:\n    ValueError: no.", ":Raises:\n    - :raised:`ValueError`: no."),
        ("Returns:\n    the `name`.", ":Returns:\n    the :name:`name`."),
    ],
)
def test_a_docstring_is_shown_as_it_reads(docstrings: ModuleType, written: str, read: str):
    made = "\n".join(docstrings.as_sphinx_reads(written.split("\n"))).strip()
    assert re.sub(r"\n{2,}", "\n\n", made) == read


@pytest.mark.skipif(shutil.which("dot") is None, reason="dot not found; Debian's package is graphviz")
def test_a_diagram_takes_the_colours_of_its_page(monkeypatch: pytest.MonkeyPatch):
    diagrams = extension("diagrams", monkeypatch)
    svg = diagrams.draw('digraph "A <b>" { a [class=loop]; a -> b }')
    assert svg.startswith("<svg ")
    assert 'class="node loop"' in svg
    assert "black" not in svg
    assert "<title>" not in svg
    with pytest.raises(subprocess.CalledProcessError):
        diagrams.draw("digraph { a -> }")


# ------------------------------------------------------------------------------------------ what was built


class Addresses:
    """What a page loads by itself, where its links lead, and which fragments it has."""

    def __init__(self, page: Path) -> None:
        # Sphinx writes attributes in one way only; a parser takes ten times as long for so many pages.
        text = page.read_text(encoding="utf-8")
        self.links = {unescape(link) for link in re.findall(r'<a\s[^>]*?href="([^"]*)"', text)}
        self.loaded = re.findall(r'<(?!a\b|use\b)\w[^>]*?\s(?:src|href|data|srcset)="([^"]*)"', text)
        self.ids = set(re.findall(r'\s(?:id|name)="([^"]*)"', text))


@pytest.fixture(scope="module")
def built() -> dict[Path, Addresses]:
    need_site()
    return {page: Addresses(page) for page in SITE.rglob("*.html")}


def test_nothing_is_fetched_from_elsewhere(built: dict[Path, Addresses]):
    loaded = {address for page in built.values() for address in page.loaded}
    assert sorted(address for address in loaded if urlsplit(address).netloc) == []
    for sheet in (SITE / "_static").rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_every_link_of_the_site_leads_somewhere(built: dict[Path, Addresses]):
    files = {str(file) for file in SITE.rglob("*") if file.is_file()}
    ids = {str(page): found.ids for page, found in built.items()}
    broken, links = list[str](), 0
    for page, found in built.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or not link:
                continue
            links += 1
            target = normpath(join(page.parent, unquote(parts.path))) if parts.path else str(page)
            fragment = unquote(parts.fragment)
            if target not in files or (fragment and target in ids and fragment not in ids[target]):
                broken.append(f"{page.relative_to(SITE)}: {link}")
    assert broken == []
    assert links > 10_000


def test_a_diagram_is_in_its_page(built: dict[Path, Addresses]):
    text = (SITE / "architecture.html").read_text(encoding="utf-8")
    drawn = shutil.which("dot") is not None
    assert text.count('<div class="diagram">') == (4 if drawn else 0)
