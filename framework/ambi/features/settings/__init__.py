"""Settings: an object of the application's own class, read from the environment once, where the application is made.

    @dataclass(frozen=True)
    class Settings:
        database_url: Secret[str]
        port: int = 8000

    settings = load_settings(Settings, prefix="SHOP_", env_file=".env")

Facts
- Nothing is global and nothing is cached: whoever wants other settings, as a test does, makes another object.
- All that is wrong is told at once, before anything is served; values of secrets are never shown.
- A variable with the prefix that is nearly a known one, which is not set, is an error: what is spelt wrongly would
  else be a default that nobody chose. Kubernetes sets `SHOP_PORT=tcp://...` in every pod beside a service `shop`.

secret.py      Secret          fields.py    what a class has        values.py   from text to values
variables.py   where they are  env_file.py  reading `.env`
"""

from __future__ import annotations

import os
import sys
from types import NoneType
from typing import Any, TypeVar, cast, get_args

from ...core.errors import ConfigurationError, quote_for_log
from .fields import fields_of, has_fields, may_hold_secret, sounds_secret
from .secret import Secret
from .values import Reader, Unfit, reader_of
from .variables import Variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .fields import Field

__all__ = ["Secret", "load_settings"]

T = TypeVar("T")

DELIMITER = "__"
"""Between the name of a field that holds settings and the names of their fields."""


def load_settings(
    cls: type[T],
    *,
    prefix: str = "",
    env_file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    readers: Mapping[Any, Callable[[str], Any]] | None = None,
    not_secret: Iterable[str] = (),
) -> T:
    """Make an object of a dataclass, or of a Struct of msgspec, whose fields are read from variables.

    A field `port` is read from `PORT`, behind the prefix; a field `database` that holds a dataclass itself from
    `DATABASE__URL` and so on. Where there is no `PORT` but a `PORT_FILE`, the value is what that file holds. A field
    with a default need not be set. Which types there are stands in `features/settings/values.py` and in the docs.

    Args:
        cls: the class; what its `__post_init__` refuses with a ValueError is told like any other fault.
        prefix: of all names, in upper case and with the `_` at its end.
        env_file: a file of variables, which count where the environment has none; it need not exist. A relative path
            is one from the current directory.
        environ: the environment; it is not changed.
        readers: for types of your own: type -> function of the text, which raises ValueError for one that is none.
        not_secret: names of fields that sound like a secret's and hold none.

    Raises:
        ConfigurationError: variables are missing or wrong, all of which are named; or the class has a field that
            cannot be read from a variable, or a secret that its repr would show.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Settings:
        ...     token: Secret[str]
        ...     hosts: tuple[str, ...] = ()
        >>> load_settings(Settings, environ={"TOKEN": "hush", "HOSTS": "a.example, b.example"})
        Settings(token=Secret('…'), hosts=('a.example', 'b.example'))
    """
    if prefix and (not prefix.endswith("_") or prefix != prefix.upper()):
        raise ConfigurationError(
            f"the prefix {prefix!r} is in front of names as it is: one such as 'SHOP_' was expected"
        )
    # Annotations written as strings, of a class in a function, may name what is local there.
    local_names: Mapping[str, Any] = sys._getframe(1).f_locals if "<locals>" in cls.__qualname__ else {}
    loading = _Loading(Variables(environ, env_file), readers or {}, frozenset(not_secret), local_names)
    value = loading.build(cls, prefix)
    loading.look_for_misspelt(prefix)
    if loading.problems:
        lines = "".join(f"\n- {problem}" for problem in loading.problems)
        raise ConfigurationError(f"{cls.__qualname__} cannot be read from {loading.variables.source}:{lines}")
    result: T = value
    return result


