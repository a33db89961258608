"""Run the scenarios and print the table. Exits with 1 when anything was found.

`python -m tests.processes [SERVER] [WORD ...]`: only those servers, only scenarios whose name has one of the words.
"""

from __future__ import annotations

import sys

from tests.processes.readers import WRK
from tests.processes.scenarios import ALL, HEADINGS, SCENARIOS, play

WIDTHS = [8, 19, 12, 10, 60, 44, 4, 5, 5]


def line(cells: list[str]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def main(words: list[str]) -> int:
    servers = [word for word in words if word in ALL] or list(ALL)
    parts = [word for word in words if word not in ALL]
    print(f"load: six writers and {'wrk with eight connections' if WRK else 'no readers, as there is no wrk'}")
    print(line(HEADINGS), flush=True)
    bad = done = 0
    for server in servers:
        for scenario in SCENARIOS:
            if server in scenario.servers and (not parts or any(part in scenario.name for part in parts)):
                row = play(scenario, server)
                done += 1
                bad += bool(row.faults)
                print(line(row.cells()), row.log, sep="\n" if row.log else "", flush=True)
    print(f"{done} runs, {bad} with faults")
    return bool(bad or not done)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
