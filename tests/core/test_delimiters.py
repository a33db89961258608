"""Which lines of a multipart body are its delimiters, and that all the rest comes out as it was sent."""

import itertools
import re
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ambi import HTTPError, Limits, UploadFile
from ambi.core.delimiters import DelimiterFilter
from ambi.core.forms import MultipartReader
from tests.core.scaling import assert_linear

Part = tuple[str, str] | tuple[str, str, str, bytes]

HEAD = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
FILE = b'--B\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\n\r\n'
END = b"\r\n--B--\r\n"
LINE = b"--B" * 5


def form(chunks: Iterable[bytes], boundary: str = "B", limits: Limits | None = None) -> list[Part]:
    """Give the parts of a body that arrives in these chunks."""
    reader = MultipartReader(boundary, limits or Limits())
    try:
        for chunk in chunks:
            reader.feed(chunk)
            if reader.wants_to_write:
                reader.write()
        reader.write()
        return [
            (name, value.filename, value.content_type, value.read()) if isinstance(value, UploadFile) else (name, value)
            for name, value in reader.finish().pairs()
        ]
    finally:
        reader.close()


def content(sent: bytes, boundary: str = "B") -> bytes:
    """Give the content of a file as it came out."""
    dashes = f"--{boundary}".encode()
    [part] = form([FILE.replace(b"--B", dashes) + sent + b"\r\n" + dashes + b"--\r\n"], boundary)
    found = part[-1]
    assert isinstance(found, bytes)
    return found


def refusal(*chunks: bytes, limits: Limits | None = None) -> str:
    """Give the detail of the 400 that these chunks are answered with."""
    with pytest.raises(HTTPError) as info:
        form(chunks, limits=limits)
    assert info.value.status == 400
    return info.value.detail or ""


