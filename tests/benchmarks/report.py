"""Writes the measured cells as markdown, with the goal of each case beside what was reached."""

import datetime as dt
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.cases import all_cases
from tests.benchmarks.measure import Cell

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"
OPENING, CLOSING = (
    "<!-- {name}: written by python -m tests.benchmarks --write -->",
    "<!-- {name}: end -->",
)

# The highest ratio of our time to the fastest peer's that the core is meant to have.
GOALS = {
    ("wsgi", "plain"): 0.9,
    ("wsgi", "json"): 0.9,
    ("wsgi", "params"): 0.9,
    ("wsgi", "query"): 0.9,
    ("wsgi", "echo-json"): 0.9,
    ("wsgi", "5 middlewares"): 1.2,
    ("wsgi", "404"): 0.3,
    ("wsgi", "crossed"): 0.4,
    ("wsgi", "stream 100 KiB"): 1.5,
    ("wsgi", "form 1 MiB"): 1.5,
    ("wsgi", "file 1 MiB"): 1.5,
    ("asgi", "plain"): 0.95,
    ("asgi", "json"): 0.95,
    ("asgi", "params"): 0.95,
    ("asgi", "query"): 0.9,
    ("asgi", "echo-json"): 0.9,
    ("asgi", "5 middlewares"): 1.2,
    ("asgi", "404"): 0.9,
    ("asgi", "crossed"): 1.0,
    ("asgi", "stream 100 KiB"): 1.0,
    ("asgi", "form 1 MiB"): 1.5,
    ("asgi", "file 1 MiB"): 1.5,
}
CROSSED = {"wsgi": "`async def` handler", "asgi": "`def` handler, in a thread"}

# What a piece costs: (piece, the case with it, the case without it or None, how often it is in there).
PIECES = [
    ("a plain request, all checks on", "plain", None, 1),
    ("a handler of the other colour", "crossed", "plain", 1),
    ("each generator middleware", "5 middlewares", "plain", 5),
    ("two parameters in the path, one a number", "params", "json", 1),
    ("two arguments in the query", "query", "json", 1),
    ("a small JSON body, read and parsed", "echo-json", "json", 1),
    ("each item of a stream", "stream 100 KiB", "plain", 100),
]


def grouped(cells: list[Cell]) -> dict[str, dict[str, Cell]]:
    """Sort the cells of one gateway by case, then by peer."""
    rows: dict[str, dict[str, Cell]] = {case.name: {} for case in all_cases()}
    for cell in cells:
        rows[cell.case.name][cell.peer] = cell
    return {case: row for case, row in rows.items() if row}


def times(gateway: str, cells: list[Cell], peers: list[str]) -> str:
    columns = [peer for peer in peers if any(cell.peer == peer for cell in cells)]
    rows = [[f"{gateway.upper()}, microseconds a request", *columns, "ambi / fastest peer", "goal", ""]]
    for case, row in grouped(cells).items():
        rivals = [cell for peer, cell in row.items() if peer not in ("raw", "ambi")]
        ratio, goal, verdict = "", "", ""
        if rivals and "ambi" in row:
            best = max(rivals, key=row["ambi"].ratio_to)
            reached = row["ambi"].ratio_to(best)
            ratio = f"{reached:.2f} ({best.peer})"
            limit = GOALS[gateway, case]
            goal, verdict = f"{limit:g}", "met" if reached <= limit else "not met"
        rows.append(
            [
                title(gateway, case),
                *(figure(row, peer, microseconds) for peer in columns),
                ratio,
                goal,
                verdict,
            ]
        )
    return markdown(rows)


def pieces(measured: dict[str, list[Cell]]) -> str:
    """Tell, from the differences between our own cases in each round, what one pays for what."""
    ours = [{cell.case.name: cell for cell in cells if cell.peer == "ambi"} for cells in measured.values()]
    rows = [["What ambi adds, microseconds", *(gateway.upper() for gateway in measured)]]
    for piece, with_it, without_it, times_in in PIECES:
        needed = {with_it, without_it} - {None}
        if all(needed <= cells.keys() for cells in ours):
            added = [cells[with_it].above(cells[without_it] if without_it else None) for cells in ours]
            rows.append([piece, *(f"{difference / times_in:.1f}" for difference in added)])
    return markdown(rows)


def calls(gateway: str, cells: list[Cell], peers: list[str]) -> str:
    columns = [peer for peer in peers if any(cell.peer == peer for cell in cells)]
    rows = [[f"{gateway.upper()}, function calls a request", *columns]]
    for case, row in grouped(cells).items():
        rows.append([title(gateway, case), *(figure(row, peer, lambda cell: str(cell.calls)) for peer in columns)])
    return markdown(rows)


def title(gateway: str, case: str) -> str:
    return CROSSED[gateway] if case == "crossed" else case


def figure(row: dict[str, Cell], peer: str, value: Callable[[Cell], str]) -> str:
    return value(row[peer]) if peer in row else "-"


def microseconds(cell: Cell) -> str:
    median = statistics.median(cell.microseconds)
    return f"{median:.1f}" if median < 100 else f"{median:.0f}"


def markdown(rows: list[list[str]]) -> str:
    heading, *body = rows
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def conditions(distributions: list[str]) -> str:
    """Say on what the figures were taken: without that they mean nothing."""
    found = []
    for distribution in distributions:
        try:
            found.append(f"{distribution} {importlib.metadata.version(distribution)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    day = dt.datetime.now(dt.UTC).date().isoformat()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{day}, {python}, {os.cpu_count()} cores; {', '.join(found)}."


def write(text: str, name: str = "benchmark") -> None:
    """Replace what stands between two marks of the page."""
    first, last = OPENING.format(name=name), CLOSING.format(name=name)
    page = DOCUMENT.read_text(encoding="utf-8")
    before, opening, rest = page.partition(first)
    _, closing, after = rest.partition(last)
    if not (opening and closing):
        raise SystemExit(f"{DOCUMENT} lacks the mark {last if opening else first}")
    DOCUMENT.write_text(f"{before}{first}\n\n{text}\n\n{last}{after}", encoding="utf-8")
