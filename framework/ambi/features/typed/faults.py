"""Faults: what is wrong with the values of a request, all of it told at once.

See: RFC 9457 3 (the example with `errors`), RFC 6901 (JSON Pointer).
"""

from __future__ import annotations

from typing import NamedTuple

from ...core.errors import HTTPError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAX_FAULTS = 100
"""How many are told: a client can send a list of a million items that are all wrong."""

MAX_TOLD = 1024
"""How many characters of a name or a pointer are told: those are the client's, and each fault has them again."""


class Fault(NamedTuple):
    """One thing that is wrong.

    Attributes:
        path: of the value inside of its parameter or body: names and indexes, outermost first.
        message: what was expected, without the value itself: an answer must not repeat what was sent.
        location: "query", "header", "path", "cookie", "form" or "body".
        name: of the parameter; "" in a body.
    """

    path: tuple[str | int, ...]
    message: str
    location: str = ""
    name: str = ""

    def described(self) -> dict[str, str]:
        """Give the fault as a member of the problem document."""
        pointer = self._pointer()
        told = {"location": self.location, "message": self.message}
        if self.name:
            told["name"] = self.name[:MAX_TOLD]
        if pointer or self.location == "body":
            told["pointer"] = f"#{pointer}"
        return told

    def _pointer(self) -> str:
        """Give the JSON Pointer of the value; where that would be too long, of what it is in."""
        pointer = ""
        for part in self.path:
            step = "/" + str(part).replace("~", "~0").replace("/", "~1")
            if len(pointer) + len(step) > MAX_TOLD:
                break
            pointer += step
        return pointer


class Misfit(Exception):
    """A value is not what was asked for. Raised by what reads one parameter, and never seen outside of `typed`."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        super().__init__(self.faults)

    def at(self, location: str, name: str = "") -> Misfit:
        """Say where the value stands."""
        return Misfit(fault._replace(location=location, name=name) for fault in self.faults)


class NoBody(Exception):
    """No body was sent. Never seen outside of `typed`; a class of its own, since models run code of the user's."""


def refusal(faults: list[Fault]) -> HTTPError:
    """Make the 422 that tells what is wrong, in the order of the parameters."""
    told: list[dict[str, Any]] = [fault.described() for fault in faults[:MAX_FAULTS]]
    return HTTPError(422, "The request is not what was asked for; see its errors.", extensions={"errors": told})
