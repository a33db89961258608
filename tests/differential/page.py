"""docs/explanation/differences.md: what the rules say, and what each framework was seen to answer."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from tests.differential.differences import DIFFERENCES, Difference
from tests.differential.exchange import Sent
from tests.differential.judging import PEERS, Panel, Seen

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "differences.md"
HEADINGS = {
    "query": "Queries and urlencoded forms", "form": "Queries and urlencoded forms", "cookies": "Cookies", "multipart": "Multipart forms",
    "range": "Ranges", "conditions": "Conditional requests", "static": "Static files", "redirects": "Redirects",
}  # fmt: skip
_MOST = 100
INTRODUCTION = """# Differences from Werkzeug and Starlette

The same bytes were sent to ambi, to Werkzeug (on which Flask stands) and to Starlette (on which FastAPI stands). Where
one of them reads something else than ambi, or answers otherwise, it is listed here, with what was sent, what was seen
and why ambi does it so. "The same" means: as ambi. Of an answer the status, the body, Location and Content-Range are
compared, and what is said of the content: its type, coding and length, ETag (how it is made is everybody's own) and
Last-Modified. A test sends more than a thousand requests, and fails for a difference that is not explained here and for an
explanation without a difference; both gateways of ambi answer each of them alike.

```console
pytest tests/differential             # is it all still so?
python -m tests.differential          # what has no explanation; and writes this page
```

This is no list of faults: many of these are choices, and some of them ambi makes for safety where another framework
leaves them to its user. Who moves an application should look at those that its clients may notice.
"""


def page(panel: Panel) -> str:
    """Write the page."""
    seen_with = ", ".join(f"{name} {version(name)}" for name in PEERS)
    lines = [INTRODUCTION, f"Seen with {seen_with}."]
    heading = ""
    for rule in DIFFERENCES:
        if HEADINGS[rule.subjects[0]] != heading:
            heading = HEADINGS[rule.subjects[0]]
            lines += ["", f"## {heading}", ""]
        lines += _told(panel, rule)
    return "\n".join(lines) + "\n"


def without_versions(text: str) -> str:
    """Leave out with which versions it was seen."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("Seen with "))


def _told(panel: Panel, rule: Difference) -> Iterator[str]:
    ours = panel.ours(rule.example)
    yield f"- **{_plain(rule.what)}** {_plain(rule.why)}"
    yield ""
    yield "  | sent | " + " | ".join(("ambi", *PEERS)) + " |"
    yield "  |---|" + "---|" * (1 + len(PEERS))
    cells = [_code(_sent(rule.example)), _code(_shown(ours, rule.told))]
    for peer in PEERS:
        theirs = panel.theirs(peer, rule.example)
        is_same = theirs.decides_as(ours) and theirs.tells_else_than(ours).isdisjoint(rule.told)
        cells.append("the same" if is_same else _code(_shown(theirs, rule.told)))
    yield f"  | {' | '.join(cells)} |"
    yield ""


def _sent(sent: Sent) -> str:
    """Show what matters of a request."""
    if sent.body:
        text = ascii(sent.body)[2:-1]
        return (
            text.replace("--B\\r\\nContent-Disposition: form-data; ", "", 1).removesuffix(
                "\\r\\n\\r\\nx\\r\\n--B--\\r\\n"
            )
            if "--B" in text
            else text
        )
    fields = "; ".join(f"{name.title()}: {value}" for name, value in sent.headers)
    target = sent.target if sent.target not in ("/file", "/cookies") else ""
    method = sent.method if sent.method != "GET" else ""
    return ascii(" ".join(filter(None, (method, target, fields))))[1:-1]


def _shown(seen: Seen, told: tuple[str, ...]) -> str:
    if seen.status == 500:
        return "500"
    if seen.read is not None:
        pairs = [*seen.read["fields"], *seen.read["files"]]
        return " ".join("=".join(ascii(part)[1:-1] if part else "''" for part in pair) for pair in pairs) or "nothing"
    fields = (f"{name}: {value}" for name, value in seen.told if name in told)
    return ascii(" ".join([str(seen), *fields]))[1:-1]


def _code(text: str) -> str:
    """Put text into a cell of a table; cut where it is long."""
    cut = text if len(text) <= _MOST else text[: _MOST - 1] + "…"
    ticks = "``" if "`" in cut else "`"
    return f"{ticks}{cut}{ticks}".replace("|", "\\|")


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
