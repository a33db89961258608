"""Questions about the one object: who takes it for what, and whether the colour of a handler can be seen."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.servers.probes.expectations import (
    COLOURS,
    LAYER,
    NOSNIFF,
    TEXT,
    answers_at_once,
    measured,
    must_answer,
    must_answer_json,
    must_say,
    soon,
)
from tests.servers.probing import Differs, Section, must_equal
from tests.servers.processes import Running

section = Section("One object, two colours")


@section.probe
def the_server_takes_the_object_for_what_it_serves(server: Running) -> None:
    """The plain command line starts it, with the gateway that the server speaks."""
    must_answer(server.get("/gateway"), 200, server.server.gateway.encode())


@section.probe
def both_colours_give_the_same_answer(server: Running) -> None:
    """A `def` and an `async def` handler give the same status, fields and body."""
    for colour in COLOURS:
        answer = server.get(f"/{colour}/hello")
        must_answer(answer, 200, b"hello")
        must_say(answer, TEXT, ("content-length", "5"), LAYER, NOSNIFF)
        answer = server.get(f"/{colour}/json")
        must_answer(answer, 200, '{"greeting":"Grüße"}'.encode())
        must_say(answer, ("content-type", "application/json"), ("content-length", "22"), LAYER, NOSNIFF)


@section.probe
def blocking_handlers_run_beside_each_other(server: Running) -> None:
    """Ten `def` handlers that block for 0.3 s are done within 1.5 s."""
    must_run_beside_each_other(server, "def")


@section.probe
def awaiting_handlers_run_beside_each_other(server: Running) -> None:
    """Ten `async def` handlers that wait for 0.3 s are done within 1.5 s."""
    must_run_beside_each_other(server, "async")


def must_run_beside_each_other(server: Running, colour: str) -> None:
    started = time.monotonic()
    for answer in answers_at_once(server, f"/{colour}/sleep/300", 10):
        must_answer(answer, 200)
    if time.monotonic() - started > 1.5:
        raise Differs("they run one after the other")


@section.probe
def context_variables_cross_from_layer_to_layer(server: Running) -> None:
    """What a middleware sets in a context variable the handler sees, and the other way round."""
    for route in CONTEXT_ROUTES:
        answer = server.get(route)
        must_answer(answer, 200, b"by the middleware")
        must_equal(f"{route}, afterwards", answer.head.get("x-context"), "before: nothing; after: by the handler")


CONTEXT_ROUTES = (
    "/def/context/generator",
    "/def/context/blocking",
    "/def/context/call",
    "/async/context/generator",
    "/async/context/blocking",
    "/async/context/call",
)


@section.probe
def context_variables_do_not_leak_into_the_next_request(server: Running) -> None:
    """No request sees a context variable that an earlier one has set."""
    for _ in range(3):
        context_variables_cross_from_layer_to_layer(server)


@section.probe
def the_blocking_side_of_a_request_is_one_thread(server: Running) -> None:
    """A blocking middleware and a `def` handler run in the same thread."""
    must_equal("the thread of the request", server.get("/def/thread").head.get("x-thread"), "one")


@section.probe
def handlers_see_what_the_lifespan_made(server: Running) -> None:
    """What the lifespan yields is in `request.state`."""
    must_answer(server.get("/state"), 200, b"made at the start")


@section.probe
def handlers_run_on_the_loop_of_the_lifespan(server: Running) -> None:
    """`async def` handlers run on the loop on which the lifespan opened its things."""
    must_answer_json(server.get("/loop"), wanted=True)


@section.probe
def a_function_runs_after_the_response(server: Running) -> None:
    """The client has its answer before `request.after` runs, and it does run."""
    with server.connect() as connection:
        started = time.monotonic()
        connection.ask("POST", "/after")
        answer = connection.read_answer()
        took = time.monotonic() - started
    must_answer(answer, 200)
    if not soon(lambda: int(server.get("/after").body) > int(answer.body), within_s=3):
        raise Differs("it never runs")
    if took > 0.4:
        raise Differs("the client waits for it")


@section.probe
def many_clients_at_once_get_their_own_answers(server: Running) -> None:
    """Eight clients at once, with both colours, streams, uploads and errors, get each its own answers."""
    with ThreadPoolExecutor(8) as clients:
        for _ in clients.map(lambda number: ask_for_everything(server, number), range(8)):
            pass  # an exception of a client is raised here


def ask_for_everything(server: Running, number: int) -> None:
    body = bytes([number]) * 10_000
    for colour in COLOURS:
        must_answer_json(server.ask("POST", f"/{colour}/measure", body=body, wait_s=15), measured(body))
        must_answer_json(server.ask("POST", f"/{colour}/measure-stream", body=body, wait_s=15), measured(body))
        must_answer(server.ask("GET", f"/{colour}/empty-items", wait_s=15), 200, b"firstsecond")
        must_answer(server.ask("GET", f"/{colour}/boom", wait_s=15), 500)
        must_answer(server.ask("GET", f"/{colour}/context/call", wait_s=15), 200, b"by the middleware")
