"""OpenAPI 3.1: an application described for clients, from what its routes were bound by. `App.openapi` loads it.

document.py      the whole document                       <- start here
operations.py    one operation: a method of a route
inputs.py        its parameters, and its body
answers.py       its responses, those that refuse as well
templates.py     paths, and what their converters match
docstrings.py    summaries and descriptions
schemas.py       the schemas of types, asked for all at once
page.py          the document and the page that shows it, as routes

Facts
- 3.1 has no place for QUERY and for WebSockets. Nor has it one for the items of a stream: the schema of a content that
  is one is that of its items, as tools have come to take it (3.2 calls it `itemSchema`).
- What is not typed cannot be known: of a plain handler there are the path, the docstring, and what its annotation says.

See: https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

from .document import Description

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ...core.routing import Router
    from .schemas import Make


def setup(
    app: Router,
    *,
    make: Make,
    title: str,
    version: str,
    path: str | None,
    docs: str | None,
    description: str,
    info: Mapping[str, Any] | None,
    servers: Iterable[str | Mapping[str, Any]],
    tags: Mapping[str, str] | None,
    webhooks: Router | None,
    mounted: bool,
    middleware: Iterable[Any],
) -> Description:
    """Describe an application, and register the routes of the document and its page.

    Arguments and errors as for `App.openapi`; `make` makes the schemas of types.
    """
    app.once("app.openapi(...)")
    described: Any = app  # an `App` is what is described
    text = {"description": description} if description else {}
    found = Description(
        described, make, info={"title": title, "version": version, **text, **(info or {})}, servers=servers, tags=tags,
        webhooks=webhooks, mounted=mounted,
    )  # fmt: skip
    if path is not None:
        from .page import Served, add_document, add_page

        served, layers = Served(found), tuple(middleware)
        add_document(app, served, path, middleware=layers)
        if docs is not None:
            add_page(app, served, docs, document=path, middleware=layers)
    return found