class _Loading:
    """One reading of settings.

    Attributes:
        problems: found so far, a sentence each.
    """

    def __init__(
        self,
        variables: Variables,
        readers: Mapping[Any, Callable[[str], Any]],
        not_secret: frozenset[str],
        local_names: Mapping[str, Any],
    ) -> None:
        self.variables = variables
        self.problems = list(variables.problems)
        self._readers = readers
        self._not_secret = not_secret
        self._local_names = local_names
        self._known: set[str] = set()
        self._unset: set[str] = set()

    def build(self, kind: type[Any], prefix: str, base: Any = None) -> Any:
        """Make an object of a class, or None where something is wrong with it.

        Args:
            base: an object whose fields are the defaults.
        """
        fields = self._fields_of(kind)
        names = {field.name.upper() for field in fields}
        values: dict[str, Any] = {}
        count = len(self.problems)
        for field in fields:
            may_be_file = f"{field.name.upper()}_FILE" not in names
            found, value = self._field(field, prefix + field.name.upper(), base, may_be_file=may_be_file)
            if found:
                values[field.name] = value
        return self._make(kind, values, prefix) if len(self.problems) == count else None

    def _fields_of(self, kind: type[Any]) -> list[Field]:
        return fields_of(kind, self._local_names, self._not_secret)

    def _make(self, kind: type[Any], values: dict[str, Any], prefix: str) -> Any:
        try:
            return kind(**values)
        except ValueError as exc:
            self.problems.append(f"{prefix or kind.__qualname__}{'…' if prefix else ''} does not fit together: {exc}")
            return None

    def _field(self, field: Field, name: str, base: Any, *, may_be_file: bool) -> tuple[bool, Any]:
        """Tell whether there is a value for a field, and which."""
        if field.nested is not None:
            return self._nested(field, name + DELIMITER, base)
        default = (base is not None, getattr(base, field.name, None))
        self._known |= {name, f"{name}_FILE"} if may_be_file else {name}
        reader = reader_of(field.hint, self._readers, self._structure)
        try:
            variable = self.variables.get(name, may_be_file=may_be_file)
        except ValueError as exc:
            self.problems.append(str(exc))
            return False, None
        if variable is None:
            self._unset.add(name)
            if field.required and base is None:
                self.problems.append(self._missing(name, reader))
            return default
        try:
            return True, reader.of_text(variable.text)
        except ValueError as exc:
            is_hidden = variable.is_of_file or self._is_hidden(field, variable.text)
            self.problems.append(_wrong(name, variable.text, reader, exc, is_hidden=is_hidden))
            return False, None

    def _nested(self, field: Field, prefix: str, base: Any) -> tuple[bool, Any]:
        """Read a field that holds settings itself; where no variable is set for it, its default stands."""
        default = field.default() if base is None else getattr(base, field.name)
        if not self.variables.any_below(prefix):
            self._learn(field.nested, prefix)
            if not field.required or base is not None or NoneType in get_args(field.hint):
                return True, default
        return True, self.build(field.nested, prefix, default)

    def _learn(self, kind: type[Any], prefix: str) -> None:
        """Learn the names of fields that are not read."""
        for field in self._fields_of(kind):
            name = prefix + field.name.upper()
            if field.nested is not None:
                self._learn(field.nested, name + DELIMITER)
            else:
                self._unset.add(name)

    def _structure(self, kind: Any) -> Reader | None:
        """Give the reader of a class that has fields, within JSON."""
        if not has_fields(kind):
            return None
        fields = {field.name: field for field in self._fields_of(kind)}
        readers = {name: reader_of(field.hint, self._readers, self._structure) for name, field in fields.items()}

        def of_json(value: Any) -> Any:
            given = cast("dict[str, Any]", value if isinstance(value, dict) else {"": None})
            if not fields.keys() >= given.keys():
                raise Unfit(f"an object with {', '.join(fields)} was expected")
            missing = [name for name, field in fields.items() if field.required and name not in given]
            if missing:
                raise Unfit(f"{', '.join(missing)} is missing")
            return kind(**{name: readers[name].of_json(item) for name, item in given.items()})

        def of_text(text: str) -> Any:
            from .values import json_of

            return of_json(json_of(text))

        return Reader(f"an object of JSON with {', '.join(fields)}", of_text, of_json)

    def _is_hidden(self, field: Field, text: str) -> bool:
        """Tell whether a value is not to be shown."""
        if field.name not in self._not_secret and sounds_secret(field.name):
            return True
        return may_hold_secret(field.hint) or ("://" in text and "@" in text)

    def _missing(self, name: str, reader: Reader) -> str:
        other = self.variables.in_another_case(name)
        hint = f"; {other} is set, and names are in upper case" if other is not None else ""
        return f"{name} is missing: {reader.expected} was expected{hint}"

    def look_for_misspelt(self, prefix: str) -> None:
        """Point out variables that are not known, and seem to be ones that are not set."""
        for name, meant in self.variables.misspelt(prefix, sorted(self._unset), self._known):
            self.problems.append(f"{name} is not known: did you mean {meant}?")


def _wrong(name: str, text: str, reader: Reader, error: ValueError, *, is_hidden: bool) -> str:
    """Say what is wrong with a value."""
    shown = "is empty" if not text else "is set" if is_hidden else f"is '{quote_for_log(text, 60)}'"
    more = f" ({error})" if isinstance(error, Unfit) and not is_hidden and str(error) else ""
    if text.startswith("tcp://"):
        more += "; Kubernetes sets it so for a service of that name: set enableServiceLinks: false, or another prefix"
    return f"{name} {shown}, and {reader.expected} was expected{more}"
