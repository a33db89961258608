"""How JSON is written and read here, and what of a request may become part of an answer's header."""

import json
from typing import Any

from ambi import HTTPError, Request, Response


class IndentedJSON:
    """httpbin's JSON: names sorted, indented, ASCII alone, with a line break at the end. For `App(json=...)`."""

    def dumps(self, value: Any, /) -> str:
        """Write a value. Raises: HTTPError 400 where a client sent more nesting than can be sent back."""
        try:
            return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"
        except RecursionError:
            raise HTTPError(400, "the JSON document is nested too deeply") from None

    def loads(self, data: bytes, /) -> Any:
        """Read bytes. Raises: ValueError for what is no JSON."""
        return json.loads(data.decode("utf-8"), parse_constant=refuse, parse_float=finite)


def refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON value")


def finite(text: str) -> float:
    number = float(text)
    return refuse(text) if number in (float("inf"), float("-inf")) else number


def add_field(response: Response, name: str, value: str) -> None:
    """Add a header field that a client asked for. Raises: HTTPError 400 for one that cannot be sent."""
    try:
        response.headers.append(name, value)
    except ValueError as exc:
        raise HTTPError(400, str(exc)) from None


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """Set a cookie that a client asked for, as httpbin does: scripts may read it.

    Raises:
        HTTPError: 400 for one that cannot be sent.
    """
    try:
        response.set_cookie(name, value, secure=request.scheme == "https", httponly=False)
    except ValueError as exc:
        raise HTTPError(400, str(exc)) from None
