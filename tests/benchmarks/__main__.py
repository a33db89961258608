"""Measure this framework beside its peers: ``python -m tests.benchmarks`` from the root of the project.

Nothing listens on a port; whole run about two minutes. ``--help`` lists what can be left out. ``typed`` behind it
measures typed handlers instead, ``streams`` streams, over real servers as well.
"""

import argparse
import importlib
import logging
import sys
import warnings
from contextlib import AsyncExitStack
from typing import Any

from tests.benchmarks import cases, measure, report, streams, typed
from tests.benchmarks.gateways import GATEWAYS

# Name -> (module, what is installed for it). "ambi" stands second so that it is read beside "raw".
PEERS = {
    "raw": ("tests.benchmarks.peers.raw", []),
    "ambi": ("tests.benchmarks.ours", ["ambi"]),
    "Falcon": ("tests.benchmarks.peers.falcon_peer", ["falcon"]),
    "Bottle": ("tests.benchmarks.peers.bottle_peer", ["bottle"]),
    "Flask": ("tests.benchmarks.peers.flask_peer", ["flask"]),
    "BlackSheep": ("tests.benchmarks.peers.blacksheep_peer", ["blacksheep"]),
    "Starlette": ("tests.benchmarks.peers.starlette_peer", ["starlette"]),
    "FastAPI": ("tests.benchmarks.peers.fastapi_peer", ["fastapi"]),
}


def main() -> None:
    if sys.argv[1:2] in (["streams"], ["typed"]):
        {"streams": streams, "typed": typed}[sys.argv[1]].main(sys.argv[2:])
        return
    options = parse_arguments()
    logging.disable(logging.CRITICAL)  # a 404 logged by one peer is not what is measured
    warnings.simplefilter("ignore")
    measured = {name: GATEWAYS[name].run(run_gateway(name, options)) for name in options.gateway}
    table = report.calls if options.calls else report.times
    parts = [table(name, cells, list(PEERS)) for name, cells in measured.items()]
    if not options.calls:
        distributions = [found for _, installed in PEERS.values() for found in installed]
        parts += [report.pieces(measured), report.conditions([*distributions, "uvloop"])]
    text = "\n\n".join(parts)
    print(text)
    if options.write:
        report.write(text)


def parse_arguments() -> argparse.Namespace:
    names = [case.name for case in cases.all_cases()]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--gateway", nargs="+", choices=list(GATEWAYS), default=list(GATEWAYS))
    parser.add_argument("--peer", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--case", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--slice-ms", type=float, default=10.0, help="how long one application runs at a time")
    parser.add_argument("--calls", action="store_true", help="count function calls instead: free of noise")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {report.DOCUMENT.name}")
    options = parser.parse_args()
    everything = options.case == names and options.gateway == list(GATEWAYS) and options.peer == list(PEERS)
    if options.write and (options.calls or not everything):
        parser.error("--write is for a whole run: the page shows all of it")
    return options


async def run_gateway(name: str, options: argparse.Namespace) -> list[measure.Cell]:
    gateway = GATEWAYS[name]
    async with AsyncExitStack() as stack:
        cells = []
        for peer in options.peer:
            cells += await make_cells(peer, gateway, options.case, stack)
        cells = await measure.keep_right_ones(cells)
        if options.calls:
            # The profiler sees one thread: what crosses to another one cannot be counted.
            cells = [cell for cell in cells if cell.case.name not in ("crossed", "file 1 MiB", "form 1 MiB")]
            await measure.count_calls(cells)
        else:
            await measure.measure_times(cells, options.rounds, options.slice_ms)
        return cells


async def make_cells(peer: str, gateway: Any, wanted: list[str], stack: AsyncExitStack) -> list[measure.Cell]:
    """Build a peer's applications, start them, and pair them with the cases they can be asked."""
    try:
        module = importlib.import_module(PEERS[peer][0])
    except ModuleNotFoundError as error:
        if error.name == "ambi":
            raise
        print(f"skipped: {peer} is not installed ({error})", file=sys.stderr)
        return []
    if gateway.name not in module.GATEWAYS:
        return []
    without = getattr(module, "WITHOUT", {})
    applications: dict[int, Any] = {}
    cells = []
    for case in cases.all_cases():
        if case.name not in wanted:
            continue
        if case.name in without:
            print(f"skipped: {peer}, {gateway.name}, {case.name}: {without[case.name]}", file=sys.stderr)
            continue
        if case.middlewares not in applications:
            application = module.make(gateway.name, cases.FURTHER_ROUTES, case.middlewares)
            await stack.enter_async_context(gateway.started(application))
            applications[case.middlewares] = application
        cells.append(measure.Cell(peer, case, gateway, applications[case.middlewares]))
    return cells


if __name__ == "__main__":
    main()