def in_chunks(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


# --- what is no delimiter is content ---

LOOK_ALIKES = {
    "text-follows": b"\r\n--Bx",
    "a-longer-boundary": b"\r\n--BB\r\n",
    "text-behind-padding": b"\r\n--B \t x\r\n",
    "one-hyphen": b"\r\n--B-\r\n",
    "three-hyphens": b"\r\n--B---\r\n",
    "hyphens-behind-padding": b"\r\n--B --\r\n",
    "text-behind-close": b"\r\n--B--x\r\n",
    "padding-between-hyphens": b"\r\n--B- -\r\n",
    "no-CR-behind": b"\r\n--B\n",
    "no-LF-behind": b"\r\n--B\rx",
    "two-CR-behind": b"\r\n--B\r\r\n",
    "no-LF-behind-close": b"\r\n--B--\rx",
    "no-CR-behind-close": b"\r\n--B--\n",
    "no-CR-before": b"x\n--B\r\n",
    "no-LF-before": b"x\r--B\r\n",
    "no-line-before": b"x--B\r\n",
    "a-space-before": b"\r\n --B\r\n",
    "one-hyphen-before": b"\r\n-B\r\n",
    "three-hyphens-before": b"\r\n---B\r\n",
    "lower-case": b"\r\n--b\r\n",
    "form-feed-as-padding": b"\r\n--B\x0c\r\n",
    "no-break-space-as-padding": b"\r\n--B\xa0\r\n",
    "NUL-as-padding": b"\r\n--B\0\r\n",
    "CRs": b"\r\r\r\n\r",
    "dashes": b"\r\n-----",
}


@pytest.mark.parametrize("look_alike", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
@pytest.mark.parametrize("around", [b"", b"text", b"\r\n", b"\r", b"\r\n--", b"-"], ids=repr)
def test_a_line_that_only_looks_like_a_delimiter_is_content(look_alike: bytes, around: bytes) -> None:
    for sent in (look_alike, around + look_alike, look_alike + around, look_alike * 3):
        assert content(sent) == sent


@pytest.mark.parametrize("boundary", ["B", "-", "--", "---", "a:b", "a b", "'()+_,-./:=?", "Z" * 70])
def test_every_boundary_that_rfc_2046_allows_delimits(boundary: str) -> None:
    dashes = f"--{boundary}".encode()
    for sent in (b"", b"--", dashes, b"\r\n" + dashes + b"x\r\n", b"\r\n" + dashes[:-1] + b"\r\n"):
        assert content(b"x" + sent, boundary) == b"x" + sent


def test_a_look_alike_may_stand_before_every_delimiter() -> None:
    sent = b"\r\n--Bx"
    body = b"".join(HEAD[:-2] + b"X: --B\r\n\r\n" + sent + b"\r\n" for _ in range(3)) + b"--B--"
    assert form([body]) == [("a", "\r\n--Bx")] * 3


# --- what is a delimiter ---


@pytest.mark.parametrize("padding", [b" ", b"\t", b" \t \t", b" " * 256], ids=len)
def test_transport_padding_belongs_to_the_delimiter(padding: bytes) -> None:
    head = HEAD.replace(b"--B", b"--B" + padding)
    assert form([head + b"x\r\n" + head + b"y\r\n--B--" + padding + b"\r\n"]) == [("a", "x"), ("a", "y")]
    assert form([head + b"x\r\n--B--" + padding]) == [("a", "x")]


def test_transport_padding_has_a_bound() -> None:
    for line in (b"--B", b"\r\n--B", b"\r\n--B--"):
        before = b"" if line == b"--B" else HEAD + b"x"
        assert "padding" in refusal(before + line + b" " * 257 + b"\r\n")
        assert "padding" in refusal(before + line, *[b" "] * 257)
        assert "padding" in refusal(before + line + b"\t" * 100_000)


def test_the_close_delimiter_may_end_the_body_without_a_crlf() -> None:
    assert form([HEAD + b"x\r\n--B--"]) == [("a", "x")]
    assert form([b"--B--"]) == form([b"--B--\r\n"]) == form([b"--B-- \t"]) == []


def test_the_crlf_before_a_delimiter_belongs_to_it() -> None:
    assert content(b"") == b""
    assert content(b"\r\n") == b"\r\n"
    assert content(b"\r\n\r\n") == b"\r\n\r\n"
    assert content(b"\r") == b"\r"
    assert content(b"\n") == b"\n"


def test_the_crlf_before_a_delimiter_may_be_that_which_ends_the_header_section() -> None:
    """A part without content: `body-part` is a message of RFC 822, whose body is optional."""
    assert form([HEAD + b"--B\r\n" + HEAD[5:] + b"x" + END]) == [("a", ""), ("a", "x")]
    assert form([HEAD + b"--B--"]) == [("a", "")]
    assert form([HEAD + b"--Bx" + END]) == [("a", "--Bx")]


def test_the_boundary_given_on_is_new_for_every_body() -> None:
    given_on = {DelimiterFilter("B", Limits()).boundary for _ in range(100)}
    assert len(given_on) == 100
    assert all(re.fullmatch(b"[_=]{240}", boundary) for boundary in given_on)


def test_content_that_guesses_delimiters_of_the_parser_comes_out_as_sent() -> None:
    sent = b"\r\n--" + b"0" * 32 + b"--\r\n"
    assert content(sent) == sent


# --- before the first and behind the last ---


@pytest.mark.parametrize(
    "preamble", [b"\r\n", b"text\r\n", b"a\r\nb\r\n", b"\n\r\n", b"\r\r\n", b"--\r\n", b"x" * 9000 + b"\r\n"]
)
def test_a_preamble_is_ignored(preamble: bytes) -> None:
    assert form([preamble + HEAD + b"x" + END]) == [("a", "x")]
    assert form(in_chunks(preamble + HEAD + b"x" + END, 1)) == [("a", "x")]


@pytest.mark.parametrize("epilogue", [b"\r\n", b"text", b"\n", b"\0", HEAD + b"y" + END, LINE, b"x" * 9000])
def test_an_epilogue_is_ignored(epilogue: bytes) -> None:
    assert form([HEAD + b"x" + END + epilogue]) == [("a", "x")]
    assert form(in_chunks(HEAD + b"x" + END + epilogue, 1)) == [("a", "x")]


def test_preamble_and_epilogue_have_a_bound() -> None:
    small = Limits(max_part_headers=2, max_part_header_bytes=98)
    body = HEAD + b"x" + END
    for size in (1, 7, 1000):
        assert form(in_chunks(body + b"." * 200, size), limits=small) == [("a", "x")]
        assert "more than 200 bytes" in refusal(*in_chunks(body + b"." * 201, size), limits=small)
        assert "more than 200 bytes" in refusal(*in_chunks(b"." * 250 + b"\r\n" + body, size), limits=small)


@pytest.mark.parametrize("before", [b"x", b"\n", b"\r", b"\xef\xbb\xbf", b" ", b"-", b"x\r\n-", b"x\n", b"x\r\n\t"])
def test_a_first_delimiter_that_stands_not_at_the_start_of_a_line_is_refused(before: bytes) -> None:
    """Taken for preamble, the part behind it would be lost without a word."""
    body = before + HEAD + b"x\r\n" + HEAD + b"y" + END
    assert "first delimiter" in refusal(body)
    assert "first delimiter" in refusal(*in_chunks(body, 1))


@pytest.mark.parametrize("tail", [b"\n", b"x\r\n", b"-\r\n", b"\r\r\n", b"--x\r\n"])
def test_a_look_alike_before_the_first_delimiter_is_refused(tail: bytes) -> None:
    assert "first delimiter" in refusal(b"--B" + tail + HEAD + b"x" + END)


# --- what no form has ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"text",
        b"--",
        b"--B",
        b"--B\r",
        b"--B\r\n",
        b"--B-",
        b"--B--\r",
        b"--B--x",
        b"--B\r\n--B--",
        b"--B\r\n--B--\r\n",
        b"--B\r\n\r\n--B--\r\n",
        HEAD[:-2],
        HEAD[:-1],
        HEAD,
        HEAD + b"x",
        HEAD + b"x\r\n--B",
        HEAD + b"x\r\n--B-",
        HEAD + b"x\r\n--B--\r",
        HEAD + b"x\r\n--B--\n",
        HEAD + b"x\r\n--B--x",
        HEAD + b"x\r\n--B\r\n",
        HEAD + b"x\n--B--\r\n",
        HEAD.replace(b"\r\n", b"\n") + b"x\n--B--\n",
        HEAD.replace(b"\r\n", b"\r") + b"x\r--B--\r",
        HEAD.replace(b"\r\n\r\n", b"\n\n") + b"x" + END,
    ],
    ids=repr,
)
def test_a_body_without_its_end_is_refused(body: bytes) -> None:
    for size in (1, 2, 1000):
        refusal(*in_chunks(body, size))


