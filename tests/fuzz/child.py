"""One target under atheris: `python -m tests.fuzz.child TARGET`, and options of libFuzzer.

The framework is instrumented when it is imported, so nothing of it may be loaded before.
"""

from __future__ import annotations

import importlib
import logging
import sys

import atheris  # type: ignore[import-untyped]  # it says no types


def main() -> None:
    """Fuzz until the options say that it is enough, or something is found."""
    name, *options = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=["ambi", "multipart", "wsproto"]):
        target = importlib.import_module(f"tests.fuzz.targets.{name}")
    atheris.Setup([sys.argv[0], *options], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
