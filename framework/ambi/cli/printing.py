"""The document of `ambi check`, and its failures, for people: as wide as the terminal, bold and colours on one only.

A line of the table is cut to a terminal, and whole in a file or a pipe.
"""

from __future__ import annotations

import linecache
import os
import shutil
import textwrap
from pathlib import Path

from .document import relative
from .servers import FEATURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from .document import Document, FunctionEntry, RouteEntry
    from .loading import Frame

_BOLD, _WARN, _DIM = "1", "33", "2"
_CUTS = ((6, 12), (2, 8), (4, 16), (1, 12))
"""Of a table of routes which columns are cut, one after the other, and to which width."""

_PLACES = {
    ("wsgi", "sync"): "server's thread", ("wsgi", "async"): "loop thread",
    ("asgi", "sync"): "worker thread", ("asgi", "async"): "server's loop",
}  # fmt: skip
_USUAL = ("every server", "WSGI servers", "gunicorn", "uvicorn")
_ANSWERS = {
    "events": "events", "stream": "stream", "file": "file", "websocket": "socket", "wsgi": "WSGI app",
    "asgi": "ASGI app",
}  # fmt: skip

_ITEMS = {
    None: "",
    "def": " of a `def` generator: made as it is sent under WSGI, in a thread beside it under ASGI",
    "async def": " of an `async def` generator: made as it is sent under ASGI, on the loop thread beside it under WSGI",
}


