"""`python -m tests.servers`: put every probe to every server, and write the tables of docs/parity.md anew.

The exit status is 1 when a server did anything but what is documented of it; then the page stays as it was. A part of
the servers or of the probes leaves the page alone as well.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.servers.catalogue import QUICK, SERVERS, Server
from tests.servers.judging import AS_ASKED, Outcome, outcomes
from tests.servers.probes import PROBES
from tests.servers.probing import Probe
from tests.servers.processes import why_missing
from tests.servers.table import PAGE, write_page


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument(
        "--server",
        action="append",
        choices=[server.name for server in SERVERS],
        help="only this one; may be repeated",
    )
    parser.add_argument(
        "--probe",
        action="append",
        choices=[probe.name for probe in PROBES],
        help="only this one; may be repeated",
    )
    return parser.parse_args()


def chosen_servers(options: argparse.Namespace) -> list[Server]:
    names = options.server or (QUICK if options.quick else [server.name for server in SERVERS])
    return [server for server in SERVERS if server.name in names]


def run(server: Server, probes: Sequence[Probe]) -> list[Outcome] | None:
    """Put the probes to a server and print a line of the summary; None for a server that is not installed."""
    if why := why_missing(server):
        print(f"{server.name:<24} skipped: {why}", flush=True)
        return None
    started = time.monotonic()
    seen = list(outcomes(server, probes))
    as_asked = sum(outcome.seen == AS_ASKED for outcome in seen if outcome.is_as_documented)
    unexpected = [outcome for outcome in seen if not outcome.is_as_documented]
    otherwise = len(seen) - as_asked - len(unexpected)
    took = time.monotonic() - started
    print(
        f"{server.name:<24} {as_asked:>10} {otherwise:>10} {len(unexpected):>10} {took:>10.1f}",
        *unexpected,
        sep="\n",
        flush=True,
    )
    return seen


def main() -> int:
    options = arguments()
    servers = chosen_servers(options)
    probes = [probe for probe in PROBES if not options.probe or probe.name in options.probe]
    print(f"{'server':<24} {'as asked':>10} {'documented':>10} {'unexpected':>10} {'seconds':>10}")
    seen = [run(server, probes) for server in servers]
    if not all(outcome.is_as_documented for each in seen for outcome in each or ()):
        print("What is unexpected is a fault of ambi, or belongs into tests/servers/differences.py with its reason.")
        return 1
    if None in seen or len(servers) < len(SERVERS) or len(probes) < len(PROBES):
        print(f"{PAGE.name} is left alone: not every probe was put to every server.")
        return 0
    write_page()
    print(f"{PAGE.name} is written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
