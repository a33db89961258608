"""Soak the application, and say what grew; see the package. Exits with 1 if anything did."""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.soak.in_process import LEAST_WARM_UP
from tests.soak.measuring import SETTINGS, Sample, faults_of, line_of, sample_of
from tests.soak.on_sockets import SERVERS, soak_server

GATEWAYS = ("wsgi", "asgi")
STEPS_BYTES = 1 << 20
"""Of a server, see `faults_of`."""
MOST_S_A_REQUEST = 0.02
"""Ten times what it takes: a soak that hangs is ended."""


def soak_gateway(gateway: str, requests: int, seed: int) -> list[Sample]:
    """Send requests to one gateway in a child process; give its samples."""
    command = [sys.executable, "-m", "tests.soak.in_process", gateway, "--requests", str(requests), "--seed", str(seed)]
    ended = subprocess.run(
        command,
        env={**os.environ, **SETTINGS},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60 + (LEAST_WARM_UP + requests) * MOST_S_A_REQUEST,
    )
    return [sample_of(json.loads(line)) for line in ended.stdout.splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000, help="in process, half of them to each gateway")
    parser.add_argument("--sockets", type=int, help="half of them to each server; an eighth of the others by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=(*GATEWAYS, *SERVERS), default=(*GATEWAYS, *SERVERS))
    given = parser.parse_args()
    sockets = given.requests // 8 if given.sockets is None else given.sockets
    ways = {
        **{gateway: partial(soak_gateway, gateway, given.requests // 2, given.seed) for gateway in GATEWAYS},
        **{name: partial(soak_server, name, sockets // 2, given.seed) for name in SERVERS},
    }
    status = 0
    with ThreadPoolExecutor(2) as pool:  # two at once: a core for each
        for name, samples in zip(given.only, pool.map(lambda name: ways[name](), given.only), strict=True):
            faults = faults_of(samples, 0 if name in GATEWAYS else STEPS_BYTES)
            print(f"{name}: {samples[-1].requests} requests. {line_of(samples)}", *faults, sep="\n    ", flush=True)
            status = 1 if faults else status
    return status


if __name__ == "__main__":
    sys.exit(main())
