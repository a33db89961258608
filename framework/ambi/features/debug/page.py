"""The page: HTML without a script, since all that opens and closes is `<details>`.

Every text goes through `escape` but those that are written here.
"""

from __future__ import annotations

from html import escape
from itertools import groupby

from .collecting import Report
from .style import STYLE
from .text import write_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .collecting import Failed, Frame, Line, Section
    from .routes import Miss, Row

_SAID = {
    "cause": "It was raised from this exception, its direct cause:",
    "context": "It was raised while this exception was handled:",
}


def write_page(shown: Report | Miss, nonce: str) -> str:
    """Write the page of a report, or of the routes for a request that none took.

    Args:
        shown: what is on it.
        nonce: that the policy of the page lets through.
    """
    if isinstance(shown, Report):
        title, body = f"{shown.failure.kind} in debug", _of_failure(shown)
    else:
        title, body = f"{shown.status} {shown.title}", _of_miss(shown)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n<link rel="icon" href="data:,">\n'
        f'<title>{escape(title)}</title>\n<style nonce="{escape(nonce)}">{STYLE}</style>\n</head>\n<body>\n'
        f"{''.join(body)}"
        "<footer>Shown since the application is in debug, and to this machine alone. Values with the names of secrets"
        " are masked.</footer>\n</body>\n</html>\n"
    )


def _head(small: str, large: str, message: str, summary: str, links: list[tuple[str, str]]) -> Iterator[str]:
    yield f"<header><div>\n<h1><small>{escape(small)}</small>{escape(large)}</h1>\n"
    if message:
        yield f'<p class="message">{escape(message)}</p>\n'
    yield f'<p class="summary mono">{escape(summary)}</p>\n'
    anchors = "".join(f'<a href="#{escape(anchor)}">{escape(text)}</a>' for anchor, text in links)
    yield f'<nav aria-label="On this page">{anchors}</nav>\n</div></header>\n<main>\n'


# --- a crash ---


def _of_failure(report: Report) -> Iterator[str]:
    failure = report.failure
    links = [("traceback", "Traceback"), *((_id(one), one.title) for one in report.sections), ("plain", "As text")]
    yield from _head("500 Internal Server Error", failure.kind, failure.message, report.summary, links)
    yield '<h2 id="traceback">Traceback</h2>\n'
    yield from _failed(failure, is_first=True)
    for section in report.sections:
        yield from _section(section)
    yield (
        '<h2 id="plain">As text</h2>\n<details class="plain"><summary>All of it, to copy</summary>'
        f'<pre tabindex="0">{escape(write_text(report))}</pre></details>\n</main>\n'
    )


def _id(section: Section) -> str:
    return section.title.lower().replace(" ", "-")


def _failed(failed: Failed, *, is_first: bool = False) -> Iterator[str]:
    if not is_first:
        yield f'<div class="card"><h3>{escape(failed.kind)}</h3><p class="message">{escape(failed.message)}</p></div>\n'
    for note in failed.notes:
        yield f'<p class="note mono">{escape(note)}</p>\n'
    at, count = failed.left_out or (len(failed.frames), 0)
    yield from _frames(failed.frames[:at])
    if count:
        yield f'<p class="left-out">{count:,} frames are left out</p>\n'
    yield from _frames(failed.frames[at:])
    if failed.members:
        yield '<div class="members">\n'
        for number, member in enumerate(failed.members, 1):
            yield f'<p class="relation">Exception {number} of the group</p>\n'
            yield from _failed(member)
        yield "</div>\n"
    if failed.earlier is not None:
        yield f'<p class="relation">{_SAID[failed.earlier.relation]}</p>\n'
        yield from _failed(failed.earlier)


