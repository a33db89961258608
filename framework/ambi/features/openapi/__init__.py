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
