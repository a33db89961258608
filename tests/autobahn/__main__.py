"""Run the Autobahn suite's fuzzing client against an echo under each server, and judge its report.

    python -m tests.autobahn --wstest PATH [--quick] [--server NAME] [--case PATTERN]

`wstest` is a program of autobahntestsuite, which runs on Python 2.7 only; `nox -s autobahn` installs it in an environment
of its own. Groups 12 and 13 (compression: 216 cases of a thousand messages) take most of the time; `--quick` leaves
them out. A case fails unless what was seen is OK, NON-STRICT or INFORMATIONAL, and the closing as well.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SERVERS = {
    "uvicorn": "uvicorn --ws wsproto --log-level warning --port {port} tests.autobahn.echo:app",
    "gunicorn": "gunicorn --no-control-socket -k gthread --threads 8 -b 127.0.0.1:{port} tests.autobahn.echo:app",
}
QUICK = [
    "1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*",
    # Of group 9, messages of up to 1 MiB, and streams of small ones; the rest measures the speed of both sides.
    "9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3", "9.5.*", "9.6.*", "9.7.1", "9.7.2", "9.7.3", "9.8.1", "9.8.2", "9.8.3",
]  # fmt: skip
COMPRESSION = ["12.*", "13.*"]
PASSED = ("OK", "NON-STRICT", "INFORMATIONAL")
START_S, STOP_S, SUITE_S = 20, 10, 2 * 3600


def main() -> int:
    """Run the suite as the command line says; give the status to exit with."""
    parser = argparse.ArgumentParser(prog="python -m tests.autobahn")
    parser.add_argument("--wstest", required=True, help="the suite's program")
    parser.add_argument("--quick", action="store_true", help="leave out groups 12 and 13")
    parser.add_argument("--server", choices=SERVERS, action="append", help="of these servers only")
    parser.add_argument("--case", action="append", help="these cases only, as 7.*")
    options = parser.parse_args()
    cases = options.case or (QUICK if options.quick else QUICK + COMPRESSION)
    failed = [name for name in options.server or SERVERS if not passes(name, options.wstest, cases)]
    return 1 if failed else 0


def passes(name: str, wstest: str, cases: list[str]) -> bool:
    """Run the cases against one server, and print what is not plainly right."""
    with tempfile.TemporaryDirectory(prefix="ambi-autobahn-") as folder:
        with running(name, Path(folder)) as port:
            began = time.monotonic()
            report = run_suite(name, port, wstest, cases, Path(folder))
            took_s = time.monotonic() - began
        log = (Path(folder) / "log").read_text(errors="replace")
    results = sorted(report.get(name, {}).items(), key=lambda item: [int(part) for part in item[0].split(".")])
    wrong = 0
    for case, result in results:
        seen = result["behavior"], result["behaviorClose"]
        if seen != ("OK", "OK"):
            is_wrong = not all(one in PASSED for one in seen)
            wrong += is_wrong
            print(f"  {case:9} {seen[0]}, closed {seen[1]}{'   <- failed' if is_wrong else ''}")
    complaints = [line for line in log.splitlines() if "ERROR" in line or "Traceback" in line or "crashed" in line]
    print(f"{name}: {len(results)} cases, {wrong} failed, {len(complaints)} complaints in the log, {took_s:.0f} s")
    for line in complaints[:10]:
        print(f"  | {line}")
    return bool(results) and not wrong and not complaints


def run_suite(name: str, port: int, wstest: str, cases: list[str], folder: Path) -> dict[str, Any]:
    """Let the fuzzing client do its work; give its report: server -> case -> what was seen."""
    specification = {
        "outdir": str(folder / "report"), "servers": [{"agent": name, "url": f"ws://127.0.0.1:{port}/"}],
        "cases": cases, "exclude-cases": [], "exclude-agent-cases": {},
    }  # fmt: skip
    (folder / "fuzzingclient.json").write_text(json.dumps(specification))
    with (folder / "suite.log").open("wb") as log:
        subprocess.run(
            [wstest, "-m", "fuzzingclient", "-s", str(folder / "fuzzingclient.json")],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder, timeout=SUITE_S, check=False,
        )  # fmt: skip
    index = folder / "report" / "index.json"
    if not index.exists():
        print((folder / "suite.log").read_text(errors="replace")[-2000:])
        return {}
    found: dict[str, Any] = json.loads(index.read_text())
    return found


@contextlib.contextmanager
def running(name: str, folder: Path) -> Iterator[int]:
    """Start a server on a free port, and end it whatever happens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    program, *arguments = SERVERS[name].format(port=port).split()
    path = os.pathsep.join(filter(None, [str(ROOT / "framework"), str(ROOT), os.environ.get("PYTHONPATH")]))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(BIN / program), *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": path},
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        await_start(process, port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)


def await_start(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the server accepts. Raises: RuntimeError when it does not."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server did not start") from None
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
