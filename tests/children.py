"""Processes of their own, for what cannot be undone in the process of the tests: forks, exits, monkey patches."""

import os
import subprocess
import sys
import textwrap


def run_python(
    code: str, *options: str, timeout_s: float = 30, status: int = 0, variables: dict[str, str] | None = None
) -> str:
    """Run a program in a fresh interpreter, warnings as errors; give its output. `variables` are of its environment.

    Raises:
        AssertionError: it left with another status than expected; the message holds what it wrote.
    """
    # A program that is stopped from outside must not leave half-written caches or sit in another's terminal.
    finished = subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL,
        env={**environment(), **(variables or {})},
    )  # fmt: skip
    assert finished.returncode == status, f"status {finished.returncode}\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout


def environment() -> dict[str, str]:
    """Give the environment of a child: ours, with the import path of this process in front."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
        "PYTHONPATH": path
    }
