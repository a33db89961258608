"""The document and a page that shows it, as routes; what the page loads is served from here.

Facts
- Swagger UI before 5 does not show a document of 3.1.
- Its script sets styles through the DOM, which a policy without `unsafe-inline` allows; its style sheet has pictures as
  `data:` URLs. So the page needs no more than its own site.
- All references in the page are relative, so that it works below a prefix that a proxy has taken off.
"""

from __future__ import annotations

import html
import json
import posixpath
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from ...core.errors import ConfigurationError
from ...core.files import File
from ...core.request import Request
from ...core.response import HTML, Response, Text
from ...core.url import encode_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ...core.routing import Router
    from .document import Description

INSTALL = "pip install 'ambi[openapi]'"
_ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
_START = "start.js"
_SCRIPT = """\
"use strict";
const place = document.getElementById("swagger-ui");
SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  layout: "BaseLayout",
  deepLinking: true,
  showCommonExtensions: true,
  showExtensions: true,
  validatorUrl: null,
});
"""
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/png" href="{base}/favicon-32x32.png">
<link rel="stylesheet" href="{base}/swagger-ui.css">
<div id="swagger-ui" data-document="{document}"></div>
<script src="{base}/swagger-ui-bundle.js"></script>
<script src="{base}/start.js"></script>
</html>
"""


class Served:
    """The document as it is served: made at the first request, and again when there are more routes."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self._made: tuple[object, bytes, str] | None = None

    def document(self, request: Request) -> Response:
        """Answer with the document; below a prefix, of a mount or of a proxy, that is its server if none is named."""
        prefix = "" if self.description.servers else request.root_path
        version = (prefix, self.description.version)
        made = self._made
        if made is None or made[0] != version:
            document = self.description.document()
            if prefix:
                document["servers"] = [{"url": encode_path(prefix)}]
            body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
            self._made = made = (version, body, sha256(body).hexdigest()[:32])
        _, body, etag = made
        headers = {"cache-control": "no-cache"}
        unchanged = request.check_conditions(etag=etag, headers=headers)
        return unchanged or Response(body, 200, {**headers, "etag": f'"{etag}"'}, content_type="application/json")


def assets() -> Path:
    """Give the folder of what the page loads, out of a package that is installed for that.

    Raises:
        ImportError: it is not.
    """
    found = find_spec("swagger_ui_bundle")  # finds it, and imports nothing of it
    folders = (found.submodule_search_locations or ()) if found is not None else ()
    bundled = sorted(path for folder in folders for path in Path(folder, "vendor").glob("swagger-ui-*"))
    for path in reversed(bundled):
        major = path.name.removeprefix("swagger-ui-").partition(".")[0]
        if major.isdecimal() and int(major) >= 5 and all((path / name).is_file() for name in _ASSETS):
            return path
    old = f", not {bundled[-1].name} of swagger-ui-bundle, which does not show OpenAPI 3.1" if bundled else ""
    raise ImportError(
        f"the page of app.openapi(...) needs swagger-ui-bundle-v2{old}: {INSTALL}; docs=None leaves it out"
    )


def add_document(router: Router, served: Served, path: str, *, middleware: Iterable[Any]) -> None:
    """Register the route of the document."""
    router.get(path, name="openapi", middleware=middleware, openapi=False)(served.document)


def add_page(router: Router, served: Served, path: str, *, document: str, middleware: Iterable[Any]) -> None:
    """Register the routes of the page, and of what it loads.

    Raises:
        ConfigurationError: the path is wrong, or taken.
        ImportError: what it loads is not installed.
    """
    if not path.startswith("/") or path.endswith("/") or "{" in path:
        raise ConfigurationError(f"docs= is a path that begins with a slash and does not end with one, not {path!r}")
    folder, layers = assets(), tuple(middleware)
    text = _PAGE.format(
        title=html.escape(str(served.description.info["title"])),
        base=html.escape(posixpath.basename(path)),
        document=html.escape(posixpath.relpath(document, posixpath.dirname(path))),
    )
    policy = {"content-security-policy": policy_for(served.description)}

    def page() -> Response:
        return HTML(text, headers=policy)

    def start() -> Response:
        return Text(_SCRIPT, headers={"content-type": "text/javascript; charset=utf-8", "cache-control": "no-cache"})

    router.get(path, name="openapi.docs", middleware=layers, openapi=False)(page)
    router.get(f"{path}/{_START}", name=f"openapi.{_START}", middleware=layers, openapi=False, blocking=False)(start)
    for name in _ASSETS:
        router.get(f"{path}/{name}", name=f"openapi.{name}", middleware=layers, openapi=False)(_file(folder / name))


def _file(path: Path) -> Callable[[], Response]:
    def asset() -> Response:
        return File(path, headers={"cache-control": "no-cache"})

    return asset


def policy_for(description: Description) -> str:
    """Give the policy of the page: what it loads is from here, and it asks this site and the servers that are named."""
    origins = {f"{url.scheme}://{url.netloc}" for url in map(urlsplit, _urls(description)) if url.scheme and url.netloc}
    return "; ".join((
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
        " ".join(("connect-src 'self'", *sorted(origins))), "base-uri 'none'", "form-action 'none'",
        "frame-ancestors 'none'",
    ))  # fmt: skip


def _urls(description: Description) -> Iterable[str]:
    return (str(server["url"]) for server in description.servers if "{" not in str(server["url"]))
