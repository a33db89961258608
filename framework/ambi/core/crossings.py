"""Crossings: how often a request goes to the side that is not its server's, told from its plan.

Nothing here runs when a request does; `ambi check` shows it, and tests hold it against what the bridge counts.

Facts
- A request starts and ends on the side of its server: SYNC under WSGI, ASYNC under ASGI.
- Pieces with a colour run on its side; generators and handlers that never block, where the request is.
- A body is read on the server's side: before everything where a layer wants it, else before the handler; but a small
  one of a declared length before a thread is taken on an event loop, so that it need not be left again for that.
- A blocking layer that tells itself when it has to wait is counted as one that always does.
- A layer is unwound where it was opened, so the way back is the way in, but for the body and for steps.
- Two crossings are one stay on the other side apart: a crossing is counted once there and back.

See: docs/architecture.md, "The four cases of colour".
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from .middleware import Layer
from .pieces import name_there
from .sides import ASYNC, SYNC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Plan
    from .sides import Side


class Station(NamedTuple):
    """A piece of a request and the side it runs on; None is the reading of the body, the plan is its handler."""

    piece: Layer | Plan | None
    side: Side


def way_in(plan: Plan, native: Side, *, with_body: bool = False) -> list[Station]:
    """Give the pieces of a plan from the outermost layer to the handler, each with the side it runs on.

    Args:
        plan: of a route.
        native: the side of the server: SYNC for WSGI, ASYNC for ASGI.
        with_body: the request has a body, a small one, which is loaded before the handler is called.
    """
    here = native
    is_wanted = with_body and plan.loads_body and not plan.body_first
    stations = [Station(None, native)] if with_body and plan.body_first else []
    for layer in plan.layers:
        if layer.is_async:
            here = ASYNC
        elif layer.blocking and (layer.on_loop is None or plan.blocking):
            if is_wanted and here is native is ASYNC:
                stations.append(Station(None, here))
                is_wanted = False
            here = SYNC
        stations.append(Station(layer, here))
    if is_wanted:
        here = native
        stations.append(Station(None, here))
    here = ASYNC if plan.is_async else SYNC if plan.blocking else here
    return [*stations, Station(plan, here)]


def count_crossings(plan: Plan, native: Side, *, with_body: bool = False) -> int:
    """Count how often a request leaves its server's side for the other one; arguments as for `way_in`.

    What a stream's items, an error handler of the other colour or `request.after` add to it is not counted.
    """
    stations = way_in(plan, native, with_body=with_body)
    way_out = [side for piece, side in reversed(stations) if isinstance(piece, Layer) and not piece.is_step]
    sides = [native, *(side for _, side in stations), *way_out, native]
    return sum(before is native is not now for before, now in pairwise(sides))


def stays(plan: Plan, native: Side, handler: str, *, with_body: bool = False) -> list[tuple[Side, list[str]]]:
    """Give the way in as stays on one side, each with the names of what runs there; arguments as for `way_in`.

    Args:
        handler: what the handler is called.
    """
    found: list[tuple[Side, list[str]]] = []
    for piece, side in way_in(plan, native, with_body=with_body):
        name = "body" if piece is None else handler if piece is plan else name_there(piece, side)
        if found and found[-1][0] is side:
            found[-1][1].append(name)
        else:
            found.append((side, [name]))
    return found
