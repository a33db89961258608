"""Do all of it, and print how long each step took; exits with 1 when one does not do what is said of it."""

from __future__ import annotations

import http.client
import re
import shlex
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.docs.markdown import Block, parse
from tests.first_minutes.place import Failed, Place

ROOT = Path(__file__).parents[2]
PAGE_S, EDIT_S = 60, 2
"""A page is served that long after the first command at most, and a change is seen that long after it."""
TRIES = 3
"""Of changes one at least is seen in time: what else a machine does only ever adds."""


def main() -> int:
    """Do all steps; the exit status."""
    with tempfile.TemporaryDirectory(prefix="ambi-first-") as folder:
        place = Place(Path(folder).resolve())
        try:
            go(place)
        except Failed as exc:
            sys.stdout.write(f"{exc}\n")
            return 1
        place.say("all is as printed")
    return 0


def go(place: Place) -> None:
    """Build the wheel; make, serve and change a project; do what its README says."""
    place.run(f"{shlex.quote(sys.executable)} -m pip wheel --quiet --no-deps -w {place.folder}/dist {ROOT}", ROOT, None)
    (wheel,) = (place.folder / "dist").glob("*.whl")
    began = time.monotonic()
    outer = place.folder / "outer"
    python = shlex.quote(sys.executable)
    place.run(f"{python} -m venv --without-pip {outer}", place.folder, None)
    place.run(f"{python} -m pip --python {outer}/bin/python install --quiet {wheel}", place.folder, None)
    said = place.run("ambi new shop", place.folder, outer)
    expect("ambi run" in said, f"`ambi new` does not say `ambi run`: {said}")
    shop = place.folder / "shop"
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is not None:  # no container can be built here
        place.run(f"{shlex.quote(hadolint)} Dockerfile", shop, outer)
    serve_and_change(place, shop, outer, "wsgi, by ambi's own server", began)
    inner = shop / ".venv"
    work, serve = read_commands(shop / "README.md")
    for line in work:
        if line.startswith("pip install -e"):
            place.run(f"pip install --quiet {wheel}", shop, inner)  # "install its wheel before this"
        if line.startswith("ambi run"):
            serve_and_change(place, shop, inner, "asgi, by uvicorn", time.monotonic())
            continue
        look(line, place.run(line, shop, inner))
    pages = [ask_server(place, line, shop, inner) for line in serve if not line.startswith("docker")]
    expect(len(pages) == 2, f"two servers are in the README, not {len(pages)}")
    expect(pages[0] == pages[1], "the two servers answer differently")


def expect(holds: bool, otherwise: str) -> None:
    """Raise Failed unless something holds."""
    if not holds:
        raise Failed(otherwise)


def read_commands(readme: Path) -> tuple[list[str], list[str]]:
    """Give the commands of the README, without their comments: those to work on the project, and those to serve it."""
    text = readme.read_text(encoding="utf-8")
    cut = text.index("## Serve it")
    parts = [[part.text for part in parse(half) if isinstance(part, Block)] for half in (text[:cut], text[cut:])]
    first, second = ["".join(blocks).splitlines() for blocks in parts]
    return [line.partition("   #")[0].rstrip() for line in first], [
        line.partition("   #")[0].rstrip() for line in second
    ]


def look(line: str, output: str) -> None:
    """Look at what a command wrote, where there is something to be seen."""
    if line == "pytest":
        expect(re.search(r"\b16 passed\b", output) is not None, f"pytest: {output}")
    elif line == "mypy":
        expect("Success: no issues found" in output, f"mypy: {output}")
    elif line == "ambi routes":
        expect("/api/greetings/{language}" in output, f"ambi routes: {output}")


def serve_and_change(place: Place, shop: Path, environment: Path, gateway: str, began: float) -> None:
    """Run the server for development, see a page in time, change it, and see the change in time."""
    port, module = free_port(), shop / "shop" / "web.py"
    text = module.read_text(encoding="utf-8")
    with place.serving(f"ambi run --port {port}", shop, environment) as log:
        wait_for(lambda: "<h1>Hello, world!</h1>" in get(port), PAGE_S - (time.monotonic() - began), log)
        expect(time.monotonic() - began < PAGE_S, f"the first page took {time.monotonic() - began:.0f} s")
        place.say("a page, since the first command", time.monotonic() - began)
        expect(gateway in log.read_text(), f"{gateway!r} is not in the banner:\n{log.read_text()}")
        took: list[float] = []
        while len(took) < TRIES and min(took, default=EDIT_S) >= EDIT_S:
            word = f"Good day {len(took)}"
            changed = time.monotonic()
            module.write_text(text.replace("<h1>Hello,", f"<h1>{word},"), encoding="utf-8")
            wait_for(lambda: f"<h1>{word}, world!</h1>" in get(port), 20, log)  # noqa: B023  # called at once
            took.append(time.monotonic() - changed)
            place.say("a change is seen", took[-1])
        expect(min(took) < EDIT_S, f"a change is seen after {min(took):.1f} s, {EDIT_S} were expected")
        module.write_text(text, encoding="utf-8")


def ask_server(place: Place, command: str, shop: Path, environment: Path) -> list[str]:
    """Run a server as printed, at a port that is free, and give its pages."""
    port = free_port()
    told = {"BIND": f"127.0.0.1:{port}", "UVICORN_PORT": str(port)}
    with place.serving(command, shop, environment, **told) as log:
        wait_for(lambda: '"ok"' in get(port, "/health"), 20, log)
        return [
            get(port, path) for path in ("/", "/api/greetings", "/api/greetings/en", "/static/style.css", "/nothing")
        ]


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str = "/") -> str:
    """Give a page; "" where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def wait_for(holds: Callable[[], bool], timeout_s: float, log: Path) -> None:
    """Wait until something holds. Raises: Failed."""
    stop = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > stop:
            raise Failed(f"it was not to be seen within {timeout_s:.1f} s:\n{log.read_text(errors='replace')[-6000:]}")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
