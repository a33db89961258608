"""Reading `.env` files. The table was held against python-dotenv, which reads each of these alike, `${A}` as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.features.settings.env_file import WrongLine, parse_env_file
from tests.core.vectors import vectors


@vectors("env-files", "text", "variables")
def test_variables_are_read(text: str, variables: dict[str, str]) -> None:
    assert parse_env_file(text) == variables


@vectors("env-files-refused", "text", "line")
def test_a_wrong_line_is_told_by_its_number_and_not_shown(text: str, line: int) -> None:
    with pytest.raises(WrongLine) as caught:
        parse_env_file(text)
    assert caught.value.number == line
    assert "MII" not in str(caught.value)


def test_a_byte_order_mark_is_none_of_the_name() -> None:
    assert parse_env_file("\ufeffA=1") == {"A": "1"}


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), st.text(st.characters(codec="utf-8"))))
def test_what_is_quoted_comes_back(variables: dict[str, str]) -> None:
    plain = {name: value.replace("\r", "") for name, value in variables.items()}
    quoted = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in plain.items()}
    assert parse_env_file("\n".join(f"{name}='{value}' # it's" for name, value in quoted.items())) == plain
