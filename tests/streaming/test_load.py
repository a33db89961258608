"""Many clients and large bodies, in a small version; the large one is `python -m tests.benchmarks streams`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.streaming.load import KIB_A_MIB, Peak, download, take_census, upload, watch_crowd
from tests.streaming.serving import COLOURS, Served, chosen, served

MANY_THREADS = {"gunicorn gthread": "--threads 40"}
SERVERS = ["gunicorn gthread", "gunicorn asgi", "uvicorn h11", "uvicorn httptools", "hypercorn asyncio", "granian asgi"]
QUICK = ["gunicorn gthread", "uvicorn h11", "uvicorn httptools"]
CLIENTS, EVENTS = 30, 5
OTHERS = 2
"""Threads and descriptors that may come and go beside: gunicorn makes the threads of its pool when it first needs them,
and closes connections a little later. What each client left behind would be 30.
"""
MEBIBYTES, GROWTH_MIB = 64, 16


@pytest.fixture(scope="module", params=chosen(SERVERS, QUICK))
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    # The last of two: granian's would be spread over threads of its own otherwise.
    with served(request.param, MANY_THREADS.get(request.param, "")) as found:
        yield found


@pytest.mark.parametrize("colour", COLOURS)
def test_every_client_gets_every_event_and_leaves_nothing_behind(server: Served, colour: str) -> None:
    watch_crowd(server, colour, CLIENTS, EVENTS)  # threads that are kept are made now
    size = server.process.log_size()
    seen = watch_crowd(server, colour, CLIENTS, EVENTS)
    print(f"{server.name}, {colour}: {seen}")
    grown = [after - before for after, before in zip(seen.after.countable, seen.before.countable, strict=True)]
    assert max(grown) <= OTHERS
    assert server.trouble_since(size) == []


@pytest.mark.parametrize("colour", COLOURS)
def test_a_large_upload_goes_to_disk_and_not_to_memory(server: Served, colour: str) -> None:
    name, pid = server.marks.new(), take_census(server).pid
    upload(server, f"/{colour}/upload?mark={name}", 1)
    with Peak(pid) as peak:
        assert upload(server, f"/{colour}/upload?mark={name}", MEBIBYTES).strip() == str(MEBIBYTES << 20).encode()
    assert (server.marks.folder / name).stat().st_size == MEBIBYTES << 20
    print(f"{server.name}, {colour}: {peak.growth_kib / KIB_A_MIB:.1f} MiB more at most")
    assert peak.growth_kib < GROWTH_MIB * KIB_A_MIB


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("what", ["stream", "file"])
def test_a_large_download_does_not_fill_the_memory(server: Served, colour: str, what: str) -> None:
    name, pid = server.marks.new(), take_census(server).pid
    with (server.marks.folder / name).open("wb") as file:
        file.truncate(MEBIBYTES << 20)
    target = f"/{colour}/file?mark={name}" if what == "file" else f"/{colour}/download/{MEBIBYTES}"
    download(server, f"/{colour}/download/1")
    with Peak(pid) as peak:
        assert download(server, target) == MEBIBYTES << 20
    print(f"{server.name}, {colour}, {what}: {peak.growth_kib / KIB_A_MIB:.1f} MiB more at most")
    assert peak.growth_kib < GROWTH_MIB * KIB_A_MIB
