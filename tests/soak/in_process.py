"""Requests to one gateway, in this process.

    python -m tests.soak.in_process wsgi --requests 100000 --seed 1

It writes a sample a line as JSON. With `--trace` it tells instead which lines allocated what was not given back.
"""

import argparse
import json
import random
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from ambi.testing import Client
from tests.corpus.cases import HOST
from tests.soak.app import make_app, new_tree, quiet
from tests.soak.measuring import describe, sample
from tests.soak.traffic import HOSTILE_EACH, JOURNEYS, PLAIN, Exchange, Tally, be_refused, hostile_cases, sent_by

SAMPLES = 40
WARM_UP = 0.25
"""The part of the requests that nothing is measured of."""
LEAST_WARM_UP = 15_000
"""Sent before anything is measured, however few requests were asked for."""
REFUSED_EACH = 50
"""One of so many hostile requests is a WebSocket."""


def ask(client: Client, exchange: Exchange) -> None:
    """Send one request, and look at the answer."""
    answer = client.request(
        exchange.method, exchange.target, headers=list(exchange.headers), content=exchange.body or None
    )
    assert answer.status_code == exchange.status, f"{exchange.target}: {answer.status_code}, {answer.text!r}"
    assert exchange.expected is None or answer.content == exchange.expected, f"{exchange.target}: {answer.content!r}"


def steps(client: Client, gateway: str, seed: int) -> Iterator[Tally]:
    """Send one thing after the other; give what has been sent after each."""
    some, hostile, tally = random.Random(seed), hostile_cases(gateway), Tally()
    friendly: list[Any] = [*PLAIN, *JOURNEYS]
    while True:
        if some.randrange(HOSTILE_EACH) == 0:
            tally.sent += 1
            tally.hostile += 1
            if tally.hostile % REFUSED_EACH == 0:
                be_refused(client, some)
            else:
                client.send(sent_by(next(hostile)))
        else:
            chosen = some.choice(friendly)
            if isinstance(chosen, Exchange):
                ask(client, chosen)
                tally.sent += 1
            else:
                journey, count = chosen
                journey(client, some)
                tally.sent += count
        yield tally
        client.cookies.clear()


def run(gateway: Any, requests: int, seed: int, at_sample: Callable[[Tally], None], least: int = LEAST_WARM_UP) -> None:
    """Send the requests; call `at_sample` at even distances, with what has been sent."""
    folder = new_tree()
    try:
        with Client(make_app(folder), gateway, base_url=f"http://{HOST}", raise_server_exceptions=False) as client:
            warm_up, measured = int(requests * WARM_UP), requests * (1 - WARM_UP)
            warm_up = max(warm_up, least)
            requests = warm_up + int(measured)
            due, each = warm_up, measured / (SAMPLES - 1)
            for tally in steps(client, gateway, seed):
                if tally.sent >= due:
                    at_sample(tally)
                    due += int(each)
                if tally.sent >= requests:
                    break
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tell(tally: Tally) -> None:
    """Write a sample; kept here, it would be among what is counted."""
    taken = sample()
    taken.requests, taken.hostile = tally.sent, tally.hostile
    print(json.dumps(describe(taken)), flush=True)


def trace(gateway: str, requests: int, seed: int) -> None:
    """Tell which lines allocated more at the end than after the warm-up."""
    taken: list[tracemalloc.Snapshot] = []

    def at_sample(tally: Tally) -> None:
        if not taken:
            tracemalloc.start(12)
        sample()
        taken[1:] = [tracemalloc.take_snapshot()]

    run(gateway, requests, seed, at_sample, least=0)
    for difference in taken[-1].compare_to(taken[0], "traceback")[:12]:
        print(difference, *difference.traceback.format(12), sep="\n    ")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.in_process")
    parser.add_argument("gateway", choices=["wsgi", "asgi"])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trace", action="store_true")
    given = parser.parse_args()
    quiet()
    if given.trace:
        trace(given.gateway, given.requests, given.seed)
        return
    run(given.gateway, given.requests, given.seed, tell)


if __name__ == "__main__":
    main()
