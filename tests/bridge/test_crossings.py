"""A request crosses to the other side exactly as often as the colours of its pieces ask for."""

import itertools
import threading
import time
from typing import Any

import anyio
import pytest

from ambi import App, BodyStream, CallNext, HTTPError, Layer, Middleware, Request, Response
from ambi.core.crossings import count_crossings
from ambi.core.sides import ASYNC, SYNC
from ambi.testing import Client
from tests.bridge.conftest import Hops
from tests.cells import CELLS, GATEWAYS, Cell
from tests.conftest import MakeClient


def generator(request: Request) -> Middleware:
    yield


def blocking(request: Request) -> Middleware:
    time.sleep(0)
    yield
    time.sleep(0)


async def asynchronous(request: Request, call_next: CallNext) -> Response:
    await anyio.sleep(0)
    response = await call_next(request)
    await anyio.sleep(0)
    return response


LAYERS = {"g": Layer(generator), "b": Layer(blocking, blocking=True), "a": Layer(asynchronous)}

# The layers of a route, outermost first (g: generator, b: blocking, a: async), and how often a request crosses.
# A generator runs wherever the request is when it is opened, and is closed there. Columns: gateway and handler.
TABLE = """
layers  wsgi-def  wsgi-async  asgi-def  asgi-async
-           0           1         1           0
g           0           1         1           0
b           0           1         1           2
a           2           1         1           0
gg          0           1         1           0
gb          0           1         1           2
ga          2           1         1           0
bg          0           1         1           2
bb          0           1         1           2
ba          2           1         3           2
ag          2           1         1           0
ab          2           3         1           2
aa          2           1         1           0
ggg         0           1         1           0
ggb         0           1         1           2
gga         2           1         1           0
gbg         0           1         1           2
gbb         0           1         1           2
gba         2           1         3           2
gag         2           1         1           0
gab         2           3         1           2
gaa         2           1         1           0
bgg         0           1         1           2
bgb         0           1         1           2
bga         2           1         3           2
bbg         0           1         1           2
bbb         0           1         1           2
bba         2           1         3           2
bag         2           1         3           2
bab         2           3         3           4
baa         2           1         3           2
agg         2           1         1           0
agb         2           3         1           2
aga         2           1         1           0
abg         2           3         1           2
abb         2           3         1           2
aba         4           3         3           2
aag         2           1         1           0
aab         2           3         1           2
aaa         2           1         1           0
"""
ROWS = {row[0].strip("-"): tuple(map(int, row[1:])) for row in map(str.split, TABLE.strip().splitlines()[1:])}


@pytest.mark.parametrize("forms", ROWS, ids=lambda forms: forms or "none")
def test_a_plan_crosses_as_often_as_its_colours_change(
    app: App, client: Client, cell: Cell, hops: Hops, forms: str
) -> None:
    app.get("/", middleware=[LAYERS[form] for form in forms])(cell.handler(lambda: "ok"))
    assert client.get("/").text == "ok"
    column = ("wsgi-def", "wsgi-async", "asgi-def", "asgi-async").index(f"{cell.gateway}-{cell.colour}")
    assert hops.take() == ROWS[forms][column]


@pytest.mark.parametrize("forms", ROWS, ids=lambda forms: forms or "none")
def test_what_is_told_of_a_plan_is_what_is_counted(
    app: App, client: Client, cell: Cell, hops: Hops, forms: str
) -> None:
    """With a body too, read before everything or before the handler, and for a handler that never blocks."""
    layers, native = [LAYERS[form] for form in forms], SYNC if cell.gateway == "wsgi" else ASYNC
    early = [Layer(layer.function, blocking=layer.blocking, body=True) for layer in layers]
    app.post("/", middleware=layers)(cell.handler(lambda: "ok"))
    app.post("/early", middleware=early)(cell.handler(lambda: "ok"))
    app.post("/quick", middleware=layers, blocking=False)(cell.handler(lambda: "ok"))
    for route in app.routes:
        for content in (None, b"abc"):
            assert client.post(route.path, content=content).text == "ok"
            plan = app._make_plan(route)
            assert hops.take() == count_crossings(plan, native, with_body=content is not None), (route, content)


