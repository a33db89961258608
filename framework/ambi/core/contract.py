"""The contract of a route: what it takes and what it gives, read from its handler's signature.

Whoever binds a signature writes it down here, as a layer does what it demands; whoever describes the application
(OpenAPI) reads it. Neither knows the other.
"""

from __future__ import annotations

from typing import NamedTuple

from .arguments import check_texts
from .errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
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
        is_many: it is a list of files.
        note: what the developer wrote beside the type, for descriptions; None for nothing.
    """

    name: str
    location: Location
    annotation: Any
    default: Any = REQUIRED
    is_model: bool = False
    is_file: bool = False
    is_many: bool = False
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


class Demand(NamedTuple):
    """What a layer asks of requests, for descriptions: `Layer(function, demand=Demand(statuses=(429,)))`.

    Attributes:
        statuses: of its refusals.
        scheme_name: what the way to show who one is is called; "" for none.
        scheme: that way, as a Security Scheme Object of OpenAPI: {"type": "http", "scheme": "bearer"}.
        scopes: what is needed besides.
        is_required: False where a request that shows nothing is let in as well.
    """

    statuses: tuple[int, ...] = ()
    scheme_name: str = ""
    scheme: Mapping[str, Any] | None = None
    scopes: tuple[str, ...] = ()
    is_required: bool = True


class Remarks(NamedTuple):
    """What the developer says of a route beside its handler, for descriptions alone.

    Attributes:
        tags: groups that it is in.
        deprecated: it should not be used any more.
        responses: status -> what it means as text, the type of its content, or a Response Object of OpenAPI.
        openapi: members of its Operation Object that replace what was found out; False leaves the route out.
    """

    tags: tuple[str, ...] = ()
    deprecated: bool = False
    responses: Mapping[int | str, Any] | None = None
    openapi: Mapping[str, Any] | bool = True


def check_remarks(options: Mapping[str, Any]) -> Remarks:
    """Make remarks of the options of a route.

    Raises:
        ConfigurationError: one of them has not the form that it should have.
    """
    responses, openapi = options.get("responses"), options.get("openapi", True)
    for status in responses or ():
        is_range = isinstance(status, str) and (status == "default" or (status[:1] in "12345" and status[1:] == "XX"))
        if not is_range and not (isinstance(status, int) and 100 <= status <= 599):
            raise ConfigurationError(f'responses= has statuses as its keys: 404, "4XX" or "default", not {status!r}')
    if not isinstance(openapi, (bool, dict)):
        raise ConfigurationError(f"openapi= is a dict of members of the Operation Object, or False; not {openapi!r}")
    return Remarks(check_texts("tags", options.get("tags", ())), options.get("deprecated", False), responses, openapi)
