r"""Where ambi reads the same bytes otherwise than Werkzeug or Starlette, and why.

A rule tells a difference by what was sent and by both answers. One without a rule fails the test, and so does a rule
that explains nothing any more. `docs/explanation/differences.md` is made of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from tests.differential.apps import THEN
from tests.differential.exchange import Sent
from tests.differential.inputs import cookies, disposition, file, form, multipart, query, redirect, static
from tests.differential.judging import Seen

WERKZEUG, STARLETTE = "Werkzeug", "Starlette"
BOTH = (WERKZEUG, STARLETTE)
UTF_8 = "text/plain; charset=utf-8"


class Difference(NamedTuple):
    """One rule.

    Attributes:
        subjects: of which requests.
        peers: who differs, in this way or another.
        example: a request that shows it.
        what: what ambi does, as a sentence.
        why: the reason, with who decides it.
        holds: whether a difference is this one: of what was sent, our answer, and theirs.
        told: of which fields, where the rule is of what is said about the same content.
    """

    subjects: tuple[str, ...]
    peers: tuple[str, ...]
    example: Sent
    what: str
    why: str
    holds: Callable[[Sent, Seen, Seen], bool]
    told: tuple[str, ...] = ()


# --- what a request has ---


def _text(sent: Sent) -> str:
    """Give the fields of a query or a form as they were sent."""
    return sent.body.decode("latin-1") if sent.body else sent.query


def _is_valid_utf8(text: str) -> bool:
    try:
        text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decoded(text: str) -> str:
    return re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)


def _cookie_parts(sent: Sent) -> list[str]:
    return [part.strip(" \t") for part in sent.get("cookie").split(";")]


def _tags_are_well_formed(text: str) -> bool:
    tag = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
    return text.strip(" \t") == "*" or re.fullmatch(rf"[ \t,]*{tag}(?:[ \t]*,[ \t,]*{tag})*[ \t,]*", text) is not None


def _date_is_well_formed(text: str) -> bool:
    months = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    clock = r"\d\d:\d\d:\d\d"
    forms = (
        rf"\w{{3}}, \d\d {months} \d{{4}} {clock} GMT", rf"\w{{6,9}}, \d\d-{months}-\d\d {clock} GMT", rf"\w{{3}} {months} [ \d]\d {clock} \d{{4}}",
    )  # fmt: skip
    return any(re.fullmatch(form, text) for form in forms)


_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*")
_DISPOSITION = re.compile(rb"(?i)content-disposition:[ \t]*form-data(?:[ \t]*;|$)")


def _is_complete(body: bytes) -> bool:
    """Tell whether there is a close delimiter."""
    return re.search(rb"(?:\A|\r\n)--B--[ \t]*(?:\r\n|\Z)", body) is not None


def _heads(body: bytes) -> list[bytes]:
    """Give the header sections of the parts, as far as they are told by delimiters that are lines of their own."""
    body = re.split(rb"(?:\A|\r\n)--B--[ \t]*(?:\r\n|\Z)", body)[0]
    return [part.partition(b"\r\n\r\n")[0] for part in re.split(rb"(?:\A|(?<=\r\n))--B[ \t]*(?:\r\n|\Z)", body)[1:]]


def _is_good(head: bytes) -> bool:
    """Tell whether a header section says once what the part is, in lines as they should be, and few of them."""
    lines = head.split(b"\r\n")
    named = [line for line in lines if line.lower().startswith(b"content-disposition")]
    if len(named) != 1 or len(lines) > 8 or not all(map(_LINE.fullmatch, lines)):
        return False
    lengths = any(line.lower().startswith(b"content-length") for line in lines)
    names, filenames = (len(re.findall(rb"(?i)[; \t]" + word + rb"=", named[0])) for word in (b"name", b"filename"))
    return bool(_DISPOSITION.match(named[0])) and names == 1 and filenames <= 1 and not lengths


def _ends_in_head(body: bytes) -> bool:
    """Tell whether a delimiter comes before the blank line that ends a header section."""
    parts = re.split(rb"(?:\A|(?<=\r\n))--B(?:--)?[ \t]*(?:\r\n|\Z)", body)[1:-1]
    return any(b"\r\n\r\n" not in part for part in parts)


def _begins_with_delimiter(body: bytes) -> bool:
    """Tell whether what looks like a delimiter stands behind a blank line, or behind a line feed alone."""
    return b"\r\n\r\n--B" in body or re.search(rb"[^\r]\n--B", body) is not None


def _first_is_none(body: bytes) -> bool:
    """Tell whether the first boundary with its dashes is no delimiter."""
    at = body.find(b"--B")
    starts = at == 0 or body[:at].endswith(b"\r\n")
    return at >= 0 and not (starts and re.match(rb"(?:--)?[ \t]*(?:\r\n|\Z)", body[at + 3 :]))


def _file_names(sent: Sent) -> bool:
    return b"filename" in sent.body


def _both_read(ours: Seen, theirs: Seen) -> bool:
    return ours.read is not None and theirs.read is not None


def _contents(seen: Seen) -> list[list[str]]:
    """Give what was read of files, without their names."""
    return sorted([name or "", content] for name, _, content in seen.read["files"])


def _path(sent: Sent) -> str:
    return _decoded(sent.path)


def _segments(sent: Sent) -> list[str]:
    return _path(sent).split("/")


def _is_refused(seen: Seen) -> bool:
    return seen.status >= 400


def _has_one_range(text: str) -> bool:
    return re.fullmatch(r"(?i:bytes)=[ \t,]*(?:\d+-\d*|-\d+)[ \t,]*", text, re.ASCII) is not None


def _has_ranges(text: str) -> bool:
    return (
        re.fullmatch(r"(?i:bytes)=[ \t]*(?:\d+-\d*|-\d+|)(?:[ \t]*,[ \t]*(?:\d+-\d*|-\d+|))+[ \t]*", text, re.ASCII)
        is not None
    )


def _range(sent: Sent) -> str:
    return sent.get("range")


def _says(sent: Sent, name: str) -> bool:
    return any(field == name for field, _ in sent.headers)


# --- the rules ---

_URLENCODED = ("query", "form")

DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        _URLENCODED, BOTH, query("\xc3\xbc=\xff"),
        "Bytes that should have been percent-encoded, and were not, are read as UTF-8 like those that were.",
        "WHATWG URL 5.1 percent-decodes bytes and then decodes UTF-8: it makes no difference how a byte came. Starlette reads"
        " latin-1; Werkzeug UTF-8, and where a query is none fails with a 500, or gives an empty form.",
        lambda sent, ours, theirs: not _text(sent).isascii() and ours.read is not None,
    ),
    Difference(
        _URLENCODED, (WERKZEUG,), query("a=%FF"),
        "Bytes that are no UTF-8 become U+FFFD.",
        "WHATWG URL 5.1: \"UTF-8 decode without BOM\". Werkzeug leaves the triplet as it was, so that it cannot be told from %25FF.",
        lambda sent, ours, theirs: _text(sent).isascii() and not _is_valid_utf8(_decoded(_text(sent))) and _both_read(ours, theirs),
    ),
    Difference(
        ("query",), BOTH, query("&".join(["a"] * 1001)),
        "A query of more than 1,000 arguments is a 400.",
        "A limit (`max_query_fields`), as forms have: what is made of a request must not grow with what a client can write in a few"
        " bytes.",
        lambda sent, ours, theirs: ours.status == 400 and sent.query.count("&") >= 1000,
    ),
    Difference(
        ("form",), (WERKZEUG,), form("&".join(["a=1"] * 1001)),
        "A urlencoded form of more than 1,000 fields is a 413.",
        "A limit (`max_form_fields`). Starlette has the same one and answers 400; Werkzeug counts bytes of the whole form only.",
        lambda sent, ours, theirs: ours.status == 413 and sent.body.count(b"&") >= 1000,
    ),
    # --- cookies
    Difference(
        ("cookies",), (STARLETTE,), cookies("a=1; a=2"),
        "Of two cookies of one name the first one counts.",
        "RFC 6265 5.4: user agents send the cookie with the longer path first, the one that is more the page's own. Where the last one"
        " counts, a cookie that another application planted for the whole site takes its place. Werkzeug gives the first one, too.",
        lambda sent, ours, theirs: _both_read(ours, theirs) and _repeats(sent),
    ),
    Difference(
        ("cookies",), BOTH, cookies("lonely; a=1"),
        "A piece without `=`, or without a name before it, is no cookie.",
        "RFC 6265 4.2.1: a cookie-pair has a name and `=`. Werkzeug makes it a name without a value, Starlette a value without a"
        " name; browsers send such pieces for cookies that no server of ours has set, and `=__Host-a=b` must not become `__Host-a`.",
        lambda sent, ours, theirs: any(part and ("=" not in part or part[0] == "=") for part in _cookie_parts(sent)),
    ),
    Difference(
        ("cookies",), BOTH, cookies("a=\xc3\xbc"),
        "Bytes beyond ASCII are read as UTF-8, with U+FFFD for what is none.",
        "RFC 6265 5.4 sends the octets that were stored, and 6.1 suggests UTF-8 for them; it is what browsers send of `document.cookie`."
        " Both others leave them in latin-1.",
        lambda sent, ours, theirs: not sent.get("cookie").isascii() and _both_read(ours, theirs),
    ),
    Difference(
        ("cookies",), (STARLETTE,), cookies("\x0b__Host-a=1"),
        "Only space and tab around a name are no part of it.",
        "RFC 6265 4.2.1 and RFC 9110 5.6.3 (OWS). With other white space dropped, a cookie that anybody may set takes the name of one"
        " that keeps the promises of `__Host-`.",
        lambda sent, ours, theirs: any(part[:1] in tuple("\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0") for part in _cookie_parts(sent) if part),
    ),
    Difference(
        ("cookies",), (WERKZEUG,), cookies('a="b;c"; d=e'),
        "A semicolon ends a cookie, in quotes too; a quote that is not closed is a character like any other.",
        "RFC 6265 4.1.1: a value has no semicolon, and quotes have no meaning; browsers cut at it. Werkzeug drops cookies that do not"
        " match its pattern, or reads on to the next quote, where what stands between may be another cookie.",
        lambda sent, ours, theirs: '"' in sent.get("cookie") and _both_read(ours, theirs),
    ),
    Difference(
        ("cookies",), (WERKZEUG,), cookies("a=1, b=2"),
        "A comma is a part of the value, and a space or a tab within a name one of that.",
        "RFC 6265 5.4 gives it no meaning, and user agents store it; it is not for the reader to drop what the writer let in.",
        lambda sent, ours, theirs: _both_read(ours, theirs)
        and (not {",", "\t"}.isdisjoint(sent.get("cookie")) or any(" " in part.partition("=")[0].rstrip() for part in _cookie_parts(sent))),
    ),
    Difference(
        ("cookies",), (WERKZEUG,), cookies('a="\\374"'),
        "Three octal digits in quotes are one character of latin-1.",
        "It is the standard library's quoting (`http.cookies`), which wrote the cookies that are still around; Starlette reads it so, too."
        " Werkzeug's own writes bytes of UTF-8 in that way. ambi writes neither: a value is ASCII.",
        lambda sent, ours, theirs: re.search(r"\\[2-3][0-7]{2}", sent.get("cookie")) is not None,
    ),
    # --- multipart
    Difference(
        ("multipart",), BOTH, multipart(b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'),
        "A body without its close delimiter is a 400.",
        "RFC 2046 5.1.1: the last delimiter ends it. A form that was cut on its way must not look like a smaller one: both others give"
        " an empty form.",
        lambda sent, ours, theirs: ours.status == 400 and not _is_complete(sent.body),
    ),
    Difference(
        ("multipart",), BOTH, multipart(b'--B\r\nContent-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"\r\n\r\nx\r\n--B--\r\n'),
        "A part must say once what it is: one Content-Disposition, `form-data`, one name, at most one file name; its other lines must"
        " be header lines, few, and without a Content-Length.",
        "RFC 7578 4.2, RFC 9110 5.6.2. Of two names readers take one or the other, and so a filter in front of the application and"
        " the application do not see the same form. Limits: `max_part_headers`.",
        lambda sent, ours, theirs: ours.status == 400 and not all(map(_is_good, _heads(sent.body))),
    ),
    Difference(
        ("multipart",), (WERKZEUG,), multipart(b'--B\r\nContent-Disposition: form-data; name="a"\r\n--B\r\nContent-Disposition: form-data; name="b"\r\n\r\nx\r\n--B--\r\n'),
        "A header section ends with a blank line; a delimiter before it is a 400.",
        "RFC 2046 5.1: a part without content has that line, too. Werkzeug reads on over the delimiter, or drops the part; who takes it"
        " for one sees another form.",
        lambda sent, ours, theirs: ours.status == 400 and _ends_in_head(sent.body),
    ),
    Difference(
        ("multipart",), BOTH, disposition('form-data; name="a\0b"'),
        "A name or a file name with NUL, CR or LF is a 400.",
        "WHATWG HTML 4.10.21.8: browsers encode line breaks, and NUL has cut names in other languages (`b.php\\0.png`).",
        lambda sent, ours, theirs: ours.status == 400 and re.search(rb'name="[^"]*[\r\n\0]', sent.body) is not None,
    ),
    Difference(
        ("multipart",), BOTH, multipart(b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n--B\r\n--B--\r\n'),
        "A delimiter is a line of its own that CRLF begins, and one that follows the header section at once belongs to the next part.",
        "RFC 2046 5.1.1: \"the CRLF preceding the boundary delimiter line is conceptually attached to the boundary\", and a part may have"
        " no content; `\\n--B` is content. Werkzeug takes a bare LF before a boundary for CRLF and cuts files there; Starlette takes the"
        " delimiter behind the headers for content.",
        lambda sent, ours, theirs: _begins_with_delimiter(sent.body),
    ),
    Difference(
        ("multipart",), BOTH, multipart(b'--B--x\r\n--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--B--\r\n'),
        "A body whose first boundary is no delimiter is a 400.",
        "Readers that compare only the start of a line (a note in RFC 2046 5.1.1 lets them) would find another first part.",
        lambda sent, ours, theirs: ours.status == 400 and _first_is_none(sent.body),
    ),
    Difference(
        ("multipart",), (STARLETTE,), multipart(b'preamble\r\n--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--B--\r\n'),
        "What stands before the first delimiter is ignored.",
        "RFC 2046 5.1.1: \"Implementations must ignore anything that appears before the first boundary delimiter line\".",
        lambda sent, ours, theirs: theirs.status == 400 and ours.read is not None and not sent.body.startswith(b"--B"),
    ),
    Difference(
        ("multipart",), BOTH, disposition('form-data; name="a"; filename="C:\\new\\b.txt"'),
        "A backslash in a name escapes a quote or a backslash, and is itself before anything else; the name is given as it was sent.",
        "Browsers send backslashes as they are. Werkzeug drops them, and Starlette all before the last: what a client says its file is"
        " called is text, and no path, so nothing is cut from it.",
        lambda sent, ours, theirs: b"\\" in sent.body and _file_names(sent) and _both_read(ours, theirs) and _contents(ours) == _contents(theirs),
    ),
    Difference(
        ("multipart",), BOTH, disposition('form-data; name="a\\%22b"'),
        "`%22` in a name is a quote, and a backslash before it is a character.",
        "WHATWG HTML 4.10.21.8: browsers write `\"` as %22 and leave backslashes alone. Starlette leaves it encoded; Werkzeug loses the"
        " backslash.",
        lambda sent, ours, theirs: b"%22" in sent.body and _both_read(ours, theirs),
    ),
    Difference(
        ("multipart",), (WERKZEUG,), disposition("form-data; name=\"a\"; filename*=UTF-8''evil.php"),
        "`filename*` is not read, nor are names in pieces.",
        "RFC 7578 4.2: \"NOT recommended\" there, and no browser sends it; who checks `filename` should not get another one.",
        lambda sent, ours, theirs: b"filename*" in sent.body and _both_read(ours, theirs),
    ),
    Difference(
        ("multipart",), (STARLETTE,), multipart(b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--B--\r\n'),
        "Text is UTF-8, with U+FFFD for what is none.",
        "WHATWG HTML 4.10.21.8 and Encoding 6. Starlette falls back to latin-1, so that the same field is decoded in two ways.",
        lambda sent, ours, theirs: _both_read(ours, theirs) and "\ufffd" in repr(ours.read) and _contents(ours) == _contents(theirs),
    ),
    # --- ranges
    Difference(
        ("range", "conditions", "static"), BOTH, file(range="bytes=0-4,6-7"),
        "Several ranges get the whole file.",
        "RFC 9110 14.2 lets a server ignore a Range, and 15.3.7.2 warns of what many overlapping ones cost (limits). Werkzeug answers 416,"
        " Starlette up to a hundred of them.",
        lambda sent, ours, theirs: _has_ranges(_range(sent)) and not _has_one_range(_range(sent)) and ours.status == 200,
    ),
    Difference(
        ("range", "conditions", "static"), BOTH, file(range="items=0-4"),
        "A Range that cannot be read, and one in another unit, is ignored.",
        "RFC 9110 14.2: \"A server that supports range requests MAY ignore or reject a Range header field that contains an invalid"
        " ranges-specifier\", and one of an unknown unit must be ignored. Werkzeug rejects with 416, Starlette with 400; both take"
        " spaces or signs within some that are none.",
        lambda sent, ours, theirs: _says(sent, "range") and not _has_one_range(_range(sent)) and not _has_ranges(_range(sent)) and ours.status == 200,
    ),
    Difference(
        ("range", "conditions"), BOTH, file(range="bytes=5-4"),
        "A range that ends before it begins is one that cannot be read.",
        "RFC 9110 14.1.1: \"An int-range is invalid if the last-pos value is present and less than first-pos\"; so it is ignored.",
        lambda sent, ours, theirs: ours.status == 200 and sent.method == "GET" and _ends_before_it_begins(_range(sent)),
    ),
    Difference(
        ("range", "conditions"), (WERKZEUG,), file(range="bytes=-20"),
        "A suffix longer than the file is all of it.",
        "RFC 9110 14.1.2: \"If the selected representation is shorter than the specified suffix-length, the entire representation is"
        " used\".",
        lambda sent, ours, theirs: re.match("(?i)bytes=[ \t,]*-", _range(sent)) is not None and ours.status == 206 and theirs.status == 416,
    ),
    Difference(
        ("range", "conditions"), (WERKZEUG,), file(range="bytes=0-4,"),
        "An empty element of a list is none.",
        "RFC 9110 5.6.1.2: \"A recipient MUST parse and ignore a reasonable number of empty list elements\".",
        lambda sent, ours, theirs: "," in _range(sent) and _has_one_range(_range(sent)),
    ),
    Difference(
        ("range", "conditions", "static"), BOTH, file("HEAD", range="bytes=0-4"),
        "HEAD heeds no Range.",
        "RFC 9110 14.2: \"A server MUST ignore a Range header field received with a request method that is unrecognized or for which"
        " range handling is not defined. For this specification, GET is the only method\".",
        lambda sent, ours, theirs: sent.method == "HEAD" and _says(sent, "range") and ours.status == 200,
    ),
    Difference(
        ("range", "conditions"), (WERKZEUG,), file(range="bytes=0-4", if_range='W/"v1"'),
        "If-Range compares strongly, and a date exactly; what is neither fits nothing.",
        "RFC 9110 13.1.5: weak tags never match, a date must be the same. Werkzeug takes weak tags, later dates and tags without quotes.",
        lambda sent, ours, theirs: sent.get("if-range").strip() not in ("", '"v1"') and ours.status == 200 and theirs.status in (206, 416),
    ),
    Difference(
        ("range", "conditions"), BOTH, file(range="bytes=0-4", if_range=""),
        "An If-Range with nothing in it is none.",
        "WSGI cannot tell an empty field from a missing one on every server; both gateways answer alike. RFC 9110 has no such value.",
        lambda sent, ours, theirs: _says(sent, "if-range") and not sent.get("if-range") and ours.status in (206, 416),
    ),
    Difference(
        ("range", "conditions"), BOTH, file(range="bytes=0-4"),
        "The content type of a file that the application names is sent as it was named.",
        "The bytes are the application's, and so is what they are: text in another encoding than UTF-8 would be misread. Both others"
        " add `charset=utf-8` to types of text. Types that ambi derives from a name, of files and of its own pages, have it.",
        lambda sent, ours, theirs: dict(ours.told).get("content-type") == "text/plain" and dict(theirs.told).get("content-type") == UTF_8,
        told=("content-type",),
    ),
    # --- conditions
    Difference(
        ("conditions",), (WERKZEUG,), file(range="bytes=0-4", if_range=THEN, if_none_match='"v2"'),
        "If-Range is decided by itself, whatever conditions that let the request pass have in them.",
        "RFC 9110 13.2.2: steps 1 to 4 have been passed when step 5 comes. Werkzeug asks the tags of If-Match and If-None-Match for"
        " the date of If-Range.",
        lambda sent, ours, theirs: ours.status in (206, 416) and theirs.status == 200 and sent.get("if-range") == THEN
        and (_says(sent, "if-none-match") or _says(sent, "if-match")),
    ),
    Difference(
        ("conditions",), (STARLETTE,), file(if_match='"v2"'),
        "If-Match and If-Unmodified-Since are heeded for files: 412.",
        "RFC 9110 13.2.2 steps 1 and 2. Starlette does not look at them.",
        lambda sent, ours, theirs: ours.status == 412 and theirs.status != 412,
    ),
    Difference(
        ("conditions",), (WERKZEUG,), file(if_match="*"),
        "`If-Match: *` holds for what is there.",
        "RFC 9110 13.1.1: \"the condition is true if the origin server has a current representation\".",
        lambda sent, ours, theirs: "*" in sent.get("if-match") and theirs.status == 412,
    ),
    Difference(
        ("conditions",), (WERKZEUG,), file(if_match="v1"),
        "An If-Match that cannot be read is a condition that nothing meets.",
        "RFC 9110 13.1.1 and 8.8.3: a tag has quotes. A write that was to be guarded must not pass because its guard is misspelt.",
        lambda sent, ours, theirs: ours.status == 412 and _says(sent, "if-match") and not _tags_are_well_formed(sent.get("if-match")),
    ),
    Difference(
        ("conditions",), (WERKZEUG,), file(if_unmodified_since="Sun, 06 Nov 1994 08:49:36 GMT"),
        "If-Unmodified-Since is heeded.",
        "RFC 9110 13.2.2 step 2. Werkzeug does not look at it where there is a tag, or none to compare.",
        lambda sent, ours, theirs: ours.status == 412 and _says(sent, "if-unmodified-since") and not sent.get("if-match").strip(),
    ),
    Difference(
        ("conditions",), BOTH, file(if_none_match='"v1", junk'),
        "A list with what is no tag in it names none; one without quotes is none, and so are two without a comma.",
        "RFC 9110 8.8.3 and 13.1.2. Werkzeug takes `v1` for `\"v1\"`; Starlette splits at commas, also those within a tag.",
        lambda sent, ours, theirs: any(
            _says(sent, name) and not _tags_are_well_formed(sent.get(name)) for name in ("if-match", "if-none-match")
        ),
    ),
    Difference(
        ("conditions",), BOTH, file(if_modified_since="Sun, 06 Nov 1994 08:49:37 +0000"),
        "A date that is no HTTP date is no condition.",
        "RFC 9110 13.1.3: \"A recipient MUST ignore the If-Modified-Since header field if the received field value is not a valid"
        " HTTP-date\"; 5.6.7 has three forms, all of them in GMT. The others read what mail writes.",
        lambda sent, ours, theirs: _says(sent, "if-modified-since") and not _date_is_well_formed(sent.get("if-modified-since")) and ours.status != 304,
    ),
    Difference(
        ("conditions",), (STARLETTE,), file(if_modified_since="Sun, 31 Feb 1995 08:49:37 GMT"),
        "A date that is none is no condition, although it looks like one.",
        "As above; Starlette compares the numbers.",
        lambda sent, ours, theirs: ours.status != 304 and re.search("31 Feb| 24:", sent.get("if-modified-since")) is not None,
    ),
    Difference(
        ("conditions",), (WERKZEUG,), file(if_modified_since="Sun, 06 Nov 1994 08:49:60 GMT"),
        "A leap second is a second.",
        "RFC 9110 5.6.7: the second is that of RFC 5322, up to 60. Werkzeug takes such a date for none.",
        lambda sent, ours, theirs: ":60 GMT" in sent.get("if-modified-since") and ours.status == 304,
    ),
    Difference(
        ("conditions",), (WERKZEUG,), file(if_none_match='"v1"', range="bytes=0-4"),
        "Conditions come first, the Range after them.",
        "RFC 9110 13.2.2: a 304 or 412 is decided in the steps before If-Range and Range. Werkzeug looks at the Range first.",
        lambda sent, ours, theirs: ours.status in (304, 412) and _says(sent, "range") and theirs.status in (206, 416),
    ),
    Difference(
        ("conditions",), (WERKZEUG,), file(if_match='"v1"', if_none_match='"v1"'),
        "After an If-Match that holds, If-None-Match or If-Modified-Since are evaluated, too.",
        "RFC 9110 13.2.2: from step 1 it goes on at step 3. Werkzeug looks at one of them.",
        lambda sent, ours, theirs: ours.status == 304 and _says(sent, "if-match") and theirs.status == 200,
    ),
    Difference(
        ("conditions", "static"), BOTH, file(if_none_match='"v1"'),
        "A 304 has the Last-Modified of the 200.",
        "RFC 9110 15.4.5 asks for ETag, and leaves room for what guides a cache: one that goes by dates updates what it has stored"
        " (RFC 9111 3.2). nginx sends both, too.",
        lambda sent, ours, theirs: ours.status == 304 and "last-modified" in dict(ours.told) and "last-modified" not in dict(theirs.told),
        told=("last-modified",),
    ),
    # --- static files
    Difference(
        ("static",), BOTH, static("/archive.tar.gz"),
        "A compressed file has the type of the compression.",
        "RFC 6713: it is what the bytes are, and what is to be saved. Werkzeug says that the archive is coded for the way (RFC 9110"
        " 8.4), and clients unpack what somebody wants to download as it is; Starlette names the type of what is inside alone.",
        lambda sent, ours, theirs: ".gz" in sent.path and dict(ours.told).get("content-type") == "application/gzip",
        told=("content-type", "content-encoding"),
    ),
    Difference(
        ("static",), (STARLETTE,), static("/link-in"),
        "The type of a file is that of the name that was asked for.",
        "Where a link leads to is nobody else's concern, and may be a name without a meaning, as of content-addressed stores. Starlette"
        " takes the name behind the link.",
        lambda sent, ours, theirs: "link-in" in sent.path and dict(theirs.told).get("content-type") == UTF_8,
        told=("content-type",),
    ),
    Difference(
        ("static",), BOTH, static("/.env"),
        "Files whose names begin with a dot are not there.",
        "A secure default (limits): `.env`, `.git` and editors' copies are in many directories by mistake.",
        lambda sent, ours, theirs: ours.status == 404 and any(s[:1] == "." and s not in (".", "..") for s in _segments(sent)),
    ),
    Difference(
        ("static",), BOTH, static("/sub/../a.txt"),
        "`.`, `..` and empty segments are names that no file has: 404.",
        "RFC 3986 6.2.2.3 has the client resolve them, and browsers do. Each file has one path, so that what a proxy or a guard allowed"
        " is what is opened. Werkzeug redirects some and serves others; Starlette normalises.",
        lambda sent, ours, theirs: ours.status == 404 and not {".", "..", ""}.isdisjoint(_segments(sent)[2:-1] + [s for s in _segments(sent)[-1:] if s]),
    ),
    Difference(
        ("static",), BOTH, static("/a.txt/"),
        "A file is no directory: with a slash behind its name it is not there.",
        "RFC 3986 5.2.4: relative links in a page would be resolved one level too deep, and one file would have two addresses.",
        lambda sent, ours, theirs: ours.status == 404 and _segments(sent)[-1] == "" and theirs.status in (200, 308),
    ),
    Difference(
        ("static",), (WERKZEUG,), static("/link-out"),
        "No symbolic link leads out of the directory.",
        "A secure default (limits). Werkzeug follows all of them.",
        lambda sent, ours, theirs: ours.status == 404 and "link-out" in sent.path,
    ),
    Difference(
        ("static",), BOTH, static("/sub"),
        "A directory with an index is redirected to its path with a slash, relatively and with 308, and answers there.",
        "RFC 9110 10.2.2 takes a relative reference, which is right behind every proxy and for every Host that was sent; Starlette builds"
        " it of the Host, with 307. Werkzeug's `send_from_directory` has no index.",
        lambda sent, ours, theirs: ours.status == 308 or (ours.status in (200, 304) and theirs.status == 404 and _segments(sent)[-1] == ""),
    ),
    Difference(
        ("static",), (STARLETTE,), static("/sub/."),
        "A path that ends with `.` is none of a directory.",
        "RFC 3986 5.2.4, as above.",
        lambda sent, ours, theirs: ours.status == 404 and theirs.status == 307,
    ),
    Difference(
        ("static",), BOTH, static("/%ff"),
        "A path that is no UTF-8 is a 400.",
        "Paths are UTF-8 (RFC 3986 2.5, WHATWG URL 4.4), decoded once and strictly, before routing and guards.",
        lambda sent, ours, theirs: ours.status == 400 and not _is_valid_utf8(_path(sent)),
    ),
    Difference(
        ("static",), BOTH, static("/a.txt", "OPTIONS"),
        "Files are for GET and HEAD; OPTIONS tells so, and other methods get a 405.",
        "RFC 9110 9.3.7 and 15.5.6. In a plain Werkzeug application that is the handler's to check; Starlette answers OPTIONS with 405.",
        lambda sent, ours, theirs: sent.method not in ("GET", "HEAD"),
    ),
    # --- redirects
    Difference(
        ("redirects",), BOTH, Sent("/slash"),
        "A path that lacks its last slash is redirected relatively, with 308.",
        "RFC 9110 10.2.2, 15.4.9: the method stays, and the answer does not depend on the Host that was sent.",
        lambda sent, ours, theirs: "location: ./" in str(ours) and theirs.status in (307, 308),
    ),
    Difference(
        ("redirects",), (WERKZEUG,), Sent("/slash//"),
        "Slashes are not merged: a path with two of them is another path.",
        "RFC 3986 6.2.2 does not make them the same; what a guard allowed is what is routed.",
        lambda sent, ours, theirs: ours.status == 404 and "//" in _path(sent) and theirs.status == 308,
    ),
    Difference(
        ("redirects",), BOTH, redirect("/a\tb"),
        "A location with a control character is an error of the application.",
        "Browsers drop some of them (WHATWG URL 4.4), so that `/\\t/evil.test` is another host: such a target was not checked. The others"
        " encode, or drop.",
        lambda sent, ours, theirs: ours.status == 500 and re.search(r"[\x00-\x1f\x7f]", _decoded(sent.query)) is not None,
    ),
    Difference(
        ("redirects",), (WERKZEUG,), redirect("/[x]"),
        "Brackets stay as they are.",
        "An IPv6 host has them (RFC 3986 3.2.2), and browsers leave them alone in paths (WHATWG URL, path percent-encode set).",
        lambda sent, ours, theirs: re.search(r"[\[\]]", _decoded(sent.query)) is not None and ours.status == 302,
    ),
    Difference(
        ("redirects",), (WERKZEUG,), redirect("https://b\xc3\xbccher.example/".encode("latin-1").decode()),
        "The location is encoded and otherwise left as it is.",
        "A browser reads a host in percent-encoded UTF-8 as well as in Punycode (WHATWG URL 3.5). Werkzeug takes the location apart and"
        " puts it together again: it writes `https:a` as `https:///a`, drops an empty `?` or `#` and spaces around, and fails for"
        " hosts and ports that it cannot read.",
        lambda sent, ours, theirs: ours.status == 302 and _has_odd_parts(_decoded(sent.query).removeprefix("to=")),
    ),
)  # fmt: skip


def _has_odd_parts(location: str) -> bool:
    """Tell whether a location has a host, a scheme without one, spaces around, or an empty query or fragment."""
    named = "//" in location or re.match("[A-Za-z][A-Za-z0-9+.-]*:", location)
    return bool(named) or location != location.strip() or re.search(r"[?#](?:#|\Z)", location) is not None


def _repeats(sent: Sent) -> bool:
    names = [re.split("[ \t]*=", part)[0].strip() for part in _cookie_parts(sent) if part]
    return len(names) != len(set(names))


def _ends_before_it_begins(text: str) -> bool:
    found = re.search(r"(\d+)-(\d+)", text)
    return found is not None and int(found[2]) < int(found[1])


def explained(subject: str, peer: str, sent: Sent, ours: Seen, theirs: Seen) -> list[Difference]:
    """Give the rules that a difference follows; none for one that nobody has explained.

    Where it is only in what is said of the content, each field of it needs a rule that names it.
    """
    about_fields = ours.decides_as(theirs)
    rules = [
        rule
        for rule in DIFFERENCES
        if subject in rule.subjects and peer in rule.peers and bool(rule.told) == about_fields
        and rule.holds(sent, ours, theirs)
    ]  # fmt: skip
    unexplained = ours.tells_else_than(theirs) - {name for rule in rules for name in rule.told}
    return [] if about_fields and unexplained else rules
