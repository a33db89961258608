"""Signatures: all that a handler and its providers ask for, bound at registration.

bind_typed
  _Binder.bind            of the handler, and of each provider in turn
    core's getters        Request, BodyStream, a guard's user, a value of the path
    parameters.getter_of  the query, the header, cookies, a form, the body
    providers             a layer each, in front of the one that asks for it
  answers.answer_of       what becomes of what it returns
"""

from __future__ import annotations

import inspect
from typing import Annotated, get_origin

from ...core.binding import Bound, annotations_of_provider, call_with, check_streams, getter_for, plain, unknown
from ...core.body import BodyStream
from ...core.contract import REQUIRED, Contract, Given, Taken, TakenBody
from ...core.errors import ConfigurationError, describe
from ...core.middleware import Layer, Provider
from .answers import answer_of
from .faults import Misfit, refusal
from .marks import Provide
from .parameters import Parameter, getter_of, split_marks
from .providers import Failed, ProviderLayer
from .shapes import shape_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ...core.request import Request
    from ...core.routing import Route
    from .answers import Answer, StreamKind
    from .registry import Registry

    Getter = Callable[[Request], Any]


def bind_typed(route: Route, registry: Registry, stream_kind: StreamKind) -> Bound:
    """Bind a route whose handler is typed.

    Raises:
        ConfigurationError: something of it cannot be given, read or written; the message names the parameter, the
            function, its file and its line.
        ImportError: a library that knows a type is not installed.
    """
    binder = _Binder(route, registry)
    getters = binder.bind(route.handler, route.parameters)
    call = binder.checked(call_with(route.handler, getters, binder.plain_path_names(route.parameters)))
    answer: Answer | None = None
    given = Given(None, None)
    if route.websocket is None:
        answer, given = answer_of(route.handler, route.returns, stream_kind)
    streams_body = check_streams(route.handler, getters)
    if streams_body:
        binder.refuse_body()
    contract = Contract(tuple(binder.taken.values()), binder.body, given)
    return Bound(call, streams_body, tuple(binder.layers), answer, contract)


