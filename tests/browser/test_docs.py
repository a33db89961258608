"""The site of the pages as it is read: on a phone and on a desk, by day and by night, under a policy that forbids all else."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.browser.chromium import Browser

SITE = Path(__file__).parents[2] / "docs" / "_build" / "html"
PAGES = (
    "index.html",
    "how-to/sse.html",
    "how-to/typed-handlers.html",
    "reference/app.html",
    "reference/limits.html",
    "tutorial/4-forms.html",
    "how-to/deploy/index.html",
    "architecture.html",
    "parity.html",
    "source/framework/ambi/core/pipeline.py.html",
)
SIZES = {"phone": (390, 844), "desk": (1280, 800)}
# What the theme has within its pages: one script, which puts the reader's choice of light or dark on the page before it
# is drawn, and its variables.
SCRIPT = '\n      document.body.dataset.theme = localStorage.getItem("theme") || "auto";\n    '
HASH = b64encode(sha256(SCRIPT.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; script-src 'self' 'sha256-{HASH}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
TOO_WIDE = """
const scrolls = e => ["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX);
const beyond = Array.from(document.querySelectorAll("article *")).filter(e => {
  if (e.getBoundingClientRect().right <= innerWidth + 1) return false;
  for (let around = e.parentElement; around; around = around.parentElement) if (scrolls(around)) return false;
  return true;
});
return [document.documentElement.scrollWidth - innerWidth, beyond.map(e => e.outerHTML.slice(0, 80))];
"""
REQUESTED = "return performance.getEntriesByType('resource').map(each => each.name)"
CONTRAST = """
const parts = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
const light = colour => {
  const [r, g, b] = parts(colour).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
return Array.from(document.querySelectorAll(".diagram g.node")).map(node => {
  const text = light(getComputedStyle(node.querySelector("text")).fill);
  const shape = getComputedStyle(node.querySelector("path, polygon, ellipse")).fill;
  const ground = light(shape === "none" ? getComputedStyle(document.body).backgroundColor : shape);
  return (Math.max(text, ground) + .05) / (Math.min(text, ground) + .05);
});
"""


class Handler(SimpleHTTPRequestHandler):
    """Serves the site under the policy."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, directory=str(SITE), **options)  # type: ignore[arg-type]

    def end_headers(self) -> None:
        self.send_header("content-security-policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Where the site is served."""
    if not (SITE / "index.html").exists():
        pytest.skip("the site is not built: nox -s docs")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)


@pytest.fixture
def reader(browser: Browser) -> Iterator[Browser]:
    """A browser whose screen and taste a test may set."""
    yield browser
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def take(browser: Browser, screen: str, taste: str) -> None:
    """Give a browser the size of a phone or a desk, and a reader who likes it light or dark."""
    width, height = SIZES[screen]
    measures = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == "phone"}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", measures)
    liking = {"name": "prefers-color-scheme", "value": taste}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [liking]})


@pytest.mark.parametrize("taste", ["light", "dark"])
@pytest.mark.parametrize("screen", SIZES)
def test_the_pages_fit_and_ask_nobody_else(site: str, reader: Browser, screen: str, taste: str):
    take(reader, screen, taste)
    for page in PAGES:
        reader.open(f"{site}/{page}")
        reader.picture(f"site-{screen}-{taste}-{page.replace('/', '-')}")
        wider, beyond = reader.run(TOO_WIDE)
        assert (page, beyond) == (page, [])
        assert (page, wider <= 0) == (page, True)
        elsewhere = [address for address in reader.run(REQUESTED) if not address.startswith((site, "data:"))]
        assert (page, elsewhere) == (page, [])
        assert (page, reader.complaints()) == (page, [])


@pytest.mark.parametrize("taste", ["light", "dark"])
def test_diagrams_can_be_read(site: str, reader: Browser, taste: str):
    take(reader, "desk", taste)
    reader.open(f"{site}/architecture.html")
    contrasts = reader.run(CONTRAST)
    if not contrasts:
        pytest.skip("the site was built without Graphviz")
    assert min(contrasts) >= 7
    reader.picture(f"site-diagrams-{taste}")
    assert reader.complaints() == []


def test_the_search_finds_a_name_of_the_reference(site: str, reader: Browser):
    take(reader, "desk", "light")
    reader.open(f"{site}/search.html?q=Broadcast")
    # What is found comes bit by bit.
    reader.until(lambda: any("ambi.Broadcast" in text for text in reader.texts("#search-results li")))
    assert reader.complaints() == []


def test_the_policy_is_held(site: str, reader: Browser):
    reader.open(f"{site}/index.html")
    reader.run("const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s)")
    assert reader.run("return window.ran") is None
    assert any("Content Security Policy" in text for text in reader.complaints())
