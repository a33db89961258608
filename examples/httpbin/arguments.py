"""Arguments of a query string, whose names have no case here."""

from math import isfinite

from ambi import HTTPError, Request


def argument(request: Request, name: str) -> str | None:
    """Give the first argument of that name; None without one."""
    return next((value for key, value in request.query.pairs() if key.lower() == name), None)


def whole(request: Request, name: str, default: int) -> int:
    """Give an argument that is a whole number. Raises: HTTPError 400."""
    text = argument(request, name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise HTTPError(400, f"{name} must be a whole number, not {text[:40]!r}") from None


def seconds(request: Request, name: str, default: float, longest: float) -> float:
    """Give an argument that is a number of seconds, cut to the longest that a client may ask for. Raises: HTTPError."""
    text = argument(request, name)
    return default if text is None else read_seconds(name, text, longest)


def read_seconds(name: str, text: str, longest: float) -> float:
    """Read a number of seconds, cut to the longest. Raises: HTTPError 400."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not isfinite(number) or number < 0:
        raise HTTPError(400, f"{name} must be a number of seconds, not {text[:40]!r}")
    return min(number, longest)
