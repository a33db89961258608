"""Links from names to the reference, in docstrings, in signatures and in code within the text of pages.

A name leads to the one thing of the reference that it can mean: `Request`, `App.mount`, `app.mount(...)`; in a class
its own members first. A name that means several things, or none of ours, is shown as code.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole
from sphinx.util.nodes import find_pending_xref_condition

if TYPE_CHECKING:
    from docutils.nodes import Node
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

logger = logging.getLogger(__name__)
INSTANCES = {"app": "App", "router": "Router", "request": "Request", "response": "Response", "ws": "WebSocket"}
"""How objects are called in the text -> their class."""
MARKS = "ambi.features.typed."
CODE = re.compile(r"(?P<name>[A-Za-z_][\w.]*)(\([^()]{0,40}\))?")


class NameRole(SphinxRole):
    """Code in a docstring that may be a name; which, is known when everything has been read."""

    def run(self) -> tuple[list[Node], list[nodes.system_message]]:
        """Give it as code that is still to be looked up."""
        found = nodes.literal(self.rawtext, self.text, classes=["name"])
        found["ambi:raised"] = self.name == "raised"
        found["ambi:module"] = self.env.ref_context.get("py:module")
        found["ambi:class"] = self.env.ref_context.get("py:class")
        return [found], []


def is_known_error(name: str) -> bool:
    """Tell whether an exception is Python's own, or that of a module that its name says."""
    if "." in name:
        return True
    return isinstance(getattr(builtins, name, None), type)


class Names:
    """What the reference holds, by the names that people say."""

    def __init__(self, env: BuildEnvironment) -> None:
        self.objects = env.domains.python_domain.objects
        self.by_short: dict[str, list[str]] = {}
        for full, entry in self.objects.items():
            if not full.startswith("ambi.") or entry.objtype == "module" or entry.aliased:
                continue
            parts = full.split(".")
            for start in range(1, len(parts)):
                self.by_short.setdefault(".".join(parts[start:]), []).append(full)

    def find(self, name: str, module: str | None = None, owner: str | None = None) -> str | None:
        """Give the full name of what a name means, or None."""
        name = name.removesuffix("()")
        if name in self.objects:
            return self.shown(name)
        tried = [f"{module}.{owner}.{name}", f"{module}.{name}", f"ambi.{name}"]
        for full in tried:
            if full in self.objects:
                return self.shown(full)
        first, _, rest = name.partition(".")
        if rest and first in INSTANCES and (full := f"ambi.{INSTANCES[first]}.{rest}") in self.objects:
            return full
        if "." not in name and not name[:1].isupper():
            return None  # `get`, `text`: words as well as names
        found = self.by_short.get(name, [])
        return found[0] if len(found) == 1 else None

    def shown(self, full: str) -> str:
        """Give the name under which a thing is shown that has another where it is defined."""
        entry = self.objects[full]
        same = (name for name, each in self.objects.items() if each.node_id == entry.node_id and not each.aliased)
        return next(same, full) if entry.aliased else full


class LinkNames(SphinxPostTransform):
    """Turn code that names something of the reference into a link to it."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Look at all code of a page but what stands in headings, links and signatures."""
        if not self.env.docname:
            return
        names = Names(self.env)
        for pending in list(self.document.findall(addnodes.pending_xref)):
            if pending.get("refdomain") == "py" and (full := self.meant(names, pending)):
                shown = find_pending_xref_condition(pending, "resolved")
                pending.replace_self(self.link(names, full, shown.children if shown else pending.children))
        for literal in list(self.document.findall(nodes.literal)):
            if within(literal, (nodes.reference, nodes.title, addnodes.desc_signature, addnodes.pending_xref)):
                continue
            code = CODE.fullmatch(literal.astext())
            full = code and names.find(code["name"], literal.get("ambi:module"), literal.get("ambi:class"))
            if not full and literal.get("ambi:raised") and not is_known_error(literal.astext()):
                logger.warning("no exception is known as %s", literal.astext(), location=literal)
            if full and names.objects[full].node_id not in ids_around(literal):
                literal.replace_self(self.link(names, full, [literal.deepcopy()]))

    def meant(self, names: Names, pending: addnodes.pending_xref) -> str | None:
        """Give what a name in a signature means: what is documented may be defined elsewhere."""
        target, module = pending["reftarget"], pending.get("py:module")
        full = names.find(target, module) or names.find(target.rpartition(".")[2], module)
        # `Body` is a mark there, and elsewhere what a body may be.
        return None if full and full.startswith(MARKS) and module != MARKS.strip(".") else full

    def link(self, names: Names, full: str, content: list[Node]) -> nodes.reference:
        """Make a link to an entry of the reference."""
        entry = names.objects[full]
        uri = self.app.builder.get_relative_uri(self.env.docname, entry.docname)
        uri = f"{uri}#{entry.node_id}"
        if entry.docname == self.env.docname:
            uri = f"#{entry.node_id}"
        return nodes.reference("", "", *content, internal=True, refuri=uri, reftitle=full)


def within(node: Node, kinds: tuple[type[Node], ...]) -> bool:
    """Tell whether a node stands in one of these."""
    parent = node.parent
    while parent is not None:
        if isinstance(parent, kinds):
            return True
        parent = parent.parent
    return False


def ids_around(node: Node) -> set[str]:
    """Give the ids of the entries that a node stands in: an entry does not link to itself."""
    found, parent = set[str](), node.parent
    while parent is not None:
        if isinstance(parent, addnodes.desc):
            signatures = (each for each in parent.children if isinstance(each, addnodes.desc_signature))
            found.update(name for signature in signatures for name in signature["ids"])
            break
        parent = parent.parent
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    """Take part in a build."""
    app.add_role("name", NameRole())
    app.add_role("raised", NameRole())
    app.add_post_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
