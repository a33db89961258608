"""The reference: a fenced block of the language `reference` names things, a line each, and shows their docstrings.

    ```reference
    ambi.App
    ambi.Request: made by ambi; without stand, drop
    ambi.HTML: own members
    ```

made by ambi      nobody calls its constructor, so that is not shown
own members       those that it inherits are told where it has them from
without a, b      members that are the framework's own matter

Each entry has a link to the line of its source.
"""

from __future__ import annotations

import inspect
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective
from typing_extensions import is_typeddict

from ambi import Limits
from ambi.core.limits import KIB, MIB

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
MADE_BY_AMBI = "ambi_made"
"""Where the things of a block that nobody makes are noted while it is read."""


def entry(name: str, notes: list[str]) -> list[str]:
    """Give what autodoc is told to show something.

    Raises:
        ValueError: there is nothing of that name.
    """
    module, _, attribute = name.rpartition(".")
    try:
        thing = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as exc:
        raise ValueError(f"there is no {name}: {exc}") from exc
    told = [f"   :exclude-members: {note.removeprefix('without ')}" for note in notes if note.startswith("without ")]
    if "own members" in notes:
        told.append("   :no-inherited-members:")
    if is_typeddict(thing):
        name += "()"
        told = ["   :undoc-members:", "   :no-inherited-members:"]
    if inspect.isclass(thing):
        kind = "autoexception" if issubclass(thing, BaseException) else "autoclass"
    elif inspect.isfunction(thing):
        kind = "autofunction"
    else:
        kind, told = "autodata", ["   :no-value:"]
    return [f".. {kind}:: {name}", *told, ""]


class Reference(SphinxDirective):
    """The directive that a fenced block of this language is."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Show each thing that is named."""
        lines, made = ["````{eval-rst}"], self.env.current_document.setdefault(MADE_BY_AMBI, set())
        for line in filter(str.strip, self.content):
            name, _, noted = line.partition(":")
            notes = [note.strip() for note in noted.split(";")]
            if "made by ambi" in notes:
                made.add(name.strip())
            try:
                lines.extend(entry(name.strip(), notes))
            except ValueError as exc:
                raise self.error(str(exc)) from exc
        container = nodes.Element()
        self.state.nested_parse(StringList([*lines, "````"], self.get_source_info()[0]), 0, container)
        return list(container.children)


class LimitsTable(SphinxDirective):
    """The limits and their defaults, in bytes, seconds or as they are counted, as a table."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Make the table of the class itself."""
        names = [name for name in Limits.__annotations__ if hasattr(Limits, name)]
        rows = [f"| `{name}` | {in_words(name, getattr(Limits, name))} |" for name in names]
        container = nodes.Element()
        lines = ["| limit | default |", "|---|---:|", *rows]
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), 0, container)
        return list(container.children)


def in_words(name: str, value: float) -> str:
    """Give a limit with its unit."""
    if name.endswith("_bytes"):
        unit, size = ("MiB", MIB) if value >= MIB else ("KiB", KIB)
        return f"{value / size:g} {unit}"
    return f"{value:,g} s" if name.endswith("_s") else f"{value:,}"


def hide_constructor(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str, str] | None:
    """Show no constructor of what nobody makes, and of what has a fixed form (a TypedDict) none either."""
    is_made = name in app.env.current_document.get(MADE_BY_AMBI, ())
    return ("", "") if is_made or is_typeddict(obj) else None


def place_of(thing: Any) -> tuple[Path, int] | None:
    """Give the file and the line where something of the package is defined; None for what has none of its own."""
    while isinstance(thing, (property, partial)) or hasattr(thing, "__wrapped__"):
        thing = getattr(thing, "fget", None) or getattr(thing, "func", None) or thing.__wrapped__
    try:
        file = Path(inspect.getsourcefile(thing) or "").resolve()
        return (file.relative_to(ROOT), inspect.findsource(thing)[1] + 1) if file.is_relative_to(ROOT) else None
    except (OSError, TypeError):
        return None


def link_sources(app: Sphinx, doctree: nodes.document) -> None:
    """Let each entry lead to its source."""
    for signature in doctree.findall(addnodes.desc_signature):
        if not signature.get("module"):
            continue
        thing: Any = import_module(signature["module"])
        for part in signature["fullname"].split("."):
            thing = getattr(thing, part, None)
        if place := place_of(thing):
            shown = nodes.inline("", "[source]", classes=["viewcode-link"])
            uri = f"source:{place[0]}#line-{place[1]}"
            signature.append(nodes.reference("", "", shown, internal=True, refuri=uri))


def setup(app: Sphinx) -> dict[str, Any]:
    """Take part in a build."""
    app.add_directive("reference", Reference)
    app.add_directive("limits", LimitsTable)
    app.connect("autodoc-process-signature", hide_constructor)
    app.connect("doctree-read", link_sources, priority=400)  # before those links are looked at
    return {"parallel_read_safe": True, "parallel_write_safe": True}
