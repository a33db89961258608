"""Servers for the guests: a guest alone, and the outer application that they are mounted in."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.interop.catalogue import Guest
from tests.servers.catalogue import Start
from tests.servers.processes import Running, running, why_missing
from tests.streaming.serving import BY_NAME

ROOT = Path(__file__).parents[2]
# Several at once, as a browser opens them, and a WebSocket beside.
OPTIONS = {"gunicorn gthread": "--threads 8", "uvicorn h11": "--ws websockets-sansio"}


def variables(more: dict[str, str]) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}


@contextlib.contextmanager
def serve_alone(guest: Guest) -> Iterator[Running]:
    """Serve a guest as its own documentation says. Skips: where a package is missing."""
    for package in guest.packages:
        if find_spec(package) is None:
            pytest.skip(f"{guest.name}: the package {package} is not installed")
    server, how = guest.alone
    if why := why_missing(server):
        pytest.skip(f"{guest.name}: {why}")
    with running(server, replace(how, variables=variables(dict(how.variables))), ROOT) as started:
        yield started


@contextlib.contextmanager
def serve(name: str, app: str, arguments: str = "", **more: str) -> Iterator[Running]:
    """Serve an application by a server of the catalogue. Skips: where it is not installed."""
    plain = BY_NAME[name]
    command = plain.command.replace("app:app", f"{OPTIONS.get(name, '')} {arguments} {app}")
    server = replace(plain, command=command)
    if why := why_missing(server):
        pytest.skip(f"{name}: {why}")
    with running(server, Start(variables=variables(more)), ROOT) as started:
        yield started