class _Binder:
    """Binds a handler and all that it asks for.

    Attributes:
        layers: of the providers, outermost first, with the guards that they ask for.
        taken: what is taken from the request besides a body, by place and name.
        body: the body that is one value, and `body_of` whose parameter it is.
        reads: what may raise a Misfit, in the order of the signatures.
    """

    def __init__(self, route: Route, registry: Registry) -> None:
        self._route = route
        self._registry = registry
        self._names = route.param_names
        self._is_websocket = route.websocket is not None
        self._layers: dict[Any, ProviderLayer] = {}
        self._open: list[Callable[..., Any]] = []
        self.layers: list[Layer] = []
        self.taken: dict[tuple[str, str], Taken] = {}
        self.body: TakenBody | None = None
        self._body_of: Parameter | None = None
        self._reads: list[Getter] = []

    def bind(self, function: Callable[..., Any], annotations: Mapping[str, Any]) -> dict[str, Getter]:
        """Give what gets each parameter of a function."""
        signature = inspect.signature(function)
        getters: dict[str, Getter] = {}
        for name, annotation in annotations.items():
            default = signature.parameters[name].default
            getters[name] = self._getter(
                function, name, annotation, REQUIRED if default is inspect.Parameter.empty else default
            )
        return getters

    def _getter(self, function: Callable[..., Any], name: str, annotation: Any, default: Any) -> Getter:
        known = getter_for(name, annotation, self._names, websocket=self._is_websocket)
        if known is not None and name in self._names:
            return self._path_getter(function, name, annotation, known)
        if known is not None:
            kind = plain(annotation)
            if isinstance(kind, Provider) and kind not in self._route.layers and kind not in self.layers:
                self.layers.append(kind)  # a guard that a provider asks for
            return known
        provide = self._registry.provide_for(annotation)
        if provide is not None:
            return self._provided(function, name, provide)
        if annotation is None:
            raise ConfigurationError.at(function, unknown(name, None, self._names, websocket=self._is_websocket))
        parameter = Parameter(function, name, annotation, default)
        getter, taken = getter_of(parameter, self._route.methods)
        self._note(parameter, taken)
        self._reads.append(getter)
        return getter

    def _note(self, parameter: Parameter, taken: Taken | TakenBody) -> None:
        """Write down what is taken. Raises: ConfigurationError for what excludes each other."""
        is_form = isinstance(taken, Taken) and taken.location == "form"
        if isinstance(taken, Taken):
            self.taken[taken.location, taken.name] = taken
        if not isinstance(taken, TakenBody) and not is_form:
            return
        other = self._body_of
        if other is not None and not (is_form and self.body is None):
            raise parameter.wrong(
                f"and {other.name!r} of {describe(other.function)} would both be the body, which is one value:"
                " make them fields of one model, or mark one Query()"
            )
        self._body_of = parameter
        if isinstance(taken, TakenBody):
            self.body = taken

    def refuse_body(self) -> None:
        """Raise for what is read from the body of a handler that streams it."""
        if self._body_of is not None:
            raise self._body_of.wrong("would be read from the body, which the handler streams")

    # --- the path ---

    def _path_getter(self, function: Callable[..., Any], name: str, annotation: Any, known: Getter) -> Getter:
        """Give what gets a value of the path, checked against its constraints where it has some."""
        kind, _ = split_marks(annotation)
        self.taken["path", name] = Taken(name, "path", str if kind is None else kind)
        if get_origin(kind) is not Annotated:
            return known
        shape = shape_of(kind, function, f"the parameter {name!r}")

        def checked(request: Request) -> Any:
            value = known(request)
            try:
                shape.read_data(value)
            except Misfit as misfit:
                raise misfit.at("path", name) from None
            return value

        self._reads.append(checked)
        return checked

    def plain_path_names(self, annotations: Mapping[str, Any]) -> tuple[str, ...]:
        """Give the names of the path whose values are given as they are, if all are."""
        constrained = (name for name in self._names if get_origin(split_marks(annotations.get(name))[0]) is Annotated)
        return () if any(constrained) else self._names

    # --- providers ---

    def _provided(self, function: Callable[..., Any], name: str, provide: Provide) -> Getter:
        key = provide.function
        if not callable(key):
            raise ConfigurationError.at(function, f"the parameter {name!r} is marked {provide!r}, which is no function")
        self._registry.asked_for.add(key)
        if provide.scope == "app" and key not in self._registry.instead:
            return self._registry.app_value(key).get
        if key not in self._layers:
            self._layers[key] = layer = self._layer(provide, key)
            self.layers.append(layer)
        elif self._layers[key].provide.options != provide.options:
            raise ConfigurationError.at(
                function,
                f"the parameter {name!r} is provided by {describe(key)} with other options than before in this route,"
                " which calls it once: write the same options",
            )
        return self._layers[key].value_of

    def _layer(self, provide: Provide, key: Callable[..., Any]) -> ProviderLayer:
        if key in self._open:
            circle = " -> ".join(describe(function) for function in [*self._open[self._open.index(key) :], key])
            raise ConfigurationError.at(key, f"it asks for what asks for it: {circle}")
        function = self._registry.instead.get(key, key)
        self._open.append(key)
        body_before = self._body_of
        getters = self.bind(function, annotations_of_provider(function))
        self._open.pop()
        if check_streams(function, getters):
            raise ConfigurationError.at(function, f"a provider cannot take a {BodyStream.__name__}; the handler can")
        reads_body = provide.body or self._body_of is not body_before
        return ProviderLayer(provide, key, function, call_with(function, getters), body=reads_body)

    def checked(self, call: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Make the call of the handler tell, where something does not fit, all that does not."""
        reads = tuple(self._reads)
        if not reads:
            return call

        def checked(request: Request) -> Any:
            if request._provided.__class__ is Failed:
                raise _all_faults(request, reads)
            try:
                return call(request)
            except Misfit:
                raise _all_faults(request, reads) from None

        return checked


def _all_faults(request: Request, reads: tuple[Getter, ...]) -> Exception:
    """Read everything again, to tell all that does not fit."""
    faults: list[Any] = []
    for read in reads:
        try:
            read(request)
        except Misfit as misfit:
            faults += misfit.faults
    return refusal(list(dict.fromkeys(faults)))