def _frames(frames: list[Frame]) -> Iterator[str]:
    """Write frames; those in a row that are not open anyway, behind one line."""
    for is_open, run in groupby(frames, key=lambda frame: frame.is_open):
        together = list(run)
        is_folded = not is_open and len(together) > 1
        if is_folded:
            names = dict.fromkeys(escape(_of_whom(frame)) for frame in together)
            yield (
                f'<details class="frame framework"><summary>{len(together)} frames of'
                f" {', '.join(f'<code>{name}</code>' for name in list(names)[:6])}{', …' if len(names) > 6 else ''}"
                '</summary>\n<div class="folded">\n'
            )
        for frame in together:
            yield from _frame(frame)
        if is_folded:
            yield "</div></details>\n"


def _of_whom(frame: Frame) -> str:
    """Name a frame's package, or the function where it is the user's."""
    return frame.function if frame.kind == "user" else frame.file.lstrip("/").partition("/")[0].removesuffix(".py")


def _frame(frame: Frame) -> Iterator[str]:
    chip = "" if frame.kind == "user" else f' <span class="chip">{frame.kind}</span>'
    yield (
        f'<details class="frame {frame.kind}"{" open" if frame.is_open else ""}><summary>'
        f"<code>{escape(frame.file)}:{frame.line}</code> in <code>{escape(frame.function)}</code>{chip}</summary>\n"
    )
    if frame.lines:
        where = escape(f"source of {frame.file}, line {frame.line}", quote=True)
        rows = "".join(_line(line) for line in frame.lines)
        yield f'<div class="source" tabindex="0" role="region" aria-label="{where}"><ol>{rows}</ol></div>\n'
    if frame.values:
        is_open = " open" if frame.is_open else ""
        yield f'<details class="locals"{is_open}><summary>{len(frame.values)} locals</summary>'
        yield from _rows(frame.values)
        yield "</details>\n"
    yield "</details>\n"


def _line(line: Line) -> str:
    text = escape(line.text)
    if line.mark is not None:
        start, end = line.mark
        if line.text[start:end].strip() and line.text[start:end] != line.text.strip():
            marked = f"<mark>{escape(line.text[start:end])}</mark>"
            text = f"{escape(line.text[:start])}{marked}{escape(line.text[end:])}"
    current = ' class="failing" aria-current="true"' if line.is_failing else ""
    return f"<li{current}><b>{line.number}</b>{text}</li>"


def _section(section: Section) -> Iterator[str]:
    yield f'<h2 id="{_id(section)}">{escape(section.title)}</h2>\n<div class="table">'
    yield from _rows(section.rows)
    yield "</div>\n"


def _rows(rows: list[tuple[str, str]]) -> Iterator[str]:
    yield '<table class="rows">'
    for name, value in rows:
        yield f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
    yield "</table>"


# --- no route ---


def _of_miss(miss: Miss) -> Iterator[str]:
    links = [("near", "Did you mean")] if miss.near else []
    yield from _head(str(miss.status), miss.title, "", miss.summary, [*links, ("routes", "Routes")])
    if miss.near:
        yield '<h2 id="near">Did you mean</h2>\n<div class="card"><ul class="near">'
        for near in miss.near:
            yield (
                f'<li><code>{escape(near.row.methods)} {_linked(near.row)}</code> <span class="why">'
                f"{escape(near.why)}</span></li>"
            )
        yield "</ul></div>\n"
    yield '<h2 id="routes">Routes</h2>\n'
    if not miss.rows:
        yield "<p>There are none.</p>\n</main>\n"
        return
    yield '<div class="table" tabindex="0" role="region" aria-label="Routes"><table class="routes"><thead><tr>'
    yield "".join(f'<th scope="col">{name}</th>' for name in ("method", "path", "handler", "", "where", "name"))
    yield "</tr></thead><tbody>"
    for row in miss.rows:
        cells = (row.methods, _linked(row), row.handler, row.colour, row.where, row.name)
        texts = (text if text is cells[1] else escape(text) for text in cells)
        yield f"<tr>{''.join(f'<td>{text}</td>' for text in texts)}</tr>"
    yield "</tbody></table></div>\n"
    yield f"<p>And {miss.more:,} more.</p>\n</main>\n" if miss.more else "</main>\n"


def _linked(row: Row) -> str:
    path = escape(row.path)
    return f'<a href="{escape(row.link)}">{path}</a>' if row.link else path
