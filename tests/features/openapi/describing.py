"""What the tests of descriptions share: applications of one handler, and what is said of it."""

from collections.abc import Callable
from typing import Any

from ambi import App


def operation(app: App, path: str = "/", method: str = "get") -> dict[str, Any]:
    found: dict[str, Any] = app.openapi_document()["paths"][path][method]
    return found


def operation_of(handler: Callable[..., Any], method: str = "get", path: str = "/", **options: Any) -> dict[str, Any]:
    """Give the operation of a handler alone."""
    app = App()
    getattr(app, method)(path, **options)(handler)
    (item,) = app.openapi_document()["paths"].values()
    found: dict[str, Any] = item[method]
    return found


def refs(*names: str) -> dict[str, dict[str, str]]:
    """Give the references to responses, by status."""
    known = {
        "400": "BadRequest", "401": "Unauthorized", "403": "Forbidden", "404": "NotFound", "413": "ContentTooLarge",
        "415": "UnsupportedMediaType", "422": "UnprocessableContent", "429": "TooManyRequests", "default": "Problem",
    }  # fmt: skip
    return {name: {"$ref": f"#/components/responses/{known[name]}"} for name in names}


def named(name: str, *parameters: str) -> Callable[..., Any]:
    """Make a handler of some name."""
    scope: dict[str, Any] = {}
    exec(f"def {name}({', '.join(parameters)}): pass", scope)
    handler: Callable[..., Any] = scope[name]
    return handler


def giving(kind: Any) -> Callable[..., Any]:
    """Make a handler that gives a type."""
    handler = named("handler")
    handler.__annotations__["return"] = kind
    return handler
