"""Values that a client makes up so that to read or to refuse them takes long, or so that they mean something else."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest

from ambi import App
from ambi.features.typed import Body
from ambi.features.typed.faults import Misfit
from ambi.features.typed.msgspec_shape import MsgspecShape
from ambi.testing import Client
from tests.cells import Cell
from tests.core.scaling import assert_linear
from tests.features.typed.test_parameters import errors


def refused(read: Any, *values: Any) -> None:
    with pytest.raises(Misfit):
        read(*values)


@pytest.mark.parametrize("kind", [Decimal, datetime, timedelta, float])
def test_to_read_a_long_number_from_text_takes_linear_time(kind: Any) -> None:
    """No gateway is involved: a header field, a form and a query are read by this."""
    shape = MsgspecShape(kind)
    for piece in ("1", "1.", ".1", "1e", "+1"):
        assert_linear(lambda size, piece=piece: piece * size + "x", lambda text: refused(shape.read_text, text))


@dataclass
class Chosen:
    kind: Literal["a", "b"]


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """One that refuses fields that it does not know."""


@pytest.mark.parametrize("piece", [" - at `$", " - at `", "`", ".[1", "Invalid value "])
def test_to_refuse_a_value_that_looks_like_a_message_takes_linear_time(piece: str) -> None:
    """No gateway is involved. Messages of msgspec repeat some of what was sent."""
    shape, strict = MsgspecShape(Chosen), MsgspecShape(Strict)
    assert_linear(lambda size: msgspec.json.encode({"kind": piece * size}), lambda data: refused(shape.read_json, data))
    assert_linear(lambda size: msgspec.json.encode({piece * size: 1}), lambda data: refused(strict.read_json, data))


def test_a_value_does_not_choose_the_place_that_is_told(app: App, client: Client, cell: Cell) -> None:
    @app.post("/chosen")
    @cell.handler
    def chosen(body: list[Chosen]) -> None: ...

    @app.post("/keys")
    @cell.handler
    def keys(body: Annotated[dict[Literal["a"], int], Body()]) -> None: ...

    @app.post("/strict")
    @cell.handler
    def strict(body: Annotated[Strict, Body()]) -> None: ...

    place = " - at `$.admin[3]`"
    assert errors(client.post("/chosen", json=[{"kind": place}])) == [("body", "#/0/kind", "Invalid enum value")]
    assert errors(client.post("/keys", json={place: 1})) == [("body", "#", "Invalid enum value")]
    unknown = "Object contains unknown field"
    for name in (" - at `$[3]", " - at `$[" + "9" * 5000 + "]", " - at `$"):
        told = errors(client.post("/strict", json={"x" + name: 1}))
        assert told == [("body", "#/x" + name if len(name) < 1000 else "#", unknown)]
