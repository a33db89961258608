"""Delete features from a copy of the project, and run the tests of what is left.

    python -m tests.removable                  for each feature: all others deleted, and once: all of them
    python -m tests.removable --one sse        that one deleted, and the whole suite, which takes minutes

What works without all others works without any one of them; so a run for each feature of its own tests, and one of the
rest of the suite without features, say what as many runs of the whole suite would.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FEATURES = ROOT / "framework" / "ambi" / "features"
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")

REST = [
    "tests/architecture/test_imports.py",
    "tests/cli/test_loading.py",
    "tests/cli/test_uses.py",
    "tests/gateways/test_middlewares.py",
    "tests/gateways/test_requests.py",
    "tests/testing/test_client.py",
]
"""Of the rest of the suite what loads, shows and tests applications: contracts say that all else knows no feature."""

CELLS = "(wsgi-def or asyncio-async or not (wsgi or asyncio or trio))"
QUICK = ["-k", f"{CELLS} and not redis and not importing_is_fast and not reader_gets_back"]
"""One cell of each gateway, and nothing that takes long by itself."""

ELSEWHERE = [f"--ignore=tests/{name}" for name in ("servers", "streaming", "browser", "deploy", "interop", "docs")]


def features() -> dict[str, str]:
    """Give the features: name -> file or folder."""
    return {path.stem: path.name for path in sorted(FEATURES.iterdir()) if path.stem[:1] != "_"}


def own_tests(feature: str) -> list[str]:
    """Give the test modules that ask for a feature: by its module, its method of `App`, or what `ambi` has of it."""
    from ambi import _LOADED_WHEN_NAMED

    names = [name for name, module in _LOADED_WHEN_NAMED.items() if module == f"features.{feature}"]
    asks = re.compile(
        rf"\bfeatures\.{feature}\b|\bfeatures import {feature}\b|\.{feature}\(|\bimport .*\b({'|'.join(names) or '-'})\b"
    )
    home = ROOT / "tests" / "features"
    of_others = [home / other for other in features() if other != feature]  # a folder of tests is its feature's alone
    modules = [module for module in home.rglob("test_*.py") if module.parent not in of_others]
    return sorted(str(module.relative_to(ROOT)) for module in modules if asks.search(module.read_text("utf-8")))


def test_without(gone: list[str], what: list[str], copy: Path) -> str | None:
    """Run tests without some features; give what they said where they are not green, or none was left to run."""
    home, aside = copy / FEATURES.relative_to(ROOT), copy / "aside"
    aside.mkdir(exist_ok=True)
    files = [features()[name] for name in gone]
    for file in files:
        shutil.move(home / file, aside / file)
    path = os.pathsep.join([str(copy / "framework"), str(copy)])
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "tests.removable.plugin", *what],
            cwd=copy, env={**os.environ, "PYTHONPATH": path, "AMBI_WITHOUT": ",".join(gone)}, timeout=1800,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        for file in files:
            shutil.move(aside / file, home / file)
    last = (run.stdout.splitlines() or [""])[-1]
    print(f"    {last}", flush=True)
    return None if run.returncode == 0 and re.search(r"[1-9]\d* passed", last) else run.stdout[-20_000:] + run.stderr


def main() -> int:
    """Delete and test; give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.removable", description="Delete features, test what is left."
    )
    parser.add_argument("--one", metavar="FEATURE", choices=list(features()), help="delete it, run the whole suite")
    options = parser.parse_args()
    names, started = list(features()), time.monotonic()
    runs = {f"without {options.one}": ([options.one], ELSEWHERE)} if options.one else {
        "without any feature": (names, [*REST, *QUICK]),
        **{
            f"{name} without the others": ([other for other in names if other != name], [*own_tests(name), *QUICK])
            for name in names
        },
    }  # fmt: skip
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ambi-removable-") as folder:
        copy = Path(folder, "ambi")
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
        for name, (gone, what) in runs.items():
            print(name, flush=True)
            said = test_without(gone, what, copy)
            if said is not None:
                failed.append(name)
                print(said)
    print(f"not green: {', '.join(failed)}" if failed else "green", f"after {time.monotonic() - started:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
