"""What a description promises is so: schemathesis tries it, on both gateways, with all its checks.

`AMBI_EXAMPLES=200` tries so many requests an operation, which takes minutes; without it each gateway has one half of it.
"""

import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.interop.serving import serve, variables

APP = "tests.interop.described_app:app"
EXAMPLES = os.environ.get("AMBI_EXAMPLES", "")
ARGUMENTS = {"uvicorn h11": "--log-level warning", "gunicorn gthread": "--limit-request-line 0"}
HALVES = {"uvicorn h11": "coverage", "gunicorn gthread": "examples,fuzzing,stateful"}
CONFIG = Path(__file__).with_name("schemathesis.toml")


def test_the_document_is_valid() -> None:
    validator = pytest.importorskip("openapi_spec_validator", reason="it is in the dependency group `interop`")
    app = importlib.import_module(APP.partition(":")[0]).app
    validator.validate(app.openapi_document())


@pytest.mark.parametrize("server", ARGUMENTS)
def test_every_operation_does_what_its_description_says(server: str, tmp_path: Path) -> None:
    if find_spec("schemathesis") is None:
        pytest.skip("schemathesis is in the dependency group `interop`")
    options = ["--checks", "all", "-n", EXAMPLES or "2", "--seed", "1", "--continue-on-failure"]
    if not EXAMPLES:
        options += ["--phases", HALVES[server]]
    with serve(server, APP, ARGUMENTS[server]) as started:
        url = f"http://127.0.0.1:{started.port}/openapi.json"
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", url, *options]
        ran = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=1800, check=False,
            env={**os.environ, **variables({"SCHEMATHESIS_HOOKS": "tests.interop.described_hooks"})},
        )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    assert "Tested: 27" in ran.stdout