def test_the_table_is_whole_and_what_the_rule_says() -> None:
    """The rule, written down a second time, agrees with every figure; no cell is involved."""
    assert list(ROWS) == ["".join(forms) for n in range(4) for forms in itertools.product("gba", repeat=n)]
    for forms, figures in ROWS.items():
        for figure, (gateway, colour) in zip(
            figures, itertools.product(("wsgi", "asgi"), ("def", "async")), strict=True
        ):
            native = "async" if gateway == "asgi" else "def"
            here, opened = native, []
            for form in forms:
                here = {"g": here, "b": "def", "a": "async"}[form]
                opened.append(here)
            sides = [native, *opened, colour, *reversed(opened), native]
            away = sum(before == native != now for before, now in itertools.pairwise(sides))
            assert figure == away, (forms, gateway, colour)


def test_only_a_mismatch_costs(app: App, client: Client, cell: Cell, hops: Hops) -> None:
    app.get("/", middleware=[LAYERS["g"]] * 5)(cell.handler(lambda: "ok"))
    client.get("/")
    assert hops.take() == (0 if cell.matches else 1)


def test_a_def_that_never_blocks_stays_on_the_loop(app: App, client: Client, cell: Cell, hops: Hops) -> None:
    app.get("/", blocking=False)(cell.handler(lambda: "ok"))
    client.get("/")
    assert hops.take() == (1 if (cell.gateway, cell.colour) == ("wsgi", "async") else 0)


def test_a_404_and_a_405_never_cross(app: App, client: Client, cell: Cell, hops: Hops) -> None:
    app.get("/")(cell.handler(lambda: "ok"))
    for method, path in (("GET", "/missing"), ("POST", "/"), ("OPTIONS", "/"), ("GET", "//")):
        client.request(method, path)
        assert hops.take() == 0


def test_a_body_is_read_on_the_servers_side(app: App, client: Client, cell: Cell, hops: Hops) -> None:
    app.post("/")(cell.handler(lambda request: request.body))
    assert client.post("/", content=b"abc").content == b"abc"
    assert hops.take() == (0 if cell.matches else 1)


def test_a_body_between_a_blocking_layer_and_a_def_costs_no_further_crossing(
    app: App, client: Client, cell: Cell, hops: Hops
) -> None:
    app.post("/", middleware=[LAYERS["b"]])(cell.handler(lambda request: request.body))
    column = ("wsgi-def", "wsgi-async", "asgi-def", "asgi-async").index(f"{cell.gateway}-{cell.colour}")
    assert client.post("/", content=b"abc").content == b"abc"
    assert hops.take() == ROWS["b"][column]
    for content in (b"x" * 70_000, [b"ab", b"c"]):  # what is not read ahead
        assert client.post("/", content=content).content == (content if isinstance(content, bytes) else b"abc")
        assert hops.take() == ROWS["b"][column] + (cell.gateway == "asgi" and not cell.is_async)


def test_a_body_for_layers_costs_no_further_crossing(app: App, client: Client, cell: Cell, hops: Hops) -> None:
    layers = [Layer(blocking, blocking=True, body=True)]
    app.post("/", middleware=layers)(cell.handler(lambda request: request.body))
    assert client.post("/", content=b"abc").content == b"abc"
    column = ("wsgi-def", "wsgi-async", "asgi-def", "asgi-async").index(f"{cell.gateway}-{cell.colour}")
    assert hops.take() == ROWS["b"][column]


