"""Try the mutants: `python -m tests.mutants [--list] [MODULE ...]`."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from pathlib import Path

from tests.mutants.catalogue import MODULES
from tests.mutants.mutating import Mutant, mutants_of
from tests.mutants.running import PACKAGE, prepare, run_mutants

SURVIVORS = Path(__file__).with_name("survivors.md")
ALLOWED = 0.10
_HEADING = re.compile(r"^## `(?P<module>[^`]+)`")


def line_of(mutant: Mutant) -> str:
    """Name a mutant, whatever line it stands in."""
    return f"{mutant.where}: {mutant.what}"


def mutants_in(module: str) -> list[Mutant]:
    """Give the mutants of a module, or of the part of it that keeps promises."""
    only = MODULES[module].only
    mutants = mutants_of((PACKAGE / module).read_text(encoding="utf-8"))
    return [mutant for mutant in mutants if not only or mutant.where in only]


def read_survivors(text: str) -> dict[str, set[str]]:
    """Give the mutants that may live, by module: the lines of the fenced blocks below its heading."""
    found: dict[str, set[str]] = {}
    module, fenced = "", False
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            module = heading["module"]
        elif line.startswith("```"):
            fenced = not fenced
        elif fenced and line.strip():
            found.setdefault(module, set()).add(line.strip())
    return found


def try_module(module: str, may_live: set[str]) -> tuple[Counter[str], list[str]]:
    """Try all mutants of a module; give how many of each outcome, and what is wrong."""
    mutants = mutants_in(module)
    began = time.monotonic()
    count: Counter[str] = Counter()
    living: set[str] = set()
    for outcome in run_mutants(module, MODULES[module].tests, mutants):
        count[outcome.result] += 1
        if outcome.result != "killed":
            living.add(line_of(outcome.mutant))
    lives = count["survived"] + count["untested"]
    share = lives / len(mutants)
    print(f"{module}: {len(mutants)} mutants, {lives} live ({share:.1%}), {time.monotonic() - began:.0f} s", flush=True)
    wrong = [f"lives: {each}" for each in sorted(living - may_live)]
    wrong += [f"is listed, and does not live: {each}" for each in sorted(may_live - living)]
    if share >= ALLOWED:
        wrong.append(f"{share:.1%} live, and less than {ALLOWED:.0%} was promised")
    for each in wrong:
        print(f"  {each}", flush=True)
    return count, wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help=", ".join(MODULES))
    parser.add_argument("--list", action="store_true", help="say what would be tried")
    options = parser.parse_args(arguments)
    modules = options.modules or list(MODULES)
    if unknown := [each for each in modules if each not in MODULES]:
        parser.error(f"{unknown[0]} is not in the catalogue")
    if options.list:
        for module in modules:
            for mutant in mutants_in(module):
                print(f"{module}:{mutant.first} {line_of(mutant)}")
        return 0
    survivors = read_survivors(SURVIVORS.read_text(encoding="utf-8"))
    total: Counter[str] = Counter()
    failed = False
    prepare()
    for module in modules:
        count, wrong = try_module(module, survivors.get(module, set()))
        total += count
        failed |= bool(wrong)
    lives = total["survived"] + total["untested"]
    print(f"{total.total()} mutants, {lives} live ({lives / total.total():.1%})")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