@pytest.mark.parametrize(
    "line",
    [b"X: a\nb", b"X: a\rb", b"X: a\0b", b"X\n: a", b"X\r: a", b"\nX: a", b"X: a\n", b"X: a\r"],
    ids=repr,
)
def test_a_header_section_with_a_bare_cr_lf_or_nul_is_refused(line: bytes) -> None:
    for size in (1, 2, 1000):
        refusal(*in_chunks(HEAD[:-2] + line + b"\r\n\r\nx" + END, size))


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b": a",
        b" X: a",
        b"\tX: a",
        b"X : a",
        b"X\t: a",
        b"X\xa0: a",
        b"\xa0X: a",
        b"X\xc3\xa9: a",
        b"X(): a",
        b"X\x1f: a",
    ],
    ids=repr,
)
def test_a_header_line_that_does_not_begin_with_a_token_and_a_colon_is_refused(line: bytes) -> None:
    refusal(HEAD[:-2] + line + b"\r\n\r\nx" + END)
    refusal(b"--B\r\n" + line + b"\r\n" + HEAD[5:] + b"x" + END)


@pytest.mark.parametrize("line", [b"--a:b", b"--a:b--", b"--a:b \t", b"--a:b-- "])
def test_a_delimiter_in_a_header_section_is_refused_even_if_its_boundary_has_a_colon(line: bytes) -> None:
    head, end = HEAD.replace(b"--B", b"--a:b"), b"x\r\n--a:b--"
    with pytest.raises(HTTPError, match="header section"):
        form([head[:-2] + line + b"\r\n\r\n" + end], "a:b")
    assert form([head[:-2] + line + b"c\r\n\r\n" + end], "a:b") == [("a", "x")]


