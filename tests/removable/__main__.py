"""Delete one feature after the other from a copy of the project, and run the tests of what is left.

    python -m tests.removable                    a part of the suite, for each feature
    python -m tests.removable --whole sse        the whole suite, for one

That part is what a deletion can reach: import contracts say that nobody but `app.py` imports a feature, so it is what
loads, shows and tests applications, and the other features, each in one cell of either gateway.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FEATURES = ROOT / "framework" / "ambi" / "features"
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")
PART = (
    "tests/architecture/test_imports.py",
    "tests/cli/test_check.py",
    "tests/gateways/test_middlewares.py",
    "tests/gateways/test_requests.py",
    "tests/gateways/test_responses.py",
    "tests/testing/test_client.py",
    "tests/features",
)
CELLS = "(wsgi-def or asyncio-async or not (wsgi or asyncio or trio)) and not redis"
ELSEWHERE = [f"--ignore=tests/{name}" for name in ("servers", "streaming", "browser", "interop", "docs")]
AT_LEAST = 100
"""How many tests must be left: where hardly one is, the feature is in all of them."""


def features() -> list[str]:
    """Give the features by name: files and folders."""
    return sorted(path.stem for path in FEATURES.iterdir() if path.stem[:1] != "_")


def test_without(feature: str, copy: Path, aside: Path, *, whole: bool) -> str | None:
    """Run tests without a feature; give what they said where they are not green."""
    [found] = (path for path in (copy / FEATURES.relative_to(ROOT)).iterdir() if path.stem == feature)
    shutil.move(found, aside / found.name)
    what = ELSEWHERE if whole else [*PART, "-k", CELLS]
    path = os.pathsep.join([str(copy / "framework"), str(copy)])
    started = time.monotonic()
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "tests.removable.plugin", "-p", "no:cacheprovider", *what],
            cwd=copy, env={**os.environ, "PYTHONPATH": path, "AMBI_WITHOUT": feature}, timeout=1200,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        shutil.move(aside / found.name, found)
    lines = run.stdout.splitlines() or [""]
    print(f"{feature}: {lines[-1]}  (in all {time.monotonic() - started:.1f} s)", flush=True)
    passed = [int(number) for number, word in zip(lines[-1].split(), lines[-1].split()[1:]) if word[:6] == "passed"]
    is_green = run.returncode == 0 and sum(passed) >= AT_LEAST
    return None if is_green else run.stdout[-20_000:] + run.stderr[-5_000:]


def main() -> int:
    """Delete the features named, or all; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.removable", description=__doc__.partition("\n")[0])
    parser.add_argument("features", nargs="*", help="all of them by default")
    parser.add_argument("--whole", action="store_true", help="run the whole suite, which takes minutes for each")
    options = parser.parse_args()
    if unknown := set(options.features) - set(features()):
        parser.error(f"there is no feature {min(unknown)!r}; there are {', '.join(features())}")
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ambi-removable-") as folder:
        copy, aside = Path(folder, "ambi"), Path(folder, "aside")
        aside.mkdir()
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
        for feature in options.features or features():
            said = test_without(feature, copy, aside, whole=options.whole)
            if said is not None:
                failed.append(feature)
                print(said)
    print(f"not removable: {', '.join(failed)}" if failed else "every feature can be removed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
