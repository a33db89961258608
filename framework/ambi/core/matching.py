"""Matching: from method and path to a route, in a time that does not grow with the number of routes.

Facts
- Static paths stand in one dict. Paths with parameters stand in a tree of segments; a node has a dict of static
  children, then children with literal text around a parameter, then typed ones, then text, then the rest of the path.
  The first that leads to a route wins, so the order of registration never matters.
- The walk backtracks: each node is visited once at most, whatever the path.
- Routes of several methods may share a path; a path found without the method goes on being searched, so that a
  static route for POST does not hide a parameter route for GET.
- The path is decoded before it is split: a parameter of one segment never holds a slash.
"""

from __future__ import annotations

from .converters import PATH, TEXT
from .errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .converters import Converter
    from .routing import Route

    Endpoints = dict[str, Route]


class Parameter:
    """One `{name:converter}` of a path, with the literal text around it in its segment."""

    __slots__ = ("converter", "converter_name", "name", "prefix", "suffix")

    def __init__(self, name: str, converter_name: str | None, prefix: str, suffix: str) -> None:
        self.name = name
        self.converter_name = converter_name
        self.converter: Converter = TEXT
        self.prefix = prefix
        self.suffix = suffix


Segment = str | Parameter


def parse_template(template: str) -> list[Segment]:
    """Split a path template into segments: text, or a Parameter.

    Raises:
        ConfigurationError: the template does not begin with "/", or its braces are wrong.
    """
    if not template.startswith("/"):
        raise ConfigurationError(f"the path {template!r} must begin with a slash")
    segments = [_parse_segment(template, text) for text in template[1:].split("/")]
    names = [segment.name for segment in segments if isinstance(segment, Parameter)]
    if len(names) != len(set(names)):
        raise ConfigurationError(f"the path {template!r} names a parameter twice")
    return segments


def _parse_segment(template: str, text: str) -> Segment:
    if "{" not in text and "}" not in text:
        if text.startswith("<") and text.endswith(">"):  # it is in no URL as it stands; others write parameters so
            *kind, name = text[1:-1].replace("string:", "").split(":")
            raise ConfigurationError(
                f"the path {template!r} is wrong at {text!r}: parameters are written {{{':'.join([name, *kind])}}}"
            )
        return text
    prefix, opening, rest = text.partition("{")
    inside, closing, suffix = rest.partition("}")
    name, colon, converter = inside.partition(":")
    if not opening or not closing or "{" in suffix or "}" in prefix + suffix or not name.isidentifier():
        raise ConfigurationError(
            f"the path {template!r} is wrong at {text!r}: one {{name}} or {{name:converter}} a segment was expected"
        )
    return Parameter(name, converter if colon else None, prefix, suffix)


class Node:
    """One segment deep into the tree of paths with parameters."""

    __slots__ = ("affixed", "endpoints", "rest", "static", "text", "typed")

    def __init__(self) -> None:
        self.endpoints: Endpoints = {}
        self.static: dict[str, Node] = {}
        self.affixed: list[tuple[str, str, Converter, Node]] = []
        self.typed: list[tuple[Converter, Node]] = []
        self.text: Node | None = None
        self.rest: Endpoints = {}


