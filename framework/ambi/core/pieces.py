"""What a request runs through, told to people: functions of the user, their colour and form, and where they stand."""

from __future__ import annotations

from typing import NamedTuple

from .errors import locate
from .middleware import Layer
from .sides import ASYNC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .plan import Plan
    from .sides import Side


class Piece(NamedTuple):
    """A function of the user.

    Attributes:
        name: its qualified name.
        file: "" where there is no code.
        line: 0 where there is no code.
        colour: "def" or "async def".
        form: of a handler "function", "generator" or "async generator", of a layer "generator", "blocking" or "async".
    """

    name: str
    file: str
    line: int
    colour: str
    form: str


def piece_of(function: Callable[..., Any]) -> Piece:
    """Describe a function."""
    from .binding import is_async, is_async_generator, is_generator  # loads inspect, which requests do without

    generates = is_async_generator(function)
    colour = "async def" if generates or is_async(function) else "def"
    form = "async generator" if generates else "generator" if is_generator(function) else "function"
    return Piece(*locate(function), colour, form)


def piece_of_layer(layer: Layer) -> Piece:
    """Describe a layer by the function that the user wrote."""
    form = "async" if layer.is_async else "blocking" if layer.blocking else "generator"
    return piece_of(layer.written)._replace(form=form)


def name_there(piece: Layer | Plan, side: Side) -> str:
    """Give the name of a layer as it is on a side: it may be another function on an event loop."""
    loop_form = piece.on_loop if isinstance(piece, Layer) and side is ASYNC else None
    if loop_form is not None and loop_form != piece.function:
        return locate(loop_form)[0]
    return locate(piece.written if isinstance(piece, Layer) else piece.function)[0]
