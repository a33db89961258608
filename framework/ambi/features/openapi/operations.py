"""One operation: a method of a route, with what is around it."""

from __future__ import annotations

import re

from ...core.contract import Contract
from .answers import Problems, responses_of
from .docstrings import words_of
from .inputs import body_of, parameters_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ...core.contract import Demand
    from ...core.middleware import Layer
    from ...core.routing import Route
    from .schemas import Schemas

METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH")
"""Those that are described: HEAD and OPTIONS are answered by themselves, and 3.1 does not know QUERY."""


class Found:
    """An operation as it was found.

    Attributes:
        route, method: what it is of.
        template: the whole path, prefixes of mounts included.
        layers: all that are around it, outermost first.
        names: of the path's parameters -> as the path has them, where another route wrote it first.
        id: unique among all; set when all are known.
    """

    __slots__ = ("id", "layers", "method", "names", "route", "template")

    def __init__(self, route: Route, method: str, template: str, layers: tuple[Layer, ...]) -> None:
        self.route = route
        self.method = method
        self.template = template
        self.layers = layers
        self.names: Mapping[str, str] = {}
        self.id = ""

    @property
    def base_id(self) -> str:
        """The route's name, as a name of most languages; with the method where the route has several."""
        name = re.sub(r"\W+", "_", self.route.name).strip("_") or "operation"
        several = sum(method in METHODS for method in self.route.methods) > 1
        return f"{name}_{self.method.lower()}" if several else name

    @property
    def long_id(self) -> str:
        """The same, told apart from operations of the same name."""
        path = re.sub(r"\W+", "_", self.template).strip("_")
        return f"{self.base_id}_{self.method.lower()}_{path}".rstrip("_")

    @property
    def tags(self) -> list[str]:
        """The route's and its routers' tags; without any, the name of the nearest router that has one."""
        routers = self.route.routers
        tags = [tag for router in routers for tag in router.tags] + list(self.route.remarks.tags)
        return list(dict.fromkeys(tags)) or [router.name for router in routers if router.name][-1:]

    def described(self, schemas: Schemas, problems: Problems | None) -> dict[str, Any]:
        """Give the Operation Object; without `problems` of a request that others answer."""
        route = self.route
        contract = route.bound.contract
        summary, description = words_of(route.handler)
        found: dict[str, Any] = {"operationId": self.id, "summary": summary}
        if description:
            found["description"] = description
        if self.tags:
            found["tags"] = self.tags
        if route.remarks.deprecated:
            found["deprecated"] = True
        if route.host:
            found["servers"] = [_server(route.host)]
        demands = [layer.demand for layer in self.layers if layer.demand is not None]
        parameters = parameters_of(route, contract or Contract(), schemas, self.names)
        if parameters:
            found["parameters"] = parameters
        body = body_of(route, contract or Contract(), schemas)
        if body is not None:
            found["requestBody"] = body
        found["responses"] = responses_of(route, contract, demands, schemas, problems)
        security = security_of(demands)
        if security:
            found["security"] = security
        return _merged(found, route.remarks.openapi)


def _server(host: str) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", host)
    variables = {name: {"default": name} for name in names}
    return {"url": f"//{host}", **({"variables": variables} if variables else {})}


def security_of(demands: list[Demand]) -> list[dict[str, list[str]]]:
    """Give what has to be shown, all of it at once; an empty alternative where nothing has to be."""
    needed: dict[str, list[str]] = {}
    for demand in demands:
        if demand.scheme_name:
            scopes = needed.setdefault(demand.scheme_name, [])
            scopes += [scope for scope in demand.scopes if scope not in scopes]
    if not needed:
        return []
    is_open = not any(demand.is_required for demand in demands if demand.scheme_name)
    return [needed, {}] if is_open else [needed]


def _merged(found: dict[str, Any], instead: Mapping[str, Any] | bool) -> dict[str, Any]:
    """Put in what the developer wrote; of responses each by its status."""
    if isinstance(instead, bool):
        return found
    responses = {str(status): response for status, response in instead.get("responses", {}).items()}
    return {**found, **instead, "responses": {**found["responses"], **responses}}