def test_a_header_section_is_as_long_as_the_limits_say_and_no_longer() -> None:
    limits = Limits(max_part_headers=3, max_part_header_bytes=200)
    name = "n" * 161
    disposition = HEAD[5:-4].replace(b'"a"', f'"{name}"'.encode())

    def section(*lines: bytes) -> bytes:
        return b"--B\r\n" + b"\r\n".join([disposition, *lines]) + b"\r\n\r\nx" + END

    longest = b"X: " + b"y" * 197
    for size in (1, 5, 1000):
        assert form(in_chunks(section(longest, longest), size), limits=limits) == [(name, "x")]
        refusal(*in_chunks(section(longest + b"y"), size), limits=limits)
        refusal(*in_chunks(section(longest, longest, b"Z: z"), size), limits=limits)
        refusal(*in_chunks(section(b"Z: z", b"Z: z", b"Z: z"), size), limits=limits)
        assert "longer than 606 bytes" in refusal(*in_chunks(section(*[longest] * 5), size), limits=limits)
        assert "longer than 606 bytes" in refusal(*in_chunks(HEAD[:-4] + b"y" * 700, size), limits=limits)


# --- names and values of header lines ---


def test_a_header_name_is_any_token() -> None:
    names = b"X-Funky-Header-1", b"other!#$%&'*+-.^_`|~", b"x_y", b"7", b"!"
    lines = b"".join(name + b": 1\r\n" for name in names)
    assert form([HEAD[:-2] + lines + b"\r\nx" + END]) == [("a", "x")]


def test_the_value_of_a_header_with_an_odd_name_is_left_as_it_is() -> None:
    reader = MultipartReader("B", Limits())
    reader.feed(FILE[:-2] + b"X.Y!: a!#$%&'*+.^`|~:--B b\r\n\r\nx" + END)
    upload = reader.finish().file("f")
    assert upload.headers["x-y-"] == "a!#$%&'*+.^`|~:--B b"
    upload.close()


@pytest.mark.parametrize("name", [b"Content.Disposition", b"content~length", b"Content!Type"])
def test_no_header_becomes_another_that_means_something(name: bytes) -> None:
    """Where a filter in front of the server saw no Content-Disposition, there is none."""
    assert "header" in refusal(HEAD.replace(b"Content-Disposition", name) + b"x" + END)
    assert "header" in refusal(HEAD[:-2] + name + b": 1\r\n\r\nx" + END)


def test_names_that_are_utf_8_come_out_as_such() -> None:
    head = 'name="grün"; filename="日本 €.txt"'.encode()
    body = FILE.replace(b'name="f"; filename="f.bin"', head)[:-2] + "Content-Type: text/é\r\n\r\n".encode() + b"x" + END
    assert form([body]) == [("grün", "日本 €.txt", "text/é", b"x")]


def test_header_bytes_that_are_no_utf_8_are_replaced() -> None:
    head = FILE.replace(b"f.bin", b"\xe4\xf6.bin").replace(b'"f"', b'"\xff"')
    assert form([head + b"x" + END]) == [("\ufffd", "\ufffd\ufffd.bin", "application/octet-stream", b"x")]


def test_a_parameter_behind_a_byte_that_is_no_white_space_has_another_name() -> None:
    for byte in (b"\xa0", b"\x85", b"\x0b", b"\x1f", b"\xc2\xa0"):
        head = HEAD.replace(b'name="a"', b'name="a";' + byte + b'filename="a.txt"')
        assert form([head + b"x" + END]) == [("a", "x")]


# --- chunks ---

SPLIT = [
    HEAD + b"x" + END,
    b"\r\n" + HEAD + b"\r\n--B \t \r\n" + HEAD[5:] + b"\r\n--B-\r\n--B-- \r\n.",
    b"--B\t\r\n" + FILE[5:] + b"\r\n--Bx\r\r\n--B--y\r\n\r\n--B--",
    HEAD + b"--B \r\n" + HEAD[5:-2] + b"o!: 1\r\n\r\n--B-- ",
]
SPLIT_AND_REFUSED = [
    HEAD + b"x\r\n--B--\n",
    HEAD + b"x\r\n--B\r\ngarbage\r\n\r\n" + END,
    b"\n" + HEAD + b"x" + END,
    HEAD[:-4] + b"\n\r\n\r\nx" + END,
]


