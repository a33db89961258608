"""Types that pydantic knows: its models and dataclasses, and what its `Field` or `annotated_types` constrain."""

from __future__ import annotations

import json
from typing import Any, get_args

from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from ...core.errors import HTTPError
from .faults import MAX_FAULTS, Fault, Misfit
from .shapes import Field, WholeNumbers


class PydanticShape:
    """A type, read and written by pydantic.

    Raises:
        TypeError: pydantic does not know it.
    """

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        try:
            self.adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        except (PydanticSchemaGenerationError, PydanticUserError) as exc:
            raise TypeError(str(exc)) from exc

    # --- in ---

    def read_text(self, text: str | list[str], /) -> Any:
        """Read a value from text; a list from several."""
        return self.read_data(text, lax=True)

    def read_data(self, data: Any, /, *, lax: bool = False) -> Any:
        """Read a value from plain data; pydantic itself is as lax as the model says."""
        try:
            return self.adapter.validate_python(data)
        except ValidationError as exc:
            raise _misfit(exc) from None

    def read_json(self, data: bytes, /) -> Any:
        """Read a value from JSON."""
        try:
            return self.adapter.validate_json(data)
        except ValidationError as exc:
            if exc.error_count() == 1 and exc.errors(include_url=False)[0]["type"] == "json_invalid":
                raise HTTPError(400, "the body is not valid JSON") from None
            numbers = WholeNumbers()
            plain = json.loads(data, parse_float=numbers.read)
            if numbers.has_some:  # a strict model takes them for something else
                return self._read_again(json.dumps(plain).encode())
            raise _misfit(exc) from None

    def _read_again(self, data: bytes) -> Any:
        try:
            return self.adapter.validate_json(data)
        except ValidationError as exc:
            raise _misfit(exc) from None

    # --- out ---

    def narrow(self, value: Any, /, *, strict: bool = False) -> Any:
        """Give the value as one of the type; what the type does not name is left out when it is written."""
        try:
            if strict:
                value = self.plain(self.adapter.validate_python(value, from_attributes=True))
            return self.adapter.validate_python(value, from_attributes=True)
        except ValidationError as exc:
            raise TypeError(str(exc)) from exc

    def write_json(self, value: Any, /) -> bytes:
        """Write a value that was narrowed."""
        return self.adapter.dump_json(value, by_alias=True)

    def plain(self, value: Any, /) -> Any:
        """Give a value that was narrowed as plain data."""
        return self.adapter.dump_python(value, mode="json", by_alias=True)

    def fields(self) -> list[Field] | None:
        """Give the fields of a model; None for any other type."""
        kinds = (self.annotation, *get_args(self.annotation))
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                return [
                    Field(_wire_name(name, info), info.annotation, info.is_required())
                    for name, info in kind.model_fields.items()
                ]
        return None


def _wire_name(name: str, info: Any) -> str:
    alias = info.validation_alias or info.alias
    return alias if isinstance(alias, str) else name


_MOST_ERRORS = 5000
"""Of more, only their number is told: pydantic describes all or none, which takes some ten milliseconds for so many."""


def _misfit(failure: ValidationError) -> Misfit:
    if failure.error_count() > _MOST_ERRORS:
        return Misfit([Fault((), f"{failure.error_count()} values in it are not what was expected")])
    errors = failure.errors(include_url=False, include_input=False)
    return Misfit(Fault(error["loc"], _message(error)) for error in errors[:MAX_FAULTS])


def _message(error: Any) -> str:
    """Give what was expected, without the tag that was sent, which the message of pydantic repeats."""
    if error["type"] == "union_tag_invalid":
        return f"The tag does not match any of the expected ones: {error['ctx']['expected_tags']}"
    return str(error["msg"])
