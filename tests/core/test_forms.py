import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ambi.core.errors import HTTPError
from ambi.core.forms import Form, MultipartReader, UploadFile, boundary_of
from ambi.core.headers import Headers
from ambi.core.limits import Limits
from tests.core.scaling import assert_linear
from tests.core.vectors import vectors
from tests.profiles import examples

END = b"--B--\r\n"


def part(disposition: str, content: bytes = b"x", *lines: str) -> bytes:
    head = "\r\n".join(["--B", f"Content-Disposition: {disposition}", *lines])
    return head.encode() + b"\r\n\r\n" + content + b"\r\n"


def field(name: str, content: bytes = b"x") -> bytes:
    return part(f'form-data; name="{name}"', content)


def file(name: str, content: bytes = b"x", filename: str = "f.bin", *lines: str) -> bytes:
    return part(f'form-data; name="{name}"; filename="{filename}"', content, *lines)


def read(*chunks: bytes, **limits: float) -> Form:
    """Read a form as `load_body` does."""
    reader = MultipartReader("B", Limits(**limits))
    try:
        for chunk in chunks:
            reader.feed(chunk)
            if reader.wants_to_write:
                reader.write()
        if reader.has_unwritten:
            reader.write()
        return reader.finish()
    except BaseException:
        reader.close()
        raise


def plain(form: Form) -> list[tuple[str, Any]]:
    """Give what a form holds, files as (file name, content)."""
    return [(name, (v.filename, v.read()) if isinstance(v, UploadFile) else v) for name, v in form.pairs()]


def refused(status: int, *chunks: bytes, **limits: float) -> str:
    """Give the detail of a refusal."""
    with pytest.raises(HTTPError) as caught:
        read(*chunks, **limits)
    assert caught.value.status == status
    return caught.value.detail or ""


# --- what is read ---


def test_fields_and_files_come_in_the_order_sent() -> None:
    form = read(
        field("a", b"1") + file("f", b"\0\r\n\xff", "x.bin") + field("b", "ü".encode()) + field("a", b"2") + END
    )
    assert plain(form) == [("a", "1"), ("f", ("x.bin", b"\0\r\n\xff")), ("b", "ü"), ("a", "2")]
    assert (form["a"], form.getlist("a")) == ("1", ["1", "2"])


def test_a_form_without_parts_is_empty() -> None:
    assert plain(read(END)) == []


@vectors("dispositions", "value", "name", "filename")
def test_a_part_says_what_it_is(value: str, name: str, filename: str | None) -> None:
    [(found, content)] = plain(read(part(value) + END))
    assert found == name
    assert content == ("x" if filename is None else (filename, b"x"))


@vectors("multipart-refused", "body")
def test_a_malformed_body_is_a_400_that_shows_nothing_of_our_insides(body: str) -> None:
    detail = refused(400, body.encode("latin-1"))
    assert not any(word in detail for word in ("Error", "Exception", "segment", "parser"))


def test_text_is_utf_8_whatever_charset_is_claimed() -> None:
    for charset in ("utf-7", "latin-1", "no-such-charset", "utf-16"):
        body = (
            part('form-data; name="a"', "+AGE-ü".encode() + b"\xff", f"Content-Type: text/plain; charset={charset}")
            + END
        )
        assert plain(read(body)) == [("a", "+AGE-ü\ufffd")]


def test_a_transfer_encoding_changes_no_byte() -> None:
    body = file("f", b"aGVsbG8=", "f", "Content-Transfer-Encoding: base64") + END
    assert plain(read(body)) == [("f", ("f", b"aGVsbG8="))]


def test_a_file_says_what_the_client_said_of_it() -> None:
    form = read(file("f", b"123", "Ü.txt", "Content-Type: Text/Plain; x=1", "X-Extra: y") + file("g", b"") + END)
    first, second = form.file("f"), form.file("g")
    assert (first.filename, first.content_type, first.size) == ("Ü.txt", "Text/Plain; x=1", 3)
    assert first.headers["x-extra"] == "y"
    assert (second.content_type, second.size, second.read()) == ("application/octet-stream", 0, b"")
    assert repr(first) == "UploadFile('Ü.txt', 'Text/Plain; x=1', 3 bytes)"


PARTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "ü"]),
        st.binary(max_size=20) | st.sampled_from([b"\r\n", b"\r\n--A", b"\r\n--", b"\r", b"--", b"B--"]),
        st.booleans(),
    ),
    max_size=4,
)


def body_of(parts: list[tuple[str, bytes, bool]]) -> tuple[bytes, list[tuple[str, Any]]]:
    """Give a body, and what is to be read of it."""
    body = b"".join(file(name, content) if is_file else field(name, content) for name, content, is_file in parts) + END
    return body, [
        (name, ("f.bin", content) if is_file else content.decode("utf-8", "replace"))
        for name, content, is_file in parts
    ]