class RouteTable:
    """All routes of an application for one host pattern."""

    __slots__ = ("_root", "_static")

    def __init__(self) -> None:
        self._static: dict[str, Endpoints] = {}
        self._root: Node | None = None

    def add(self, route: Route) -> None:
        """Take a route.

        Raises:
            ConfigurationError: a route that could never be told apart from it is there already.
        """
        _add_endpoint(self._endpoints_of(route), route)

    def match(self, method: str, path: str, others: list[Endpoints]) -> tuple[Route, tuple[Any, ...]] | None:
        """Find the route and the converted values of its parameters.

        Args:
            others: is given the endpoints that match the path but not the method; all of them when no route is
                found.
        """
        if path in self._static:
            endpoints = self._static[path]
            if method in endpoints:
                return endpoints[method], ()
            others.append(endpoints)
        if self._root is None:
            return None
        values: list[Any] = []
        found = _walk(self._root, path.split("/"), 1, method, values, others)
        return None if found is None else (found, tuple(values))

    def _endpoints_of(self, route: Route) -> Endpoints:
        if not any(isinstance(segment, Parameter) for segment in route.segments):
            return self._static.setdefault(route.path, {})
        if self._root is None:
            self._root = Node()
        node = self._root
        for index, segment in enumerate(route.segments):
            if isinstance(segment, str):
                node = node.static.setdefault(segment, Node())
            elif segment.converter is PATH:
                if index != len(route.segments) - 1 or segment.prefix or segment.suffix:
                    raise ConfigurationError(f"in {route.path!r} a path parameter must be the last segment, alone")
                return node.rest
            else:
                node = _parameter_child(node, segment)
        return node.endpoints


def _parameter_child(node: Node, segment: Parameter) -> Node:
    converter = segment.converter
    if segment.prefix or segment.suffix:
        for prefix, suffix, known, child in node.affixed:
            if (prefix, suffix, known) == (segment.prefix, segment.suffix, converter):
                return child
        child = Node()
        node.affixed.append((segment.prefix, segment.suffix, converter, child))
        node.affixed.sort(key=lambda entry: (-len(entry[0]) - len(entry[1]), entry[0], entry[2].rank, entry[2].name))
        return child
    if converter is TEXT:
        if node.text is None:
            node.text = Node()
        return node.text
    for known, child in node.typed:
        if known is converter:
            return child
    child = Node()
    node.typed.append((converter, child))
    node.typed.sort(key=lambda entry: (entry[0].rank, entry[0].name))
    return child


def _add_endpoint(endpoints: Endpoints, route: Route) -> None:
    for method in route.methods:
        other = endpoints.get(method)
        if other is not None and method in other.methods:
            raise ConfigurationError(
                f"{method} {route.path} could never be told apart from {method} {other.path} of {other.described};"
                " give one of them another path or method, or a converter that the other has not, as {id:int}"
            )
        endpoints[method] = route
    if "GET" in route.methods:
        endpoints.setdefault("HEAD", route)


def _walk(  # noqa: C901  # the order of the branches is the order of precedence
    node: Node, parts: list[str], index: int, method: str, values: list[Any], others: list[Endpoints]
) -> Route | None:
    """Find the route below `node` for the parts from `index` on; values of parameters are left in `values`."""
    if index == len(parts):
        endpoints = node.endpoints
        if method in endpoints:
            return endpoints[method]
        if endpoints:
            others.append(endpoints)
        return None
    part = parts[index]
    if part in node.static:
        found = _walk(node.static[part], parts, index + 1, method, values, others)
        if found is not None:
            return found
    if not part:
        return None
    for child, value in _matching_children(node, part) if node.affixed or node.typed else ():
        values.append(value)
        found = _walk(child, parts, index + 1, method, values, others)
        if found is not None:
            return found
        values.pop()
    if node.text is not None:
        values.append(part)
        found = _walk(node.text, parts, index + 1, method, values, others)
        if found is not None:
            return found
        values.pop()
    if method in node.rest:
        values.append("/".join(parts[index:]))
        return node.rest[method]
    if node.rest:
        others.append(node.rest)
    return None


def _matching_children(node: Node, part: str) -> Iterator[tuple[Node, Any]]:
    """Give the children whose parameter takes `part`, with its value: literal text around it first, then typed."""
    for prefix, suffix, converter, child in node.affixed:
        end = len(part) - len(suffix)
        if end > len(prefix) and part.startswith(prefix) and part.endswith(suffix):
            try:
                value = converter.convert(part[len(prefix) : end])
            except ValueError:
                continue
            yield child, value
    for converter, child in node.typed:
        try:
            value = converter.convert(part)
        except ValueError:
            continue
        yield child, value