class Page:
    """Where is written to: how wide it is, and whether it shows colours.

    Colours are for terminals; `NO_COLOR` and `TERM=dumb` turn them off. `COLUMNS` sets the width of anything.

    See: https://no-color.org
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._encoding = out.encoding or "utf-8"
        is_terminal = out.isatty()
        self._colours = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.cuts = is_terminal or os.environ.get("COLUMNS", "").isdecimal()
        self.width = max(shutil.get_terminal_size((100, 24)).columns if self.cuts else 100, 50)

    def style(self, text: str, code: str) -> str:
        """Give a text in a style, where there are any."""
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours and text else text

    def write(self, line: str = "") -> None:
        """Write a line; a character that the encoding there has not is a question mark."""
        text = line.rstrip() + "\n"
        self._out.write(text.encode(self._encoding, "replace").decode(self._encoding))

    def heading(self, text: str) -> None:
        """Write a heading, with an empty line before it."""
        self.write()
        self.write(self.style(text, _BOLD))

    def cut(self, text: str, width: int) -> str:
        """Cut a text to a width, where lines are cut."""
        return text if len(text) <= width or not self.cuts else text[: max(width - 1, 0)] + "…"

    def wrap(self, text: str, first: str, rest: str) -> None:
        """Write a paragraph, or several if the text has lines: `first` before the first, `rest` before the others."""
        for paragraph in text.splitlines() or [""]:
            lines = textwrap.wrap(
                paragraph, min(self.width, 120) - len(rest), break_long_words=False, break_on_hyphens=False
            ) or [""]
            for number, line in enumerate(lines):
                self.write((rest if number else first) + line)


def print_document(page: Page, document: Document, *, table: bool) -> None:
    """Write what there is: routes (with `table`), needs, differences, warnings."""
    if table:
        _print_head(page, document)
        _print_table(page, document["routes"], document["gateways"])
    _print_needs(page, document)
    _print_differences(page, document, whole=not table)
    _print_warnings(page, document)


def _print_head(page: Page, document: Document) -> None:
    count = len(document["routes"])
    page.write(f"{page.style(document['app'], _BOLD)}  {count} route{'s' * (count != 1)}")
    lifespans = [f"{function['name']} ({function['colour']})" for function in document["lifespans"]]
    layers = [f"{layer['name']} ({layer['form']})" for layer in document["layers"]]
    for word, shown in (("lifespan", lifespans), ("layers", layers)):
        if shown:
            page.wrap(", ".join(shown), f"{word:8}  ", " " * 10)


def _print_table(page: Page, routes: Sequence[RouteEntry], gateways: Sequence[str]) -> None:
    """Write a line for each route; what is too long for the terminal is cut where it tells least."""
    if not routes:
        return
    head = ("method", "path", "handler", "where", "  ".join(gateways))
    rows, widths = _rows(head, routes, gateways, "")
    if page.cuts and sum(widths) + 8 > page.width:
        common = _common_folder(routes)
        rows, widths = _rows(head, routes, gateways, common)
        if common:
            page.write(f"below     {common}")
        spare = page.width - widths[0] - widths[2] - widths[4] - 8
        widths[3] = min(widths[3], max(spare - widths[1], spare * 2 // 5))
        widths[1] = min(widths[1], spare - widths[3])
    page.write()
    for row in rows:
        where = _cut_name(row[3], widths[3]) if row is not head and page.cuts else row[3]
        cells = (*row[:3], where, row[4])
        line = "  ".join(page.cut(text, width).ljust(width) for text, width in zip(cells, widths, strict=True))
        page.write(page.style(line, _DIM) if row is head else line)
    _print_meaning(page, gateways)


def _print_meaning(page: Page, gateways: Sequence[str]) -> None:
    page.write()
    meaning = f"{', '.join(gateways)}: trips of a request between thread and event loop, there and back"
    page.write(page.style(page.cut(meaning, page.width), _DIM))


def print_routes(page: Page, routes: Sequence[RouteEntry], gateways: Sequence[str]) -> None:
    """Write a line for each route with its name and its layers; on a terminal the longest columns are cut."""
    if not routes:
        page.write("no routes")
        return
    head = ("method", "path", "name", "handler", "where", "  ".join(gateways), "layers")
    rows: list[tuple[str, ...]] = [head]
    for route in routes:
        methods, path, *rest = _cells(route, gateways, "")
        layers = ", ".join(layer["name"].rpartition(".")[2] for layer in route["layers"])
        rows.append((methods, path, route["name"] or "-", *rest, layers or "-"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for column, least in _CUTS if page.cuts else ():
        excess = sum(widths) + 2 * (len(widths) - 1) - page.width
        widths[column] = max(widths[column] - max(excess, 0), min(least, widths[column]))
    for row in rows:
        where = _cut_name(row[4], widths[4]) if page.cuts and row is not head else row[4]
        where = where if len(where) <= widths[4] else f"…{where[1 - widths[4] :]}"  # the line is what is looked for
        cells = (*row[:4], where, *row[5:])
        line = "  ".join(page.cut(text, width).ljust(width) for text, width in zip(cells, widths, strict=True))
        page.write(page.style(line.rstrip(), _DIM) if row is head else line)
    _print_meaning(page, gateways)


def _cut_name(where: str, width: int) -> str:
    """Cut the name in `name file:line`, so that the place is whole as long as there is room for it."""
    name, _, place = where.rpartition(" ")
    room = width - len(place) - 2
    return where if len(where) <= width or not name else f"{name[:room]}… {place}" if room > 1 else place


def _rows(
    head: tuple[str, ...], routes: Sequence[RouteEntry], gateways: Sequence[str], common: str
) -> tuple[list[tuple[str, ...]], list[int]]:
    """Give the cells of the table, its head first, and how wide its columns are."""
    rows = [head, *(_cells(route, gateways, common) for route in routes)]
    return rows, [max(map(len, column)) for column in zip(*rows, strict=True)]


def _cells(route: RouteEntry, gateways: Sequence[str], common: str) -> tuple[str, ...]:
    figures = "  ".join(f"{route['crossings'][gateway]:>4}" for gateway in gateways)
    return _methods(route), route["host"] + route["path"], _kind(route), _where(route, common), figures


def _common_folder(routes: Sequence[RouteEntry]) -> str:
    """Give the folder, with a separator at its end, that all handlers are in; "" where there is none."""
    folders = {
        str(Path(route["handler"]["file"]).parent)
        for route in routes
        if not route["directory"] and route["methods"] != ["*"]
    }
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # some are relative and some are not, or there are none
        return ""
    return f"{common}{os.sep}" if common not in ("", ".") else ""


def print_details(page: Page, routes: Sequence[RouteEntry]) -> None:
    """Write all that is known of routes."""
    for number, route in enumerate(routes):
        if number:
            page.write()
        page.write(
            page.style(f"{', '.join(route['methods']).replace('*', 'any')} {route['host']}{route['path']}", _BOLD)
        )
        _print_pieces(page, route)
        page.write(f"  {_limit(route)}")
        if route["answers"]:
            page.wrap(f"{_ANSWERS[route['answers']]}{_ITEMS[route['items']]}", "  answers  ", " " * 11)
        if route["cancel_on_disconnect"]:
            page.write("  leaves   cancelled when the client does")
        if route["timeout_s"] is not None:
            page.write(f"  time     {route['timeout_s']:g} s at most, then a 503")
        for gateway, count in route["crossings"].items():
            way = " → ".join(
                f"{_PLACES[gateway, stop['side']]} ({', '.join(stop['pieces'])})" for stop in route["way"][gateway]
            )
            more = route["crossings_with_body"][gateway]
            with_body = f" ({more} with a body)" if more != count and route["answers"] != "websocket" else ""
            page.wrap(f"{count} crossing{'s' * (count != 1)}{with_body}: {way}", f"  {gateway}     ", " " * 11)


def _limit(route: RouteEntry) -> str:
    """Say what a client may send, and when the handler has it."""
    if route["max_message_bytes"] is not None:
        return f"messages {_bytes(route['max_message_bytes'])} at most"
    how = "streamed to the handler" if route["body"] == "streamed" else "loaded before the handler runs"
    limit = route["max_body_bytes"]
    return f"body     {how}, {'no limit but its own' if limit is None else f'{_bytes(limit)} at most'}"


def _print_pieces(page: Page, route: RouteEntry) -> None:
    mounted = f"mounted at {route['mount']}" if route["mount"] else ""
    page.write(f"  name     {'  '.join(filter(None, (route['name'], mounted)))}")
    for number, layer in enumerate(route["layers"]):
        body = ", wants the body" if layer["wants_body"] else ""
        form = layer["form"] + (" when it has to wait" if layer["waits"] else "")
        form += f", on an event loop {layer['on_loop']}" if layer["on_loop"] else ""
        label = "layers" if number == 0 else ""
        page.write(f"  {label:7}  {layer['name']}  {_place(layer)}  {form}{body}, of {layer['of']}")
    handler = route["handler"]
    blocking = "" if route["may_block"] or _colour(handler) != "def" else ", never blocks"
    parts = (handler["name"], _place(handler), _colour(handler) + blocking)
    page.write(f"  handler  {'  '.join(filter(None, parts))}")


def _print_needs(page: Page, document: Document) -> None:
    if not document["needs"]:
        return
    page.heading("needs")
    width = max(len(FEATURES[need["feature"]]) for need in document["needs"])
    last = ""
    for need in document["needs"]:
        name = FEATURES[need["feature"]] if need["feature"] != last else ""
        last = need["feature"]
        page.wrap(need["text"], f"  {name:{width}}  {need['gateway']}  ", " " * (width + 10))


def _print_differences(page: Page, document: Document, *, whole: bool) -> None:
    """Write the differences; unless `whole`, those of all servers of a kind and of the two that most people use."""
    if not document["differences"]:
        return
    page.heading("differs by server")
    shown = [one for one in document["differences"] if whole or any(name in one["where"] for name in _USUAL)]
    for one in shown:
        page.wrap(f"{one['where']}: {one['seen'][0].lower()}{one['seen'][1:]}", "  - ", "    ")
    left = len(document["differences"]) - len(shown)
    if left:
        page.write(f"  and {left} of other servers, which -v shows")


def _print_warnings(page: Page, document: Document) -> None:
    count = len(document["warnings"])
    page.heading(f"{count or 'no'} warning{'s' * (count != 1)}")
    for warning in document["warnings"]:
        where = f"{_shorten(warning['where'])}: " if warning["where"] else ""
        page.wrap(f"{where}{warning['text']}", f"  {page.style('!', _WARN)} ", "    ")
        page.wrap(warning["mend"], "    → ", "      ")


def print_failure(
    page: Page, spec: str, kind: str, text: str, frames: Sequence[Frame], *, command: str = "check", mend: str = ""
) -> None:
    """Write why there is no application: the user's frames that led to it, innermost last, and what is wrong.

    Args:
        page: where.
        command: which says so.
        mend: what to do, if anybody knows.
        spec: what was to be loaded.
        kind: the class of the exception; "" for a configuration error, whose text says what to do.
        text: of the exception.
        frames: of the user's code.
    """
    page.write(f"ambi {command}: {spec} {'raised an error' if kind else 'is put together wrongly'}")
    for file, line, function in frames[-3:]:
        inside = f", in {function}" if function not in ("", "<module>") else ""
        page.write(f"  {relative(file)}:{line}{inside}")
        page.write(f"    {linecache.getline(file, line).strip()}")
    page.wrap(f"{kind}: {text}" if kind else text, "", "  ")
    if mend:
        page.wrap(mend, "  → ", "    ")


# --- words ---


def _methods(route: RouteEntry) -> str:
    names = ["any" if method == "*" else "WS" if method == "WEBSOCKET" else method for method in route["methods"]]
    return ",".join(names) if len(names) < 3 else f"{names[0]},{names[1]},+{len(names) - 2}"


def _kind(route: RouteEntry) -> str:
    if route["answers"] in ("wsgi", "asgi"):
        return _ANSWERS[route["answers"]]
    colour = route["handler"]["colour"].removesuffix(" def")
    return f"{colour} {_ANSWERS[route['answers']]}" if route["answers"] else colour


def _colour(function: FunctionEntry) -> str:
    return function["colour"] if function["form"] == "function" else f"{function['colour']} generator"


def _where(route: RouteEntry, common: str) -> str:
    if route["directory"]:
        return f"{route['directory']}{os.sep}"
    if route["answers"] in ("wsgi", "asgi"):
        return route["handler"]["name"]
    return f"{route['handler']['name'].rpartition('<locals>.')[2]} {_place(route['handler']).removeprefix(common)}"


def _place(function: FunctionEntry) -> str:
    return f"{function['file']}:{function['line']}" if function["file"] else ""


def _bytes(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} bytes"


def _shorten(where: str) -> str:
    """Make the file of `name (file:line)` relative to the current directory."""
    name, _, place = where.rpartition(" (")
    file, _, line = place.rstrip(")").rpartition(":")
    return f"{name} ({relative(file)}:{line})" if file else where