@settings(max_examples=examples(10))
@example([("ü", b"\r\n--", True), ("a", b"\r\n--A\r", False)], 1)
@given(PARTS, st.sampled_from([1, 10**6]))
def test_a_body_is_the_same_form_at_every_place_where_it_may_be_cut(
    parts: list[tuple[str, bytes, bool]], spool_bytes: int
) -> None:
    body, expected = body_of(parts)
    for at in range(1, len(body)):
        form = read(body[:at], body[at:], spool_bytes=spool_bytes)
        assert plain(form) == expected, at
        form.close()
    assert plain(read(*(body[at : at + 1] for at in range(len(body))))) == expected


@given(PARTS, st.data())
def test_a_body_split_anywhere_gives_the_same_form(parts: list[tuple[str, bytes, bool]], data: st.DataObject) -> None:
    body, expected = body_of(parts)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(body) - 1), max_size=4)))
    chunks = [body[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]
    assert plain(read(*chunks)) == expected


# --- limits ---


def test_fields_are_counted() -> None:
    assert len(read(field("a") * 3 + END, max_form_fields=3).pairs()) == 3
    assert "more than 3 fields" in refused(413, field("a") * 4 + END, max_form_fields=3)


def test_files_are_counted() -> None:
    assert len(read(file("a") * 3 + END, max_form_files=3).pairs()) == 3
    assert "more than 3 files" in refused(413, file("a") * 4 + END, max_form_files=3)


def test_parts_are_counted() -> None:
    body = field("a") * 2 + file("b") * 2 + END
    assert len(read(body, max_form_parts=4).pairs()) == 4
    assert "more than 3 parts" in refused(413, body, max_form_parts=3)


def test_a_field_has_a_largest_size() -> None:
    assert read(field("a", b"x" * 10) * 2 + END, max_field_bytes=10)["a"] == "x" * 10
    assert "a field of the form is larger than 10 bytes" in refused(
        413, field("a", b"x" * 11) + END, max_field_bytes=10
    )


def test_the_fields_together_have_a_largest_size() -> None:
    assert read(field("a", b"x" * 5) * 2 + END, max_fields_bytes=10)
    assert "the fields of the form are larger than 10 bytes" in refused(
        413, field("a", b"x" * 5) * 2 + field("a") + END, max_fields_bytes=10
    )


def test_files_do_not_count_as_fields() -> None:
    form = read(file("f", b"x" * 1000) + END, max_field_bytes=10, max_fields_bytes=10)
    assert form.file("f").size == 1000


def test_a_field_is_refused_before_it_is_all_there() -> None:
    chunks = iter([field("a", b"x" * 50)[:-2], *[b"x" * 50] * 1000])
    fed = 0
    reader = MultipartReader("B", Limits(max_field_bytes=100))
    with pytest.raises(HTTPError):
        for chunk in chunks:
            fed += len(chunk)
            reader.feed(chunk)
    assert fed < 500


def test_header_lines_of_a_part_are_counted_and_measured() -> None:
    lines = [f"X-{letter}: 1" for letter in "abcdefg"]
    assert read(part('form-data; name="a"', b"x", *lines) + END)["a"] == "x"
    refused(400, part('form-data; name="a"', b"x", *lines, "X-More: 1") + END)
    refused(400, part('form-data; name="a"', b"x", "X-Long: " + "y" * 4096) + END)
    refused(400, part('form-data; name="a"', b"x", *lines[:2]) + END, max_part_headers=2)


# --- files on disk ---


def test_a_file_past_the_limit_is_written_to_disk_and_a_small_one_is_not() -> None:
    reader = MultipartReader("B", Limits(spool_bytes=10))
    reader.feed(file("small", b"x" * 10) + file("large", b"x" * 11) + END)
    assert reader.has_unwritten
    reader.write()
    assert not reader.has_unwritten
    form = reader.finish()
    assert isinstance(form.file("small").file, io.BytesIO)
    assert not isinstance(form.file("large").file, io.BytesIO)
    assert form.file("large").file.fileno() >= 0
    form.close()


def test_memory_is_bounded_by_asking_for_writes() -> None:
    reader = MultipartReader("B", Limits(spool_bytes=1))
    reader.feed(file("f", b"x" * 100_000)[:-2])
    assert not reader.wants_to_write
    reader.feed(b"x" * 200_000)
    assert reader.wants_to_write
    reader.write()
    assert not reader.wants_to_write
    reader.close()


@pytest.mark.parametrize("spool_bytes", [1, 10, 99, 100, 101, 1000])
@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_bytes_of_a_file_are_the_same_in_memory_and_on_disk(spool_bytes: int, size: int) -> None:
    one, other = bytes(range(100)), b"y" * 300
    body = file("a", one) + field("t", b"text") + file("b", other) + END
    form = read(*(body[start : start + size] for start in range(0, len(body), size)), spool_bytes=spool_bytes)
    assert plain(form) == [("a", ("f.bin", one)), ("t", "text"), ("b", ("f.bin", other))]
    assert [v.size for _, v in form.pairs() if isinstance(v, UploadFile)] == [100, 300]
    form.close()


def test_a_disk_that_takes_less_than_all_is_asked_again() -> None:
    reader = MultipartReader("B", Limits(spool_bytes=1))
    reader.feed(file("f", b"0123456789")[:-2])
    reader.write()
    [(_, upload)] = reader._pairs
    assert isinstance(upload, UploadFile)
    real = upload._file

    class Slow(io.RawIOBase):
        def write(self, data: Any) -> int:
            return real.write(bytes(data)[:3])

        def seek(self, offset: int, whence: int = 0) -> int:
            return real.seek(offset, whence)

        def readall(self) -> bytes:
            return real.read()

        def close(self) -> None:
            real.close()

    upload._file = Slow()  # type: ignore[assignment]
    reader.feed(b"abcdefgh\r\n" + END)
    reader.write()
    assert reader.finish().file("f").file.readall() == b"0123456789abcdefgh"  # type: ignore[attr-defined]
    upload.close()


def test_the_files_of_a_refused_body_are_closed() -> None:
    reader = MultipartReader("B", Limits(spool_bytes=1))
    reader.feed(file("a", b"large") + file("b", b"") + field("c"))
    reader.write()
    with pytest.raises(HTTPError):
        reader.feed(part("nonsense"))
    uploads = [value for _, value in reader._pairs if isinstance(value, UploadFile)]
    reader.close()
    assert [upload.file.closed for upload in uploads] == [True, True]


def test_a_form_closes_its_files() -> None:
    form = read(file("a") + field("b") + file("c") + END)
    form.close()
    assert form.file("a").file.closed
    assert form.file("c").file.closed
    with pytest.raises(ValueError, match="closed file"):
        form.file("a").read()
    form.close()


@pytest.fixture(params=[1, 10**6], ids=["on disk", "in memory"])
def upload(request: pytest.FixtureRequest) -> Iterator[UploadFile]:
    form = read(file("f", b"0123456789") + END, spool_bytes=request.param)
    yield form.file("f")
    form.close()


def test_a_file_is_read_in_pieces_or_whole(upload: UploadFile) -> None:
    assert upload.read(3) == b"012"
    assert upload.read() == b"3456789"
    assert upload.read() == b""
    assert upload.seek(-2, io.SEEK_END) == 8
    assert upload.read() == b"89"
    assert upload.seek(0) == 0
    assert upload.file.read() == b"0123456789"


def test_a_file_is_saved_whole_whatever_was_read_of_it(upload: UploadFile, tmp_path: Path) -> None:
    upload.read(5)
    upload.save_to(tmp_path / "one")
    upload.save_to(str(tmp_path / "two"))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() == b"0123456789"


def test_a_file_never_overwrites_another(upload: UploadFile, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        upload.save_to(there)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        upload.save_to(link)
    assert there.read_bytes() == b"precious"
    assert not (tmp_path / "elsewhere").exists()


# --- asking for what one wants ---


def test_a_field_and_a_file_are_asked_for_by_kind() -> None:
    form = Form([("t", "text"), ("f", UploadFile("x", Headers())), ("t", "more")])
    assert form.field("t") == "text"
    assert form.file("f").filename == "x"
    for ask, name, message in (
        (form.field, "f", "no text field 'f'"), (form.field, "no", "no text field 'no'"),
        (form.file, "t", "no file 't'"), (form.file, "no", "no file 'no'"),
    ):  # fmt: skip
        with pytest.raises(HTTPError, match=message) as caught:
            ask(name)
        assert caught.value.status == 400


# --- boundaries ---


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=B", "B"),
        ('multipart/form-data; charset=utf-8; Boundary="a b"', "a b"),
        ("multipart/form-data; boundary=" + "x" * 70, "x" * 70),
        ("multipart/form-data; boundary='()+_,-./:=?", "'()+_,-./:=?"),
        ("multipart/form-data; boundary=----------a_BoUnDaRy7$", "----------a_BoUnDaRy7$"),
        ("multipart/form-data; boundary=!#$%&*^`|~", "!#$%&*^`|~"),
    ],
)
def test_a_boundary_is_read(content_type: str, boundary: str) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        "; boundary",
        "; boundary=",
        '; boundary=""',
        "; boundary=a; boundary=b",
        "; boundary=a; BOUNDARY=a",
        "; boundary=" + "x" * 71,
        '; boundary="a "',
        '; boundary="a\\\\b"',
        "; boundary=ü",
        '; boundary="a\r\nb"',
        '; boundary="a\tb"',
        "; boundary=a@b",
        "; boundary*=UTF-8''a",
    ],
)
def test_a_boundary_that_the_standard_does_not_allow_is_a_400(parameters: str) -> None:
    with pytest.raises(HTTPError, match="boundary") as caught:
        boundary_of("multipart/form-data" + parameters)
    assert caught.value.status == 400


