"""Questions about starting, forking and stopping: each with a start of its own."""

from __future__ import annotations

import json
import time

from tests.servers.catalogue import PLAIN, Server, Start
from tests.servers.probes.expectations import answers_at_once, must_answer, soon
from tests.servers.probing import Differs, Section, must_equal
from tests.servers.processes import STOP_S, Running

section = Section("Starting, forking, stopping")


def plain(_: Server) -> Start:
    return PLAIN


@section.probe_with(plain)
def the_start_is_seen_once(server: Running) -> None:
    """The lifespan starts once, whatever number of requests comes first."""
    for answer in answers_at_once(server, "/state", 4):
        must_answer(answer, 200, b"made at the start")
    must_equal("what was seen", [event for event, _ in server.events()], ["start"])


@section.probe_with(plain)
def the_stop_is_seen_on_term(server: Running) -> None:
    """On SIGTERM the lifespan stops, in the process in which it started."""
    must_answer(server.get("/async/hello"), 200, b"hello")
    must_end_on_term(server)
    must_stop_where_it_started(server)


@section.probe_with(plain)
def the_stop_is_seen_on_interrupt(server: Running) -> None:
    """On Ctrl-C the lifespan stops too."""
    must_answer(server.get("/async/hello"), 200, b"hello")
    rest_before_the_end()
    server.interrupt()
    must_end(server)
    must_stop_where_it_started(server)


def exiting_on_term(server: Server) -> Start | None:
    return Start(variables={"AMBI_EXIT_ON_TERM": "1"}) if server.leaves_sigterm_alone else None


@section.probe_with(exiting_on_term)
def the_stop_is_seen_where_the_application_asks(server: Running) -> None:
    """Where the server leaves SIGTERM alone and the application turns it into SystemExit, the lifespan stops."""
    the_stop_is_seen_on_term(server)


@section.probe_with(plain)
def a_def_handler_in_flight_finishes_on_term(server: Running) -> None:
    """A `def` handler that runs when SIGTERM comes finishes, and its client gets the answer."""
    must_finish_on_term(server, "def")


@section.probe_with(plain)
def an_async_handler_in_flight_finishes_on_term(server: Running) -> None:
    """An `async def` handler that runs when SIGTERM comes finishes, and its client gets the answer."""
    must_finish_on_term(server, "async")


def must_finish_on_term(server: Running, colour: str) -> None:
    must_answer(server.get("/def/hello"), 200)  # a server may accept long before its worker is up
    with server.connect() as connection:
        connection.ask("GET", f"/{colour}/sleep/600")
        time.sleep(0.2)
        server.terminate()
        must_answer(connection.read_answer(), 200)
    must_end(server)


def must_end_on_term(server: Running) -> None:
    rest_before_the_end()
    server.terminate()
    must_end(server)


def rest_before_the_end() -> None:
    """Let the server be done with the last request; its client has the answer, but a busy uWSGI runs no `atexit`."""
    time.sleep(0.2)


def must_end(server: Running) -> None:
    if not server.ended_within(STOP_S):
        raise Differs("the process does not end")


def must_stop_where_it_started(server: Running) -> None:
    started = {pid for event, pid in server.events() if event == "start"}
    stopped = sorted(pid for event, pid in server.events() if event == "stop")
    if not stopped:
        raise Differs("the stop is not seen")
    if stopped != sorted(started):
        raise Differs("not every process stops its lifespan")


@section.probe_with(lambda server: server.two_workers)
def every_worker_starts_and_stops_once(server: Running) -> None:
    """With two workers, the lifespan starts and stops once in each."""
    must_serve_from_two_processes(server)
    must_end_on_term(server)
    must_stop_where_it_started(server)


@section.probe_with(lambda server: server.preloaded)
def an_application_loaded_before_the_fork_serves(server: Running) -> None:
    """With `--preload`, handlers of both colours serve in each worker, and the lifespan belongs to the workers."""
    must_serve_from_two_processes(server)
    must_end_on_term(server)
    if server.process.pid in {pid for _, pid in server.events()}:
        raise Differs("the lifespan ran in the process that forks")
    must_stop_where_it_started(server)


def must_serve_from_two_processes(server: Running) -> None:
    """Ask until two processes have answered with both colours, and each has started its lifespan once."""
    served: dict[str, set[int]] = {"def": set(), "async": set()}

    def both_served() -> bool:
        for colour, pids in served.items():
            pids.update(pids_of_requests_at_once(server, colour))
        return all(len(pids) == 2 for pids in served.values())

    if not soon(both_served, within_s=15):
        raise Differs(f"{ {colour: len(pids) for colour, pids in served.items()} } processes serve, not two")
    started = sorted(pid for event, pid in server.events() if event == "start")
    if started != sorted(served["async"]):
        raise Differs("the lifespan does not start once in each process")


def pids_of_requests_at_once(server: Running, colour: str) -> set[int]:
    answers = answers_at_once(server, f"/{colour}/sleep/50", 6)
    for answer in answers:
        must_answer(answer, 200)
    return {int(answer.body) for answer in answers}


@section.probe_with(lambda server: server.hooked)
def the_hook_starts_it_before_the_first_request(server: Running) -> None:
    """With `-c python:ambi.gunicorn` the lifespan starts before the first request."""
    if not soon(lambda: bool(server.events()), within_s=5):
        raise Differs("it waits for the first request")
    must_equal("what was seen", [event for event, _ in server.events()], ["start"])
    must_answer(server.get("/loop"), 200, b"true")
    must_end_on_term(server)
    must_stop_where_it_started(server)


@section.probe_with(lambda server: server.mounted.start if server.mounted else None)
def the_root_path_is_known(server: Running) -> None:
    """With the server's own option for a prefix, `root_path`, `path` and links are the same."""
    mounted = server.server.mounted
    target = "/where" if mounted and mounted.behind_stripping_proxy else "/api/where"
    answer = server.get(target)
    must_answer(answer, 200)
    seen = json.loads(answer.body)
    for name, wanted in [("root", "/api"), ("path", "/where"), ("link", "/api/where")]:
        must_equal(name, seen[name], wanted)
