"""The exceptions of the client.

ClientError
    HTTPStatusError      `raise_for_status` found an error
    TooManyRedirects     a redirect led to a redirect, twenty times
    RedirectImpossible   where a redirect leads nobody can go, or not with this body
    WebSocketRefused     the handshake was answered with something else
    NotAnEventStream     the answer to `events` is none
BrokenAnswer             an AssertionError: an answer that a server could not send
GatewaysDiffer           an AssertionError: with `gateway="both"`, the two answers are not the same
CookieConflict           a KeyError: there are several cookies of this name
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .messages import Request, Response


class ClientError(Exception):
    """Something that a client cannot go on with.

    Attributes:
        request: the request that was sent; None for a handshake.
        response: the answer to it.
    """

    def __init__(self, message: str, response: Response) -> None:
        super().__init__(message)
        self.response = response
        self.request: Request = response.request


class HTTPStatusError(ClientError):
    """The answer has a status that is no success."""


class TooManyRedirects(ClientError):
    """A redirect led to a redirect, twenty times."""


class RedirectImpossible(ClientError):
    """A redirect leads where this client cannot go, or wants a body once more that is gone."""


class WebSocketRefused(ClientError):
    """The handshake of a WebSocket was answered with an ordinary response."""


class NotAnEventStream(ClientError):
    """The answer is not `200` with `text/event-stream`."""


class BrokenAnswer(AssertionError):
    """The application answered in a way that breaks WSGI, ASGI or HTTP; a server would break the connection."""


class GatewaysDiffer(AssertionError):
    """The two gateways gave different answers to the same request."""


class CookieConflict(KeyError):
    """Several cookies have this name; `domain` and `path` tell them apart."""

    def __str__(self) -> str:
        return str(self.args[0])