@pytest.mark.parametrize("body", SPLIT, ids=range(len(SPLIT)))
def test_every_split_of_a_body_gives_the_same_form(body: bytes) -> None:
    whole = form([body])
    for first, second in itertools.combinations_with_replacement(range(len(body) + 1), 2):
        chunks = [chunk for chunk in (body[:first], body[first:second], body[second:]) if chunk]
        assert form(chunks) == whole, (first, second)


@pytest.mark.parametrize("body", SPLIT_AND_REFUSED, ids=range(len(SPLIT_AND_REFUSED)))
def test_every_split_of_a_malformed_body_is_refused_alike(body: bytes) -> None:
    whole = refusal(body)
    for first in range(1, len(body)):
        assert refusal(body[:first], body[first:]) == whole, first


ALPHABET = "abcXYZ019'()+_,-./:=?"
boundaries = st.text(ALPHABET + " ", max_size=8).flatmap(lambda start: st.sampled_from(ALPHABET).map(start.__add__))


@st.composite
def soups(draw: st.DrawFn, boundary: str) -> bytes:
    """Draw bytes made of what delimiters are made of."""
    dashes = f"--{boundary}".encode()
    pieces = [
        b"\r\n" + dashes, b"\r\n" + dashes + b"x", b"\r\n" + dashes + b"--", b"\r\n" + dashes[:-1], dashes, dashes[1:],
        b"\r\n", b"\r", b"\n", b"-", b"--", b" ", b"\t", b"x", b"\0", b"\xff", b":", b" " * 40, b"y" * 50,
    ]  # fmt: skip
    return b"".join(draw(st.lists(st.sampled_from(pieces) | st.binary(max_size=4), max_size=24)))


@st.composite
def cuts(draw: st.DrawFn, body: bytes) -> list[bytes]:
    """Draw a chunking of the body."""
    if draw(st.booleans()):
        return list(in_chunks(body, draw(st.integers(1, 9))))
    at = sorted(draw(st.sets(st.integers(1, max(1, len(body) - 1)), max_size=12)))
    return [chunk for start, end in itertools.pairwise([0, *at, len(body)]) if (chunk := body[start:end])]


def outcome(chunks: list[bytes], boundary: str) -> list[Part] | int:
    """Give the parts of a body, or the status that it is refused with."""
    try:
        return form(chunks, boundary)
    except HTTPError as refused:
        return refused.status


def has_delimiter(text: bytes, boundary: str) -> bool:
    """Tell whether content would hold a delimiter, by the grammar of RFC 2046 5.1.1 and another way than ours."""
    pattern = rb"\r\n--" + re.escape(boundary.encode()) + rb"(?:--)?[ \t]*\r\n"
    return re.search(pattern, b"\r\n" + text + b"\r\n") is not None


@given(st.data())
def test_content_comes_out_byte_for_byte_however_it_is_cut(data: st.DataObject) -> None:
    boundary = data.draw(boundaries)
    contents = data.draw(st.lists(soups(boundary).filter(lambda text: not has_delimiter(text, boundary)), max_size=4))
    dashes = f"--{boundary}".encode()
    body = b"".join(FILE.replace(b"--B", dashes) + text + b"\r\n" for text in contents) + dashes + b"--\r\n"
    assert [part[-1] for part in form(data.draw(cuts(body)), boundary)] == contents


@given(st.data())
def test_any_bytes_at_all_give_the_same_form_or_refusal_however_they_are_cut(data: st.DataObject) -> None:
    boundary = data.draw(boundaries)
    dashes = f"--{boundary}".encode()
    scraps = soups(boundary) | st.sampled_from([
        FILE.replace(b"--B", dashes), HEAD.replace(b"--B", dashes), HEAD[5:], b"\r\n" + dashes + b"--\r\n",
    ])  # fmt: skip
    body = b"".join(data.draw(st.lists(scraps, max_size=6)))

    assert outcome(data.draw(cuts(body)), boundary) == outcome([body] if body else [], boundary)


@example("B", [b"\r\n--B"] * 3)
@given(boundaries, st.lists(st.binary(min_size=1, max_size=50), max_size=8))
def test_the_only_error_is_a_400(boundary: str, chunks: list[bytes]) -> None:
    parts_or_status = outcome(chunks, boundary)
    assert parts_or_status == 400 or isinstance(parts_or_status, list)


