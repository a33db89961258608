"""The two queues of the page: a job is ordered over HTTP, a real worker does it, and its result comes.

No cells: servers, workers and Redis are real.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.deploy.pages import commands, write
from tests.deploy.running import STOP_S, ask, free_port, need, path_of, run, serve, slow, wait_for

PAGE = "jobs.md"
WORKERS = {"arq": "arq", "dramatiq": "dramatiq"}
SERVERS = {"gunicorn": "gunicorn --threads 4 -b 127.0.0.1:{port}", "uvicorn": "uvicorn --port {port}"}


@pytest.fixture(scope="module", params=WORKERS)
def queue(
    request: pytest.FixtureRequest, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path, str]]:
    """Give the name of a queue whose worker runs, and the folder with its application."""
    name = request.param
    need(WORKERS[name])
    folder = tmp_path_factory.mktemp(name)
    write(PAGE, folder)
    (command,) = commands(PAGE, WORKERS[name])
    url = redis_url.removesuffix("/0") + ("/1" if name == "arq" else "/2")
    with run(command.replace("--processes 2", "--processes 1"), folder, env={"REDIS_URL": url}) as worker:
        wait_for(lambda: "Starting worker" in worker.log or "is ready for action" in worker.log, worker)
        yield name, folder, url


@pytest.mark.parametrize("server", SERVERS)
def test_a_job_is_ordered_over_http_and_its_result_comes(server: str, queue: tuple[str, Path, str]) -> None:
    name, folder, url = queue
    need(server)
    port = free_port()
    address = ("127.0.0.1", port)
    photo = {"gunicorn": 7, "uvicorn": 8}[server]
    with serve(
        f"{SERVERS[server].format(port=port)} shop_{name}:app", folder, address, env={"REDIS_URL": url}
    ) as program:
        answer = ask(address, f"/photos/{photo}/thumbnail", "POST")
        assert answer.status == 202, program.log
        await_result(address, answer.json()["job"], f"thumbnail of {photo}")
        other = ask(address, f"/photos/{photo + 100}", "POST")
        assert other.status == 201, program.log
        if name == "dramatiq":
            await_result(address, other.json()["job"], f"thumbnail of {photo + 100}")
        else:
            wait_for(lambda: results_in(url) >= {f"thumbnail of {photo + 100}"}, program, seconds=10)
            assert ask(address, f"/photos/{photo}/thumbnail", "POST").status == 202  # ordered already
            assert ask(address, "/jobs/nothing").status == 404


def await_result(address: tuple[str, int], job: str, expected: str) -> None:
    deadline = time.monotonic() + 10
    while (found := ask(address, f"/jobs/{job}").json())["status"] != "complete":
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    assert found["result"] == expected


def results_in(url: str) -> set[str]:
    """Read the results that arq keeps: of a job whose name nobody was told."""
    import pickle

    import redis

    with redis.Redis.from_url(url) as client:
        kept = [client.get(key) for key in client.scan_iter("arq:result:*")]
    return {pickle.loads(each)["r"] for each in kept if isinstance(each, bytes)}


@pytest.mark.parametrize("name", WORKERS)
def test_handlers_of_the_colour_of_their_queue_cross_no_more_than_they_have_to(name: str, tmp_path: Path) -> None:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    write(PAGE, tmp_path)
    asked = subprocess.run(
        [sys.executable, "-m", "ambi", "check", f"shop_{name}.py:app", "--json"],
        cwd=tmp_path, check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr + asked.stdout
    (route,) = [each for each in json.loads(asked.stdout)["routes"] if each["path"].endswith("/thumbnail")]
    crossings = route["crossings"]["wsgi"], route["crossings"]["asgi"]
    assert crossings == ((1, 0) if name == "arq" else (0, 1))


@slow
def test_a_worker_leaves_a_job_that_it_was_killed_in_to_the_next(redis_url: str, tmp_path: Path) -> None:
    """What the page says of both is read off arq's, whose jobs come back soonest."""
    need("arq")
    (tmp_path / "jobs.py").write_text(
        "import os, asyncio\nfrom arq.connections import RedisSettings\n"
        "async def job(ctx):\n"
        "    print('try', ctx['job_try'], flush=True)\n"
        "    if ctx['job_try'] == 1:\n        await asyncio.sleep(60)\n"
        "    return 'done'\n"
        "class WorkerSettings:\n"
        "    functions = [job]\n    redis_settings = RedisSettings.from_dsn(os.environ['REDIS_URL'])\n    job_timeout = 1\n"
    )
    assert path_of("arq") is not None
    url = redis_url.removesuffix("/0") + "/3"
    (tmp_path / "order.py").write_text(
        "import asyncio, os\nfrom arq import create_pool\nfrom arq.connections import RedisSettings\n"
        "async def main():\n"
        "    queue = await create_pool(RedisSettings.from_dsn(os.environ['REDIS_URL']))\n"
        "    await queue.enqueue_job('job', _job_id='once')\n    await queue.aclose()\n"
        "asyncio.run(main())\n"
    )
    with run(f"{sys.executable} order.py", tmp_path, env={"REDIS_URL": url}) as order:
        assert order.ended_within(15), order.log
    with run("arq jobs.WorkerSettings", tmp_path, env={"REDIS_URL": url}) as first:
        wait_for(lambda: "try 1" in first.log, first)
        first.terminate()  # without job_completion_wait: what runs is cancelled
        assert first.ended_within(STOP_S), first.log
    with run("arq jobs.WorkerSettings", tmp_path, env={"REDIS_URL": url}) as second:
        wait_for(lambda: "try 2" in second.log and "done" in second.log, second)
