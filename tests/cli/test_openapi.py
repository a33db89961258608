"""What `ambi openapi` writes, and its exit status. Nothing is served here, so there is no cell."""

import json

from tests.cli.conftest import Site

SHOP = """
    print("loading")
    from ambi import App

    app = App()
    app.openapi(title="Shöp", version="2", path=None)

    @app.get("/items/{id:int}")
    def item(id: int) -> dict[str, str]: ...

    plain = App()
"""


def test_the_document_is_written_and_nothing_else(site: Site) -> None:
    site.write(SHOP)
    result = site.run("openapi", "shop:app")
    assert result.status == 0
    assert result.document["info"] == {"title": "Shöp", "version": "2"}
    assert list(result.document["paths"]) == ["/items/{id}"]
    assert result.out.startswith('{\n  "openapi": "3.1.1",\n  "info": {\n    "title": "Shöp"')
    assert result.out.endswith("}\n")
    assert result.err == "loading\n"


def test_it_can_be_indented_otherwise(site: Site) -> None:
    site.write(SHOP)
    assert site.run("openapi", "shop", "--indent", "1").out.startswith('{\n "openapi"')
    one_line = site.run("openapi", "shop", "--indent", "0").out
    assert one_line.count("\n") == 1
    assert json.loads(one_line) == site.run("openapi", "shop").document


def test_an_application_that_says_nothing_is_described_with_defaults(site: Site) -> None:
    site.write(SHOP)
    assert site.run("openapi", "shop:plain").document["info"] == {"title": "API", "version": "0.1.0"}


def test_wrong_use_is_a_2(site: Site) -> None:
    site.write(SHOP)
    for arguments, message in {
        ("shop:nothing",): "ambi openapi: shop has no attribute 'nothing'",
        ("shop", "--indent", "-1"): "ambi openapi: --indent is 0 or more, not -1",
    }.items():
        result = site.run("openapi", *arguments)
        assert (result.status, result.out) == (2, "")
        assert message in result.err


def test_what_cannot_be_loaded_is_a_1(site: Site) -> None:
    site.write("from ambi import App\napp = App()\napp.get('items')(lambda: None)")
    result = site.run("openapi", "shop:app")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("ambi openapi: shop:app is put together wrongly")
    assert "must begin with a slash" in result.err
    site.write("raise ValueError('no')")
    result = site.run("openapi", "shop:app")
    assert (result.status, result.out) == (1, "")
    assert "ValueError" in result.err


def test_what_cannot_be_described_is_a_1(site: Site) -> None:
    site.write("""
        import dataclasses
        from ambi import App

        class Odd:
            @classmethod
            def __get_pydantic_core_schema__(cls, source, handler):
                from pydantic_core import core_schema

                return core_schema.is_instance_schema(cls)

        import pydantic

        class Model(pydantic.BaseModel):
            odd: Odd

        app = App()

        @app.get("/")
        def handler() -> Model: ...
    """)
    result = site.run("openapi", "shop:app")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("ambi openapi: pydantic has no JSON Schema")


def test_without_a_name_it_is_the_application_of_the_directory(site: Site) -> None:
    site.write(SHOP, "main.py")
    assert site.run("openapi").document["info"]["title"] == "Shöp"