# --- time and memory ---

ADVERSARIAL: dict[str, Callable[[int], bytes]] = {
    "look-alikes": lambda n: b"\r\n--Bx" * (n // 6),
    "carriage returns": lambda n: b"\r" * n,
    "line ends": lambda n: b"\r\n" * (n // 2),
    "hyphens": lambda n: b"-" * n,
    "padded look-alikes": lambda n: (b"\r\n--B" + b" " * 250 + b"x") * (n // 256),
    "close look-alikes": lambda n: b"\r\n--B--x" * (n // 8),
    "spaces": lambda n: b" " * n,
}
LONG = "Z" * 70


CHUNKS = pytest.mark.parametrize("size", [64, 65536, 1 << 30], ids=["small-chunks", "chunks", "whole"])


def filtered(body: bytes, boundary: str, size: int) -> int:
    """Give how many bytes come out."""
    delimiters = DelimiterFilter(boundary, Limits())
    given_on = sum(len(piece) for chunk in in_chunks(body, size) for piece in delimiters.feed(chunk))
    return given_on + len(delimiters.finish())


@CHUNKS
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_time_grows_with_the_content_and_no_faster(kind: str, size: int) -> None:
    assert_linear(
        lambda n: FILE + ADVERSARIAL[kind](n) + b"x" + END,
        lambda body: filtered(body, "B", size),
        size=100_000,
    )


@CHUNKS
@pytest.mark.parametrize(
    "almost", [LONG[:-1] + "Y", "Y" + LONG[1:], LONG[:35], LONG + "Z"], ids=["last", "first", "half", "more"]
)
def test_time_grows_with_almost_boundaries_and_no_faster(almost: str, size: int) -> None:
    def body(n: int) -> bytes:
        look_alike = f"\r\n--{almost}".encode()
        return FILE.replace(b"B", LONG.encode(), 1) + look_alike * (n // len(look_alike)) + f"\r\n--{LONG}--".encode()

    assert_linear(body, lambda body: filtered(body, LONG, size), size=100_000)


@CHUNKS
def test_time_grows_with_delimiters_that_follow_one_another_and_no_faster(size: int) -> None:
    """Each but the first stands where headers should: the body is refused once a header section could not be longer."""

    def parse(body: bytes) -> None:
        with pytest.raises(HTTPError):
            filtered(body, "B", size)

    assert_linear(lambda n: FILE + b"\r\n--B" * (n // 5), parse, size=100_000)


@CHUNKS
def test_time_grows_with_the_parts_and_no_faster(size: int) -> None:
    assert_linear(lambda n: (HEAD + b"x\r\n") * n + b"--B--", lambda body: filtered(body, "B", size), size=1000)


@pytest.mark.parametrize(
    "around", [(b"", HEAD + b"x" + END), (HEAD + b"x" + END, b""), (HEAD[:-2] + b"X: ", b"\r\n\r\nx" + END)]
)
def test_time_grows_with_what_is_no_content_and_no_faster(around: tuple[bytes, bytes]) -> None:
    """Byte by byte: what is held back must not be copied or searched too often."""
    limits = Limits(max_part_header_bytes=64 * 1024)

    def parse(body: bytes) -> None:
        form(in_chunks(body, 1), limits=limits)

    assert_linear(lambda n: around[0] + b"y" * n + b"\r\n" * (not around[0]) + around[1], parse, size=2000)


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_memory_does_not_grow_with_the_body(kind: str) -> None:
    chunk = ADVERSARIAL[kind](10_000)
    given_on = 0
    reader = DelimiterFilter("B", Limits())
    for piece in reader.feed(FILE + b"x"):
        given_on += len(piece)
    tracemalloc.start()
    try:
        for _ in range(30):
            for piece in reader.feed(chunk):
                given_on += len(piece)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(chunk)
    finally:
        tracemalloc.stop()
    assert given_on > 29 * len(chunk)


def test_a_chunk_without_a_delimiter_is_not_copied() -> None:
    reader = DelimiterFilter("B", Limits())
    list(reader.feed(FILE + b"x"))
    chunk = b"y" * 65536
    [piece] = reader.feed(chunk)
    assert piece is chunk
