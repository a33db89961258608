"""Treat servers to slow clients and print the table. Exits with 1 when anything was found.

`python -m tests.slow [--real] [PLACE ...] [WORD ...]`: only those servers and fronts, only scenarios whose name has one
of the words.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.servers.catalogue import SERVERS, Start
from tests.servers.processes import Running, running
from tests.slow.clients import Cut, Pace
from tests.slow.fronts import PROGRAMS, front
from tests.slow.scenarios import IN_FRONT, SCENARIOS, Place, Scenario, plain, reset_storm
from tests.slow.watching import ROOT, ask, came_to_rest, can_be_judged, census, loop_beside, others, too_late

CHOICES = {
    "gthread": ("gunicorn gthread", "-c python:ambi.gunicorn --threads 24"),
    "h11": ("uvicorn h11", "--no-access-log"),
    "httptools": ("uvicorn httptools", "--no-access-log"),
}
"""Name here -> name in the catalogue, and options."""
WIDTHS = [18, 23, 6, 9, 5]


@dataclass
class Options:
    """What the command line says."""

    pace: Pace = field(default_factory=Pace)
    places: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, words: list[str]) -> Options:
        options = cls()
        for word in words:
            if word == "--real":
                options.pace = Pace(byte_s=1.0, patience_s=300)
            elif word in CHOICES or word in PROGRAMS:
                options.places.append(word)
            else:
                options.parts.append(word)
        return options

    def wants(self, place: str) -> bool:
        return not self.places or place in self.places

    def chosen(self, scenarios: Mapping[str, Scenario]) -> dict[str, Scenario]:
        return {name: each for name, each in scenarios.items() if not self.parts or any(p in name for p in self.parts)}


def line(*cells: str) -> None:
    print("  ".join(cell.ljust(width) for cell, width in zip(cells, [*WIDTHS, 0], strict=True)).rstrip(), flush=True)


@contextlib.contextmanager
def serving(choice: str, pace: Pace) -> Iterator[tuple[Running, Path]]:
    """Start a server with the application of this suite; gives it and its folder of temporary files."""
    name, usual = CHOICES[choice]
    plain_server = next(server for server in SERVERS if server.name == name)
    command = plain_server.command.replace("--threads 4", "").replace("app:app", f"{usual} tests.slow.app:app")
    with tempfile.TemporaryDirectory(prefix="ambi-slow-") as folder:
        temporary = Path(folder, "tmp")
        temporary.mkdir()
        variables = {
            "AMBI_FOLDER": folder,
            "AMBI_BODY_TIMEOUT_S": f"{pace.body_timeout_s}",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
            "TMPDIR": str(temporary),
        }
        with running(replace(plain_server, command=command), Start(variables=variables), ROOT) as server:
            yield server, temporary


async def treat(place: Place, server: int, scenarios: Mapping[str, Scenario]) -> int:
    """Run scenarios against a place; give how many had faults. `server` is the port of the server, behind a front too.

    The first rounds, which are not counted, bring everything to the size that it keeps: pools, caches, buffers.
    """
    await ask(server, "/async/page")
    idle = await census(server)
    for warm_up in (plain, reset_storm, plain, reset_storm):
        await warm_up(place)
    before = (await census(server)).idle(idle)
    bad = 0
    for name, scenario in scenarios.items():
        began, faults = time.monotonic(), []
        async with others(server) as watched:
            try:
                await scenario(place)
            except (AssertionError, Cut, TimeoutError, OSError) as failure:
                faults.append(f"{type(failure).__name__}: {failure}")
            took = time.monotonic() - began
        faults += watched.found() + await came_to_rest(server, before)
        bad += bool(faults)
        found = "; ".join(faults) or "ok"
        line(place.name, name, f"{took:.1f}", f"{watched.longest_ms:.0f}", f"{len(watched.waits)}", found)
    after = await census(server)
    print(f"    before {before}\n    after  {after}", flush=True)
    return bad


def treat_server(choice: str, options: Options) -> int:
    """Run a server through all of it, by itself and behind each front; give how many scenarios had faults."""
    bad = 0
    with serving(choice, options.pace) as (server, temporary), loop_beside() as beside:
        place = Place(choice, server.port, options.pace, is_wsgi=choice == "gthread")
        if options.wants(choice):
            bad += asyncio.run(treat(place, server.port, options.chosen(SCENARIOS)))
        for name, program in PROGRAMS.items():
            if program is None:
                print(f"    there is no {name} here (Debian: apt-get install {name})")
            elif options.wants(name) and choice != "httptools":
                with front(name, server.port, Path(server.folder)) as port:
                    behind = replace(place, name=f"{name}, {choice}", port=port)
                    bad += asyncio.run(treat(behind, server.port, options.chosen(IN_FRONT)))
        lag = json.loads(asyncio.run(ask(server.port, "/lag")))
        left = sorted(path.name for path in temporary.iterdir())
    found = [*too_late(lag), *([f"files are left: {left}"] if left else [])]
    in_time = "in time" if can_be_judged(lag) else "too short to say whether it is in time"
    print(f"    loop lag in ms, in the application: {lag}\n    of a loop that does nothing:        {beside.summary}")
    print(f"    {'; '.join(found) or f'{in_time}, no file left'}", flush=True)
    return bad + len(found)


def main(words: list[str]) -> int:
    options = Options.read(words)
    line("where", "what", "s", "others ms", "asked", "found")
    bad = sum(treat_server(choice, options) for choice in CHOICES if _is_needed(choice, options))
    print(f"{bad} with faults")
    return bool(bad)


def _is_needed(choice: str, options: Options) -> bool:
    """Tell whether a server is asked for, by itself or by a front: those stand before two of them."""
    return options.wants(choice) or (choice != "httptools" and any(name in PROGRAMS for name in options.places))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
