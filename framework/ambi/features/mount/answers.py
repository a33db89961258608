"""What a guest answers, as a response: status and header fields as it gave them, and a body in its own colour."""

from __future__ import annotations

from ...core.headers import HOP_BY_HOP, check_name, check_value
from ...core.response import Response, check_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ...core.headers import Pair


_NOT_SENT_WITH_204 = HOP_BY_HOP | {"content-length"}
"""A server must not send a length in a response without content, and not every one takes it off. See: RFC 9110 8.6."""


class GuestResponse(Response):
    """The answer of a mounted application: nothing is added to its header fields, and its length is its own.

    Args:
        body: bytes, or whatever is iterated, in either colour.
        status: 200 to 599.
        pairs: the header fields; those between two neighbours on the wire (RFC 9110 7.6.1) are the server's to send.

    Raises:
        ValueError: a status or a header field that cannot be sent.
    """

    __slots__ = ()

    is_verbatim = True

    def __init__(self, body: Any, status: int, pairs: Iterable[Pair]) -> None:
        self.status = check_status(status)
        self.body = body
        kept_back = _NOT_SENT_WITH_204 if status == 204 else HOP_BY_HOP
        self._pairs = [(check_name(name), check_value(value)) for name, value in pairs if name.lower() not in kept_back]
        self._cookies = None


class LiveResponse(GuestResponse):
    """The same of an ASGI application that is not through: it begins at once, as on a server of its own."""

    __slots__ = ()

    starts_at_once = True
    ends_when_left = True


class LiveFeed(LiveResponse):
    """The same where it is an event stream that a page or program listens to: it comes back, so a stop ends it."""

    __slots__ = ()

    ends_at_stop = True
