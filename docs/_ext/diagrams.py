"""Diagrams: a fenced block of the language `dot`, drawn by Graphviz when the site is built.

The picture stands in the page itself, so that it takes the colours of the page, light or dark, and nothing is fetched
for it. Where there is no Graphviz (Debian's package is graphviz) the text of the diagram is shown.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

logger = logging.getLogger(__name__)
STYLE = """
graph [bgcolor=transparent, fontname="sans-serif", fontsize=12, pad=0.1, nodesep=0.3, ranksep=0.35]
node [shape=box, style="rounded", fontname="sans-serif", fontsize=12, height=0.35, margin="0.14,0.07"]
edge [fontname="sans-serif", fontsize=11, arrowsize=0.7]
"""
"""What all diagrams have in common; a diagram may say otherwise."""


def draw(source: str) -> str:
    """Draw a diagram as SVG that stands in a page.

    Raises:
        subprocess.CalledProcessError: Graphviz does not understand it.
    """
    styled = source.replace("{", "{" + STYLE, 1)
    drawn = subprocess.run(
        ["dot", "-Tsvg"], input=styled, capture_output=True, text=True, check=True, timeout=30, encoding="utf-8"
    ).stdout
    svg = drawn[drawn.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<title>.*?</title>\s*", "", svg, flags=re.DOTALL)  # they would pop up over each box
    svg = re.sub(r' id="[^"]*"', "", svg)
    svg = re.sub(r'(stroke|fill)="(black|#000000)"', r'\1="currentColor"', svg)
    return re.sub(r"<text (?![^>]*fill=)", '<text fill="currentColor" ', svg)


class Diagram(SphinxDirective):
    """The directive that a fenced block of this language is."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Give the picture, or the text where it cannot be drawn here."""
        source = "\n".join(self.content)
        if shutil.which("dot") is None:
            logger.info("no Graphviz here: a diagram is shown as its text")
            return [nodes.literal_block(source, source, language="text")]
        try:
            svg = draw(source)
        except subprocess.CalledProcessError as exc:
            logger.warning("Graphviz does not understand a diagram: %s", exc.stderr, location=self.get_location())
            return []
        label = re.search(r'label="([^"]*)"', source)
        described = label[1].replace("\\n", " ") if label else "diagram"
        picture = svg.replace("<svg ", f'<svg role="img" aria-label="{described}" ', 1)
        return [nodes.raw("", f'<div class="diagram">{picture}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Take part in a build."""
    app.add_directive("dot", Diagram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
