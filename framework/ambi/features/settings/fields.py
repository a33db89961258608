"""What a class of settings has: its fields, with their types, defaults, and whether a repr would show a secret."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, cast, get_args, get_origin, get_type_hints

from ...core.errors import ConfigurationError
from .secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_SECRET_WORDS = frozenset((
    "key", "apikey", "secret", "token", "password", "passwd", "passphrase", "pass", "pwd", "credential", "otp", "dsn",
    "salt", "pin",
))  # fmt: skip
_PUBLIC = "public"


class Field(NamedTuple):
    """A field of a class of settings.

    Attributes:
        hint: its type, strings resolved.
        nested: the class of settings that it holds, or may hold; None for a value.
        required: it has no default.
        default: gives its default.
    """

    name: str
    hint: Any
    nested: Any
    required: bool
    default: Callable[[], Any]


def sounds_secret(name: str) -> bool:
    """Tell whether a field of that name holds what nobody should read: the last word of it says so."""
    *before, last = name.lower().strip("_").split("_")
    return (last in _SECRET_WORDS or last.removesuffix("s") in _SECRET_WORDS) and before[-1:] != [_PUBLIC]


def has_fields(kind: Any) -> bool:
    """Tell whether a type is a class of settings: a dataclass, or a Struct of msgspec."""
    names = ("__dataclass_fields__", "__struct_fields__")
    return isinstance(kind, type) and any(hasattr(cast("Any", kind), name) for name in names)


def fields_of(kind: type[Any], local_names: Mapping[str, Any], not_secret: Collection[str]) -> list[Field]:
    """Give the fields that its `__init__` takes.

    Args:
        local_names: where an annotation written as a string looks beside the class's module.
        not_secret: names of fields that only sound as if they were.

    Raises:
        ConfigurationError: it is no such class, an annotation cannot be resolved, or a repr would show a secret.
    """
    if not has_fields(kind):
        raise ConfigurationError(f"{kind!r} has no fields to read: a dataclass or a Struct of msgspec was expected")
    try:
        inner = {name: value for name, value in vars(kind).items() if isinstance(value, type)}
        hints = get_type_hints(kind, localns={**inner, **local_names}, include_extras=True)
    except Exception as exc:  # whatever an annotation raises
        raise ConfigurationError(f"the annotations of {_named(kind)} cannot be resolved: {exc}") from exc
    found: list[Field] = []
    for name, default, is_shown in _declared(kind):
        hint = hints[name]
        if is_shown and name not in not_secret and sounds_secret(name) and _is_bare(hint):
            raise ConfigurationError(
                f"{_named(kind)}.{name} sounds like a secret, and its repr would show it, in logs and tracebacks too:"
                f" annotate it as Secret[...], or tell that it is none: load_settings(..., not_secret=[{name!r}])"
            )
        found.append(Field(name, hint, _nested(hint), default is None, default or _no_default))
    return found


def _named(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _no_default() -> Any:
    return None


Declared = list[tuple[str, "Callable[[], Any] | None", bool]]


def _declared(kind: type[Any]) -> Declared:
    """Give of each field its name, what gives its default, and whether the repr of an object shows it."""
    if not dataclasses.is_dataclass(kind):
        return _declared_in_struct(kind)
    params: Any = getattr(kind, "__dataclass_params__", None)
    return [
        (field.name, _default_of(field, dataclasses.MISSING), field.repr and params.repr)
        for field in dataclasses.fields(kind)
        if field.init
    ]


def _declared_in_struct(kind: type[Any]) -> Declared:
    from msgspec import NODEFAULT
    from msgspec.structs import fields

    shows = "__repr__" not in vars(kind)
    return [(field.name, _default_of(field, NODEFAULT), shows) for field in fields(kind)]


def _default_of(field: Any, missing: object) -> Callable[[], Any] | None:
    if field.default_factory is not missing:
        factory: Callable[[], Any] = field.default_factory
        return factory
    value = field.default
    return None if value is missing else lambda: value


def _nested(hint: Any) -> Any:
    """Give the class of settings that is the type of a field, alone or as `X | None`."""
    members = [hint]
    if get_origin(hint) in (Union, UnionType):
        members = [member for member in get_args(hint) if member is not NoneType]
    return members[0] if len(members) == 1 and has_fields(members[0]) else None


def may_hold_secret(hint: Any) -> bool:
    """Tell whether a value of a type may hold a secret: as it is one, or has names of its own."""
    kind: Any = get_origin(hint) or hint
    if kind is Secret or has_fields(kind) or (isinstance(kind, type) and issubclass(kind, Mapping)):
        return True
    return any(map(may_hold_secret, get_args(hint)))


def _is_bare(hint: Any) -> bool:
    """Tell whether a type holds text that no `Secret` is around."""
    origin = get_origin(hint)
    if (origin or hint) is Secret:
        return False
    return hint in (str, bytes) if origin is None else any(map(_is_bare, get_args(hint)))
