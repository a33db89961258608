"""What clients are told of their limits, in header fields.

Facts
- `RateLimit-Policy` and `RateLimit` are those of the IETF's draft; `RateLimit-Limit`, `-Remaining` and `-Reset` those
  of its first versions, which most clients read: they speak of the limit that is nearest to its end.
- All numbers are whole and not negative; times are seconds from now, so clients need no clock.

See: draft-ietf-httpapi-ratelimit-headers-11, RFC 9651 (structured fields).
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...core.request import Request
    from ...core.response import Response


class Verdict(NamedTuple):
    """What a limit says of a request.

    Attributes:
        policy: the limit's name.
        quota: how much it allows within `window_s` seconds.
        remaining: what is left of that.
        reset_s: seconds until there is more again.
        wait_s: seconds until there is as much as this request takes, where it was refused.
    """

    policy: str
    quota: int
    window_s: int
    remaining: int
    reset_s: int
    is_exceeded: bool
    wait_s: int = 0


class Fields:
    """What is written on whatever is sent at last: the verdicts of all layers that a request has passed."""

    __slots__ = ("verdicts",)

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    @classmethod
    def of(cls, request: Request) -> Fields:
        """Give those of a request."""
        for function in request._on_response or ():
            if isinstance(function, cls):
                return function
        request.on_response(fields := cls())
        return fields

    def __call__(self, response: Response) -> None:
        """Write them; `Request.on_response` calls this."""
        headers, verdicts = response.headers, self.verdicts
        headers["ratelimit-policy"] = ", ".join(f'"{v.policy}";q={v.quota};w={v.window_s}' for v in verdicts)
        headers["ratelimit"] = ", ".join(f'"{v.policy}";r={v.remaining};t={v.reset_s}' for v in verdicts)
        nearest = min(verdicts, key=_nearness)
        headers["ratelimit-limit"] = str(nearest.quota)
        headers["ratelimit-remaining"] = str(nearest.remaining)
        headers["ratelimit-reset"] = str(nearest.reset_s)


def _nearness(verdict: Verdict) -> tuple[bool, float]:
    return not verdict.is_exceeded, verdict.remaining / verdict.quota
