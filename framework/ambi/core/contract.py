"""The contract of a route: what it takes and what it gives, read from its handler's signature.

Whoever binds a signature writes it down here; whoever describes the application (OpenAPI) reads it. Neither knows the
other.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    Location = Literal["path", "query", "header", "cookie", "form"]


class Required:
    """The default of what has none: it must be sent."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "required"


REQUIRED = Required()


class Taken(NamedTuple):
    """One value that a handler or a provider takes from the request.

    Attributes:
        name: as clients write it.
        location: where they do; a field of a form stands in the body.
        annotation: its type, with what notes say of it.
        default: what it is where nothing is sent; `REQUIRED` for none.
        is_model: the annotation is that of a model, whose fields are the values.
        is_file: it is an uploaded file, or a list of them.
        note: what the developer wrote beside the type, for descriptions; None for nothing.
    """

    name: str
    location: Location
    annotation: Any
    default: Any = REQUIRED
    is_model: bool = False
    is_file: bool = False
    note: Any = None


class TakenBody(NamedTuple):
    """A body that is one value.

    Attributes:
        media_types: those it may be sent in, the preferred one first.
        annotation: its type; `bytes` or `str` for one that is taken as it is.
        is_required: False where a request without a body will do.
        note: what the developer wrote beside the type; None for nothing.
    """

    media_types: tuple[str, ...]
    annotation: Any
    is_required: bool = True
    note: Any = None


class Given(NamedTuple):
    """What a handler gives.

    Attributes:
        status: of the answer; None for the one that its value implies.
        annotation: the type of the content; `Any` for whatever, None for no content.
        media_types: those it can be sent in, the preferred one first; none for any.
        stream: "lines" or "events" where items of that type are sent as they come; "" for one value.
    """

    status: int | None
    annotation: Any
    media_types: tuple[str, ...] = ()
    stream: Literal["", "lines", "events"] = ""


class Contract(NamedTuple):
    """What a route takes and gives.

    Attributes:
        taken: the values besides a body, those of providers included; each once.
        body: the body that is one value; None for none, or for a form of single fields.
        given: what the handler gives.
    """

    taken: tuple[Taken, ...] = ()
    body: TakenBody | None = None
    given: Given = Given(None, None)
