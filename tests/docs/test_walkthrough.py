"""The tutorial is followed through this reading of its pages: what it overlooks is never done, and never compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.reader import Reader
from tests.docs.walkthrough import Add, Change, Command, Write, WrongPage, is_seen, steps, write_files

PAGE = """\
# A page

The first file, `app.py`:

```python
one = 1
two = 2
```

In `app.py`:

```diff
-one = 1
+one = 11

+zero = 0
@@
 two = 2
+three = 3
```

At the end of `app.py`:

```python
four = 4
```

```console
$ curl http://127.0.0.1:8000/ \\
    -I  # a remark
HTTP/1.1 200 OK
…
$ python -m pytest
```

And so on:

```console
more
```
"""


def test_a_page_is_files_changes_and_commands_in_their_order():
    assert [type(step) for step in steps(PAGE)] == [Write, Change, Add, Command, Command, Command]
    assert [(step.text, step.output) for step in steps(PAGE) if isinstance(step, Command)] == [
        ("curl http://127.0.0.1:8000/     -I", ("HTTP/1.1 200 OK", "…")),
        ("python -m pytest", ()),
        ("", ("more",)),
    ]


def test_files_are_written_as_the_page_says(tmp_path: Path):
    page = PAGE.replace("+one = 11\n\n+zero", "+one = 11\n+zero")
    write_files(page, tmp_path)
    assert (tmp_path / "app.py").read_text() == "one = 11\nzero = 0\ntwo = 2\nthree = 3\n\n\nfour = 4\n"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (" two = 2\n+three = 3", "0 times in a.py, not once"),
        (" one = 1\n+three = 3", "2 times in a.py, not once"),
        ("one = 1\n", "a line of a diff begins with"),
    ],
)
def test_a_change_that_fits_nowhere_or_anywhere_is_wrong(change: str, why: str, tmp_path: Path):
    (tmp_path / "a.py").write_text("one = 1\none = 1\n")
    with pytest.raises(WrongPage, match=why):
        Change(1, "a.py", f"{change}\n").apply(tmp_path)


def test_a_block_of_no_file_is_wrong():
    with pytest.raises(WrongPage, match="no file is named"):
        list(steps("Look:\n\n```python\none = 1\n```\n"))
    assert list(steps("<!-- not run: a picture -->\n```python\none = 1\n```\n")) == []


@pytest.mark.parametrize(
    ("shown", "seen", "same"),
    [
        (["a"], ["a"], True),
        (["a"], ["a", "b"], False),
        (["a", "…"], ["a", "b", "c"], True),
        (["…", "c"], ["a", "b", "c"], True),
        (["a", "…", "c"], ["a", "c"], True),
        (["a…c"], ["abc"], True),
        (["a…c"], ["ab", "c"], False),
        (["[a].*"], ["[a].*"], True),
        ([".*"], ["a"], False),
        ([], ["a"], False),
        ([], [], True),
    ],
)
def test_dots_stand_for_a_part_of_a_line_or_for_lines(shown: list[str], seen: list[str], same: bool):
    assert is_seen(tuple(shown), seen) is same


TINY = """
`app.py`:

```python
from ambi import App

app = App()


@app.get("/")
def home() -> str:
    return "hello"
```

```console
$ gunicorn app:app
```

```console
$ uvicorn app:app
```
"""


@pytest.mark.parametrize(
    "block",
    ["$ curl http://127.0.0.1:8000/\ngoodbye", "$ python -c 'print(1)'\n2", "$ mkdir polls\nmade"],
)
def test_what_is_not_so_is_noticed(block: str, tmp_path: Path):
    reader = Reader([f"{TINY}\n```console\n{block}\n```\n"], tmp_path)
    with pytest.raises(WrongPage):
        reader.read_to(1)


def test_what_a_server_prints_is_held_against_the_page(tmp_path: Path):
    page = TINY.replace("$ uvicorn app:app\n", "$ uvicorn app:app\n…\nINFO:     Nothing of the kind\n…\n")
    asked = "\n```console\n$ curl http://127.0.0.1:8000/\nhello\n```\n"
    Reader([TINY + asked], tmp_path / "right").read_to(1)
    with pytest.raises(WrongPage, match="Nothing of the kind"):
        Reader([page + asked], tmp_path / "wrong").read_to(1)
