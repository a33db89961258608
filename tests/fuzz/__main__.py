"""Run the targets, one after the other, each in a process of its own; tell how far they came.

Exit status 1 when something was found, and where its input is. `--jobs 2` runs two at a time.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.targets import NAMES

_REACHED = re.compile(r"#(\d+)\s+(\w+)\s+cov: (\d+) ft: \d+ corp: (\d+)")
FOLDERS = ("corpus", "seeds", "found")
_SPARE_S = 300
"""What a target may take beyond its time: the seeds, and an input that is being tried when it is over."""


class Outcome(NamedTuple):
    """What came of one target."""

    name: str
    failed: bool
    executions: int
    coverage: tuple[int, int]
    """Edges reached by the seeds, and in the end."""
    inputs: int
    said: str


def prepare(name: str, folder: Path) -> None:
    """Make the folders of a target, for inputs, for seeds and for what is found; write the seeds."""
    for part in FOLDERS:
        (folder / name / part).mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(importlib.import_module(f"tests.fuzz.targets.{name}").seeds()):
        (folder / name / "seeds" / f"seed-{number:04}").write_bytes(seed)


def fuzz(name: str, seconds: int, folder: Path) -> Outcome:
    """Run one target."""
    corpus, seeds, artifacts = (folder / name / part for part in FOLDERS)
    options = [
        f"-max_total_time={seconds}", "-timeout=30", "-rss_limit_mb=2048", "-max_len=4096", "-print_final_stats=1",
        f"-artifact_prefix={artifacts}/", str(corpus), str(seeds),
    ]  # fmt: skip
    log = folder / name / "log"
    with log.open("wb") as output:
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "tests.fuzz.child", name, *options],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=seconds + _SPARE_S, check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            ended = -1
            output.write(
                b"\nstopped: it did not end by itself; an input may take too long, or the machine is too busy\n"
            )
    return read_log(name, log.read_text("utf-8", "replace"), failed=ended != 0)


def read_log(name: str, said: str, *, failed: bool) -> Outcome:
    """Read what libFuzzer said."""
    reached = [
        (int(executions), state, int(edges), int(inputs)) for executions, state, edges, inputs in _REACHED.findall(said)
    ]
    executions, _, edges, inputs = reached[-1] if reached else (0, "", 0, 0)
    first = next((found for _, state, found, _ in reached if state == "INITED"), 0)
    return Outcome(name, failed, executions, (first, edges), inputs, said)


def report(outcomes: Iterable[Outcome]) -> bool:
    """Print a line for each target; tell whether all held."""
    all_held = True
    print(f"{'target':<14}{'executions':>12}{'edges':>16}{'inputs':>8}")
    for outcome in outcomes:
        first, last = outcome.coverage
        print(f"{outcome.name:<14}{outcome.executions:>12}{f'{first} -> {last}':>16}{outcome.inputs:>8}", flush=True)
        if outcome.failed:
            all_held = False
            print(outcome.said[-4000:], flush=True)
    return all_held


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="for each target")
    parser.add_argument("--target", action="append", choices=NAMES, help="one of them; may be repeated")
    parser.add_argument("--jobs", type=int, default=1, help="how many targets at a time")
    parser.add_argument("--folder", type=Path, help="where inputs are kept and found; a new one otherwise")
    parser.add_argument("--input", type=Path, help="try this input alone, without a fuzzer")
    options = parser.parse_args()
    names = options.target or NAMES
    if options.input is not None:
        for name in names:
            importlib.import_module(f"tests.fuzz.targets.{name}").check(options.input.read_bytes())
        return 0
    if importlib.util.find_spec("atheris") is None:
        print("skipped: atheris is not installed; it has wheels for Linux and CPython 3.11, 3.12 and 3.13")
        return 0
    folder = options.folder or Path(tempfile.mkdtemp(prefix="ambi-fuzz-"))
    for name in names:
        prepare(name, folder)  # here: two threads that import the same packages at once wait for each other
    print(f"inputs, logs and what is found: {folder}", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        held = report(pool.map(lambda name: fuzz(name, options.seconds, folder), names))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
