"""The pages are checked through this reading of Markdown: what it overlooks is never checked."""

from __future__ import annotations

import pytest

from tests.docs.markdown import anchors, links, python_blocks

PAGE = """\
# The title

Text with [a link](other.md#part), an ![image](picture.png "seen"), `[no](link.md)` and <br>.

```python
one = 1
```

- In a list:

  ~~~py
  two = 2
  if two:
      two = 3
  ~~~

<!-- not run: needs a database -->

```python
three = connect()
```

```console
[no](link.md)
# no heading
```

## The `title` of [part](x.md), again!
## The title

[definition]: https://example.org/
"""


def test_python_blocks_are_found_at_their_lines_and_without_their_indentation():
    assert [(block.line, block.text) for block in python_blocks(PAGE)] == [
        (6, "one = 1\n"),
        (12, "two = 2\nif two:\n    two = 3\n"),
        (20, "three = connect()\n"),
    ]


def test_a_remark_before_a_block_gives_the_reason_not_to_run_it():
    assert [block.not_run for block in python_blocks(PAGE)] == [None, None, "needs a database"]


def test_a_remark_without_a_reason_is_none():
    assert python_blocks("<!-- not run:  -->\n```python\n```\n")[0].not_run is None


def test_a_remark_does_not_reach_past_the_text_that_follows_it():
    assert python_blocks("<!-- not run: reason -->\nText.\n```python\n```\n")[0].not_run is None


def test_links_are_found_outside_code_only():
    assert links(PAGE) == [
        (3, "other.md#part"),
        (3, "picture.png"),
        (28, "x.md"),
        (31, "https://example.org/"),
    ]


def test_anchors_are_made_of_headings_and_counted_when_they_repeat():
    assert anchors(PAGE) == {"the-title", "the-title-of-part-again", "the-title-1"}


def test_code_at_the_beginning_of_a_line_opens_no_block():
    assert python_blocks("```` ```python ```` is run.\n```python\none = 1\n```\n")[0].text == "one = 1\n"


def test_a_block_that_is_never_closed_is_an_error():
    with pytest.raises(ValueError, match="opens in line 2 is never closed"):
        python_blocks("Text.\n```python\none = 1\n")
