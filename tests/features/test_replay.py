"""Events are remembered, numbered, and given to those who come back."""

import threading
from typing import Any

import pytest

from ambi import SSE, App, Event, Request
from ambi.features.sse import Replay
from ambi.testing import Client
from tests.cells import Cell
from tests.children import run_python
from tests.features.event_stream import Reader


def data_of(events: list[Event]) -> list[Any]:
    return [event.data for event in events]


def test_a_client_that_comes_back_gets_what_it_missed(app: App, client: Client, cell: Cell) -> None:
    replay = Replay()

    @app.post("/")
    @cell.handler
    def add(request: Request) -> Any:
        return {"id": replay.add(request.text).id}

    @app.get("/")
    @cell.handler
    def events(request: Request) -> Any:
        return SSE(replay.after(request.last_event_id))

    ids = [client.post("/", content=text).json()["id"] for text in ("one", "two", "three")]
    first = Reader().feed(client.get("/").content)
    assert first.events == [], "who comes for the first time gets nothing old"
    again = Reader().feed(client.get("/", headers={"last-event-id": ids[0]}).content)
    assert [event.data for event in again.events] == ["two", "three"]
    assert again.last_id == ids[2]


# --- the rest is the same wherever it is used, so there is no cell ---


def test_events_without_an_id_are_given_one() -> None:
    replay = Replay()
    first, own, empty = replay.add("a"), replay.add(Event("b", id="mine")), replay.add(Event("c", id="", event="x"))
    assert first.id
    assert own.id == "mine"
    assert empty.id not in ("", None, first.id)
    assert (empty.data, empty.event) == ("c", "x")
    assert data_of(replay.after("mine")) == ["c"]
    assert data_of(replay.after(first.id)) == ["b", "c"]


def test_values_are_the_data_of_events() -> None:
    assert Replay().add({"a": 1}).data == {"a": 1}


def test_only_so_many_are_remembered() -> None:
    replay = Replay(size=2)
    events = [replay.add(n) for n in range(4)]
    assert data_of(replay.after(events[2].id)) == [3]
    assert replay.after(events[3].id) == []
    assert data_of(replay.after(events[0].id)) == [2, 3], "all that is left"


def test_a_client_is_told_that_something_may_be_lost() -> None:
    replay, reset = Replay(size=2), Event("", event="reset")
    events = [replay.add(n) for n in range(4)]
    assert replay.after(events[0].id, if_missed=reset) == [reset, *events[2:]]
    assert replay.after("unknown", if_missed=reset) == [reset, *events[2:]]
    assert replay.after(events[2].id, if_missed=reset) == [events[3]]
    assert replay.after(events[3].id, if_missed=reset) == []
    assert replay.after(None, if_missed=reset) == []


def test_an_id_of_an_earlier_process_is_not_taken_for_one_of_this(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one of another memory of this process, made at the same moment."""
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    earlier, later = Replay(), Replay()
    seen = earlier.add("a").id
    later.add("b")
    assert data_of(later.after(seen)) == ["b"]


def test_an_id_of_another_worker_is_not_taken_for_one_of_this() -> None:
    """A server may load the application, and add an event there, before it forks its workers."""
    lines = run_python("""
import os
from ambi.features.sse import Replay

replay = Replay()
common = replay.add("common").id
parent_reads, child_writes = os.pipe()
if os.fork() == 0:
    seen = [replay.add(f"of the child {n}").id for n in range(2)][0]
    print([event.data for event in replay.after(common)], flush=True)
    os.write(child_writes, seen.encode())
    os._exit(0)
os.wait()
seen = os.read(parent_reads, 100).decode()
for n in range(3):
    replay.add(n)
print([event.data for event in replay.after(seen, if_missed="missed") if event != "missed"])
print([event.data for event in replay.after(common)])
""")
    assert lines.splitlines() == ["['of the child 0', 'of the child 1']", "['common', 0, 1, 2]", "[0, 1, 2]"]


def test_a_forked_worker_does_not_wait_for_a_thread_that_it_does_not_have() -> None:
    lines = run_python("""
import os, signal
from ambi.features.sse import Replay

replay = Replay()
with replay._lock():  # as another thread may, at the moment of a fork
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        print(replay.add("one").data, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
""")
    assert lines == "one\n"


def test_the_last_of_two_with_one_id_counts() -> None:
    replay = Replay()
    for data in ("a", "b", "c"):
        replay.add(Event(data, id="same" if data != "c" else "other"))
    assert data_of(replay.after("same")) == ["c"]


def test_threads_may_add_at_the_same_time() -> None:
    replay = Replay(size=10_000)
    first = replay.add("first")

    def add() -> None:
        for n in range(500):
            replay.add(n)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    events = replay.after(first.id)
    assert len(events) == len({event.id for event in events}) == 2000


@pytest.mark.parametrize("size", [0, -1, 1.5, "1"])
def test_a_size_that_cannot_be_is_refused(size: Any) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Replay(size)
