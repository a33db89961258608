"""The registry: which function provides what, of one application; and what stands for one in a test."""

from __future__ import annotations

import contextlib

from ...bridge.lifespan import Lifespan
from ...core.binding import annotations_of_provider, is_async, is_async_generator, is_generator
from ...core.errors import ConfigurationError, describe
from .marks import Provide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping
    from typing import Any


class AppValue:
    """A value of the whole process: made at start-up, torn down at shutdown.

    Attributes:
        lifespan: makes it and tears it down.
        asks_for: the functions whose values it is given.
        value: what it made; there is none before start-up.
    """

    def __init__(self, function: Callable[..., Any], asks_for: list[Callable[..., Any]], registry: Registry) -> None:
        self.function = function
        self.asks_for = asks_for
        self._registry = registry
        self.value: Any = None
        self._has_value = False
        is_async_function = is_async(function) or is_async_generator(function)
        self.lifespan = Lifespan(self._run_async if is_async_function else self._run, None)
        self.lifespan.function = function  # which messages name

    def get(self, request: object) -> Any:
        """Give the value, whatever the request."""
        if not self._has_value:
            raise RuntimeError(f"{describe(self.function)} has not been started: the application's lifespan does that")
        return self.value

    def _args(self) -> list[Any]:
        return [self._registry.stand_in(function).get(None) for function in self.asks_for]

    def _run(self) -> Generator[None]:
        if is_generator(self.function):
            with contextlib.contextmanager(self.function)(*self._args()) as value:
                yield from self._keep(value)
        else:
            yield from self._keep(self.function(*self._args()))

    async def _run_async(self) -> AsyncGenerator[None]:
        if is_async_generator(self.function):
            async with contextlib.asynccontextmanager(self.function)(*self._args()) as value:
                for _ in self._keep(value):
                    yield
        else:
            for _ in self._keep(await self.function(*self._args())):
                yield

    def _keep(self, value: Any) -> Generator[None]:
        self.value, self._has_value = value, True
        try:
            yield
        finally:
            self.value, self._has_value = None, False


class Registry:
    """What an application provides.

    Attributes:
        by_type: annotated type -> what provides it.
        instead: function -> what stands for it, in a test.
        app_values: function -> its value of the whole process, in the order of start-up.
        asked_for: the functions whose values some route asks for.
    """

    def __init__(self) -> None:
        self.by_type: dict[Any, Provide] = {}
        self.instead: dict[Any, Callable[..., Any]] = {}
        self.app_values: dict[Any, AppValue] = {}
        self.asked_for: set[Any] = set()
        self._open: list[Callable[..., Any]] = []

    def add(self, kind: Any, provide: Provide) -> None:
        """Provide a type. Raises: ConfigurationError if that is done already."""
        if kind in self.by_type:
            raise ConfigurationError(f"app.provide({kind!r}, ...): {self.by_type[kind]!r} does that already")
        self.by_type[kind] = provide

    @contextlib.contextmanager
    def replacing(self, instead: Mapping[Any, Callable[..., Any]], rebind: Callable[[], None]) -> Generator[None]:
        """Call other functions instead of providers, in a block; `rebind` has all handlers bound anew."""
        for function in instead:
            if function not in self.asked_for:
                raise ConfigurationError(f"override: no route asks for what {describe(function)} provides")
        before, app_values = self.instead, dict(self.app_values)
        self.instead = {**before, **instead}
        try:
            rebind()
            yield
        finally:
            self.instead, self.app_values = before, app_values
            rebind()

    def lifespans(self) -> list[Lifespan]:
        """Give what makes the values of the whole process, in the order of start-up."""
        found: dict[AppValue, None] = {}
        for function in tuple(self.app_values):
            if function not in self.instead:
                self._collect(self.app_values[function], found, set())
        return [value.lifespan for value in found]

    def _collect(self, value: AppValue, found: dict[AppValue, None], seen: set[AppValue]) -> None:
        """Collect a value behind those that it asks for."""
        if value in found or value in seen:
            return
        seen.add(value)
        for function in value.asks_for:
            self._collect(self.stand_in(function), found, seen)
        found[value] = None

    def stand_in(self, function: Callable[..., Any]) -> AppValue:
        """Give the value of what a function makes, or of what stands for it."""
        return self.app_value(self.instead.get(function, function))

    def app_value(self, function: Callable[..., Any]) -> AppValue:
        """Give the value of the whole process that a function makes; registered with its first mention.

        Raises:
            ConfigurationError: it asks for something that is there only in a request, or for what asks for it.
        """
        if function in self._open:
            circle = " -> ".join(describe(one) for one in [*self._open[self._open.index(function) :], function])
            raise ConfigurationError.at(function, f"it asks for what asks for it: {circle}")
        if function not in self.app_values:
            self._open.append(function)
            try:
                notes = annotations_of_provider(function)
                asks_for = [self._asked_of(function, name, note) for name, note in notes.items()]
            finally:
                self._open.pop()
            self.app_values[function] = AppValue(function, asks_for, self)
        return self.app_values[function]

    def _asked_of(self, function: Callable[..., Any], name: str, annotation: Any) -> Callable[..., Any]:
        provide = self.provide_for(annotation)
        if provide is None or provide.scope != "app" or provide.function is None:
            raise ConfigurationError.at(
                function, f"the parameter {name!r} is of a request, and it makes a value of the whole application"
            )
        self.asked_for.add(provide.function)
        self.app_value(provide.function)
        return provide.function

    def provide_for(self, annotation: Any) -> Provide | None:
        """Give what provides an annotation: its own mark, or what is registered for its type."""
        from .parameters import split_marks

        kind, marks = split_marks(annotation)
        mark = next((mark for mark in marks if isinstance(mark, Provide)), None)
        if mark is None:
            try:
                return None if marks else self.by_type.get(kind)
            except TypeError:  # an annotation that cannot be hashed, as Literal[[]] cannot
                return None
        if mark.function is not None:
            return mark
        return Provide(kind, scope=mark.scope, until=mark.until, blocking=mark.blocking, body=mark.body)
