"""Marks: what stands beside a type in `Annotated[type, mark]` to say where a value comes from, or what an answer is."""

from __future__ import annotations

from typing import ClassVar, Literal, TypedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...core.contract import Location


class Place:
    """Where a value stands in the request. One of its kinds is written: `Annotated[int, Query()]`.

    Args:
        alias: the name that clients use; by default the parameter's, with hyphens for underscores in a header field's.
        description: for the description of the application.
        deprecated: said there as well.
        example: a value to show there.
    """

    __slots__ = ("alias", "deprecated", "description", "example")

    location: ClassVar[Location]

    def __init__(
        self, alias: str | None = None, *, description: str = "", deprecated: bool = False, example: Any = None
    ) -> None:
        self.alias = alias
        self.description = description
        self.deprecated = deprecated
        self.example = example

    def name_of(self, parameter: str) -> str:
        """Give the name that clients use for a parameter."""
        return self.alias or parameter

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.alias!r})" if self.alias else f"{type(self).__name__}()"


class Query(Place):
    """An argument of the query string; of a model, each of its fields."""

    __slots__ = ()
    location = "query"


class Header(Place):
    """A field of the header; of a model, each of its fields."""

    __slots__ = ()
    location = "header"

    def name_of(self, parameter: str) -> str:
        """Give the field name, in lower case."""
        return (self.alias or parameter.replace("_", "-")).lower()


class Cookie(Place):
    """A cookie; of a model, each of its fields."""

    __slots__ = ()
    location = "cookie"


class Form(Place):
    """A field of a form, urlencoded or multipart; of a model, each of its fields.

    Beside a `Body()` it says that a form may be sent instead of what else the body may be.
    """

    __slots__ = ()
    location = "form"


class FileField(Place):
    """An uploaded file of a form: of an `UploadFile`, or a list of them, which need no mark."""

    __slots__ = ()
    location = "form"


class Body:
    """The body as one value, which a model needs no mark to be.

    Args:
        media_type: what it has to be sent as, instead of JSON or MessagePack; of `bytes` and `str` only.
        description: for the description of the application.
        example: a value to show there.
    """

    __slots__ = ("description", "example", "media_type")

    def __init__(self, media_type: str | None = None, *, description: str = "", example: Any = None) -> None:
        self.media_type = media_type
        self.description = description
        self.example = example

    def __repr__(self) -> str:
        return f"Body({self.media_type!r})" if self.media_type else "Body()"


class Status:
    """The status of an answer: `-> Annotated[User, Status(201)]`."""

    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        self.code = code

    def __repr__(self) -> str:
        return f"Status({self.code})"


class ProvideOptions(TypedDict, total=False):
    """How a value is provided; `Provide` says what the options mean."""

    scope: Literal["request", "app"]
    until: Literal["response", "sent"]
    blocking: bool
    body: bool


class Provide:
    """A value that a function makes for the handlers and providers that ask for it: `Annotated[Session, Provide(f)]`.

    The function takes parameters as a handler does. It is called once a request, however many ask for its value; a
    generator yields the value and goes on when the handler is through, with the exception if there was one.

    Args:
        function: a `def`, an `async def`, a generator or an async generator; by default the annotated class itself.
        scope: "request", or "app" for one value of the whole process, made at start-up and torn down at shutdown.
        until: of a generator: "response" goes on as soon as the handler has returned, "sent" when the answer has been
            sent, streams and all.
        blocking: False says that a `def` never waits, so that it runs wherever the request is.
        body: the body of a request has come before any provider of the route is called: for a transaction, which is
            not to be held while somebody sends slowly.
    """

    __slots__ = ("blocking", "body", "function", "scope", "until")

    def __init__(
        self,
        function: Callable[..., Any] | None = None,
        *,
        scope: Literal["request", "app"] = "request",
        until: Literal["response", "sent"] = "response",
        blocking: bool = True,
        body: bool = False,
    ) -> None:
        self.function = function
        self.scope: Literal["request", "app"] = scope
        self.until: Literal["response", "sent"] = until
        self.blocking = blocking
        self.body = body

    @property
    def options(self) -> tuple[str, bool, bool]:
        """How the value is provided for a request."""
        return self.until, self.blocking, self.body

    def __repr__(self) -> str:
        return f"Provide({getattr(self.function, '__name__', self.function)})"
