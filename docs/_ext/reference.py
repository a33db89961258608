"""The reference: a fenced block of the language `reference` names things, a line each, and their docstrings are shown.

    ```reference
    ambi.App
    ```

A name may be followed by the members that are not to be shown there, after `without`. A line with `limits` alone is
the table of the limits.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx


def entry(line: str) -> list[str]:
    """Give what autodoc is told to show something."""
    name, _, hidden = line.partition(" without ")
    module, _, attribute = name.strip().rpartition(".")
    if not hasattr(import_module(module), attribute):
        raise ValueError(f"there is no {name}")
    thing = getattr(import_module(module), attribute)
    told = [f"   :exclude-members: {hidden}"] if hidden else []
    if inspect.isclass(thing):
        kind = "autoexception" if issubclass(thing, BaseException) else "autoclass"
    elif inspect.isfunction(thing):
        kind = "autofunction"
    else:
        kind, told = "autodata", ["   :no-value:"]
    return [f".. {kind}:: {name.strip()}", *told, ""]


class Reference(SphinxDirective):
    """The directive that a fenced block of this language is."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Show each thing that is named."""
        lines = ["````{eval-rst}"]
        for line in self.content:
            if line.strip():
                try:
                    lines.extend(entry(line))
                except (ImportError, ValueError) as exc:
                    raise self.error(str(exc)) from exc
        source = self.get_source_info()[0]
        return self.parse_content_to_nodes() if False else self.parsed([*lines, "````"], source)

    def parsed(self, lines: list[str], source: str) -> list[nodes.Node]:
        """Read lines as if they stood in the page."""
        from docutils import nodes

        container = nodes.Element()
        self.state.nested_parse(StringList(lines, source), 0, container)
        return list(container.children)


def setup(app: Sphinx) -> dict[str, Any]:
    """Take part in a build."""
    app.add_directive("reference", Reference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
