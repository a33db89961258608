"""Measure typed handlers: ``python -m tests.benchmarks typed``. About twenty seconds.

What is asked is one thing: a value of the path, one of the query, a body that is a model, a provider that asks for
another one, and an answer that is a model. The peers are in ``peers/typed.py``; all take turns in one process.
"""

import argparse
import json
import logging
import sys
import warnings
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Annotated, Any

import msgspec
import pydantic

from ambi import App
from ambi.features.typed import Provide
from tests.benchmarks import measure, report
from tests.benchmarks.cases import Case
from tests.benchmarks.gateways import GATEWAYS
from tests.benchmarks.peers import typed as peers

COLOURS = ("async def", "def", "def that never waits")
"""Of the handler and both providers."""

BODY = {"name": "widget", "price": 12.5, "tags": ["a", "b", "c"]}
ANSWER = {"id": 7, "name": "widget, user of database", "n": 5}


class Item(msgspec.Struct):
    name: str
    price: float
    tags: list[str]


class Answer(msgspec.Struct):
    id: int
    name: str
    n: int


class ItemModel(pydantic.BaseModel):
    name: str
    price: float
    tags: list[str]


class AnswerModel(pydantic.BaseModel):
    id: int
    name: str
    n: int


def ours(colour: str) -> App:
    return make_ours(colour, Item, Answer)


def ours_with_pydantic(colour: str) -> App:
    return make_ours(colour, ItemModel, AnswerModel)


def make_ours(colour: str, item_type: Any, answer_type: Any) -> App:
    """Build the application; the annotations are put on by hand, since its models are of two libraries."""
    app = App()
    blocking = colour != "def that never waits"
    if colour == "async def":

        async def database() -> str:
            return "database"

        async def user(database: Annotated[str, Provide(database)]) -> str:
            return f"user of {database}"

        async def change(id: int, item: Any, user: Annotated[str, Provide(user)], n: int = 3) -> Any:
            return answer_type(id=id, name=f"{item.name}, {user}", n=n)

        change.__annotations__.update({"item": item_type, "return": answer_type})
        app.post("/items/{id}")(change)
        return app

    def database_sync() -> str:
        return "database"

    def user_sync(database: Annotated[str, Provide(database_sync, blocking=blocking)]) -> str:
        return f"user of {database}"

    def change_sync(id: int, item: Any, user: Annotated[str, Provide(user_sync, blocking=blocking)], n: int = 3) -> Any:
        return answer_type(id=id, name=f"{item.name}, {user}", n=n)

    change_sync.__annotations__.update({"item": item_type, "return": answer_type})
    app.post("/items/{id}", blocking=blocking)(change_sync)
    return app


OURS, OURS_PYDANTIC, FASTAPI, LITESTAR = "ambi", "ambi, pydantic's models", "FastAPI", "Litestar"
MAKERS: dict[str, Callable[[str], Any]] = {
    OURS: ours, OURS_PYDANTIC: ours_with_pydantic, FASTAPI: peers.fastapi, LITESTAR: peers.litestar,
}  # fmt: skip
GOALS = {FASTAPI: 5.0, LITESTAR: 1.5}
"""How many times longer a peer is meant to take."""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks typed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--slice-ms", type=float, default=10.0, help="how long one application runs at a time")
    parser.add_argument("--calls", action="store_true", help="count function calls instead: free of noise")
    parser.add_argument("--write", action="store_true", help=f"put the table into {report.DOCUMENT.name}")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    measured = {name: GATEWAYS[name].run(run_gateway(name, options)) for name in ("asgi", "wsgi")}
    if options.calls:
        print(table(measured, "function calls a request", lambda cell: str(cell.calls)))
        return
    text = table(measured, "microseconds a request", report.microseconds)
    text += "\n\n" + report.conditions(["ambi", "msgspec", "pydantic", "fastapi", "starlette", "litestar", "uvloop"])
    print(text)
    if options.write:
        report.write(text, "typed")


def case_of(colour: str) -> Case:
    body = json.dumps(BODY).encode()
    kind = "application/json"
    return Case(colour, "/items/7", ANSWER, method="POST", query="n=5", body=body, content_type=kind, parse=json.loads)


async def run_gateway(name: str, options: argparse.Namespace) -> list[measure.Cell]:
    gateway = GATEWAYS[name]
    async with AsyncExitStack() as stack:
        cells: list[measure.Cell] = []
        for peer, make in MAKERS.items():
            for colour in COLOURS:
                if not serves(peer, colour, name):
                    continue
                try:
                    application = make(colour)
                except ModuleNotFoundError as error:
                    print(f"skipped: {peer} is not installed ({error})", file=sys.stderr)
                    continue
                await stack.enter_async_context(gateway.started(application))
                cells.append(measure.Cell(peer, case_of(colour), gateway, application))
        cells = await measure.keep_right_ones(cells)
        if options.calls:  # of what stays in one thread
            cells = [cell for cell in cells if cell.case.name == ("async def" if name == "asgi" else "def")]
            await measure.count_calls(cells)
        else:
            await measure.measure_times(cells, options.rounds, options.slice_ms)
        return cells


def serves(peer: str, colour: str, gateway: str) -> bool:
    """Tell whether it makes sense to ask: under WSGI nothing waits for a thread, and FastAPI always takes one."""
    if gateway == "wsgi":
        return peer in (OURS, OURS_PYDANTIC) and colour != "def that never waits"
    return peer != FASTAPI or colour != "def that never waits"


def table(measured: dict[str, list[measure.Cell]], what: str, figure: Callable[[measure.Cell], str]) -> str:
    ratios = [] if "calls" in what else [f"{peer} / ambi" for peer in GOALS]
    rows = [[f"Handler and providers, {what}", *MAKERS, *ratios]]
    for gateway, cells in measured.items():
        for colour in COLOURS:
            row = {cell.peer: cell for cell in cells if cell.case.name == colour}
            if row:
                shown = [figure(row[peer]) if peer in row else "-" for peer in MAKERS]
                times = (
                    [f"{row[peer].ratio_to(row[OURS]):.1f}" if peer in row else "-" for peer in GOALS] if ratios else []
                )
                rows.append([f"{gateway.upper()}, `{colour}`", *shown, *times])
    return report.markdown(rows)
