"""What a description promises is so: schemathesis tries it, on both gateways, with all its checks.

It tries an application with every kind of parameter, and Conduit, as somebody who has signed up.

`AMBI_EXAMPLES=200` tries so many requests an operation, which takes minutes; without it each gateway has one half of it.
"""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

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


def found_wrong(url: str, folder: Path, server: str, *more: str) -> str:
    """Let schemathesis try what a document describes; give what it says, "" where it finds nothing wrong."""
    options = ["--checks", "all", "-n", EXAMPLES or "2", "--seed", "1", "--continue-on-failure", *more]
    if not EXAMPLES:
        options += ["--phases", HALVES[server]]
    ran = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", url, *options],
        cwd=folder, capture_output=True, text=True, timeout=1800, check=False,
        env={**os.environ, **variables({"SCHEMATHESIS_HOOKS": "tests.interop.described_hooks"})},
    )  # fmt: skip
    said = ran.stdout[-8000:] + ran.stderr[-2000:]
    return "" if ran.returncode == 0 and re.search(r"Selected: (\d+)/\1\n +Tested: \1\n", ran.stdout) else said


@pytest.mark.parametrize("server", ARGUMENTS)
def test_every_operation_does_what_its_description_says(server: str, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="it is in the dependency group `interop`")
    with serve(server, APP, ARGUMENTS[server]) as started:
        assert not found_wrong(f"http://127.0.0.1:{started.port}/openapi.json", tmp_path, server)


@pytest.mark.parametrize("server", ARGUMENTS)
def test_conduit_does_what_its_description_says(server: str, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="it is in the dependency group `interop`")
    ada = {"user": {"username": "ada", "email": "ada@example.org", "password": "lovelace"}}
    with serve(server, "examples.conduit:app", ARGUMENTS[server], CONDUIT_FOLDER=str(tmp_path)) as started:
        api = f"http://127.0.0.1:{started.port}/api"
        asked = Request(f"{api}/users", json.dumps(ada).encode(), {"content-type": "application/json"})
        with urlopen(asked, timeout=20) as answer:
            token = json.load(answer)["user"]["token"]
        assert not found_wrong(f"{api}/openapi.json", tmp_path, server, "-H", f"Authorization: Token {token}")
