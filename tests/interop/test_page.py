"""What docs/how-to/ecosystem.md says was tried is what is tried here."""

from pathlib import Path

import pytest

from tests.interop import test_wrappers_asgi, test_wrappers_wsgi

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "ecosystem.md").read_text(encoding="utf-8")
AROUND, _, _ = PAGE.partition("## Inside")
WSGI, _, ASGI = AROUND.partition("### ASGI")


@pytest.mark.parametrize("name", test_wrappers_wsgi.WRAPPERS)
def test_a_wsgi_wrapper_has_its_row(name: str) -> None:
    assert name in WSGI


@pytest.mark.parametrize("name", test_wrappers_asgi.WRAPPERS)
def test_an_asgi_wrapper_has_its_row(name: str) -> None:
    assert name in ASGI
