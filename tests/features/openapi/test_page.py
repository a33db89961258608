"""The document and its page, as they are served."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from ambi import App, ConfigurationError
from ambi.features.openapi import page
from ambi.testing import Client
from tests.conftest import MakeClient


def hello() -> str:
    return "hello"


def test_the_document_is_served_with_a_tag(app: App, client: Client) -> None:
    app.get("/hello")(hello)
    app.openapi(title="Shop", version="1")
    response = client.get("/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-cache"
    assert list(response.json()["paths"]) == ["/hello"]  # neither itself nor its page
    assert response.json() == app.openapi_document()
    again = client.get("/openapi.json", headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_document_has_routes_that_are_registered_later(app: App, make_client: MakeClient) -> None:
    inner = App()
    app.mount("/inner", inner)
    app.openapi()
    client = make_client(app)
    assert list(client.get("/openapi.json").json()["paths"]) == []
    inner.get("/hello")(hello)
    assert list(client.get("/openapi.json").json()["paths"]) == ["/inner/hello"]
    assert client.get("/openapi.json").content == client.get("/openapi.json").content


def test_below_a_prefix_the_document_says_where_its_paths_begin(app: App, make_client: MakeClient) -> None:
    inner, named = App(), App()
    inner.get("/hello")(hello)
    inner.openapi()
    named.openapi(servers=["https://api.example"])
    app.mount("/in ner", inner)
    app.mount("/named", named)
    client = make_client(app)
    document = client.get("/in%20ner/openapi.json").json()
    assert document["servers"] == [{"url": "/in%20ner"}]
    assert list(document["paths"]) == ["/hello"]
    assert client.get("/named/openapi.json").json()["servers"] == [{"url": "https://api.example"}]
    assert client.get("/in%20ner/docs/start.js").status_code == 200


def test_the_page_may_load_nothing_from_elsewhere(app: App, client: Client) -> None:
    app.openapi(title="<Shop>", servers=["https://b.example/v1", "https://a.example", "/here", "https://{x}.example"])
    response = client.get("/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>&lt;Shop&gt;</title>" in response.text
    assert response.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self' https://a.example https://b.example; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
    assert "style=" not in response.text
    assert "//" not in response.text


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("swagger-ui.css", "text/css; charset=utf-8"), ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("start.js", "text/javascript; charset=utf-8"), ("favicon-32x32.png", "image/png"),
    ],
)  # fmt: skip
def test_what_the_page_loads_is_served(app: App, client: Client, name: str, content_type: str) -> None:
    app.openapi()
    response = client.get(f"/docs/{name}")
    assert (response.status_code, response.headers["content-type"]) == (200, content_type)
    assert response.content
    assert response.headers["cache-control"] == "no-cache"
    assert f'docs/{name}"' in client.get("/docs").text


@pytest.mark.parametrize(
    ("path", "docs", "base", "document"),
    [
        ("/openapi.json", "/docs", "docs", "openapi.json"), ("/api/v1.json", "/api/ui", "ui", "v1.json"),
        ("/openapi.json", "/a/b/docs", "docs", "../../openapi.json"), ("/a/openapi.json", "/docs", "docs", "a/openapi.json"),
    ],
)  # fmt: skip
def test_references_are_relative_to_the_page(path: str, docs: str, base: str, document: str) -> None:
    """They are a matter of text, so there is no cell."""
    app = App()
    app.openapi(path=path, docs=docs)
    with Client(app, gateway="wsgi") as client:
        text = client.get(docs).text
    assert f'src="{base}/start.js"' in text
    assert f'data-document="{document}"' in text


def test_a_guard_can_stand_before_it(app: App, client: Client) -> None:
    from ambi.features.auth import Bearer  # here, so that the others need no other feature

    app.openapi(middleware=[Bearer({"t": "ci"})])
    for path in ("/openapi.json", "/docs", "/docs/start.js", "/docs/swagger-ui.css"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"authorization": "Bearer t"}).status_code == 200


def test_the_page_can_be_left_out_and_the_document_too(app: App, client: Client) -> None:
    app.openapi(docs=None)
    assert client.get("/openapi.json").status_code == 200
    assert client.get("/docs").status_code == 404


def test_nothing_is_served_without_a_path(app: App, client: Client) -> None:
    app.openapi(path=None)
    assert client.get("/openapi.json").status_code == 404
    assert client.get("/docs").status_code == 404


@pytest.mark.parametrize("docs", ["docs", "/docs/", "/", "/{x}"])
def test_a_path_that_cannot_be_is_an_error(docs: str) -> None:
    with pytest.raises(ConfigurationError, match="docs= is a path that begins with a slash"):
        App().openapi(docs=docs)


def test_a_missing_package_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    with pytest.raises(ImportError) as caught:
        App().openapi()
    assert str(caught.value) == (
        "the page of app.openapi(...) needs swagger-ui-bundle-v2: pip install 'ambi[openapi]'; docs=None leaves it out"
    )


def test_an_old_package_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "vendor" / "swagger-ui-4.15.5"
    folder.mkdir(parents=True)
    spec = ModuleSpec("swagger_ui_bundle", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(page, "find_spec", lambda name: spec)
    with pytest.raises(
        ImportError, match="not swagger-ui-4.15.5 of swagger-ui-bundle, which does not show OpenAPI 3.1"
    ):
        App().openapi()


def test_nothing_of_the_package_is_imported() -> None:
    App().openapi()
    assert "swagger_ui_bundle" not in sys.modules