@pytest.mark.parametrize("error", [HTTPError(403), KeyError()], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("handled_by", [None, "def", "async"])
def test_an_error_crosses_only_to_a_handler_of_the_other_colour(
    app: App, client: Client, cell: Cell, hops: Hops, error: Exception, handled_by: Any
) -> None:
    if handled_by:
        colour = Cell(cell.gateway, cell.backend, handled_by)
        app.error(type(error))(colour.handler(lambda request, error: ("handled", 418)))

    def handler() -> None:
        raise error

    app.get("/", middleware=[LAYERS["g"]])(cell.handler(handler))
    client.get("/")
    away = "async" if cell.gateway == "wsgi" else "def"
    if handled_by is None:
        expected = int(cell.colour == away)
    elif cell.colour == away:
        expected = 1  # there already, or on the way back
    else:
        expected = int(handled_by == away)
    assert hops.take() == expected


@pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
def test_a_stream_of_the_gateways_colour_never_crosses(app: App, client: Client, cell: Cell, hops: Hops) -> None:
    """The others cross for their items, since only their own side can make them."""

    def items() -> Any:
        yield "a"
        yield "b"

    app.get("/")(cell.handler(items))
    assert client.get("/").text == "ab"
    assert hops.take() == 0


def test_a_read_of_a_body_stream_crosses_once_a_chunk(app: App, client: Client, cell: Cell, hops: Hops) -> None:
    def read(stream: BodyStream) -> str:
        return str(len(b"".join(stream)))

    async def read_async(stream: BodyStream) -> str:
        return str(len(b"".join([chunk async for chunk in stream])))

    app.post("/")(cell.pick(read, read_async))
    assert client.post("/", content=[b"abc"]).text == "3"
    # WSGI reads in the server's thread, where an `async def` has to go for each chunk and for the end.
    assert hops.take() == {"wsgi-def": 0, "wsgi-async": 3}.get(str(cell), 0 if cell.is_async else 1)


def test_a_mounted_application_costs_no_further_crossing(make_client: MakeClient, cell: Cell, hops: Hops) -> None:
    outer, inner = App(middleware=[generator]), App(middleware=[generator])
    inner.get("/")(cell.handler(lambda: "ok"))
    outer.mount("/in", inner)
    assert make_client(outer).get("/in/").text == "ok"
    assert hops.take() == (0 if cell.matches else 1)


def test_what_runs_after_crosses_only_to_its_own_side(app: App, client: Client, cell: Cell, hops: Hops) -> None:
    ran = []

    @app.get("/")
    @cell.handler
    def handler(request: Request) -> str:
        for _ in range(3):
            request.after(cell.handler(lambda: ran.append(1)))
        return "ok"

    client.get("/")
    assert (len(ran), hops.take()) == (3, 0 if cell.matches else 2)


# --- where a failure is seen ---


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gateway == "asgi"], indirect=True, ids=str)
def test_a_layer_closes_where_it_was_opened_though_the_body_failed_elsewhere(
    app: App, client: Client, cell: Cell
) -> None:
    """ASGI alone: its bodies are read on the loop, while a blocking layer is in a worker."""
    threads: list[str] = []

    @app.middleware(blocking=True)
    def layer(request: Request) -> Middleware:
        threads.append(threading.current_thread().name)
        yield
        threads.append(threading.current_thread().name)

    app.post("/", max_body_bytes=3)(cell.handler(lambda: "ok"))
    assert client.post("/", content=[b"four"]).status_code == 413
    assert threads == ["ambi-worker"] * 2


@pytest.mark.parametrize("opening", [False, True])
@pytest.mark.parametrize("closing", [False, True])
def test_a_layer_that_tells_whether_it_waits_crosses_only_then(
    app: App, client: Client, cell: Cell, hops: Hops, opening: bool, closing: bool
) -> None:
    steps: list[bool] = []

    def layer(request: Request) -> Middleware:
        steps.append(closing)
        if opening:
            time.sleep(0)  # which the loop is not allowed
        try:
            yield
        finally:
            if closing:
                time.sleep(0)

    def waits(request: Request) -> bool:
        return steps[0] if steps else opening

    @app.get("/{how}", middleware=[Layer(layer, blocking=True, waits=waits)])
    @cell.handler
    def handler(how: str) -> str:
        if how == "crash":
            raise RuntimeError("boom")
        return "done"

    crossings = {
        ("wsgi", False): 0,
        ("wsgi", True): 1,
        ("asgi", False): 1,
        ("asgi", True): opening + closing,
    }[cell.gateway, cell.is_async]
    for how, status in (("end", 200), ("crash", 500)):
        steps.clear()
        hops.take()
        assert client.get(f"/{how}").status_code == status
        assert hops.take() == crossings