# --- time ---


@pytest.mark.parametrize("piece", ["\\", '\\"', ";", '"', ";a=", '"; name="', "; filename", "%22", "=", " "])
def test_a_header_of_a_part_takes_linear_time(piece: str) -> None:
    def feed(body: bytes) -> None:
        with contextlib.suppress(HTTPError):
            read(body, max_part_header_bytes=10**8)

    assert_linear(lambda n: part('form-data; name="' + piece * n + '"') + END, feed)
    assert_linear(
        lambda n: field("a")[:-5] + b"\r\nContent-Type: a; b=" + piece.encode() * n + b"\r\n\r\nx\r\n" + END, feed
    )


def test_many_parts_take_linear_time() -> None:
    assert_linear(
        lambda n: field("a") * n + file("b") * n + END,
        lambda body: read(body, max_form_fields=10**6, max_form_files=10**6, max_form_parts=10**6),
        size=200,
    )


SHIM = """
import importlib.util, sys, time

spec = importlib.util.spec_from_file_location("multipart", {path!r})
module = importlib.util.module_from_spec(spec)
sys.modules["multipart"] = module
time.sleep(0.2)
spec.loader.exec_module(module)
"""
READ_IN_THREADS = """
from concurrent.futures import ThreadPoolExecutor
from ambi.core.forms import MultipartReader
from ambi.core.limits import Limits

def read(number):
    reader = MultipartReader("B", Limits())
    reader.feed(b'--B\\r\\nContent-Disposition: form-data; name="n"\\r\\n\\r\\n%d\\r\\n--B--\\r\\n' % number)
    return reader.finish().field("n")

with ThreadPoolExecutor(8) as threads:
    print(*threads.map(read, range(8)))
"""


def test_the_first_forms_may_come_at_once_where_multipart_is_another_packages_to_load(tmp_path: Path) -> None:
    """python-multipart has a package of that name, which looks for ours and is replaced by it before that is loaded."""
    import multipart

    (tmp_path / "multipart").mkdir()
    (tmp_path / "multipart" / "__init__.py").write_text(SHIM.format(path=multipart.__file__))
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    ended = subprocess.run(
        [sys.executable, "-c", READ_IN_THREADS],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (ended.stdout.split(), ended.stderr) == ([str(n) for n in range(8)], "")


# --- what the parser would let pass ---


@pytest.mark.parametrize("character", ["\r", "\n", "\0"])
@pytest.mark.parametrize("parameter", ["name", "filename"])
def test_a_name_that_would_end_a_line_is_refused_whoever_read_it(parameter: str, character: str) -> None:
    """What is before it refuses such a header section; this is the second line."""
    names = {"name": "a", "filename": "f", parameter: f"a{character}b"}
    disposition = f'form-data; name="{names["name"]}"; filename="{names["filename"]}"'
    with pytest.raises(HTTPError, match="holds a line break or NUL") as caught:
        MultipartReader("B", Limits())._begin_part([("Content-Disposition", disposition)])
    assert caught.value.status == 400


@pytest.mark.parametrize("kind", ["attachment", "file", "form-data2", ""])
def test_a_part_of_another_kind_is_refused(kind: str) -> None:
    refused(400, part(f'{kind}; name="a"') + END)
    with pytest.raises(HTTPError, match="needs one name and at most one filename"):  # whatever the parser makes of it
        MultipartReader("B", Limits())._begin_part([("Content-Disposition", f'{kind}; name="a"')])
    assert plain(read(part('Form-Data; name="a"') + END)) == [("a", "x")]


def test_a_name_that_is_no_utf_8_is_read_with_replacements() -> None:
    body = b'--B\r\nContent-Disposition: form-data; name="a\xff"; filename="\xe9"\r\n\r\nx\r\n' + END
    assert plain(read(body)) == [("a\ufffd", ("\ufffd", b"x"))]


def test_only_a_quote_and_a_backslash_are_escaped_in_a_file_name() -> None:
    """Windows paths of old browsers stay whole."""
    for name in (r"C:\Xen\photo.jpg", r"C:\temp\n.jpg"):
        assert plain(read(file("f", b"x", name) + END)) == [("f", (name, b"x"))]
